"""From the event loop to the disk: a batch's files are hashed and written by threads while more of them arrives.

A large file has one thread that writes and one that hashes, so that neither waits for the other; small ones are
stored whole by several threads at once, since each of them waits for its flush. Blocks of received bytes are
released as soon as both have used them, and the stream stops reading while none is free: a slow disk so stops the
sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from localpair.limits import SMALL_FILE_BYTES, STORE_END_S, STORING_AHEAD
from localpair.net.files import Inbox, PartFile, is_disk_full
from localpair.net.intake import Piece
from localpair.net.workers import Workers
from localpair.protocol.receiving import FileBegun
from localpair.wire.payload import Partial

_FLUSHING_THREADS: Final = 8  # a flush waits for the disk; together they share its journal's commits


@dataclass(frozen=True, slots=True)
class Stored:
    """The entry stands under its final name, durably. A folder has no checksum."""

    id: int
    path: Path
    size: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class NotStored:
    """The entry cannot be stored; ``full`` says that nothing else can either."""

    id: int
    reason: str
    full: bool = False


Outcome: TypeAlias = Stored | NotStored
_Argument = TypeVar("_Argument")


class _File:
    """One file under way. ``data`` collects a small one; a large one has a part file and a running checksum."""

    __slots__ = ("begun", "data", "expected", "failed", "hash", "part", "small")

    def __init__(self, begun: FileBegun) -> None:
        self.begun = begun
        self.small = begun.size <= SMALL_FILE_BYTES
        self.data = bytearray()
        self.hash = hashlib.sha256()
        self.part: PartFile | None = None
        self.failed = False
        self.expected = b""


class _Countdown:
    """Does ``action`` when it was called ``count`` times, from whichever threads."""

    __slots__ = ("_action", "_count", "_lock")

    def __init__(self, count: int, action: Callable[[], None]) -> None:
        self._count = count
        self._action = action
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._action()


class Storing:
    """Stores one batch. ``report`` is called on the loop with outcomes that have become final, a group at a time."""

    def __init__(self, inbox: Inbox, report: Callable[[Sequence[Outcome]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox = inbox
        self._report = report
        self._writer = Workers(1, "write", self._crashed)
        self._hasher = Workers(1, "hash", self._crashed)
        self._flushers = Workers(_FLUSHING_THREADS, "flush", self._crashed)
        self._lock = threading.Lock()
        self._parts: set[PartFile] = set()
        self._file: _File | None = None
        self._ended: set[int] = set()  # complete entries whose outcome is not reported
        self._placed: list[Stored] = []  # under their names, and those not durable yet
        self._syncing = False
        self._changed = asyncio.Event()
        self._stopped = False

    # --- what arrives

    def folder(self, number: int, parts: tuple[str, ...]) -> None:
        """Make a folder."""
        self._ended.add(number)
        self._flushers.put(partial(self._make_folder, number, parts))

    def begin(self, begun: FileBegun) -> None:
        """Bytes of this file follow, from its start or from where its partial file ends."""
        file = self._file
        if begun.offset and file is not None and file.begun.id == begun.id:
            file.begun = begun
            return
        self.drop()
        self._file = file = _File(begun)
        if not file.small:
            self._writer.put(partial(self._open, file))

    def write(self, piece: Piece) -> None:
        """Append a piece to the file under way and release it in time."""
        file = self._file
        if file is None or file.failed:
            piece.release()
        elif file.small:
            file.data += piece.data
            piece.release()
        else:
            release = _Countdown(2, piece.release)
            self._writer.put(partial(self._write, file, piece.data, release))
            self._hasher.put(partial(self._hash, file, piece.data, release))

    def end(self, sha256: bytes) -> None:
        """The file under way is complete; these bytes are its checksum."""
        file, self._file = self._file, None
        if file is None:
            return
        self._ended.add(file.begun.id)
        file.expected = sha256
        if file.small:
            self._flushers.put(partial(self._store_small, file))
        else:
            finish = _Countdown(2, partial(self._flushers.put, partial(self._finish, file)))
            self._writer.put(finish)
            self._hasher.put(finish)

    def drop(self) -> None:
        """Remove what has arrived of the file under way, if any."""
        file, self._file = self._file, None
        if file is not None and not file.small:
            file.failed = True
            self._writer.put(partial(self._discard, file))

    # --- waiting

    @property
    def crowded(self) -> bool:
        """Whether nothing more should be taken in until ``room`` returns."""
        return len(self._ended) >= STORING_AHEAD

    async def room(self) -> None:
        """Wait until more may come."""
        while self.crowded and not self._stopped:
            self._changed.clear()
            await self._changed.wait()

    async def settle(self) -> Partial | None:
        """Wait until everything that ended is reported; then what there is of the file under way."""
        while self._ended and not self._stopped:
            self._changed.clear()
            await self._changed.wait()
        file = self._file
        if file is None or file.small:
            self.drop()
            return None
        await self._lanes_empty()
        if file.failed or file.part is None:
            return None
        return Partial(file.begun.id, file.part.size, file.hash.digest())

    async def close(self) -> None:
        """End the threads and remove whatever is not complete, within STORE_END_S.

        A thread that a stuck disk holds is left behind; the name of its file is gone even so.
        """
        self._stopped = True
        self._changed.set()
        self._file = None
        await asyncio.to_thread(self._end_threads)

    # --- on the threads

    def _make_folder(self, number: int, parts: tuple[str, ...]) -> None:
        with self._failing(number):
            self._done(Stored(number, self._inbox.make(parts), 0, None))

    def _open(self, file: _File) -> None:
        with self._failing(file.begun.id, file):
            if not self._inbox.has_room(file.begun.size):
                raise OSError(errno.EFBIG, f"there is no room for {file.begun.size} bytes on the disk")
            self._new_part(file)

    def _write(self, file: _File, data: memoryview, release: _Countdown) -> None:
        with self._failing(file.begun.id, file):
            if file.part is not None and not file.failed and not self._stopped:
                file.part.write(data)
        release()

    def _hash(self, file: _File, data: memoryview, release: _Countdown) -> None:
        if not file.failed and not self._stopped:
            file.hash.update(data)
        release()

    def _store_small(self, file: _File) -> None:
        if not self._stopped:
            with self._failing(file.begun.id, file):
                file.hash.update(file.data)
                self._new_part(file).write(file.data)
        self._finish(file)

    def _finish(self, file: _File) -> None:
        part = file.part
        if part is not None and not file.failed and not self._stopped:
            with self._failing(file.begun.id, file):
                digest = file.hash.digest()
                if digest != file.expected:
                    raise OSError(errno.EBADMSG, "the bytes do not fit their checksum")
                part.flush(file.begun.mtime_ns)
                path = self._inbox.place(part, file.begun.parts)
                self._done(Stored(file.begun.id, path, part.size, digest))
        self._discard(file)

    def _discard(self, file: _File) -> None:
        if file.part is not None:
            file.part.discard()
            with self._lock:
                self._parts.discard(file.part)

    def _new_part(self, file: _File) -> PartFile:
        part = self._inbox.part()
        file.part = part
        with self._lock:
            self._parts.add(part)
        return part

    @contextlib.contextmanager
    def _failing(self, number: int, file: _File | None = None) -> Iterator[None]:
        """Turn an error of the disk into the entry's outcome."""
        try:
            yield
        except OSError as error:
            if file is not None:
                file.failed = True
            self._done(NotStored(number, error.strerror or str(error), is_disk_full(error)))

    def _sync(self, group: list[Stored]) -> None:
        outcomes: list[Outcome] = list(group)
        try:
            self._inbox.sync()
        except OSError as error:
            reason = f"its folder cannot be flushed: {error.strerror or error}"
            outcomes = [NotStored(outcome.id, reason, is_disk_full(error)) for outcome in group]
        self._call(self._synced, outcomes)

    def _end_threads(self) -> None:
        with self._lock:
            parts = list(self._parts)
        for part in parts:
            part.forget()
        deadline = time.monotonic() + STORE_END_S
        lanes = (self._writer, self._hasher, self._flushers)
        ended = [lane.close(deadline - time.monotonic()) for lane in lanes]
        if all(ended):
            for part in parts:
                part.discard()
            self._inbox.close()

    def _done(self, outcome: Outcome) -> None:
        self._call(self._collect, outcome)

    def _crashed(self, error: BaseException) -> None:
        self._call(self._tell, [NotStored(-1, f"unexpected {type(error).__name__}: {error}", full=True)])

    def _call(self, function: Callable[[_Argument], None], argument: _Argument) -> None:
        # A loop that is closed hears nothing more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, argument)

    # --- on the loop again

    def _collect(self, outcome: Outcome) -> None:
        if isinstance(outcome, NotStored):
            self._tell([outcome])
            return
        self._placed.append(outcome)
        self._start_sync()

    def _start_sync(self) -> None:
        """Flush the folders for all files placed so far at once; what is placed meanwhile makes the next group."""
        if self._placed and not self._syncing and not self._stopped:
            self._syncing = True
            group, self._placed = self._placed, []
            self._flushers.put(partial(self._sync, group))

    def _synced(self, outcomes: list[Outcome]) -> None:
        self._syncing = False
        self._tell(outcomes)
        self._start_sync()

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        self._ended.difference_update(outcome.id for outcome in outcomes)
        self._changed.set()
        if not self._stopped:
            self._report(outcomes)

    async def _lanes_empty(self) -> None:
        empty = asyncio.Event()
        reached = _Countdown(2, lambda: self._call(lambda _: empty.set(), None))
        self._writer.put(reached)
        self._hasher.put(reached)
        await empty.wait()
