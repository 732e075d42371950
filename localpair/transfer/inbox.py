"""Safe receiving: part file, flush, then a final name inside the target folder, and never over another file.

Folders of a batch are always made anew: one that stood there before gets a neighbour with a free name, so that a
peer can add nothing to folders it has not sent. Everything here blocks and is called from worker threads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Final

from localpair.errors import LocalError
from localpair.limits import FREE_NAMES
from localpair.protocol.filenames import numbered
from localpair.transfer.directory_handle import Folder, open_folder

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_MTIME_MAX_NS: Final = 1 << 62  # in the year 2116; some file systems refuse more


def is_disk_full(error: OSError) -> bool:
    """Whether nothing more can be stored, as opposed to a fault of one file."""
    return error.errno in _FULL


class PartFile:
    """Bytes under way, in a hidden file that vanishes unless it is placed."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.fd, self.name = folder.create_part()
        self.size = 0
        self._lock = threading.Lock()
        self._closed = False
        self.placed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``. Raises OSError."""
        view = memoryview(data)
        while view:
            written = os.write(self.fd, view)
            self.size += written
            view = view[written:]

    def flush_data(self) -> None:
        """Have the contents so far written out, where the system can do that alone. Raises OSError."""
        with self._lock:
            if not self._closed and hasattr(os, "fdatasync"):
                os.fdatasync(self.fd)

    def flush(self, mtime_ns: int) -> None:
        """Make the contents durable, with the sender's time of change. Raises OSError."""
        if os.utime in os.supports_fd:
            # A date that the file system cannot store is no reason to lose the file.
            with contextlib.suppress(OSError, OverflowError):
                os.utime(self.fd, ns=(min(mtime_ns, _MTIME_MAX_NS),) * 2)
        os.fsync(self.fd)

    def place(self, parts: tuple[str, ...]) -> None:
        """Give it its final name. Raises FileExistsError where that is taken, OSError otherwise."""
        if self._folder.closes_first:
            self.close()
        self._folder.place(self.fd, self.name, parts)
        self.placed = True

    def close(self) -> None:
        """Close the descriptor, once."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.fd)

    def forget(self) -> None:
        """Remove the name, though a thread may still write; no error leaves here."""
        if not self.placed:
            with contextlib.suppress(OSError):
                self._folder.remove(self.name)

    def discard(self) -> None:
        """Close and remove it unless it was placed; no error leaves here."""
        with contextlib.suppress(OSError):
            self.close()
        self.forget()


class Inbox:
    """The target folder of one batch. Raises LocalError where it cannot be used."""

    def __init__(self, directory: Path) -> None:
        try:
            self._folder = open_folder(directory)
        except OSError as error:
            raise LocalError(
                f"cannot receive into {directory}: {error.strerror or error}",
                hint="Choose an existing folder that you may write to.",
            ) from error
        self.path = directory
        self._lock = threading.Lock()
        self._actual: dict[tuple[str, ...], tuple[str, ...]] = {(): ()}
        self._changed: set[tuple[str, ...]] = set()
        self._folder.sweep()

    def part(self) -> PartFile:
        """A new part file. Raises OSError."""
        return PartFile(self._folder)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes fit, as far as the system knows."""
        return size <= self._folder.free()

    def make(self, parts: tuple[str, ...]) -> Path:
        """Make the folder that the batch calls ``parts``, and those above it; its real path. Raises OSError."""
        with self._lock:
            return self.path.joinpath(*self._make(parts))

    def place(self, part: PartFile, parts: tuple[str, ...]) -> Path:
        """Give ``part`` the name ``parts``, or the next free one beside it; its real path. Raises OSError."""
        with self._lock:
            parent = self._make(parts[:-1])
        for number in range(FREE_NAMES):
            actual = (*parent, numbered(parts[-1], number))
            try:
                part.place(actual)
            except FileExistsError:
                continue
            with self._lock:
                self._changed.add(parent)
            return self.path.joinpath(*actual)
        raise FileExistsError(errno.EEXIST, "too many files of this name", parts[-1])

    def sync(self) -> None:
        """Make all names given since the last call durable. Raises OSError."""
        with self._lock:
            changed, self._changed = self._changed, set()
        for parts in changed:
            self._folder.sync(parts)

    def close(self) -> None:
        """Let go of the folder, after everything else."""
        self._folder.close()

    def _make(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        known = self._actual.get(parts)
        if known is not None:
            return known
        parent = self._make(parts[:-1])
        for number in range(FREE_NAMES):
            actual = (*parent, numbered(parts[-1], number))
            try:
                self._folder.make(actual)
            except FileExistsError:
                continue
            self._changed.add(parent)
            self._actual[parts] = actual
            return actual
        raise FileExistsError(errno.EEXIST, "too many folders of this name", parts[-1])
