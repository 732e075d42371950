"""Receiving files: between the connection, the receiver's machine and the threads that store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from localpair.choices.terms import Existing, Resolver, Terms, keep_both
from localpair.errors import LocalError, LocalpairError, Refusal, RefusedError, TransferError
from localpair.events import Event, Receipt, Received, Resumed, Skipped, Unchanged
from localpair.limits import APPROVAL_S, COUNT_S, TOP_NAMES
from localpair.net.transport.receive_buffer import Piece
from localpair.protocol.transfer.filenames import stored
from localpair.protocol.transfer.receiver import (
    BatchCancelled,
    BatchExceeded,
    BatchFinished,
    Counted,
    EntryFailed,
    FileBegun,
    FileChecked,
    FileDropped,
    FileEnded,
    FileStands,
    FolderBegun,
    PartAsked,
    ReceiveEvent,
    Receiver,
)
from localpair.trace import TRACE
from localpair.transfer.channel import SessionChannel
from localpair.transfer.folder.inbox import Inbox
from localpair.transfer.progress import Failures, ProgressMeter
from localpair.transfer.writer import Compared, LeftAlone, NotStored, Outcome, Stored, Storing
from localpair.wire.filekey import Kept
from localpair.wire.payload import (
    NO_SHA256,
    Abandon,
    Ask,
    Attach,
    Begin,
    Cancel,
    End,
    Finish,
    ReceivePhase,
    Result,
    SendPhase,
    Start,
    Total,
)

_log = logging.getLogger(__name__)
_MORE = "What has arrived stays. `--max-files` and `--max-size` allow more."
_HIDDEN = "names that are hidden, or that programs act on, got an underscore (--allow-hidden keeps them): %s"
_UNSAFE = "names that not every system can store, or means the same by, were changed: %s"
_COMPOSED = "names with decomposed letters were stored composed (Unicode NFC): %s"
_REMOVED = "the first %d of %d bytes of %s, whose rest never came, were removed from %s: too old, or too much"
_DOUBT = "what is stored in %s may not survive a power cut: it cannot be flushed (%s)"

Agree: TypeAlias = Callable[[Counted | None], Awaitable[bool]]
"""Whether to take a batch, given what its sender has counted, if it has."""


class _Reception:
    """One call of ``receive``."""

    def __init__(
        self,
        inbox: Inbox,
        report: Callable[[Sequence[Outcome]], None],
        tell: Callable[[Kept, bytes], None],
        meter: ProgressMeter,
        resolve: Resolver,
        turn: asyncio.Lock,
    ) -> None:
        self.inbox = inbox
        self.storing = Storing(inbox, report, tell, resolve, turn)
        self.meter = meter
        self.receipt = Receipt()
        self.failures = Failures()
        self.over = False
        self.error: LocalpairError | None = None
        self.told = "the receiver cancelled"  # what the sender hears where it must stop
        self._under_way = -1  # the id of a file
        self._counted: dict[int, int] = {}  # bytes of files whose outcome is not known

    def end(self, error: LocalpairError | None = None) -> None:
        """Nothing more will arrive; the first reason counts."""
        if not self.over:
            self.over, self.error = True, error

    def begin(self, begun: FileBegun) -> None:
        """A file begins, or goes on after the connection broke."""
        self.meter.bytes += begun.offset - self._counted.get(begun.id, 0)
        self._under_way, self._counted[begun.id] = begun.id, begun.offset
        self.meter.file = "/".join(begun.parts)
        self.storing.begin(begun)

    def leave_out(self, outcome: LeftAlone) -> None:
        """A file is not stored, and counts as done."""
        self.meter.bytes += outcome.size - self._counted.get(outcome.id, 0)
        self.meter.files += 1

    def settle(self, number: int) -> None:
        """It is known what has become of an entry."""
        self._counted.pop(number, None)

    def write(self, piece: Piece) -> None:
        """Bytes of it."""
        self._counted[self._under_way] = self._counted.get(self._under_way, 0) + len(piece.data)
        self.meter.bytes += len(piece.data)
        self.storing.write(piece)
        self.meter.show()


class Incoming:
    """Receives one batch after another from the device ``sender``.

    ``emit`` gets `Progress`, `Resumed` and `Received`.
    """

    def __init__(
        self, link: SessionChannel, emit: Callable[[Event], None], clock: Callable[[], float], sender: str
    ) -> None:
        self._link = link
        self._emit = emit
        self._clock = clock
        self._sender = sender
        self._receiver = Receiver()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._reception: _Reception | None = None
        self._ended = False
        self._error: LocalpairError | None = None

    async def receive(
        self,
        directory: Path,
        terms: Terms,
        ask: Agree | None = None,
        resolve: Resolver = keep_both,
        turn: asyncio.Lock | None = None,
    ) -> Receipt:
        """Receive the next batch into ``directory``, on these terms, once ``ask`` says yes, when it is its ``turn``.

        Returns what arrived, or nothing where the peer ended the session without a batch. Raises LocalError where
        the folder cannot be used, TransferError where something did not arrive, RefusedError where the answer was no.
        """
        turn = turn or asyncio.Lock()
        async with self._turn:
            approved = await self._agree(terms, ask, turn) if ask is not None else None
            if self._error is not None:
                raise self._error
            if self._ended:
                return Receipt()
            inbox = await _open(directory, self._sender, terms.existing)
            self._say_removed(inbox)
            meter = ProgressMeter("receive", self._emit, self._clock)
            reception = self._reception = _Reception(inbox, self._stored, self._told, meter, resolve, turn)
            try:
                await self._run(reception, terms, approved)
            finally:
                self._reception = None
                await reception.storing.close()
                self._warn(inbox)
        if reception.error is not None:
            raise reception.error
        if meter.files or reception.failures.count:
            meter.show(last=True)
        if reception.failures.count:
            raise TransferError(reception.failures.message("did not arrive"))
        return reception.receipt

    async def offered(self) -> bool:
        """Wait for the next batch. False where the peer ended the session without one."""
        await self._until(lambda: self._ended or self._receiver.phase is ReceivePhase.OFFERED)
        if self._error is not None:
            raise self._error
        return not self._ended

    async def decline(self, reason: str) -> bool:
        """Take nothing of the next batch; the sender hears why. False where the peer ended the session without one."""
        async with self._turn:
            is_offered = await self.offered()
            if is_offered:
                self._receiver.decline(reason)
                self._process()
            return is_offered

    # --- called by the session

    def receive_message(self, message: Start | Ask | Begin | End | Abandon | Total | Finish | Cancel) -> None:
        """Take a message of the sender. Raises WireError."""
        self._receiver.receive(message)
        self._process()

    def receive_piece(self, piece: Piece) -> None:
        """Take bytes of the file under way. Raises WireError."""
        reception = self._reception
        if self._receiver.data(len(piece.data)) and reception is not None:
            reception.write(piece)
        else:
            piece.release()
        if self._receiver.events:
            self._process()

    @property
    def crowded(self) -> bool:
        """Whether the disk is so far behind that nothing more should be read until ``room`` returns."""
        return self._reception is not None and self._reception.storing.crowded

    async def room(self) -> None:
        """Wait for the disk."""
        if self._reception is not None:
            await self._reception.storing.room()

    async def detach(self) -> None:
        """The connection is gone: wait until it is certain what has arrived."""
        number = self._receiver.detach()
        reception = self._reception
        partial = await reception.storing.settle() if reception is not None else None
        if number is not None:
            kept = partial if partial is not None and partial.id == number else None
            self._receiver.keep(kept)

    async def reclaim(self) -> None:
        """A new connection stands: see that what had arrived is still there."""
        if self._reception is not None and not await self._reception.storing.reclaim():
            self._receiver.keep(None)

    def state(self, own: bytes, peer: bytes, messages: int, sending: tuple[int, SendPhase]) -> Attach:
        """The first message of a new connection."""
        return self._receiver.state(own, peer, messages, *sending)

    def attach(self, peer: Attach) -> None:
        """A new connection stands; the peer's sender is where ``peer`` says."""
        self._receiver.attach(peer)
        self._process()

    def end(self, error: LocalpairError | None) -> None:
        """The session has ended, with ``error`` or because the peer said goodbye."""
        self._ended = True
        self._error = self._error or error
        if self._reception is not None:
            if error is None and self._receiver.phase is ReceivePhase.OPEN:
                error = TransferError("the peer ended the session in the middle of a transfer")
            self._reception.end(error)
        self._changed.set()

    # --- one batch

    async def _agree(self, terms: Terms, ask: Agree, turn: asyncio.Lock) -> Counted | None:
        """Wait for a batch and have somebody asked about it; what was known of it then.

        Raises RefusedError where the answer is no, and TransferError where the sender takes it back meanwhile.
        """
        await self._until(lambda: self._ended or self._receiver.phase is ReceivePhase.OFFERED)
        number = self._receiver.batch
        try:
            async with asyncio.timeout(COUNT_S):
                await self._until(lambda: self._receiver.counted is not None or not self._offers(number))
        except TimeoutError:
            pass  # a large tree takes its time
        counted = self._receiver.counted
        if self._ended or (counted is not None and terms.excess(counted.files, counted.size)):
            return counted  # nobody needs to be asked about what ends anyway
        agreed = await self._answer(partial(ask, counted), number, turn)
        if not self._offers(number):
            reason = self._receiver.reason or "it has gone"
            raise self._error or TransferError(f"the sender ended the transfer: {reason}")
        if not agreed:
            self._receiver.decline("it was declined there")
            self._process()
            raise RefusedError(
                Refusal.NOT_APPROVED,
                "what the other device wants to send was not accepted on this device",
                hint="Nothing was stored; `--yes` accepts without asking.",
            )
        return counted

    async def _answer(self, ask: Callable[[], Awaitable[bool]], number: int, turn: asyncio.Lock) -> bool:
        """What ``ask`` says; no where nobody answers, or where the batch is gone before."""
        asking = asyncio.create_task(_in_turn(ask, turn))
        asking.add_done_callback(lambda _: self._changed.set())
        try:
            await self._until(lambda: asking.done() or not self._offers(number))
            return asking.done() and asking.result()
        except TimeoutError:
            return False
        except Exception:
            self._receiver.decline("nobody could be asked there")
            self._process()
            raise
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    def _offers(self, number: int) -> bool:
        """Whether this batch still waits to be taken."""
        receiver = self._receiver
        return not self._ended and receiver.phase is ReceivePhase.OFFERED and receiver.batch == number

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _run(self, reception: _Reception, terms: Terms, approved: Counted | None) -> None:
        if self._ended:  # while the folder was opened
            reception.end(self._error)
        try:
            await self._until(lambda: reception.over or self._receiver.phase is ReceivePhase.OFFERED)
            compares = await self._compares(reception.inbox, terms)
            self._receiver.want(terms, approved, reception.inbox.kept, compares=compares)
            self._process()
            await self._until(lambda: reception.over)
        finally:
            # Does nothing after a batch that has ended by itself.
            self._receiver.stop(reception.told)
            self._process()

    async def _compares(self, inbox: Inbox, terms: Terms) -> bool:
        """Whether some of the batch that is offered may be here already."""
        tops = self._receiver.tops
        names = [stored(name, allow_hidden=terms.allow_hidden) for name in tops.names[:TOP_NAMES]]
        if tops.tops > len(names):
            return True
        return await asyncio.to_thread(inbox.may_have, [name for name in names if name])

    def _warn(self, inbox: Inbox) -> None:
        """Say once what a person may not expect."""
        if inbox.doubt:
            _log.warning(_DOUBT, inbox.path, inbox.doubt)
        names = self._receiver.names
        for said, changed in (
            (_HIDDEN, names.hidden),
            (_UNSAFE, names.unsafe),
            (_COMPOSED, names.decomposed),
        ):
            if changed.count:
                left = changed.count - len(changed.first)
                more = f" and {left} more" if left else ""
                _log.warning(said, ", ".join(changed.first) + more)

    def _say_removed(self, inbox: Inbox) -> None:
        for part in inbox.removed:
            _log.warning(_REMOVED, part.bytes, part.key.size, part.shown, inbox.path)

    def _process(self) -> None:
        if TRACE.on:  # also where only the phase has changed
            TRACE.transfer("receive", self._receiver.batch, self._receiver.phase.name, ())
        while self._receiver.events or self._receiver.outbox:
            messages, self._receiver.outbox = self._receiver.outbox, []
            self._link.send(messages)
            events, self._receiver.events = self._receiver.events, []
            if TRACE.on:
                TRACE.transfer("receive", self._receiver.batch, self._receiver.phase.name, events)
            for event in events:
                if self._reception is not None:
                    self._handle(event, self._reception)
        self._changed.set()

    def _handle(self, event: ReceiveEvent, reception: _Reception) -> None:
        match event:
            case FileChecked():
                reception.storing.compare(event)
            case FileStands(_, parts, size):
                self._stands("/".join(parts), size, reception)
            case PartAsked(key):
                reception.storing.look(key)
            case FileBegun():
                self._begin(event, reception)
            case FileEnded(_, sha256):
                reception.storing.end(sha256)
            case FolderBegun(number, parts):
                reception.storing.folder(number, parts)
            case FileDropped():
                reception.storing.drop()
            case EntryFailed(_, name, reason):
                reception.failures.add(name, reason)
            case Counted(size=size):
                reception.meter.total = size
            case BatchFinished():
                reception.end()
            case BatchExceeded(reason):
                reception.end(TransferError(f"the transfer was stopped: {reason}", hint=_MORE))
            case BatchCancelled(reason):
                reception.end(TransferError(f"the sender ended the transfer: {reason}"))
            case _:
                pass

    def _begin(self, begun: FileBegun, reception: _Reception) -> None:
        if begun.offset:
            self._emit(Resumed("receive", "/".join(begun.parts), begun.offset))
        reception.begin(begun)

    def _stands(self, name: str, size: int, reception: _Reception) -> None:
        reception.meter.files, reception.meter.bytes = reception.meter.files + 1, reception.meter.bytes + size
        self._emit(Unchanged("receive", name, size))
        reception.meter.show()

    def _told(self, kept: Kept, sha256: bytes) -> None:
        self._receiver.tell(kept, sha256)
        self._process()

    def _stored(self, outcomes: Sequence[Outcome]) -> None:
        reception = self._reception
        if reception is None:
            return
        results: list[Result] = []
        for outcome in outcomes:
            if isinstance(outcome, NotStored):
                self._not_stored(outcome, reception)
            elif isinstance(outcome, LeftAlone):
                self._leave_out(outcome, reception)
            elif isinstance(outcome, Compared):
                results.append(Result(outcome.id, outcome.sha256 or NO_SHA256))
            else:
                results.append(Result(outcome.id, outcome.sha256 or NO_SHA256))
                self._count(outcome, reception)
            reception.settle(outcome.id)
        self._receiver.settle(results)
        self._process()

    def _count(self, outcome: Stored, reception: _Reception) -> None:
        if outcome.sha256 is not None:
            received = Received(outcome.path, outcome.size, outcome.sha256.hex())
            reception.receipt = reception.receipt.and_one(received)
            reception.meter.files += 1
            self._emit(received)

    def _leave_out(self, outcome: LeftAlone, reception: _Reception) -> None:
        reception.leave_out(outcome)
        self._receiver.leave(outcome.id)
        self._emit(Skipped("receive", "/".join(outcome.parts), outcome.size, "existing"))
        reception.meter.show()

    def _not_stored(self, outcome: NotStored, reception: _Reception) -> None:
        if outcome.full:
            reception.told = f"the receiver can store nothing more: {outcome.reason}"
            reception.end(
                LocalError(
                    f"nothing more can be stored in {reception.inbox.path}: {outcome.reason}",
                    hint="Make room on the disk, then send again.",
                )
            )
        else:
            self._receiver.fail(outcome.id, outcome.reason)


async def _in_turn(ask: Callable[[], Awaitable[bool]], turn: asyncio.Lock) -> bool:
    """The answer of a person who may be asked about other things first: the minute begins with this question."""
    async with turn, asyncio.timeout(APPROVAL_S):
        return await ask()


async def _open(directory: Path, sender: str, existing: Existing) -> Inbox:
    """Open the folder on a thread; where this is cancelled meanwhile, it is let go of again."""
    opening = asyncio.get_running_loop().run_in_executor(None, Inbox, directory, sender, existing)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_let_go)
        raise


def _let_go(opening: asyncio.Future[Inbox]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
