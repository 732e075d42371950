"""What the command line itself has to say, beside the events of the library: frozen values, shown like those."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair.choices.rules import NO_RULE
from localpair.choices.selection import PlannedEntry
from localpair.dataclass import dataclass
from localpair.events import Event
from localpair.limits import FAILURES_NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from localpair.candidate import Candidate
    from localpair.choices.rules import DeviceRule
    from localpair.choices.settings import ReceiveRequest
    from localpair.choices.terms import NameConflict
    from localpair.diagnosis.record import Finding
    from localpair.errors import AnswerError
    from localpair.events import Path, Peer, Received, Sent

FILES_SHOWN: Final = 20  # of one session; more are counted


@dataclass(frozen=True, slots=True)
class TrustedDevice:
    """A line of the trust store. Times in seconds since 1970; 0 stands for never."""

    device_id: str
    name: str
    label: str
    state: str
    created: float
    last_seen: float
    rule: DeviceRule = NO_RULE


@dataclass(frozen=True, slots=True)
class ListedPart:
    """A part of a file that did not arrive whole. ``name`` is the beginning of the file's; ``device_id`` and ``device``
    are empty where its sender is not known any more; ``changed`` in seconds since 1970.
    """

    name: str
    bytes: int
    size: int
    device_id: str
    device: str
    folder: FilePath
    changed: float
    state: str  # kept | removed | in use


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """This side has to agree to the pair. Both screens show the same ``code`` (six digits) now."""

    peer: Peer
    code: str
    direction: str  # gives | takes | both | none, seen from this side
    path: Path
    peer_takes: bool = True  # else nothing can be sent to it


@dataclass(frozen=True, slots=True)
class ReceiveAsked:
    """The person is asked whether to store what a device wants to send, in ``folder``."""

    request: ReceiveRequest
    folder: FilePath


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A text that a device has sent, to be shown. ``in_clipboard``: it was put there, and is not shown."""

    peer: Peer
    text: str
    in_clipboard: bool = False


@dataclass(frozen=True, slots=True)
class ConflictAsked:
    """The person is asked what becomes of a file whose name is taken."""

    conflict: NameConflict


@dataclass(frozen=True, slots=True)
class Carried:
    """Files that went one way: how many, how large, and the paths of the first ones."""

    files: int = 0
    bytes: int = 0
    first: tuple[str, ...] = ()

    def and_one(self, file: Sent | Received) -> Carried:
        """The same with one file more."""
        first = self.first if self.files >= FILES_SHOWN else (*self.first, str(file.path))
        return Carried(self.files + 1, self.bytes + file.bytes, first)


@dataclass(frozen=True, slots=True)
class NotCarried:
    """Things that were left out for one reason: how many, and the paths of the first ones."""

    count: int = 0
    first: tuple[str, ...] = ()

    def and_one(self, path: str) -> NotCarried:
        """The same with one more."""
        first = self.first if self.count >= FAILURES_NAMED else (*self.first, path)
        return NotCarried(self.count + 1, first)


@dataclass(frozen=True, slots=True)
class PlanMade:
    """All that a transfer would come across has been shown: what it comes to."""

    files: int = 0
    folders: int = 0
    bytes: int = 0
    renamed: int = 0
    failing: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)

    def and_one(self, entry: PlannedEntry) -> PlanMade:
        """The same with one entry more."""
        if entry.action == "skip":
            skipped = {**self.skipped, entry.reason: self.skipped.get(entry.reason, 0) + 1}
            return replace(self, skipped=skipped)
        if entry.action == "fail":
            return replace(self, failing=self.failing + 1)
        return replace(
            self,
            files=self.files + (not entry.is_folder),
            folders=self.folders + entry.is_folder,
            bytes=self.bytes + entry.bytes,
            renamed=self.renamed + entry.renamed,
        )


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A session has ended: what it carried, and why it ended early if it did."""

    peer: Peer
    sent: Carried = Carried()
    received: Carried = Carried()
    failure: RunFailure | None = None
    unchanged: int = 0  # files that were there already
    skipped: Mapping[str, NotCarried] = field(default_factory=dict)  # what was left out, for each reason


@dataclass(frozen=True, slots=True)
class Delivered:
    """What has become of one of several devices: all arrived there, or why not."""

    peer: Peer
    failure: RunFailure | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Something that happens with one device. It is ``named`` on a screen where there are several."""

    peer: Peer
    item: Event | Fact
    named: bool = False


@dataclass(frozen=True, slots=True)
class NetworkVerdict:
    """What a look at the network comes to. ``verdict`` is a stable word, ``text`` a sentence for people."""

    verdict: str
    text: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """How a run ended that did not do what was asked. ``reason`` is a stable word, such as ``wrong-secret``; ``why`` is
    the evidence for what the message says.
    """

    reason: str
    message: str
    hint: str | None
    exit_code: int
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of the diagnosis has ended."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class ServiceTold:
    """The state of the service, or what would be done about it: ``text`` of ``file``, and ``commands``."""

    state: str  # installed | running | not running | not installed | removed | would be installed | would be removed
    file: FilePath
    text: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerTaken:
    """An answer code was typed or read: where the other device is called now, or what is wrong with the code."""

    addresses: tuple[Candidate, ...] = ()
    problem: AnswerError | None = None


Fact: TypeAlias = (
    TrustedDevice
    | ListedPart
    | Checked
    | ApprovalAsked
    | ReceiveAsked
    | TextReceived
    | ConflictAsked
    | AnswerTaken
    | NetworkVerdict
    | PlannedEntry
    | PlanMade
    | SessionClosed
    | ServiceTold
    | Delivered
)
Item: TypeAlias = Event | Fact | About
