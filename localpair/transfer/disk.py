"""What threads do for one batch: open, write, hash, flush and place files. Nothing here knows the event loop."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from localpair.choices.terms import Existing, NameConflict
from localpair.dataclass import dataclass
from localpair.limits import FLUSH_BYTES, SMALL_FILE_BYTES
from localpair.names import units
from localpair.protocol.transfer.receiver import FileBegun, FileChecked
from localpair.transfer.checksum import new_checksum
from localpair.transfer.folder.inbox import Inbox, PartFile, is_disk_full
from localpair.wire.filekey import FileKey
from localpair.wire.payload import Traits


@dataclass(frozen=True, slots=True)
class Stored:
    """The entry stands under its final name. A folder has no checksum."""

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


@dataclass(frozen=True, slots=True)
class Compared:
    """What is there under an entry's name and of its size; None where nothing is."""

    id: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """The entry is not stored: what stands under its name is kept."""

    id: int
    parts: tuple[str, ...]
    size: int


Outcome: TypeAlias = Stored | NotStored | Compared | LeftAlone


class FoundPart:
    """What an earlier session has left of a file: looked at, and gone on with or let go of."""

    __slots__ = ("dropped", "hash", "key", "part")

    def __init__(self, key: FileKey) -> None:
        self.key = key
        self.part: PartFile | None = None
        self.hash = new_checksum()
        self.dropped = False

    @property
    def size(self) -> int:
        """Bytes that are in it."""
        return self.part.size if self.part is not None else 0


class FileUnderWay:
    """One file. ``data`` collects a small one; a large one has a part file and a running checksum."""

    __slots__ = ("begun", "data", "expected", "failed", "flushed", "hash", "part", "replaces", "small")

    def __init__(self, begun: FileBegun) -> None:
        self.begun = begun
        self.small = begun.size <= SMALL_FILE_BYTES
        self.data = bytearray()
        self.hash = new_checksum()
        self.part: PartFile | None = None
        self.failed = False
        self.flushed = 0  # bytes that the disk has been asked to take in
        self.expected = b""
        self.replaces = False  # what stands under its name

    def go_on_with(self, found: FoundPart) -> None:
        """Its bytes follow those of an earlier session."""
        self.part, self.hash, self.flushed = found.part, found.hash, found.size


class Disk:
    """The jobs. ``report`` is called once for each entry that was placed or failed, on the thread that did it.

    ``later`` has a job done on another thread; ``resolve`` waits for a decision about a name that is taken. After
    ``stop`` jobs do nothing but clean up.
    """

    def __init__(
        self,
        inbox: Inbox,
        report: Callable[[Outcome], None],
        later: Callable[[Callable[[], None]], None],
        resolve: Callable[[NameConflict], Existing],
    ) -> None:
        self._inbox = inbox
        self._report = report
        self._later = later
        self._resolve = resolve
        self._lock = threading.Lock()
        self._parts: set[PartFile] = set()
        self._stopped = False

    def make_folder(self, number: int, parts: tuple[str, ...]) -> None:
        """Make a folder."""
        if self._stopped:
            return
        with self._failing(number):
            self._report(Stored(number, self._inbox.make(parts), 0, None))

    def compare(self, checked: FileChecked) -> None:
        """Read what is there under the name of a file."""
        if self._stopped:
            return
        with self._failing(checked.id):
            if self._inbox.existing is Existing.SKIP and self._inbox.standing(checked.parts) is not None:
                self._report(LeftAlone(checked.id, checked.parts, checked.size))
                return
            found = self._inbox.digest(
                checked.parts, checked.size, checked.mtime_ns, lambda: not self._stopped
            )
            self._report(Compared(checked.id, found))

    def open(self, file: FileUnderWay) -> None:
        """Make a part file for a large file."""
        with self._failing(file.begun.id, file):
            if self._is_wanted(file):
                if Traits.HOLES not in file.begun.traits:  # else it needs less, and nobody knows how much
                    self._require_room(file.begun.size)
                self._new_part(file)

    def look(self, found: FoundPart) -> None:
        """See what an earlier session has left of a file; that takes as long as its part is long."""
        part = self._inbox.found(found.key) if not self._stopped else None
        if part is None:
            return
        found.part = self._use(part)
        try:
            for block in part.blocks():
                found.hash.update(block)
                if found.dropped or self._stopped:
                    return
        except OSError:
            part.discard()
            found.part = None

    def resume(self, file: FileUnderWay, found: FoundPart) -> None:
        """Go on with what was found."""
        with self._failing(file.begun.id, file):
            if self._is_wanted(file):
                if Traits.HOLES not in file.begun.traits:
                    self._require_room(file.begun.size - found.size)
                elif file.part is not None:
                    file.part.has_holes = True

    def release(self, found: FoundPart) -> None:
        """Let go of what was found: it stays."""
        if found.part is not None:
            found.part.let_go()
            self._forget(found.part)

    def write(self, file: FileUnderWay, data: memoryview) -> None:
        """Append to the part file."""
        with self._failing(file.begun.id, file):
            part = file.part
            # What has arrived when a session ends still goes into a part that is kept.
            if part is None or file.failed or (self._stopped and not part.is_kept):
                return
            part.write(data)
            if part.size - file.flushed >= FLUSH_BYTES and not self._stopped:
                file.flushed = part.size
                self._later(partial(self._flush_early, file, part))

    def hash(self, file: FileUnderWay, data: memoryview) -> None:
        """Append to the checksum."""
        if not file.failed and not self._stopped:
            file.hash.update(data)

    def store_small(self, file: FileUnderWay) -> None:
        """Everything for a file whose bytes have been collected."""
        if not self._stopped:
            with self._failing(file.begun.id, file):
                if self._is_wanted(file):
                    file.hash.update(file.data)
                    self._new_part(file).write(file.data)
        self.finish(file)

    def finish(self, file: FileUnderWay) -> None:
        """Compare the checksum, flush, and give the file its name."""
        part = file.part
        if part is not None and not file.failed and not self._stopped:
            with self._failing(file.begun.id, file):
                digest = file.hash.digest()
                if digest != file.expected:
                    part.is_kept = False
                    raise OSError(errno.EBADMSG, "the bytes do not fit their checksum")
                part.flush(file.begun.mtime_ns)
                part.is_executable = Traits.EXECUTABLE in file.begun.traits
                if not self._stopped:
                    path = self._inbox.place(part, file.begun.parts, replaces=file.replaces)
                    self._report(Stored(file.begun.id, path, part.size, digest))
        if part is not None:
            part.let_go()
            self._forget(part)

    def rest(self, file: FileUnderWay) -> None:
        """No connection stands."""
        if file.part is not None:
            with self._failing(file.begun.id, file):
                file.part.rest()

    def reclaim(self, file: FileUnderWay) -> None:
        """Another one stands; where the part has gone to a newer session, the file has none any more."""
        part = file.part
        if part is not None and not part.reclaim():
            file.part, file.failed = None, True
            self._forget(part)

    def discard(self, file: FileUnderWay) -> None:
        """Remove the part file: the file is refused, given up or begun anew."""
        if file.part is not None:
            file.part.discard()
            self._forget(file.part)

    def sync(self) -> None:
        """Make the names given so far durable, as far as the target can."""
        self._inbox.sync()

    def stop(self) -> None:
        """Remove every part file that is not kept, by its name: a thread may be stuck in a flush.

        Whether the others are worth keeping is seen in ``close``: what has arrived is still on its way to them.
        """
        self._stopped = True
        with self._lock:
            parts = [part for part in self._parts if not part.is_kept]
        for part in parts:
            part.forget()

    def close(self) -> None:
        """Let go of the folder, once no thread does a job any more."""
        for part in self._parts:
            part.let_go()
        self._inbox.close()

    def _flush_early(self, file: FileUnderWay, part: PartFile) -> None:
        """Have the disk work while more arrives, so that the last flush is short.

        An error counts here: the system tells each only once.
        """
        with self._failing(file.begun.id, file):
            if not file.failed and not self._stopped:
                part.flush_data()

    def _is_wanted(self, file: FileUnderWay) -> bool:
        """Whether the file is to be stored, whatever stands under its name; a person may have to be asked."""
        begun, choice = file.begun, self._inbox.existing
        if choice in {Existing.SKIP, Existing.ASK}:
            standing = self._inbox.standing(begun.parts)
            if standing is None:
                choice = Existing.RENAME
            elif choice is Existing.ASK:
                choice = self._resolve(_conflict(begun, *standing))
        file.replaces = choice is Existing.REPLACE
        if choice is Existing.SKIP:
            file.failed = True
            self._report(LeftAlone(begun.id, begun.parts, begun.size))
        return not file.failed

    def _new_part(self, file: FileUnderWay) -> PartFile:
        file.part = self._use(self._inbox.part(file.begun.key, file.begun.parts[-1]))
        file.part.has_holes = Traits.HOLES in file.begun.traits
        return file.part

    def _use(self, part: PartFile) -> PartFile:
        with self._lock:
            self._parts.add(part)
        return part

    def _forget(self, part: PartFile) -> None:
        with self._lock:
            self._parts.discard(part)

    def _require_room(self, size: int) -> None:
        free = self._inbox.room()
        if free is not None and size > free:
            raise OSError(
                errno.EFBIG,
                f"there is no room for {units.size(size)}: the disk has {units.size(free)} left",
            )

    @contextlib.contextmanager
    def _failing(self, number: int, file: FileUnderWay | None = None) -> Iterator[None]:
        """Turn an error of the disk into the entry's outcome."""
        try:
            yield
        except OSError as error:
            if file is not None:
                file.failed = True
            self._report(NotStored(number, error.strerror or str(error), is_disk_full(error)))


def _conflict(begun: FileBegun, path: Path, status: os.stat_result) -> NameConflict:
    return NameConflict(path, begun.size, begun.mtime_ns, status.st_size, status.st_mtime_ns)
