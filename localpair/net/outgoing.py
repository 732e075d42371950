"""Sending files: the pump between the reading thread, the sender's machine and the connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from localpair.errors import LocalError, LocalpairError, TransferError
from localpair.events import Event, Sent
from localpair.limits import STORE_END_S
from localpair.net.link import Link
from localpair.net.reading import (
    Backlog,
    Chunk,
    Crashed,
    Exhausted,
    FileReader,
    Item,
    Opened,
    Read,
    Unreadable,
    Whole,
)
from localpair.net.tally import Tally, failure_message
from localpair.net.walking import Skipped, Source, count, top_sources, walk
from localpair.net.workers import Workers
from localpair.protocol.sending import Accepted, EntrySettled, Sender, StoppedByReceiver
from localpair.wire.payload import (
    Accept,
    Attach,
    Closed,
    Kind,
    Partial,
    Payload,
    Result,
    SendPhase,
    Settled,
    Stop,
    Total,
)

_log = logging.getLogger(__name__)


class _Batch:
    """One call of ``send``: what was announced to the peer and what became of it."""

    def __init__(self, tops: Sequence[tuple[Path, str]], tally: Tally) -> None:
        self.tops = tops
        self.tally = tally
        self.backlog = Backlog(walk(tops))
        self.announced: dict[int, Source] = {}  # and not settled
        self.sent: dict[int, int] = {}  # bytes of those
        self.failures: list[tuple[str, str]] = []
        self.total: Total | None = None

    def rewind(self, next_id: int) -> None:
        """Everything from ``next_id`` on must be sent again."""
        again = sorted(number for number in self.announced if number >= next_id)
        self.backlog.rewind([self.announced.pop(number) for number in again])
        self.tally.bytes -= sum(self.sent.pop(number) for number in again)


class Outgoing:
    """Sends one batch after another. ``emit`` gets `Progress` and `Sent`; ``skipped`` collects links not followed."""

    def __init__(self, link: Link, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._link = link
        self._emit = emit
        self._clock = clock
        self._sender = Sender()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._connection: object | None = None  # another object for each connection
        self._partial: Partial | None = None
        self._batch: _Batch | None = None
        self._stopped: str | None = None
        self._error: LocalpairError | None = None
        self.skipped: list[Skipped] = []

    @property
    def state(self) -> tuple[int, SendPhase]:
        """The batch's number and phase, for `Attach`."""
        return self._sender.batch, self._sender.phase

    async def send(self, paths: Sequence[Path]) -> None:
        """Send ``paths`` as one batch. Raises LocalError for a path that does not exist, TransferError otherwise."""
        async with self._turn:
            tops = await asyncio.to_thread(top_sources, paths)
            self._check()
            tally = Tally("send", self._emit, self._clock)
            batch = self._batch = _Batch(tops, tally)
            try:
                await self._run(batch)
            finally:
                self._batch = None
                self._stopped = None
        tally.show(last=True)
        if batch.failures:
            raise TransferError(failure_message(batch.failures, "were not stored by the receiver"))

    # --- called by the session

    def receive(self, message: Accept | Settled | Stop | Closed) -> None:
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

    async def _run(self, batch: _Batch) -> None:
        counter = _Counter(batch.tops, self._counted)
        self._sender.offer()
        self._process()
        try:
            await self._until(lambda: self._sender.phase is SendPhase.OPEN)
            await self._pump(batch)
            self._sender.finish()
            self._process()
            await self._until(lambda: self._sender.phase is SendPhase.IDLE)
        except BaseException as error:
            self._sender.cancel(
                error.message if isinstance(error, LocalpairError) else "the sender cancelled"
            )
            self._process()
            raise
        finally:
            await counter.stop()

    async def _pump(self, batch: _Batch) -> None:
        while True:
            await self._until(lambda: self._connection is not None)
            connection = self._connection
            if batch.total is not None:
                self._link.send([batch.total])
            batch.rewind(self._sender.next_id)
            reader = FileReader(batch.backlog, self._partial)
            try:
                await self._send_all(reader, batch, connection)
                return
            except ConnectionError:
                await self._until(lambda: self._connection is not connection)  # noqa: B023 - used at once
            finally:
                if not await reader.stop():
                    raise LocalError("the disk that is read from does not answer")

    async def _send_all(self, reader: FileReader, batch: _Batch, connection: object | None) -> None:
        while True:
            for item in await reader.get():
                if isinstance(item, Exhausted):
                    await self._until(lambda: self._sender.settled or self._connection is not connection)
                    self._same(connection)
                    return
                if isinstance(item, Opened | Whole) and not self._sender.room:
                    self._process()
                    await self._until(lambda: self._sender.room or self._connection is not connection)
                self._same(connection)
                self._send_item(item, batch)
            batch.tally.show()
            await self._link.drain()

    def _send_item(self, item: Item, batch: _Batch) -> None:
        match item:
            case Opened(source, size, mtime_ns, offset):
                self._begin(batch, source, size, mtime_ns, offset)
            case Whole(source, size, mtime_ns, data, sha256):
                self._begin(batch, source, size, mtime_ns)
                if source.kind is Kind.FILE:
                    self._data(batch, data)
                    self._sender.end(sha256)
            case Chunk(data):
                self._data(batch, data)
            case Read(sha256):
                self._sender.end(sha256)
            case Unreadable(reason):
                self._sender.abandon(reason)
            case Skipped(path, reason):
                _log.info("%s is not sent: %s", path, reason)
                self.skipped.append(item)
            case Crashed(error):
                raise LocalError(f"reading failed: {type(error).__name__}: {error}") from error
            case _:
                raise TypeError(f"unexpected {type(item).__name__}")
        self._link.send(self._take_outbox())

    def _begin(self, batch: _Batch, source: Source, size: int, mtime_ns: int, offset: int = 0) -> None:
        number = self._sender.begin(
            source.kind, source.parts, size, mtime_ns, offset=offset, reason=source.reason
        )
        batch.backlog.sent()
        batch.announced[number] = source
        batch.sent[number] = offset
        batch.tally.file = "/".join(source.parts)
        batch.tally.bytes += offset
        self._link.send(self._take_outbox())

    def _data(self, batch: _Batch, data: bytes) -> None:
        if data:
            self._sender.data(len(data))
            self._link.send_data(data)
            batch.sent[self._sender.next_id - 1] += len(data)
            batch.tally.bytes += len(data)

    def _counted(self, files: int, size: int) -> None:
        batch = self._batch
        if batch is not None:
            batch.total = Total(files, size)
            batch.tally.total = size
            if self._sender.phase is SendPhase.OPEN:
                self._link.send([batch.total])

    # --- the machine

    def _process(self) -> None:
        self._link.send(self._take_outbox())
        events, self._sender.events = self._sender.events, []
        for event in events:
            if isinstance(event, EntrySettled):
                self._settled(event.result)
            elif isinstance(event, StoppedByReceiver):
                self._stopped = event.reason
            elif isinstance(event, Accepted):
                _log.debug("the receiver takes batch %d", self._sender.batch)
        self._changed.set()

    def _settled(self, result: Result) -> None:
        batch = self._batch
        source = batch.announced.pop(result.id, None) if batch is not None else None
        if batch is None or source is None:
            return
        size = batch.sent.pop(result.id)
        if not result.stored:
            batch.failures.append((str(source.path), result.reason))
        elif source.kind is Kind.FILE:
            batch.tally.files += 1
            self._emit(Sent(str(source.path), size, result.sha256.hex()))
            batch.tally.show()

    def _take_outbox(self) -> list[Payload]:
        messages, self._sender.outbox = self._sender.outbox, []
        return messages

    def _same(self, connection: object | None) -> None:
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


class _Counter:
    """Counts a batch beside its sending, for the progress; ``done`` is called on the loop with files and bytes."""

    def __init__(self, tops: Sequence[tuple[Path, str]], done: Callable[[int, int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._tops = tops
        self._done = done
        self._stopped = False
        self._thread = Workers(1, "count", self._crashed)
        self._thread.put(self._count)

    async def stop(self) -> None:
        """End the counting, finished or not."""
        self._stopped = True
        await asyncio.to_thread(self._thread.close, STORE_END_S)

    def _count(self) -> None:
        files = size = 0
        for files, size in count(self._tops):  # noqa: B007 - the last pair counts
            if self._stopped:
                return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done, files, size)

    def _crashed(self, error: BaseException) -> None:
        _log.warning("counting failed: %s", error)
