"""One call of ``send_files``: what is read becomes messages, and what the receiver says becomes events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from localpair.choices.selection import EVERYTHING, Selection
from localpair.errors import LocalError
from localpair.events import Event, Resumed, Sent, Skipped, Unchanged
from localpair.limits import STORE_END_S, TOP_NAMES
from localpair.protocol.transfer.sender import Sender
from localpair.transfer.channel import SessionChannel
from localpair.transfer.progress import Failures, ProgressMeter
from localpair.transfer.reader import (
    Asking,
    Backlog,
    Checking,
    Chunk,
    Crashed,
    FileOpened,
    Item,
    Read,
    Same,
    Unreadable,
    Whole,
)
from localpair.transfer.walk import LeftOut, SourceEntry, count, offered, walk
from localpair.transfer.workers import Workers
from localpair.wire.payload import NO_SHA256, PLAIN, Kind, Result, Total, Traits

_log = logging.getLogger(__name__)


class Batch:
    """The entries of one batch between the reading thread, the sender's machine and the connection."""

    def __init__(
        self,
        tops: Sequence[tuple[Path, str]],
        sender: Sender,
        link: SessionChannel,
        emit: Callable[[Event], None],
        meter: ProgressMeter,
        selection: Selection = EVERYTHING,
    ) -> None:
        self.backlog = Backlog(walk(tops, selection))
        self.meter = meter
        self.failures = Failures()
        self.unread = Failures()  # those that the receiver is told of, and cannot store
        self._sender = sender
        self._link = link
        self._emit = emit
        self._announced: dict[int, SourceEntry] = {}  # and not settled
        self._sent: dict[int, int] = {}  # bytes of those
        self._sizes: dict[int, int] = {}  # what those are to have in the end
        self._same: set[int] = set()  # of those: the receiver has them already
        self._names = offered(tops, selection)
        self._open: SourceEntry | None = None  # a file whose chunks are on their way

    @property
    def refused(self) -> SourceEntry | None:
        """The file of which the receiver wants no more, though it is still being read."""
        return self._open if self._sender.refused else None

    def rewind(self) -> None:
        """A new connection stands: everything that the receiver has not seen is sent again."""
        self._open = None
        again = sorted(number for number in self._announced if number >= self._sender.next_id)
        self.backlog.rewind([self._announced.pop(number) for number in again])
        self.meter.bytes -= sum(self._sent.pop(number) for number in again)
        for number in again:
            del self._sizes[number]
        self._same.difference_update(again)

    @property
    def tops(self) -> int:
        """How many files and folders lie at the batch's root."""
        return len(self._names)

    @property
    def names(self) -> tuple[str, ...]:
        """The first of them."""
        return tuple(self._names[:TOP_NAMES])

    def counted(self, files: int, size: int) -> None:
        """So much is in the batch."""
        self.meter.total = size
        self._sender.count(Total(files, size, self.tops, self.names))
        self._flush()

    def send(self, item: Item) -> None:
        """Send what was read. Raises LocalError where the reading thread met what no file explains."""
        if self._sender.refused:
            self._sender.abandon("the receiver refused it")
            self._open = None
        if isinstance(item, Chunk | Read | Unreadable) and self._open is None:
            self._flush()
            return
        match item:
            case Asking(key):
                self._sender.ask(key)
            case Checking(source, size, mtime_ns):
                self._begin(source, size, mtime_ns, kind=Kind.CHECK)
            case Same(source, size, mtime_ns):
                self._begin(source, size, mtime_ns, kind=Kind.SAME)
                self._same.add(self._sender.next_id - 1)
            case FileOpened(source, size, mtime_ns, offset, traits):
                if offset:
                    self._emit(Resumed("send", "/".join(source.parts), offset))
                self._begin(source, size, mtime_ns, offset, traits=traits)
                self._open = source
            case Whole(source, size, mtime_ns, data, sha256, traits):
                self._begin(source, size, mtime_ns, traits=traits)
                if source.kind is Kind.FILE:
                    self._data(data)
                    self._sender.end(sha256)
            case Chunk(data):
                self._data(data)
            case Read(sha256):
                self._sender.end(sha256)
                self._open = None
            case Unreadable(reason):
                self._sender.abandon(reason)
                self._open = None
            case LeftOut(path, reason):
                self.backlog.sent()
                self._emit(Skipped("send", str(path), 0, reason))
            case Crashed(error):
                raise LocalError(f"reading failed: {type(error).__name__}: {error}") from error
            case _:
                raise TypeError(f"unexpected {type(item).__name__}")
        self._flush()

    def settled(self, result: Result) -> None:
        """The receiver has told what became of an entry."""
        source = self._announced.pop(result.id, None)
        if source is None:
            return
        sent, size = self._sent.pop(result.id), self._sizes.pop(result.id)
        is_same = result.id in self._same
        self._same.discard(result.id)
        if source.kind is Kind.MISSING:
            self.unread.add(str(source.path), source.reason)
        elif result.reason:
            self.failures.add(str(source.path), result.reason)
        elif source.kind is Kind.FILE:
            self.meter.files += 1
            self.meter.bytes += size - sent
            self._emit(_outcome(str(source.path), size, result, is_same=is_same))
            self.meter.show()

    def told(self, number: int, sha256: bytes) -> None:
        """The receiver has told what it has under the name of an entry."""
        source = self._announced.pop(number, None)
        if source is not None:
            self._sent.pop(number)
            self._sizes.pop(number)
            self.backlog.want(replace(source, theirs=b"" if sha256 == NO_SHA256 else sha256))

    def _begin(
        self,
        source: SourceEntry,
        size: int,
        mtime_ns: int,
        offset: int = 0,
        *,
        kind: Kind | None = None,
        traits: Traits = PLAIN,
    ) -> None:
        number = self._sender.begin(
            kind or source.kind,
            source.parts,
            size,
            mtime_ns,
            offset=offset,
            reason=source.reason,
            traits=traits,
        )
        self.backlog.sent()
        self._announced[number] = source
        self._sent[number], self._sizes[number] = offset, size
        self.meter.file = "/".join(source.parts)
        self.meter.bytes += offset
        self._flush()

    def _data(self, data: bytes) -> None:
        if data:
            self._sender.data(len(data))
            self._link.send_data(data)
            self._sent[self._sender.next_id - 1] += len(data)
            self.meter.bytes += len(data)

    def _flush(self) -> None:
        messages, self._sender.outbox = self._sender.outbox, []
        self._link.send(messages)


def _outcome(path: str, size: int, result: Result, *, is_same: bool) -> Event:
    if result.left:
        return Skipped("send", path, size, "existing")
    return Unchanged("send", path, size) if is_same else Sent(path, size, result.sha256.hex())


def complaint(batch: Batch) -> str:
    """What was not sent, or not stored, in one sentence; empty where all is well."""
    said = []
    if batch.unread.count:
        said.append(batch.unread.message("could not be read here"))
    if batch.failures.count:
        said.append(batch.failures.message("could not be stored by the receiver"))
    return "; ".join(said)


class Counter:
    """Counts a batch beside its sending, for the progress; ``done`` is called on the loop with files and bytes."""

    def __init__(
        self, tops: Sequence[tuple[Path, str]], selection: Selection, done: Callable[[int, int], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tops, self._selection = tops, selection
        self._done = done
        self._stopped = False
        self._thread = Workers(1, "count", self._crashed)
        self._thread.put(self._count)

    async def stop(self) -> None:
        """End the counting, finished or not."""
        self._stopped = True
        self._thread.end()
        await asyncio.to_thread(self._thread.join, STORE_END_S)

    def _count(self) -> None:
        files = size = 0
        for files, size in count(self._tops, self._selection):  # noqa: B007 - the last pair counts
            if self._stopped:
                return
        # A loop that is closed wants no count.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._done, files, size)

    def _crashed(self, error: BaseException) -> None:
        _log.warning("counting failed: %s", error)
