"""An adapter: what a program calls the things that scenarios ask of their devices.

Data only. A scenario says ``pair: {host: bob, join: alice}``; the adapter says which command that is, and how the code
gets from one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import Field

from localpair_lab.model.common import Many, Model, Text

Verb: TypeAlias = Literal["host", "join", "discover", "addresses", "diagnose", "send", "listen", "devices"]
Value: TypeAlias = Literal[
    "flow", "offer_addresses", "name", "port", "send", "receive", "approve", "timeout", "arguments", "offer"
]
"""What a word of a command may hold in braces."""
Carried: TypeAlias = Literal["offer", "answer"]
_HOLE: Final = re.compile(r"\{([a-z_]+)\}")


class Step(Model):
    """One thing that the program can be told to do. ``command`` holds words, in which ``{name}`` is the value of that
    name, and mappings of a value's name to words that stand there once for each such value, and not at all without any.

    ``stdin`` says which codes are written there.
    """

    short_key = "command"
    command: tuple[Text | dict[Value, Many[Text]], ...]
    stdin: Many[Carried] = ()

    def words(self, values: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
        """The command with these values in it."""
        first = {name: held[0] for name, held in values.items() if held}
        for part in self.command:
            if isinstance(part, str):
                yield _filled(part, first)
                continue
            for name, words in part.items():
                for value in values.get(name, ()):
                    yield from (_filled(word, {**first, name: value}) for word in words)


def _filled(word: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), word)


class Adapter(Model):
    """A program's words. ``events: json``: it tells its events as localpair does."""

    adapter: Literal["1"]
    summary: Text
    steps: dict[Verb, Step]
    events: Literal["json"]
    environment: dict[Text, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A program that scenarios are played with: its name, its adapter, and the ``folder`` that this stood in."""

    name: str
    adapter: Adapter
    folder: Path
