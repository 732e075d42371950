"""From the event loop to the disk: a batch's files are hashed and written by threads while more of them arrives.

A large file has one thread that writes and one that hashes, so that neither waits for the other; small ones are
stored whole by several threads at once, since each of them waits for its flush. Blocks of received bytes are
released as soon as both have used them, and the stream stops reading while none is free: a slow disk so stops the
sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Final, TypeVar

from localpair.choices.terms import Existing, NameConflict, Resolver, keep_both
from localpair.limits import APPROVAL_S, STORE_END_S, STORING_AHEAD
from localpair.net.transport.receive_buffer import Piece
from localpair.protocol.transfer.receiver import FileBegun, FileChecked
from localpair.transfer.disk import (
    Compared,
    Disk,
    FileUnderWay,
    FoundPart,
    LeftAlone,
    NotStored,
    Outcome,
    Stored,
)
from localpair.transfer.folder.inbox import Inbox
from localpair.transfer.workers import Workers
from localpair.wire.filekey import FileKey, Kept
from localpair.wire.payload import Partial

__all__ = ["Compared", "LeftAlone", "NotStored", "Outcome", "Stored", "Storing"]

_log = logging.getLogger(__name__)
_FLUSHING_THREADS: Final = 8  # a flush waits for the disk; together they share its journal's commits
_Argument = TypeVar("_Argument")


class Storing:
    """Stores one batch. ``report`` is called on the loop with outcomes that have become final, a group at a time;
    ``tell`` with the part that ``look`` has found, and its checksum. ``resolve`` decides about names that are taken,
    when it is its ``turn``.
    """

    def __init__(
        self,
        inbox: Inbox,
        report: Callable[[Sequence[Outcome]], None],
        tell: Callable[[Kept, bytes], None] = lambda kept, sha256: None,
        resolve: Resolver = keep_both,
        turn: asyncio.Lock | None = None,
    ) -> None:
        questions = _Questions(asyncio.get_running_loop(), resolve, turn or asyncio.Lock())
        self._threads = _Threads(inbox, self._collect, self._synced, self._looked, questions)
        self._report = report
        self._tell_part = tell
        self._file: FileUnderWay | None = None
        self._found: FoundPart | None = None
        self._ended: set[int] = set()  # complete entries whose outcome is not reported
        self._placed: list[Stored] = []  # under their names, which are not durable yet
        self._syncing = False
        self._changed = asyncio.Event()
        self._stopped = False

    # --- what arrives

    def folder(self, number: int, parts: tuple[str, ...]) -> None:
        """Make a folder."""
        self._ended.add(number)
        self._threads.make_folder(number, parts)

    def compare(self, checked: FileChecked) -> None:
        """Read what is there under the name of a file."""
        self._ended.add(checked.id)
        self._threads.compare(checked)

    def look(self, key: FileKey) -> None:
        """See what an earlier session has left of this file; ``tell`` gets it."""
        self._release()
        self._found = FoundPart(key)
        self._threads.look(self._found)

    def begin(self, begun: FileBegun) -> None:
        """Bytes of this file follow, from its start or from where its partial file, or the part found, ends."""
        file = self._file
        if begun.offset and file is not None and file.begun.id == begun.id:
            file.begun = begun
            return
        self.drop()
        file = self._file = FileUnderWay(begun)
        found = self._found
        if begun.offset and found is not None and found.key == begun.key:
            self._found = None
            file.go_on_with(found)
            self._threads.resume(file, found)
            return
        self._release()
        if not file.small:
            self._threads.open(file)

    def write(self, piece: Piece) -> None:
        """Append a piece to the file under way and release it in time."""
        file = self._file
        if file is None or file.failed:
            piece.release()
        elif file.small:
            file.data += piece.data
            piece.release()
        else:
            self._threads.write(file, piece)

    def end(self, sha256: bytes) -> None:
        """The file under way is complete; these bytes are its checksum."""
        file, self._file = self._file, None
        if file is not None:
            self._ended.add(file.begun.id)
            file.expected = sha256
            self._threads.finish(file)

    def drop(self) -> None:
        """Remove what has arrived of the file under way, if any."""
        file, self._file = self._file, None
        if file is not None and not file.small:
            file.failed = True
            self._threads.discard(file)

    def _release(self) -> None:
        """Go on with nothing that was found."""
        found, self._found = self._found, None
        if found is not None:
            found.dropped = True
            self._threads.release(found)

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
        self._release()
        while self._ended and not self._stopped:
            self._changed.clear()
            await self._changed.wait()
        file = self._file
        if file is None or file.small:
            self.drop()
            return None
        self._threads.rest(file)
        await self._threads.written()
        if file.failed or file.part is None:
            return None
        return Partial(file.begun.id, file.part.size, file.hash.digest())

    async def reclaim(self) -> bool:
        """Whether what ``settle`` has told still holds."""
        file = self._file
        if file is None:
            return False
        self._threads.reclaim(file)
        await self._threads.written()
        return not file.failed and file.part is not None

    async def close(self) -> None:
        """End the threads within STORE_END_S: what is not complete is kept, or removed where it is not worth it.

        A thread that a stuck disk holds is left behind; the name of a file that is not kept is gone even so.
        """
        self._stopped = True
        self._changed.set()
        self._file = self._found = None
        self._threads.end()
        await asyncio.to_thread(self._threads.join)

    # --- what has become of it

    def _looked(self, found: FoundPart) -> None:
        if found is self._found and not self._stopped:
            self._tell_part(Kept(found.key, found.size), found.hash.digest())

    def _collect(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Stored):
            self._tell([outcome])
            return
        self._placed.append(outcome)
        self._start_sync()

    def _start_sync(self) -> None:
        """Flush the folders for all files placed so far at once; what is placed meanwhile makes the next group."""
        if self._placed and not self._syncing and not self._stopped:
            self._syncing = True
            group, self._placed = self._placed, []
            self._threads.sync(group)

    def _synced(self, group: list[Stored]) -> None:
        self._syncing = False
        self._tell(group)
        self._start_sync()

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        self._ended.difference_update(outcome.id for outcome in outcomes)
        self._changed.set()
        if not self._stopped:
            self._report(outcomes)


class _Threads:
    """The threads on which `Disk` does its jobs, and the way back to the loop."""

    def __init__(
        self,
        inbox: Inbox,
        done: Callable[[Outcome], None],
        synced: Callable[[list[Stored]], None],
        looked: Callable[[FoundPart], None],
        questions: _Questions,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._questions = questions
        self._done = done
        self._synced = synced
        self._looked = looked
        self._writer = Workers(1, "write", self._crashed)
        self._hasher = Workers(1, "hash", self._crashed)
        self._flushers = Workers(_FLUSHING_THREADS, "flush", self._crashed)
        self._disk = Disk(inbox, partial(self._call, done), self._flushers.put, self._questions.ask)

    def make_folder(self, number: int, parts: tuple[str, ...]) -> None:
        self._flushers.put(partial(self._disk.make_folder, number, parts))

    def open(self, file: FileUnderWay) -> None:
        self._writer.put(partial(self._disk.open, file))

    def compare(self, checked: FileChecked) -> None:
        self._flushers.put(partial(self._disk.compare, checked))

    def look(self, found: FoundPart) -> None:
        self._writer.put(partial(self._look, found))

    def _look(self, found: FoundPart) -> None:
        self._disk.look(found)
        self._call(self._looked, found)

    def resume(self, file: FileUnderWay, found: FoundPart) -> None:
        self._writer.put(partial(self._disk.resume, file, found))

    def rest(self, file: FileUnderWay) -> None:
        self._writer.put(partial(self._disk.rest, file))

    def reclaim(self, file: FileUnderWay) -> None:
        self._writer.put(partial(self._disk.reclaim, file))

    def release(self, found: FoundPart) -> None:
        self._writer.put(partial(self._disk.release, found))

    def write(self, file: FileUnderWay, piece: Piece) -> None:
        release = _Countdown(2, piece.release)
        self._writer.put(partial(self._then, self._disk.write, file, piece.data, release))
        self._hasher.put(partial(self._then, self._disk.hash, file, piece.data, release))

    def finish(self, file: FileUnderWay) -> None:
        if file.small:
            self._flushers.put(partial(self._disk.store_small, file))
            return
        finish = _Countdown(2, partial(self._flushers.put, partial(self._disk.finish, file)))
        self._writer.put(finish)
        self._hasher.put(finish)

    def discard(self, file: FileUnderWay) -> None:
        self._writer.put(partial(self._disk.discard, file))

    def sync(self, group: list[Stored]) -> None:
        self._flushers.put(partial(self._sync, group))

    def _sync(self, group: list[Stored]) -> None:
        self._disk.sync()
        self._call(self._synced, group)

    async def written(self) -> None:
        """Wait until the threads have come to the end of what they were given."""
        empty = asyncio.Event()
        reached = _Countdown(2, lambda: self._call(lambda _: empty.set(), None))
        self._writer.put(reached)
        self._hasher.put(reached)
        await empty.wait()

    def end(self) -> None:
        self._disk.stop()
        self._questions.end()
        # The last thread to end lets go of the folder, however long a disk holds it.
        close = _Countdown(3, self._disk.close)
        for connection in (self._writer, self._hasher, self._flushers):
            connection.end(close)

    def join(self) -> None:
        deadline = time.monotonic() + STORE_END_S
        for connection in (self._writer, self._hasher, self._flushers):
            connection.join(deadline - time.monotonic())

    @staticmethod
    def _then(
        job: Callable[[FileUnderWay, memoryview], None],
        file: FileUnderWay,
        data: memoryview,
        release: _Countdown,
    ) -> None:
        try:
            job(file, data)
        finally:
            release()

    def _crashed(self, error: BaseException) -> None:
        self._call(self._done, NotStored(-1, f"unexpected {type(error).__name__}: {error}", full=True))

    def _call(self, function: Callable[[_Argument], None], argument: _Argument) -> None:
        # A loop that is closed hears nothing more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, argument)


class _Questions:
    """Threads wait here for what the event loop decides. What is not answered before the end is stored beside."""

    def __init__(self, loop: asyncio.AbstractEventLoop, resolve: Resolver, turn: asyncio.Lock) -> None:
        self._loop = loop
        self._resolve = resolve
        self._turn = turn
        self._lock = threading.Lock()
        self._open: set[Future[Existing]] = set()
        self._ended = False

    def ask(self, conflict: NameConflict) -> Existing:
        """On a thread: the answer, once it is there."""
        with self._lock:
            if self._ended:
                return Existing.RENAME
            question = asyncio.run_coroutine_threadsafe(self._answer(conflict), self._loop)
            self._open.add(question)
        try:
            return question.result()
        except CancelledError:
            return Existing.RENAME
        finally:
            self._open.discard(question)

    def end(self) -> None:
        """On the loop: no answer is waited for any more."""
        with self._lock:
            self._ended = True
            questions = list(self._open)
        for question in questions:
            question.cancel()

    async def _answer(self, conflict: NameConflict) -> Existing:
        try:
            async with self._turn, asyncio.timeout(APPROVAL_S):
                choice = await self._resolve(conflict)
        except Exception as error:  # noqa: BLE001 - nothing is lost where nobody decides
            _log.warning("%s is stored beside the other one: nobody decided (%r)", conflict.path, error)
            return Existing.RENAME
        return Existing.RENAME if choice is Existing.ASK else choice


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
