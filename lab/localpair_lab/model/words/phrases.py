"""What a line of a program's output must hold: plain text, in which ``{name}`` stands for a word.

A phrase is written by the author of a scenario or an adapter, who may be a stranger, so it is no regular expression:
holding one against a line takes a time that nobody can blow up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

LONGEST_LINE: Final = 4096
"""Characters of a line that are looked at."""
_LONGEST: Final = 400
_HOLE: Final = re.compile(r"\{((?:[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)?)\}")
_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """``texts`` with a word between each and the next; ``names`` are those of the words, empty for one without."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def starts(self, line: str) -> Iterator[int]:
        """Where the first word may begin."""
        if first := self.texts[0]:
            found = line.find(first)
            while found >= 0:
                yield found + len(first)
                found = line.find(first, found + 1)
        else:
            yield from (word.start() for word in _WORD.finditer(line))

    def words_from(self, line: str, at: int) -> list[str] | None:
        """The words where the first one begins at ``at``; each is as long as it can be."""
        words = []
        for text in self.texts[1:]:
            run = _WORD.match(line, at)
            end = line.rfind(text, at + 1, run.end() + len(text)) if run else -1
            if end < 0:
                return None
            words.append(line[at:end])
            at = end + len(text)
        return words


@lru_cache(maxsize=256)
def _parsed(phrase: str) -> _Phrase:
    parts = _HOLE.split(phrase)
    return _Phrase(tuple(parts[::2]), tuple(parts[1::2]))


def matched(phrase: str, line: str) -> dict[str, str] | None:
    """The words of the phrase by their names, if the line holds it anywhere; else None."""
    line, wanted = line[:LONGEST_LINE], _parsed(phrase)
    for start in wanted.starts(line):
        if (words := wanted.words_from(line, start)) is not None:
            return {name: word for name, word in zip(wanted.names, words, strict=True) if name}
    return None


def read_phrase(value: object) -> str:
    """A phrase. Raises ValueError with what is wrong with it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text is expected here, such as `found {address}`")
    if len(value) > _LONGEST:
        raise ValueError(f"a phrase has at most {_LONGEST} characters")
    wanted = _parsed(value)
    if not any(text.strip() for text in wanted.texts):
        raise ValueError(
            f"{value!r} fits any line; write a part of the text, too, such as `found {{address}}`"
        )
    if "" in wanted.texts[1:-1]:
        raise ValueError(f"{value!r} has two words with nothing between them")
    return value


Phrase: TypeAlias = Annotated[
    str,
    BeforeValidator(read_phrase),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A part of a line; {name} stands for a word.",
            "examples": ["found {address}"],
        }
    ),
]
