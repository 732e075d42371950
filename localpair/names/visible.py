"""Which characters of a text a person sees, and how those that show nothing are written out.

A name that somebody else chose may hold characters that leave no mark: two names that look alike are then different
ones. Hidden are, by Unicode's properties (DerivedCoreProperties.txt, UnicodeData.txt), all of

- Default_Ignorable_Code_Point: joiners, direction marks, variation selectors, tags, fillers of Hangul;
- controls, line and paragraph separators, lone surrogates, private use, and what this Python's Unicode does not know;
- what is drawn as empty though it counts as a letter or a sign, such as U+2800.

The rule for screens is short: what is hidden is escaped, and nothing composes. An emoji of one character, of a skin
tone or of a flag stays what it is; one that is composed with joiners or a variation selector reads as its parts
with escapes between. The exceptions are U+200C and U+200D where they change the letters that are seen, as RFC 5892
(appendix A) allows them in host names, for Persian and the scripts of India and Sri Lanka. Names of files
on disk may also hold what a spelling or a composed emoji needs, see ``belongs``, and signs that are not known here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Final

_CATEGORIES: Final = frozenset(
    {"Cc", "Cf", "Cs", "Zl", "Zp"}
)  # control, format, surrogates, separators of lines
_UNKNOWN: Final = frozenset({"Co", "Cn"})  # private use, unassigned
_EMPTY: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"  # ignorable though letters or marks
    "\u2065\ufff0\ufff1\ufff2\ufff3\ufff4\ufff5\ufff6\ufff7\ufff8"  # ignorable, whatever they may be one day
    "\u2800\U00013441\U00013442\U00016fe4\U0001d159\ufffc"  # drawn as empty, or as nothing that is known
)
_EMPTY_RANGES: Final = (
    range(0xFE00, 0xFE10),
    range(0xE0000, 0xE1000),
)  # selectors; tags, selectors and what follows
_NON_JOINER: Final = "\u200c"
_JOINER: Final = "\u200d"
_EMOJI_SELECTORS: Final = "\ufe0e\ufe0f"  # as text, as an emoji
_MONGOLIAN_SELECTORS: Final = "\u180b\u180c\u180d\u180f"
_KEYCAP: Final = "\u20e3"
_KEYCAPS: Final = frozenset("0123456789#*")
_SYMBOLS: Final = frozenset({"So", "Sm", "Sk"})  # Sk: skin tones
_WIDE_BLANK: Final = "\u3000"  # two columns wide, and usual in Japanese names
_VIRAMA: Final = 9  # canonical combining class


def is_ignorable(character: str) -> bool:
    """Whether one character shows nothing, or could turn or move what is shown."""
    if character in _EMPTY or any(ord(character) in one for one in _EMPTY_RANGES):
        return True
    return unicodedata.category(character) in _CATEGORIES


def is_unknown(character: str) -> bool:
    """Whether a character may show some sign, and nobody knows which: private use, or of a later Unicode."""
    return unicodedata.category(character) in _UNKNOWN


def in_context(text: str) -> Iterator[tuple[str, str, str]]:
    """Each character with the one before it and the one behind it; both are empty at the ends."""
    return zip(("", *text), text, (*text[1:], ""), strict=False)


def is_hidden(before: str, character: str, behind: str) -> bool:
    """Whether a character shows nothing between these two."""
    return (is_ignorable(character) or is_unknown(character)) and not _shapes(before, character, behind)


def belongs(before: str, character: str, behind: str) -> bool:
    """Whether a character that may be hidden is part of a spelling or of a composed emoji between these two."""
    if _shapes(before, character, behind):
        return True
    if character in (_NON_JOINER, _JOINER):
        arabic = unicodedata.bidirectional(before or " ") == "AL"
        bengali = before == "\N{BENGALI LETTER RA}"  # keeps it apart from what a virama behind would join
        return arabic or bengali or (character == _JOINER and (before == "\ufe0f" or _is_symbol(before)))
    if character in _EMOJI_SELECTORS:
        return _is_symbol(before) or (before in _KEYCAPS and behind == _KEYCAP)
    if character in _MONGOLIAN_SELECTORS:
        return _name(before).startswith("MONGOLIAN LETTER ")
    return "\U000e0100" <= character <= "\U000e01ef" and _name(before).startswith("CJK UNIFIED IDEOGRAPH-")


def escaped(text: str) -> str:
    """``text`` for a screen. Texts that differ in hidden characters only come out different.

    Blanks but the usual one and the wide one of Chinese and Japanese are escaped as well: they look alike. A byte of
    a file name that is no UTF-8 is written as ``\\xff``. Escaping twice changes nothing more.
    """
    return "".join(_written(*one) for one in in_context(text))


def _written(before: str, character: str, behind: str) -> str:
    blank = unicodedata.category(character) == "Zs" and character not in (" ", _WIDE_BLANK)
    if not blank and not is_hidden(before, character, behind):
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file name that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    if number < 0xA0:
        return character.encode("unicode_escape").decode("ascii")
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _shapes(before: str, character: str, behind: str) -> bool:
    """Whether a joiner changes how the letters beside it look (RFC 5892, A.1 and A.2)."""
    if character not in (_NON_JOINER, _JOINER):
        return False
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    return character == _NON_JOINER and before in _joining("<initial>") and behind in _joining("<final>")


@cache
def _joining(form: str) -> frozenset[str]:
    """The Arabic letters that have this form: ``<initial>`` joins the next letter, ``<final>`` the one before."""
    forms = (unicodedata.decomposition(chr(number)).split() for number in range(0xFB50, 0xFEFD))
    return frozenset(chr(int(one[1], 16)) for one in forms if len(one) == 2 and one[0] == form)


def _is_symbol(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in _SYMBOLS and not is_ignorable(character)


def _name(character: str) -> str:
    return unicodedata.name(character, "") if character else ""
