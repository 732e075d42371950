"""From the disk to the event loop: one thread reads and hashes ahead of what TLS takes.

Files are read in pieces that are written to TLS as they are; small files come whole, many to a pack, so that ten
thousand of them do not cost ten thousand changes of thread. A file that changes while it is read is given up.
"""

from __future__ import annotations

import asyncio
import os
import queue
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final, TypeAlias

from localpair.dataclass import dataclass
from localpair.limits import CHUNK_BYTES, SMALL_FILE_BYTES, STORE_END_S
from localpair.transfer.checksum import Checksum, checksum_of, new_checksum
from localpair.transfer.walk import LeftOut, SourceEntry
from localpair.transfer.workers import Conveyor, Workers
from localpair.wire.filekey import FileKey
from localpair.wire.payload import PLAIN, Kind, Partial, Traits

_SLOTS: Final = 4  # packs between the thread and the loop: about as many chunks
_PACK_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class FileOpened:
    """A file begins, at ``offset``; chunks follow, then `Read` or `Unreadable`."""

    source: SourceEntry
    size: int
    mtime_ns: int
    offset: int = 0
    traits: Traits = PLAIN


@dataclass(frozen=True, slots=True)
class Asking:
    """The peer has kept a part of the next file: what is in it? ``answer`` it, and `FileOpened` follows."""

    key: FileKey


@dataclass(frozen=True, slots=True)
class Checking:
    """The peer may have the next file already: what is there under its name?"""

    source: SourceEntry
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Same:
    """The peer has the next file, with the same bytes."""

    source: SourceEntry
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next bytes of the open file."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """The open file is complete."""

    sha256: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The open file could not be read to its end."""

    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """An entry that needs nothing more: a folder, a missing file, or a small file with its bytes."""

    source: SourceEntry
    size: int = 0
    mtime_ns: int = 0
    data: bytes = field(default=b"", repr=False)
    sha256: bytes = b""
    traits: Traits = PLAIN


@dataclass(frozen=True, slots=True)
class Exhausted:
    """There are no more entries."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The thread met an error that no file explains."""

    error: BaseException


Item: TypeAlias = (
    Asking | Checking | Same | FileOpened | Chunk | Read | Unreadable | Whole | LeftOut | Exhausted | Crashed
)


class Backlog:
    """Entries in the order in which they are sent; those that must be sent again come first."""

    def __init__(self, entries: Iterator[SourceEntry | LeftOut]) -> None:
        self._entries = entries
        self._again: deque[SourceEntry | LeftOut] = deque()
        self._taken: deque[SourceEntry | LeftOut] = deque()  # read ahead and not yet sent

    def take(self) -> SourceEntry | LeftOut | None:
        """The next entry, on the reading thread."""
        entry = self._again.popleft() if self._again else next(self._entries, None)
        if entry is not None:
            self._taken.append(entry)
        return entry

    def want(self, source: SourceEntry) -> None:
        """Come back to an entry soon: the peer has told what it has of it."""
        self._again.append(source)

    @property
    def pending(self) -> bool:
        """Whether there is anything to come back to."""
        return bool(self._again)

    def sent(self) -> None:
        """The oldest entry taken has been announced to the peer, or told as left out, on the loop."""
        self._taken.popleft()

    def rewind(self, announced: list[SourceEntry]) -> None:
        """Begin again with ``announced`` and then with what was only read ahead; the thread has ended before."""
        self._again.extendleft(reversed([*announced, *self._taken]))
        self._taken.clear()


class FileReader:
    """Reads a backlog's entries ahead. ``partial`` is how far the peer has the first of them in this session; ``kept``
    how far it has others since an earlier one. Where it ``compares``, whole ones may be there. ``chunk``: as many bytes
    are read at once.
    """

    def __init__(
        self,
        backlog: Backlog,
        partial: Partial | None = None,
        kept: Mapping[FileKey, int] | None = None,
        *,
        compares: bool = False,
        chunk: int = CHUNK_BYTES,
    ) -> None:
        self._backlog = backlog
        self._chunk = chunk
        self._partial = partial
        self._kept = kept or {}
        self._compares = compares
        self._answers: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._stopping = False
        self._conveyor: Conveyor[list[Item]] = Conveyor(_SLOTS)
        self._pack: list[Item] = []
        self._pack_bytes = 0
        self._skipped: SourceEntry | None = None
        self._thread = Workers(1, "read", self._crashed)
        self._thread.put(self._run)

    async def get(self) -> list[Item]:
        """What was read next, in order."""
        return await self._conveyor.get()

    def skip(self, source: SourceEntry) -> None:
        """Read no more of this file, if it is still being read; `Unreadable` ends it."""
        self._skipped = source

    def answer(self, offset: int, sha256: bytes) -> None:
        """The peer has the first ``offset`` bytes of the file of `Asking`, with this checksum."""
        self._answers.put((offset, sha256))

    async def stop(self, wait_s: float = STORE_END_S) -> bool:
        """End the thread; False where a disk holds it longer than ``wait_s``. Does no harm a second time."""
        self._stopping = True
        self._conveyor.stop()
        self.answer(0, b"")  # nobody else gives one any more
        self._thread.end()
        return await asyncio.to_thread(self._thread.join, wait_s)

    def _run(self) -> None:
        try:
            while (entry := self._backlog.take()) is not None:
                self._read(entry)
            self._put(Exhausted(), last=True)
        except Conveyor.Stopped:
            pass

    def _read(self, entry: SourceEntry | LeftOut) -> None:
        if isinstance(entry, LeftOut):
            self._put(entry)
        elif entry.kind is not Kind.FILE:
            self._put(Whole(entry))
        else:
            self._read_file(entry)
        self._partial = None

    def _read_file(self, source: SourceEntry) -> None:
        try:
            fd = _open(source)
        except OSError as error:
            self._put(Whole(_unreadable(source, error)))
            return
        try:
            status = os.fstat(fd)
            if self._compares and self._partial is None and self._leave_out(fd, source, status):
                return
            if status.st_size <= SMALL_FILE_BYTES and self._partial is None:
                self._put(_read_small(fd, source, status))
            else:
                self._read_large(fd, source, status)
        finally:
            os.close(fd)

    def _leave_out(self, fd: int, source: SourceEntry, status: os.stat_result) -> bool:
        """Whether the file is not sent now: the peer has it, or has to be asked first."""
        if source.theirs is None:
            if self._kept and _key(source, status) in self._kept:
                return False
            self._put(Checking(source, status.st_size, status.st_mtime_ns))
            return True
        if not source.theirs:
            return False
        checksum = self._sum(fd, status.st_size, status.st_size)
        if checksum is not None and checksum.digest() == source.theirs and not _changed(fd, status):
            self._put(Same(source, status.st_size, status.st_mtime_ns))
            return True
        os.lseek(fd, 0, os.SEEK_SET)
        return False

    def _read_large(self, fd: int, source: SourceEntry, status: os.stat_result) -> None:
        checksum, offset = self._prefix(fd, source, status)
        traits = _traits(status) | _holes(fd, status)
        self._put(FileOpened(source, status.st_size, status.st_mtime_ns, offset, traits), last=True)
        try:
            while chunk := os.read(fd, min(self._chunk, status.st_size - offset)):
                checksum.update(chunk)
                offset += len(chunk)
                self._put(Chunk(chunk), last=True)
                if self._skipped is source:
                    self._put(Unreadable("it was skipped"))
                    return
            changed = offset != status.st_size or _changed(fd, status)
        except OSError as error:
            self._put(Unreadable(error.strerror or str(error)))
            return
        self._put(Unreadable("it changed while it was read") if changed else Read(checksum.digest()))

    def _prefix(self, fd: int, source: SourceEntry, status: os.stat_result) -> tuple[Checksum, int]:
        """Where to go on: behind what the peer has, if our bytes there are the same, else at the start."""
        if self._partial is not None:
            offset, theirs = self._partial.offset, self._partial.sha256
            checksum = self._sum(fd, status.st_size, offset)
        elif self._kept and (key := _key(source, status)) in self._kept:
            self._put(Asking(key), last=True)
            checksum = self._sum(fd, status.st_size, self._kept[key])  # both sides read at once
            offset, theirs = self._answers.get()
            if offset != self._kept[key]:
                checksum = None
        else:
            return new_checksum(), 0
        if checksum is not None and checksum.digest() == theirs:
            return checksum, offset
        os.lseek(fd, 0, os.SEEK_SET)
        return new_checksum(), 0

    def _sum(self, fd: int, size: int, count: int) -> Checksum | None:
        """The checksum of the first ``count`` bytes; None where there are not as many. Raises Stopped."""
        checksum = new_checksum()
        left = count
        while count <= size and left and (chunk := os.read(fd, min(CHUNK_BYTES, left))):
            if self._stopping:
                raise Conveyor.Stopped
            checksum.update(chunk)
            left -= len(chunk)
        return None if left else checksum

    def _put(self, item: Item, *, last: bool = False) -> None:
        self._pack.append(item)
        if isinstance(item, Whole):
            self._pack_bytes += len(item.data)
        full = self._pack_bytes >= CHUNK_BYTES or len(self._pack) >= _PACK_FILES
        if last or full or self._conveyor.starving:
            pack, self._pack, self._pack_bytes = self._pack, [], 0
            self._conveyor.put(pack)

    def _crashed(self, error: BaseException) -> None:
        try:
            self._conveyor.put([Crashed(error)])
        except Conveyor.Stopped:
            pass


def _open(source: SourceEntry) -> int:
    """Open a regular file and nothing else: no link that was swapped in, no pipe that would block."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOINHERIT", "O_BINARY"):
        flags |= getattr(os, name, 0)
    if not source.is_followed:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    fd = os.open(source.path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "it is no file any more")
    return fd


def _key(source: SourceEntry, status: os.stat_result) -> FileKey:
    return FileKey.of(source.parts, status.st_size, status.st_mtime_ns)


def _read_small(fd: int, source: SourceEntry, status: os.stat_result) -> Whole:
    try:
        data = b""
        while chunk := os.read(fd, SMALL_FILE_BYTES + 1 - len(data)):
            data += chunk
        if len(data) != status.st_size or _changed(fd, status):
            return Whole(_unreadable(source, OSError(0, "it changed while it was read")))
    except OSError as error:
        return Whole(_unreadable(source, error))
    return Whole(source, len(data), status.st_mtime_ns, data, checksum_of(data), _traits(status))


def _traits(status: os.stat_result) -> Traits:
    """Whether its owner may execute it, where files have such a bit."""
    return Traits.EXECUTABLE if os.name != "nt" and status.st_mode & stat.S_IXUSR else PLAIN


def _holes(fd: int, status: os.stat_result) -> Traits:
    """Whether the file has holes, as far as the system tells. Its blocks do not: those of one that is compressed, or
    was written a moment ago, are fewer than its bytes as well. What is read next stays the same.
    """
    seek_hole: int | None = getattr(os, "SEEK_HOLE", None)
    if seek_hole is None:
        return PLAIN
    at = os.lseek(fd, 0, os.SEEK_CUR)
    try:
        return Traits.HOLES if os.lseek(fd, 0, seek_hole) < status.st_size else PLAIN
    except OSError:
        return PLAIN
    finally:
        os.lseek(fd, at, os.SEEK_SET)


def _changed(fd: int, before: os.stat_result) -> bool:
    now = os.fstat(fd)
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def _unreadable(source: SourceEntry, error: OSError) -> SourceEntry:
    return SourceEntry(
        source.path, source.parts, Kind.MISSING, source.is_followed, error.strerror or str(error)
    )
