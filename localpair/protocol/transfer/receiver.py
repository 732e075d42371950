"""The half of a transfer that receives: what is wanted, what each entry is called here, what has become of it.

    IDLE --Start--> OFFERED --want--> OPEN --Finish--> CLOSED --Start--> ...
                                        \\
                                         `--stop: Stop goes out--> STOPPED --Cancel--> IDLE

It knows no files and no disk: events say what to store, ``settle`` tells it what came of that. Whatever the peer says
about an entry ends in storing it under a safe name, in a refusal of this one entry, or in a WireError that ends the
session.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from localpair.choices.terms import Terms
from localpair.dataclass import dataclass
from localpair.errors import WireError
from localpair.limits import (
    GROWN_BYTES,
    GROWN_SHARE,
    KEPT_LEAST_BYTES,
    NAME_WIRE_BYTES,
    NAMES_KEPT,
    TOP_NAMES,
    UNSETTLED_ENTRIES,
)
from localpair.protocol.transfer.filenames import NameTree, shown_path
from localpair.wire.filekey import FileKey, Kept
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
class FolderBegun:
    """Make a folder, then ``settle`` it. ``parts`` is safe and belongs to this entry alone."""

    id: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileBegun:
    """A file of ``size`` bytes follows, to be stored as ``parts``.

    With ``offset`` its bytes go on where the partial file of this id ends, or the part of an earlier session that was
    found for this key; with offset 0 neither is of use any more.
    """

    id: int
    parts: tuple[str, ...]
    size: int
    mtime_ns: int
    offset: int
    key: FileKey | None  # of one that is worth keeping a part of
    traits: Traits = PLAIN  # as far as the terms allow them


@dataclass(frozen=True, slots=True)
class FileChecked:
    """Look for a file ``parts`` of ``size`` bytes, then ``settle`` with its checksum, or without one."""

    id: int
    parts: tuple[str, ...]
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class FileStands:
    """The sender leaves out a file that is there already; it is settled."""

    id: int
    parts: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class PartAsked:
    """The sender wants to go on with this file: look at the part of it, then ``tell``."""

    key: FileKey


@dataclass(frozen=True, slots=True)
class FileEnded:
    """All bytes are there; ``settle`` it once it stands under its name with this checksum."""

    id: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class FileDropped:
    """Remove what has arrived of a file that was begun; it is settled already."""

    id: int


@dataclass(frozen=True, slots=True)
class EntryFailed:
    """An entry will not arrive. ``name`` is the peer's own path for it, fit to be shown."""

    id: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    """The sender has counted its batch. ``names`` are its own for the first of the ``tops`` at its root: anything."""

    files: int
    size: int
    tops: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchOpened:
    """Entries may arrive from now on."""


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """Everything that the sender had is settled."""


@dataclass(frozen=True, slots=True)
class BatchExceeded:
    """The batch brings more than was agreed to; the sender has been told to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class BatchCancelled:
    """The sender sends no more of the batch; files under way must be removed."""

    reason: str


ReceiveEvent: TypeAlias = (
    FolderBegun | FileChecked | FileStands | PartAsked | FileBegun | FileEnded | FileDropped | EntryFailed | Counted
    | BatchOpened | BatchFinished | BatchExceeded | BatchCancelled
)  # fmt: skip


@dataclass(slots=True)
class _Open:
    """The file under way; its bytes are thrown away once it is not ``wanted``."""

    id: int
    name: str
    size: int
    received: int
    wanted: bool = True


class _Begun:
    """What has been announced of a batch so far: files, and their bytes together."""

    __slots__ = ("_last", "files", "size")

    def __init__(self) -> None:
        self.files = self.size = 0
        self._last = (-1, 0, 0)  # the last entry with its own: a new connection may announce it again

    def add(self, message: Begin) -> None:
        """One more entry, or the last one anew."""
        number, files, size = self._last
        if message.id == number:
            self.files, self.size = self.files - files, self.size - size
        is_file = message.kind is Kind.FILE
        self._last = (message.id, int(is_file), message.size if is_file else 0)
        self.files, self.size = self.files + self._last[1], self.size + self._last[2]


def _grown(said: int, least: int) -> int:
    """What may come where ``said`` was announced: things change between counting and sending."""
    return said + max(said // GROWN_SHARE, least)


class Receiver:
    """One batch after another, in one direction.

    Messages to send collect in ``outbox``, what happened in ``events``; whoever drives it empties both.
    """

    def __init__(self) -> None:
        self.outbox: list[Payload] = []
        self.events: list[ReceiveEvent] = []
        self.batch = 0
        self.phase = ReceivePhase.IDLE
        self.next_id = 0
        self.reason = ""
        self._wanted = False
        self.counted: Counted | None = None  # what is known of the batch
        self._terms = Terms()
        self._approved: Counted | None = None
        self._begun = _Begun()
        self._open: _Open | None = None
        self._names = NameTree(allow_hidden=False)
        self._paths: dict[int, tuple[str, ...]] = {}  # of entries that are not settled
        self._asked_about: dict[int, int] = {}  # hashes of name and size, by the id of the question
        self._found: OrderedDict[int, None] = OrderedDict()  # those of which the sender was told a checksum
        self._results: dict[int, Result] = {}
        self._partial: Partial | None = None
        self._kept: tuple[Kept, ...] = ()
        self._compares = False
        self._checks = 0
        self.tops = Start(0)  # what was said of the batch's root when it was offered
        self._asked: FileKey | None = None
        self._told: Kept | None = None  # the part that the next file may go on with

    def want(
        self,
        terms: Terms,
        approved: Counted | None = None,
        kept: tuple[Kept, ...] = (),
        *,
        compares: bool = False,
    ) -> None:
        """Take the batch that is offered, or the next one, on these terms.

        Where a person was asked, ``approved`` is what was said of it: it may not bring much more then. ``kept`` are
        parts of files that earlier sessions with this sender have left; it ``compares`` where whole ones may be there.
        """
        self._wanted = True
        self._terms, self._approved, self._kept, self._compares = terms, approved, kept, compares
        self._names = NameTree(allow_hidden=terms.allow_hidden)
        if self.phase is ReceivePhase.OFFERED:
            self._accept()

    def decline(self, reason: str) -> None:
        """Take nothing of the batch that is offered."""
        if self.phase is ReceivePhase.OFFERED:
            self._end_for(reason)

    def stop(self, reason: str) -> None:
        """Want no more: of a batch that is open the sender is told; files under way are the driver's to remove."""
        self._wanted = False
        if self.phase is ReceivePhase.OPEN:
            self._end_for(reason)

    def tell(self, kept: Kept, sha256: bytes = NO_SHA256) -> None:
        """There is so much of the file that was asked about. What an earlier connection asked is passed over."""
        if kept.key == self._asked and self.phase is ReceivePhase.OPEN:
            self._asked, self._told = None, kept
            self.outbox.append(Have(self.batch, kept, sha256))

    def receive(self, message: Start | Ask | Begin | End | Abandon | Total | Finish | Cancel) -> None:
        """Take a message of the sender. Raises WireError where it does not fit."""
        if isinstance(message, Start):
            self._start(message)
        elif isinstance(message, Cancel):
            self._cancel(message)
        elif self.phase is ReceivePhase.STOPPED:
            return  # sent before our Stop arrived
        elif isinstance(message, Total):
            self._count(message)
        elif (
            isinstance(message, Finish) and self.phase is ReceivePhase.CLOSED and message.batch == self.batch
        ):
            self.outbox.append(Closed(self.batch))  # told twice, around a new connection
        elif self.phase is not ReceivePhase.OPEN:
            raise WireError(f"{type(message).__name__} outside a batch")
        elif isinstance(message, Ask):
            self._ask(message)
        elif isinstance(message, Begin):
            self._begin(message)
        elif isinstance(message, Finish):
            self._finish(message.batch)
        else:
            self._end(message)

    @property
    def names(self) -> NameTree:
        """What the entries of this batch are called here, and which of them were given other names."""
        return self._names

    def data(self, count: int) -> bool:
        """``count`` bytes of the open file have arrived: whether to store them. Raises WireError where none is open."""
        if self.phase is ReceivePhase.STOPPED:
            return False
        if self._open is None:
            raise WireError("bytes of a file that was not begun")
        self._open.received += count
        if self._open.wanted and self._open.received > self._open.size:
            self._refuse(self._open, f"more than the announced {self._open.size} bytes")
        return self._open.wanted

    def fail(self, number: int, reason: str) -> None:
        """Entry ``number`` cannot be stored here, whether its bytes are still arriving or not."""
        if self._open is not None and self._open.id == number and self._open.wanted:
            self._refuse(self._open, reason)
        elif number in self._paths and self.phase is ReceivePhase.OPEN:
            self.events.append(EntryFailed(number, shown_path(self._paths[number]), reason))
            self.settle([Result(number, reason=reason)])

    def leave(self, number: int) -> None:
        """Entry ``number`` is not stored, since what stands under its name stays."""
        file = self._open
        if file is not None and file.id == number and file.wanted:
            file.wanted = False
            self.events.append(FileDropped(number))
        self.settle([Result(number, left=True)])

    def settle(self, results: list[Result]) -> None:
        """These entries stand under their names, durably, or never will; unknown ones are of an earlier batch."""
        known = [result for result in results if self._paths.pop(result.id, None) is not None]
        for result in known:
            self._note_found(result)
        if known and self.phase is ReceivePhase.OPEN:
            self._results.update((result.id, result) for result in known)
            self.outbox.append(Settled(self.batch, tuple(known)))

    def _note_found(self, result: Result) -> None:
        question = self._asked_about.pop(result.id, None)
        if question is not None and result.sha256 != NO_SHA256:
            self._found[question] = None
            if len(self._found) > NAMES_KEPT:
                self._found.popitem(last=False)

    def detach(self) -> int | None:
        """The connection broke: the id of the file that is partly here, if any, whose state ``keep`` is told.

        Everything that ended before must be settled before the next ``state``.
        """
        self.outbox.clear()
        self._asked = self._told = None
        file, self._open = self._open, None
        # A file that was refused is settled; the sender goes on with the next one.
        if file is None or not file.wanted:
            return None
        self.next_id = file.id
        return file.id

    def keep(self, partial: Partial | None) -> None:
        """What stands on the disk of the file that ``detach`` named; None where that is nothing."""
        self._partial = partial

    def state(self, own: bytes, peer: bytes, messages: int, batch: int, phase: SendPhase) -> Attach:
        """The first message of a new connection, with this half's part filled in."""
        results = tuple(self._results.values())
        return Attach(own, peer, messages, batch, phase, self.batch, self.phase, self.reason, self.next_id,
                      self._partial, results)  # fmt: skip

    def attach(self, peer: Attach) -> None:
        """Go on over a new connection, given what the sender is doing."""
        gone = peer.send_batch != self.batch or peer.send_phase is SendPhase.IDLE
        if gone and self.phase in {ReceivePhase.OFFERED, ReceivePhase.OPEN, ReceivePhase.STOPPED}:
            self._cancel(Cancel(self.batch, "the sender ended it while the connection was broken"))
        elif self.phase is ReceivePhase.OPEN and peer.send_phase is SendPhase.OFFERED:
            self.outbox.append(Accept(self.batch, self._kept, self._compares))  # the one before was lost

    # --- messages

    def _start(self, message: Start) -> None:
        batch = message.batch
        if batch == self.batch and self.phase is not ReceivePhase.IDLE:
            return  # told twice, around a new connection
        if batch <= self.batch:
            raise WireError(f"batch {batch} after batch {self.batch}")
        if self.phase in {ReceivePhase.OFFERED, ReceivePhase.OPEN}:
            raise WireError("a second batch before the end of the first")
        self.batch, self.tops, self._checks = batch, message, 0
        self.phase = ReceivePhase.OFFERED
        self.next_id = 0
        self.reason = ""
        self.counted = None
        self._results.clear()
        if self._wanted:
            self._accept()

    def _accept(self) -> None:
        self.phase = ReceivePhase.OPEN
        self._begun = _Begun()
        self._names = NameTree(allow_hidden=self._terms.allow_hidden)
        self.outbox.append(Accept(self.batch, self._kept, self._compares))
        self.events.append(BatchOpened())
        if self.counted is not None:
            self._tell_counted(self.counted)

    def _begin(self, message: Begin) -> None:
        if message.id != self.next_id or self._open is not None:
            raise WireError(f"entry {message.id} where {self.next_id} should begin")
        partial = self._partial
        if message.offset and not self._goes_on(message):
            raise WireError(
                f"entry {message.id} goes on at byte {message.offset}, which is not where it stopped"
            )
        self._partial = self._asked = self._told = None
        if self._exceeds(message):
            return
        self._results.pop(message.id - UNSETTLED_ENTRIES, None)
        self.next_id += 1
        if len(self._paths) >= UNSETTLED_ENTRIES:
            raise WireError("more unsettled entries than the window allows")
        if partial is not None and message.kind is not Kind.FILE:
            self.events.append(FileDropped(message.id))
        if message.kind is Kind.FILE:
            self._open = _Open(message.id, shown_path(message.parts), message.size, message.offset)
        self._place(message)

    def _ask(self, message: Ask) -> None:
        if self._open is not None or self._asked is not None:
            raise WireError("a question about a file while one is under way, or another one asked about")
        self._asked, self._told = message.key, None  # the part that was told of before is let go of
        self.events.append(PartAsked(message.key))

    def _goes_on(self, message: Begin) -> bool:
        """Whether a file begins where what is here of it ends."""
        if message.kind is not Kind.FILE or message.offset > message.size:
            return False
        if self._partial is not None:
            return message.offset == self._partial.offset
        return self._told == Kept(message.key, message.offset)

    def _count(self, message: Total) -> None:
        if self.phase not in {ReceivePhase.OFFERED, ReceivePhase.OPEN}:
            raise WireError("Total outside a batch")
        names = message.names[:TOP_NAMES]
        self.counted = Counted(message.files, message.size, max(message.tops, len(names)), names)
        if self.phase is ReceivePhase.OPEN:
            self._tell_counted(self.counted)

    def _tell_counted(self, counted: Counted) -> None:
        self.events.append(counted)
        self._hold_to(self._terms.excess(counted.files, counted.size))

    def _exceeds(self, message: Begin) -> bool:
        """Count the entry; whether it is more than was agreed to, so that the batch is over."""
        self._begun.add(message)
        if message.kind is Kind.CHECK:
            self._checks += 1  # costs no place, and there may be as many
        entries = max(message.id + 1 - self._checks, self._checks)
        excess = self._terms.excess(entries, self._begun.size)
        return not self._hold_to(excess or self._beyond_approved(message))

    def _beyond_approved(self, message: Begin) -> str:
        """Why a person who was asked did not agree to this; empty where that may be."""
        approved, begun = self._approved, self._begun
        if approved is None:
            return ""
        if begun.files > _grown(approved.files, 0) or begun.size > _grown(approved.size, GROWN_BYTES):
            return "it brings more than it said when a person was asked"
        all_named = approved.names and approved.tops == len(approved.names)
        if all_named and not set(approved.names).issuperset(message.parts[:1]):
            return "it brings other names than it said when a person was asked"
        return ""

    def _hold_to(self, excess: str) -> bool:
        """Whether there is no excess; otherwise the batch is stopped."""
        if excess:
            self.stop(excess)
            self.events.append(BatchExceeded(excess))
        return not excess

    def _place(self, message: Begin) -> None:
        """Give the entry its path here, or refuse it."""
        earlier = self._paths.get(message.id, ())
        self._paths[message.id] = earlier
        try:
            if message.kind is Kind.MISSING:
                raise WireError(message.reason or "the sender could not read it")
            self._check_path(message.parts)
            if message.kind is Kind.FOLDER:
                self._paths[message.id] = self._names.folder(message.parts)
                self.events.append(FolderBegun(message.id, self._paths[message.id]))
                return
            if message.kind is Kind.CHECK:
                self._check(message)
                return
            self._paths[message.id] = earlier or self._names.file(message.parts)
            if message.kind is Kind.SAME:
                self._same(message)
                return
        except WireError as error:
            if self._open is not None:
                self._open.wanted = False
            self.events.append(EntryFailed(message.id, shown_path(message.parts), error.message))
            self.settle([Result(message.id, reason=error.message)])
            return
        key = message.key if message.size > KEPT_LEAST_BYTES else None
        traits = message.traits if self._terms.modes else message.traits & ~Traits.EXECUTABLE
        self.events.append(
            FileBegun(
                message.id,
                self._paths[message.id],
                message.size,
                message.mtime_ns,
                message.offset,
                key,
                traits,
            )
        )

    def _check(self, message: Begin) -> None:
        """See what is there; that is nothing in a folder that the batch has not brought: a question makes none."""
        if not self._names.knows_folder(message.parts[:-1]):
            self.settle([Result(message.id)])
            return
        self._paths[message.id] = self._names.probable(message.parts)
        self._asked_about[message.id] = hash((message.parts, message.size))
        self.events.append(FileChecked(message.id, self._paths[message.id], message.size, message.mtime_ns))

    def _same(self, message: Begin) -> None:
        """A file is left out. Raises WireError where nothing was found that it could be the same as."""
        question = hash((message.parts, message.size))
        if question not in self._found:
            raise WireError("no such file is here")
        del self._found[question]
        self.events.append(FileStands(message.id, self._paths[message.id], message.size))
        self.settle([Result(message.id)])

    def _check_path(self, parts: tuple[str, ...]) -> None:
        if len(parts) > self._terms.depth:
            raise WireError(f"it lies deeper than {self._terms.depth} folders")
        if any(len(part) > NAME_WIRE_BYTES for part in parts):
            raise WireError("a name in its path is far too long")

    def _end(self, message: End | Abandon) -> None:
        file, self._open = self._open, None
        if file is None or message.id != file.id:
            raise WireError(f"the end of entry {message.id}, which is not under way")
        if not file.wanted:
            return
        if isinstance(message, Abandon):
            self._refuse(file, message.reason or "the sender gave it up")
        elif file.received != file.size:
            self._refuse(file, f"{file.received} bytes where {file.size} were announced")
        else:
            self.events.append(FileEnded(file.id, message.sha256))

    def _finish(self, batch: int) -> None:
        if batch != self.batch or self._paths or self._open is not None:
            raise WireError("a batch that is finished while entries are unsettled")
        self.phase = ReceivePhase.CLOSED
        self._wanted = False
        self.outbox.append(Closed(batch))
        self.events.append(BatchFinished())

    def _cancel(self, message: Cancel) -> None:
        if message.batch != self.batch or self.phase is ReceivePhase.CLOSED:
            return  # its Start was lost with a connection, or it crossed our Closed on the way
        if self.phase is ReceivePhase.OFFERED:
            self.reason = message.reason
        if self.phase is ReceivePhase.OPEN:
            self._wanted = False
            self.events.append(BatchCancelled(message.reason))
        self.phase = ReceivePhase.IDLE
        self._forget()

    def _refuse(self, file: _Open, reason: str) -> None:
        """Take no more of a file under way."""
        file.wanted = False
        self.events.append(FileDropped(file.id))
        self.events.append(EntryFailed(file.id, file.name, reason))
        self.settle([Result(file.id, reason=reason)])

    def _end_for(self, reason: str) -> None:
        self.phase = ReceivePhase.STOPPED
        self.reason = reason
        self._forget()
        self.outbox.append(StopBatch(self.batch, reason))

    def _forget(self) -> None:
        self._open = None
        self._partial = self._asked = self._told = None
        self._paths.clear()
        self._asked_about.clear()
        self._found.clear()
        self._results.clear()
