"""What must come of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from localpair_lab.model.common import Many, Model, Packets, Port, Text
from localpair_lab.model.values import Address, Count, Duration, FileName, Name
from localpair_lab.model.words.causes import AnyName, CauseName, NoteName
from localpair_lab.model.words.phrases import Phrase


class PathWanted(Model):
    """How the session must run, seen from the action it is expected of."""

    network: Name | None = None
    local: Many[Address] = ()
    remote: Many[Address] = ()
    not_remote: Many[Address] = ()
    direction: Many[Literal["in", "out", "simultaneous"]] = ()
    carrier: Many[
        Literal["offer", "answer", "multicast", "broadcast", "unicast", "confirmation", "tcp", "remembered"]
    ] = ()
    family: Literal["", "ipv4", "ipv6"] = ""


class Times(Model):
    """How often something may happen."""

    least: Count = 0
    most: Count | None = None


class Observed(Model):
    """JSON events of an action: those of this ``name`` whose fields hold these values, this often."""

    name: Text
    fields: dict[str, str] = Field(default_factory=dict)
    times: Times = Times(least=1)


class FileWanted(Model):
    """A file that must be in the device's folder in the end. ``same_as`` is another one there, or on another device:
    ``alice/photo.raw``.
    """

    short_key = "path"
    path: FileName
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    same_as: FileName | None = None


class PacketsHeard(Packets):
    """Packets that came in at an interface: of the action's device, or ``at`` another one's."""

    at: Port | None = None
    times: Times = Times(least=1)


class MergedWanted(Model):
    """What ``localpair diagnose --merge`` names of the action's report and its partner's, its own first."""

    cause: Many[CauseName] = ()
    not_cause: Many[CauseName | AnyName] = ()
    confidence: Literal["", "certain"] = ""


class Expect(Model):
    """What must come of one or several actions. Everything written must hold of each of them, or, with
    ``exactly``, of so many of them and of no other.
    """

    of: Many[Name]
    outcome: Literal["", "paired", "failed", "refused", "done", "interrupted"] = ""
    exactly: Count | None = None
    exit: Many[Count] = ()
    within: Duration | None = None
    path: PathWanted | None = None
    stage: Many[Literal["1", "2", "3"]] = ()
    address: Many[Address] = ()
    offers: Many[Address] = ()
    offers_first: Many[Address] = ()
    not_offers: Many[Address] = ()
    not_dialled: Many[Address] = ()
    finds: Many[Name] = ()
    not_finds: Many[Name] = ()
    reason: Many[Text] = ()
    verdict: Many[Text] = ()
    not_verdict: Many[Text] = ()
    cause: Many[CauseName] = ()
    not_cause: Many[CauseName | AnyName] = ()
    confidence: Literal["", "certain"] = ""
    merged: MergedWanted | None = None
    note: Many[NoteName] = ()
    not_note: Many[NoteName | AnyName] = ()
    event: Many[Observed] = ()
    stdout: Many[Phrase] = ()
    stderr: Many[Phrase] = ()
    not_stdout: Many[Phrase] = ()
    not_stderr: Many[Phrase] = ()
    file: Many[FileWanted] = ()
    heard: Many[PacketsHeard] = ()
    not_heard: Many[PacketsHeard] = ()


class ExpectedFailure(Model):
    """The product cannot do this yet: the scenario must fail, and passing is an error so that nobody
    forgets it.
    """

    reason: Text


class Quarantine(Model):
    """The scenario is not trusted until a date; from then on it is an error."""

    reason: Text
    until: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
