"""What of the given paths is sent: patterns of names that stay here, and what becomes of links."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from localpair.dataclass import dataclass
from localpair.errors import UsageError


class Links(StrEnum):
    """What becomes of symbolic links inside a folder; one that was given itself stands for what it points to."""

    SKIP = "skip"  # they are left out, and told
    FOLLOW = "follow"  # each is sent as what it points to


@dataclass(frozen=True, slots=True)
class Selection:
    """What is sent. Raises UsageError for a pattern that fits nothing.

    A pattern without a slash is compared with each name alone. One with a slash is compared with the last names of a
    path, or with all of them, from the name that was given on, where it begins with the slash. A slash at its end
    makes it fit folders only. ``*`` and ``?`` stand for any characters but a slash, ``**`` for any at all, ``[...]``
    for one of those in it. A folder that fits is left out with everything in it.
    """

    exclude: tuple[str, ...] = ()
    links: Links = Links.SKIP

    def __post_init__(self) -> None:
        for pattern in self.exclude:
            if not pattern.strip("/") or not _is_readable(pattern):
                raise UsageError(f"{pattern!r} is no pattern of names", hint="`*.tmp` and `cache/` are some.")

    def excludes(self, parts: tuple[str, ...], *, is_folder: bool) -> bool:
        """Whether the file or folder ``parts``, outermost name first, stays here."""
        if not self.exclude:
            return False
        path = unicodedata.normalize("NFC", "/".join(parts))
        return any(
            (is_folder or not pattern.endswith("/")) and _compiled(pattern).fullmatch(path) is not None
            for pattern in self.exclude
        )


EVERYTHING: Final = Selection()
"""What holds where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """A file or folder that would be sent, left out (for a ``reason`` of `Skipped`), or would fail, for a ``reason``.

    ``name`` is what a receiver would call it that has nothing of this name and lets no hidden names in; it is
    ``renamed`` where that is another name than its own.
    """

    path: Path
    action: str  # send | skip | fail
    is_folder: bool = False
    bytes: int = 0
    name: str = ""
    renamed: bool = False
    reason: str = ""


def _is_readable(pattern: str) -> bool:
    try:
        _compiled(pattern)
    except re.error:  # a range that runs backwards
        return False
    return True


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """What a whole path is compared with."""
    body = unicodedata.normalize("NFC", pattern).removesuffix("/")
    before = "" if body.startswith("/") else "(?:.*/)?"
    return re.compile(before + _translated(body.removeprefix("/")), re.DOTALL)


_TOKENS: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]/]*\]|.", re.DOTALL)
_MEANING: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translated(pattern: str) -> str:
    return "".join(_one_of(token) for token in _TOKENS.findall(pattern))


def _one_of(token: str) -> str:
    if token in _MEANING:
        return _MEANING[token]
    if len(token) < 3:
        return re.escape(token)
    inner = token[1:-1]
    negated = inner.startswith("!")
    inner = re.sub(r"([\\\[\]^&|~])", r"\\\1", inner.removeprefix("!"))
    return f"(?!/)[{'^' if negated else ''}{inner}]"
