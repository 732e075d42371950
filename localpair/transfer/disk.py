"""What threads do for one batch: open, write, hash, flush and place files. Nothing here knows the event loop."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from localpair.limits import FLUSH_BYTES, SMALL_FILE_BYTES
from localpair.protocol.receiver import FileBegun
from localpair.transfer.inbox import Inbox, PartFile, is_disk_full


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


Outcome: TypeAlias = Stored | NotStored


class FileUnderWay:
    """One file. ``data`` collects a small one; a large one has a part file and a running checksum."""

    __slots__ = ("begun", "data", "expected", "failed", "flushed", "hash", "part", "small")

    def __init__(self, begun: FileBegun) -> None:
        self.begun = begun
        self.small = begun.size <= SMALL_FILE_BYTES
        self.data = bytearray()
        self.hash = hashlib.sha256()
        self.part: PartFile | None = None
        self.failed = False
        self.flushed = 0  # bytes that the disk has been asked to take in
        self.expected = b""


class Disk:
    """The jobs. ``report`` is called once for each entry that was placed or failed, on the thread that did it.

    ``later`` has a job done on another thread. After ``stop`` jobs do nothing but clean up.
    """

    def __init__(
        self,
        inbox: Inbox,
        report: Callable[[Outcome], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._inbox = inbox
        self._report = report
        self._later = later
        self._lock = threading.Lock()
        self._parts: set[PartFile] = set()
        self._stopped = False

    def make_folder(self, number: int, parts: tuple[str, ...]) -> None:
        """Make a folder."""
        if self._stopped:
            return
        with self._failing(number):
            self._report(Stored(number, self._inbox.make(parts), 0, None))

    def open(self, file: FileUnderWay) -> None:
        """Make a part file for a large file."""
        with self._failing(file.begun.id, file):
            if not self._inbox.has_room(file.begun.size):
                raise OSError(errno.EFBIG, f"there is no room for {file.begun.size} bytes on the disk")
            self._new_part(file)

    def write(self, file: FileUnderWay, data: memoryview) -> None:
        """Append to the part file."""
        with self._failing(file.begun.id, file):
            if file.part is not None and not file.failed and not self._stopped:
                file.part.write(data)
                if file.part.size - file.flushed >= FLUSH_BYTES:
                    file.flushed = file.part.size
                    self._later(partial(self._flush_early, file, file.part))

    def hash(self, file: FileUnderWay, data: memoryview) -> None:
        """Append to the checksum."""
        if not file.failed and not self._stopped:
            file.hash.update(data)

    def store_small(self, file: FileUnderWay) -> None:
        """Everything for a file whose bytes have been collected."""
        if not self._stopped:
            with self._failing(file.begun.id, file):
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
                    raise OSError(errno.EBADMSG, "the bytes do not fit their checksum")
                part.flush(file.begun.mtime_ns)
                path = self._inbox.place(part, file.begun.parts)
                self._report(Stored(file.begun.id, path, part.size, digest))
        self.discard(file)

    def discard(self, file: FileUnderWay) -> None:
        """Let go of the part file, which vanishes unless it was placed."""
        if file.part is not None:
            file.part.discard()
            with self._lock:
                self._parts.discard(file.part)

    def sync(self) -> None:
        """Make the names given so far durable, as far as the target can."""
        self._inbox.sync()

    def stop(self) -> None:
        """Remove every part file by its name: a thread may be stuck in a flush, and nothing of it must stay."""
        self._stopped = True
        with self._lock:
            parts = list(self._parts)
        for part in parts:
            part.forget()

    def close(self) -> None:
        """Let go of the folder, once no thread does a job any more."""
        for part in self._parts:
            part.discard()
        self._inbox.close()

    def _flush_early(self, file: FileUnderWay, part: PartFile) -> None:
        """Have the disk work while more arrives, so that the last flush is short.

        An error counts here: the system tells each only once.
        """
        with self._failing(file.begun.id, file):
            if not file.failed and not self._stopped:
                part.flush_data()

    def _new_part(self, file: FileUnderWay) -> PartFile:
        part = self._inbox.part()
        file.part = part
        with self._lock:
            self._parts.add(part)
        return part

    @contextlib.contextmanager
    def _failing(self, number: int, file: FileUnderWay | None = None) -> Iterator[None]:
        """Turn an error of the disk into the entry's outcome."""
        try:
            yield
        except OSError as error:
            if file is not None:
                file.failed = True
            self._report(NotStored(number, error.strerror or str(error), is_disk_full(error)))
