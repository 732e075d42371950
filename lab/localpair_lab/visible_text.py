"""Text of strangers for screens and pages: whatever acts on a terminal, turns text around or shows nothing is escaped.

A scenario's author and every device choose texts, and names that look alike may differ in signs that nobody sees.
"""

from __future__ import annotations

import unicodedata
from html import escape
from typing import Final

# Controls, formats (joiners, direction marks, tags), surrogates, separators of lines, private use, not assigned.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
_EMPTY: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"  # ignorable though letters or marks
    "\u2800\U00013441\U00013442\U00016fe4\U0001d159\ufffc"  # drawn as empty, or as nothing that is known
)
_SELECTORS: Final = (range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))


def printable(text: str, keep: str = "\t") -> str:
    """The text with everything escaped that a terminal acts on, or that shows nothing, but for what is to ``keep``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if one in keep or _is_shown(one) else ascii(one)[1:-1] for one in text)


def lines(text: str) -> str:
    """The same for a text of several lines."""
    return printable(text, "\t\n")


def markup(text: str) -> str:
    """The same as HTML or SVG, fit for an element and for an attribute."""
    return escape(lines(text))


def _is_shown(one: str) -> bool:
    hides = one in _EMPTY or any(ord(one) in selectors for selectors in _SELECTORS)
    return not hides and unicodedata.category(one) not in _HIDDEN
