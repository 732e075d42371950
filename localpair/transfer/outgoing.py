"""Sending files: one batch after another, over one connection after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from localpair.choices.selection import EVERYTHING, Selection
from localpair.errors import LocalError, LocalpairError, TransferError
from localpair.events import Event
from localpair.limits import CHUNK_BYTES, READ_END_S
from localpair.protocol.transfer.sender import CheckSettled, EntrySettled, PartTold, Sender, StoppedByReceiver
from localpair.trace import TRACE
from localpair.transfer.batch import Batch, Counter, complaint
from localpair.transfer.channel import SessionChannel
from localpair.transfer.pace import Pace
from localpair.transfer.progress import ProgressMeter
from localpair.transfer.reader import Asking, Checking, Chunk, Exhausted, FileOpened, FileReader, Same, Whole
from localpair.transfer.walk import top_sources
from localpair.wire.payload import Accept, Attach, Closed, Have, Partial, SendPhase, Settled, StopBatch

_ENTRIES = (Checking, Same, FileOpened, Whole)


class Outgoing:
    """The sending half of a session. ``emit`` gets `Progress`, `Resumed`, `Unchanged`, `Skipped` and `Sent`."""

    def __init__(
        self, link: SessionChannel, emit: Callable[[Event], None], clock: Callable[[], float]
    ) -> None:
        self.pace: Pace | None = None
        self._link = link
        self._emit = emit
        self._clock = clock
        self._sender = Sender()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._connection: object | None = None  # another object for each connection
        self._partial: Partial | None = None
        self._batch: Batch | None = None
        self._told: list[PartTold] = []  # the answer to the latest question
        self._stopped: str | None = None
        self._error: LocalpairError | None = None

    @property
    def state(self) -> tuple[int, SendPhase]:
        """The batch's number and phase, for `Attach`."""
        return self._sender.batch, self._sender.phase

    async def send(self, paths: Sequence[Path], selection: Selection = EVERYTHING) -> None:
        """Send what is selected of ``paths`` as one batch.

        Raises LocalError for a path that cannot be sent, else TransferError.
        """
        async with self._turn:
            tops = await asyncio.to_thread(top_sources, paths)
            self._check()
            meter = ProgressMeter("send", self._emit, self._clock)
            batch = self._batch = Batch(tops, self._sender, self._link, self._emit, meter, selection)
            counter = Counter(tops, selection, partial(self._counted, batch))
            try:
                await self._run(batch)
            finally:
                self._batch = None
                self._stopped = None
                await counter.stop()
        meter.show(last=True)
        if failed := complaint(batch):
            raise TransferError(failed)

    # --- called by the session

    def receive(self, message: Accept | Settled | Have | StopBatch | Closed) -> None:
        """Take a message of the receiver. Raises WireError."""
        self._sender.receive(message)
        self._process()

    def detach(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._sender.detach()
        self._changed.set()

    def attach(self, peer: Attach) -> None:
        """A new connection stands; the peer's receiver is where ``peer`` says. Raises WireError."""
        self._partial = self._sender.attach(peer)
        self._connection = object()
        self._process()

    def end(self, error: LocalpairError) -> None:
        """The session has ended: whoever sends gets ``error``."""
        self._error = self._error or error
        self._changed.set()

    # --- one batch

    def _counted(self, batch: Batch, files: int, size: int) -> None:
        if batch is self._batch:  # else it was counted too late
            batch.counted(files, size)

    async def _run(self, batch: Batch) -> None:
        self._sender.offer(batch.tops, batch.names)
        self._process()
        try:
            await self._until(lambda: self._sender.phase is SendPhase.OPEN)
            while not await self._send_over_one_connection(batch):
                pass
            self._sender.finish()
            self._process()
            await self._until(lambda: self._sender.phase is SendPhase.IDLE)
        except BaseException as error:
            self._sender.cancel(error.message if isinstance(error, TransferError) else "the sender cancelled")
            self._process()
            raise

    async def _send_over_one_connection(self, batch: Batch) -> bool:
        """Whether everything is settled; otherwise the connection broke, or there is something to come back to."""
        await self._until(lambda: self._connection is not None)
        connection = self._connection
        batch.rewind()
        sender = self._sender
        chunk = CHUNK_BYTES if self.pace is None else self.pace.chunk
        reader = FileReader(batch.backlog, self._partial, sender.kept, compares=sender.compares, chunk=chunk)
        self._partial = None
        complete = False
        try:
            await self._send_all(reader, batch, connection)
            complete = not batch.backlog.pending
        except ConnectionError:
            await self._until(lambda: self._connection is not connection)
        finally:
            ended = await reader.stop()
        if not ended and not await reader.stop(READ_END_S):
            raise LocalError("the disk that is read from does not answer")
        return complete

    async def _send_all(self, reader: FileReader, batch: Batch, connection: object | None) -> None:
        while True:
            for item in await reader.get():
                if isinstance(item, Exhausted):
                    await self._until(lambda: self._sender.settled or self._connection is not connection)
                    self._require(connection)
                    return
                if isinstance(item, _ENTRIES) and not self._sender.room:
                    await self._until(lambda: self._sender.room or self._connection is not connection)
                self._require(connection)
                if batch.refused is not None:
                    reader.skip(batch.refused)
                self._told.clear()
                batch.send(item)
                await self._link.drain()
                if self.pace is not None and isinstance(item, Chunk | Whole):
                    await self.pace.sent(len(item.data))
                if isinstance(item, Asking):
                    told = await self._answer(connection)
                    reader.answer(told.offset, told.sha256)
            batch.meter.show()

    async def _answer(self, connection: object | None) -> PartTold:
        """What the receiver has of the file that it was asked about. Raises ConnectionError."""
        await self._until(lambda: bool(self._told) or self._connection is not connection)
        self._require(connection)
        return self._told.pop()

    # --- the machine

    def _process(self) -> None:
        messages, self._sender.outbox = self._sender.outbox, []
        self._link.send(messages)
        events, self._sender.events = self._sender.events, []
        if TRACE.on:
            TRACE.transfer("send", self._sender.batch, self._sender.phase.name, events)
        for event in events:
            if isinstance(event, EntrySettled) and self._batch is not None:
                self._batch.settled(event.result)
            elif isinstance(event, CheckSettled) and self._batch is not None:
                self._batch.told(event.id, event.sha256)
            elif isinstance(event, PartTold):
                self._told = [event]
            elif isinstance(event, StoppedByReceiver):
                self._stopped = event.reason
        self._changed.set()

    def _require(self, connection: object | None) -> None:
        self._check()
        if self._connection is not connection:
            raise ConnectionResetError("the connection broke")

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stopped is not None:
            raise TransferError(f"the receiver stopped the transfer: {self._stopped}")

    async def _until(self, condition: Callable[[], bool]) -> None:
        while True:
            self._check()
            if condition():
                return
            self._changed.clear()
            await self._changed.wait()
