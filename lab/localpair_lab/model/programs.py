"""A program of the author's own on a device: what is started, with what, and which of its lines mean something."""

from __future__ import annotations

import shlex
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from localpair_lab.model.common import Many, Model, Text
from localpair_lab.model.moments import Moment
from localpair_lab.model.values import Count, Duration, FileName, Flag, Name, PackageName, Size
from localpair_lab.model.words.phrases import Phrase
from localpair_lab.model.words.variables import Variable


class Stop(Model):
    """The process is ended at a moment."""

    at: Moment
    by: Literal["interrupt", "kill"] = "interrupt"


class CommonAct(Model):
    """What every action has. ``background``: nobody waits for its end."""

    on: Name
    id: Name | None = None
    at: Moment = Moment()
    environment: dict[Variable, str] = Field(default_factory=dict)
    deadline: Duration | None = None
    background: Flag = False
    stop: Stop | None = None


class GivenFile(Model):
    """A file in the program's folder before it starts: the one of that name beside the scenario file, or the one
    ``from`` there, or ``text``, or ``size`` bytes by chance.
    """

    short_key = "name"
    name: FileName
    source: FileName | None = Field(default=None, alias="from")
    text: str | None = None
    size: Size | None = None


class NeededProgram(Model):
    """A program that must be on the path of a device, and the ``package`` that brings it, where that has another
    name.
    """

    short_key = "name"
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}$")]
    package: PackageName | None = None


class ReadyWhen(Model):
    """The program is up when a line of it ``says`` so, or when something listens on the ``port`` of its device."""

    short_key = "says"
    says: Phrase | None = None
    port: Count | None = None
    protocol: Literal["tcp", "udp"] = "tcp"


class ProgramAct(CommonAct):
    """A program of one's own. ``events`` names lines of its output; ``json``: each line of stdout that is a JSON object
    with the key ``event`` is an event of that name.
    """

    do: Literal["run"]
    command: Many[Text]
    files: Many[GivenFile] = ()
    stdin: str = ""
    ready: ReadyWhen | None = None
    events: Literal["json"] | dict[Name, Phrase] = Field(default_factory=dict)

    @field_validator("command", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """One text is several words, as a shell reads it; nothing else of a shell is meant."""
        return shlex.split(value) if isinstance(value, str) else value

    @property
    def identity(self) -> str:
        """Its id."""
        return self.id or self.do
