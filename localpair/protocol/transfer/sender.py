"""The half of a transfer that sends: which entry goes next, what the receiver still owes, where to go on.

    IDLE --offer--> OFFERED --Accept--> OPEN --finish--> FINISHING --Closed--> IDLE
                        \\                 \\                 \\
                         `--- cancel, or Stop from the receiver: Cancel goes out --> IDLE

Entries are numbered from 0 without a gap and in order, so that after a broken connection one number says where the
receiver stands. It knows no files: whoever drives it reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from localpair.dataclass import dataclass
from localpair.errors import WireError
from localpair.limits import UNSETTLED_ENTRIES
from localpair.wire.filekey import FileKey
from localpair.wire.payload import (
    NO_SHA256,
    PLAIN,
    Abandon,
    Accept,
    Ask,
    Attach,
    Begin,
    Cancel,
    Closed,
    End,
    Finish,
    Have,
    Kind,
    Partial,
    Payload,
    ReceivePhase,
    Result,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    Total,
    Traits,
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver wants the batch: entries may go out."""


@dataclass(frozen=True, slots=True)
class EntrySettled:
    """The receiver has stored an entry, or not; ``result`` says which."""

    result: Result


@dataclass(frozen=True, slots=True)
class CheckSettled:
    """The receiver has told the checksum of what is there of this size; NO_SHA256 where nothing is."""

    id: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class PartTold:
    """The receiver has ``offset`` bytes of the file that was asked about, with this checksum; 0 where it has none."""

    offset: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class StoppedByReceiver:
    """The receiver wants no more of the batch, which has ended with this."""

    reason: str


@dataclass(frozen=True, slots=True)
class BatchDone:
    """The receiver knows that the batch is complete."""


SendEvent: TypeAlias = Accepted | EntrySettled | CheckSettled | PartTold | StoppedByReceiver | BatchDone

_UNKNOWN: Final = b""
_NOTHING_KEPT: Final[Mapping[FileKey, int]] = MappingProxyType({})


class Sender:
    """One batch after another, in one direction.

    Messages to send collect in ``outbox``, what happened in ``events``; whoever drives it empties both.
    """

    def __init__(self) -> None:
        self.outbox: list[Payload] = []
        self.events: list[SendEvent] = []
        self.batch = 0
        self.phase = SendPhase.IDLE
        self.next_id = 0
        self.kept = _NOTHING_KEPT  # lengths of the parts that the receiver has of earlier sessions
        self.compares = False  # some files may be there already
        self._asked: FileKey | None = None
        self._checks: set[int] = set()  # of what is unsettled
        self._unsettled: dict[
            int, bytes
        ] = {}  # checksums of entries begun, in order; _UNKNOWN before the end of a file, which nobody can settle so
        self._open: int | None = None
        self._left = 0
        self._total: Total | None = None
        self._start = Start(0)

    @property
    def room(self) -> bool:
        """Whether one more entry may begin before earlier ones are settled."""
        return self.next_id - next(iter(self._unsettled), self.next_id) < UNSETTLED_ENTRIES

    @property
    def settled(self) -> bool:
        """Whether nothing is open and nothing is owed."""
        return not self._unsettled and self._open is None

    def offer(self, tops: int = 0, names: tuple[str, ...] = ()) -> None:
        """Start a new batch, of ``tops`` files and folders, the first of which are called ``names``."""
        self._require(SendPhase.IDLE)
        self.batch += 1
        self.phase = SendPhase.OFFERED
        self.next_id = 0
        self.kept, self.compares = _NOTHING_KEPT, False
        self._total = None
        self._start = Start(self.batch, tops, names)
        self.outbox.append(self._start)

    def count(self, total: Total) -> None:
        """So much is in the batch: what a person may be asked about before it is taken."""
        self._total = total
        self._tell_total()

    def ask(self, key: FileKey) -> None:
        """Have the receiver look at its part of the file that comes next; `PartTold` says what it found."""
        self._require(SendPhase.OPEN)
        if self._open is not None or self._asked is not None:
            raise ValueError("a file is under way, or asked about")
        self._asked = key
        self.outbox.append(Ask(key))

    def begin(self, kind: Kind, parts: tuple[str, ...], size: int = 0, mtime_ns: int = 0, *, offset: int = 0,
              reason: str = "", traits: Traits = PLAIN) -> int:  # fmt: skip
        """Announce the next entry and give its id. A file's bytes follow; folders and missing files are complete."""
        self._require(SendPhase.OPEN)
        if self._open is not None or not self.room:
            raise ValueError("an entry is under way, or too many are unsettled")
        number, self.next_id = self.next_id, self.next_id + 1
        self._unsettled[number] = _UNKNOWN if kind is Kind.FILE else NO_SHA256
        if kind is Kind.CHECK:
            self._checks.add(number)
        elif kind is Kind.FILE:
            self._open, self._left = number, size - offset
        self.outbox.append(Begin(number, kind, parts, size, mtime_ns, offset, reason, traits))
        return number

    def data(self, count: int) -> None:
        """``count`` bytes of the open file go out now. Raises ValueError past its announced size."""
        if self._open is None or count > self._left:
            raise ValueError(f"{count} bytes where {self._left} were announced")
        self._left -= count

    def end(self, sha256: bytes) -> None:
        """The open file is complete. Raises ValueError where announced bytes are missing."""
        if self._open is None or self._left:
            raise ValueError(f"{self._left} announced bytes are missing")
        if self._open in self._unsettled:  # else it was refused while its bytes were on their way
            self._unsettled[self._open] = sha256
        self.outbox.append(End(self._open, sha256))
        self._open = None

    @property
    def refused(self) -> bool:
        """Whether the receiver wants no more of the open file."""
        return self._open is not None and self._open not in self._unsettled

    def abandon(self, reason: str) -> None:
        """The open file cannot be completed, or was refused."""
        if self._open is None:
            raise ValueError("no file is open")
        self.outbox.append(Abandon(self._open, reason))
        self._open = None

    def finish(self) -> None:
        """There are no more entries; everything must be settled."""
        self._require(SendPhase.OPEN)
        if not self.settled:
            raise ValueError("entries are unsettled")
        self.phase = SendPhase.FINISHING
        self.outbox.append(Finish(self.batch))

    def cancel(self, reason: str) -> None:
        """End the batch now; the receiver throws away what is not complete."""
        if self.phase is not SendPhase.IDLE:
            self.outbox.append(Cancel(self.batch, reason))
            self._reset()

    def receive(self, message: Accept | Settled | Have | StopBatch | Closed) -> None:
        """Take a message of the receiver. Raises WireError where it does not fit."""
        if message.batch > self.batch:
            raise WireError(f"batch {message.batch} was never offered")
        if message.batch < self.batch or self.phase is SendPhase.IDLE:
            return  # crossed our cancellation on the way
        if isinstance(message, Accept):
            self._accepted(message)
        elif isinstance(message, Have):
            self._told(message)
        elif isinstance(message, Settled):
            for result in message.results:
                self._settle(result)
        elif isinstance(message, StopBatch):
            self._stopped(message.reason)
        else:
            self._closed()

    def detach(self) -> None:
        """The connection broke: the open file's fate is told by the next ``attach``."""
        self._open = self._asked = None
        self.outbox.clear()

    def attach(self, peer: Attach) -> Partial | None:
        """Go on over a new connection, given what the receiver has.

        ``next_id`` is then the entry to send next; the file returned, if any, has that id, and its prefix may be
        skipped by whoever finds the same checksum over the same bytes. Raises WireError where the receiver's state
        cannot follow from what was sent.
        """
        try:
            return self._go_on_with(peer)
        finally:
            self._tell_total()

    def _go_on_with(self, peer: Attach) -> Partial | None:
        if self.phase is SendPhase.IDLE:
            return None
        if self.phase is SendPhase.OFFERED and peer.receive_batch != self.batch:
            self.outbox.append(self._start)
            return None
        if peer.receive_batch != self.batch or peer.receive_phase is ReceivePhase.IDLE:
            raise WireError("the receiver has forgotten the batch")
        if peer.receive_phase is ReceivePhase.OPEN:
            return self._go_on(peer)
        if peer.receive_phase is ReceivePhase.STOPPED:
            self._stopped(peer.reason)
        elif peer.receive_phase is ReceivePhase.CLOSED:
            self._closed()
        return None

    def _go_on(self, peer: Attach) -> Partial | None:
        if self.phase is SendPhase.OFFERED:
            return None  # its Accept was lost, and comes again
        for result in peer.results:
            self._settle(result)
        if peer.next_id > self.next_id or any(number < peer.next_id for number in self._unsettled):
            raise WireError("the receiver does not know what became of an entry")
        if peer.partial is not None and peer.partial.id != peer.next_id:
            raise WireError("the receiver has a part of a file that is not the next one")
        self.next_id = peer.next_id
        self._unsettled.clear()
        self._checks.clear()
        if self.phase is SendPhase.FINISHING:
            self.outbox.append(Finish(self.batch))
        return peer.partial

    def _tell_total(self) -> None:
        if self._total is not None and self.phase in {SendPhase.OFFERED, SendPhase.OPEN}:
            self.outbox.append(self._total)

    def _accepted(self, message: Accept) -> None:
        if self.phase is SendPhase.OFFERED:
            self.phase = SendPhase.OPEN
            self.compares = message.compares
            self.kept = MappingProxyType({kept.key: kept.offset for kept in message.kept})
            self.events.append(Accepted())

    def _told(self, message: Have) -> None:
        if message.kept.key != self._asked:
            return  # an answer to what was asked over an earlier connection
        self._asked = None
        self.events.append(PartTold(message.kept.offset, message.sha256))

    def _stopped(self, reason: str) -> None:
        self.events.append(StoppedByReceiver(reason))
        self.cancel("stopped by the receiver")

    def _closed(self) -> None:
        if self.phase is not SendPhase.FINISHING:
            raise WireError("the receiver closed a batch that was not finished")
        self._reset()
        self.events.append(BatchDone())

    def _settle(self, result: Result) -> None:
        if result.id >= self.next_id:
            raise WireError(f"entry {result.id} was settled before it was sent")
        expected = self._unsettled.pop(result.id, None)
        if expected is None:
            return  # told again after a new connection
        is_check = result.id in self._checks
        self._checks.discard(result.id)
        if is_check and not result.left:
            self.events.append(CheckSettled(result.id, result.sha256 if result.stored else NO_SHA256))
            return
        if result.stored and result.sha256 != expected:
            result = Result(result.id, reason="the receiver stored other bytes than were sent")
        self.events.append(EntrySettled(result))

    def _reset(self) -> None:
        self.phase = SendPhase.IDLE
        self._unsettled.clear()
        self._checks.clear()
        self._open = self._asked = None

    def _require(self, phase: SendPhase) -> None:
        if self.phase is not phase:
            raise ValueError(f"a batch that is {self.phase.name} where it must be {phase.name}")
