"""An adapter: what a program calls the things that scenarios ask of their devices.

Data only. A scenario says ``pair: {host: bob, join: alice}``; the adapter says which command that is, and how the code
gets from one to the other, and which lines mean that they are paired. The reference is ``docs/lab.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, StringConstraints

from localpair_lab.model.common import Many, Model, Text
from localpair_lab.model.programs import GivenFile, NeededProgram, ReadyWhen
from localpair_lab.model.values import Duration, Flag, ImageName
from localpair_lab.model.words.phrases import Phrase

Verb: TypeAlias = Literal["host", "join", "discover", "addresses", "diagnose", "send", "listen", "devices"]
Value: TypeAlias = Literal[
    "flow", "offer_addresses", "name", "port", "send", "receive", "approve", "timeout", "arguments", "offer",
    "address", "host_address",
]  # fmt: skip
"""What a word of a command may hold in braces."""
Carried: TypeAlias = Literal["offer", "answer"]
EventName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_HOLE: Final = re.compile(r"\{([a-z_]+)\}")


class Step(Model):
    """One thing that the program can be told to do. ``command`` holds words, in which ``{name}`` is the value of that
    name, and mappings of a value's name to words that stand there once for each such value, and not at all without any.

    ``stdin`` says which codes are written there. ``ends: false``: it runs on for ever, and is interrupted once it is
    paired.
    """

    short_key = "command"
    command: tuple[Text | dict[Value, Many[Text]], ...]
    stdin: Many[Carried] = ()
    ready: ReadyWhen | None = None
    events: dict[EventName, Many[Phrase]] = Field(default_factory=dict)
    ends: Flag = True

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

    def places(self) -> set[str]:
        """The names of the values that the command has a place for."""
        texts = [part for part in self.command if isinstance(part, str)]
        groups = [name for part in self.command if not isinstance(part, str) for name in part]
        return {*groups, *(name for name in get_args(Value) if any(f"{{{name}}}" in text for text in texts))}

    def tells(self) -> set[str]:
        """The events that its lines and its process tell."""
        return {"started", "ended", *(("ready",) if self.ready is not None else ()), *self.events}


class MeetingPoint(Model):
    """A program that both sides need to find each other: a server. It runs on the host's device, and the host starts
    when it is ready.
    """

    command: Many[Text]
    ready: ReadyWhen


def _filled(word: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), word)


class Adapter(Model):
    """A program's words. ``events: json``: it tells its events as localpair does. ``expects`` are the expectations of
    scenarios that its events can answer; all others are left out. ``ignores`` are values that mean nothing to it.
    ``patience`` bounds an attempt that the scenario gives no ``timeout``. ``version`` is a command that says which one
    it is.
    """

    adapter: Literal["1"]
    summary: Text
    steps: dict[Verb, Step]
    meeting: MeetingPoint | None = None
    events: Literal["json", "lines"] = "lines"
    environment: dict[Text, str] = Field(default_factory=dict)
    files: Many[GivenFile] = ()
    programs: Many[NeededProgram] = ()
    image: ImageName | None = None
    expects: Literal["all"] | Many[Text] = ("outcome",)
    ignores: Many[Value] = ()
    patience: Duration = 20.0
    version: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """A program that scenarios are played with: the ``word`` that chose its adapter, that, and the ``folder`` that it
    stood in.
    """

    word: str
    adapter: Adapter
    folder: Path

    @property
    def name(self) -> str:
        """What it is called: its file's name."""
        return Path(self.word).stem
