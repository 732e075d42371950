"""Safe receiving: part file, flush, then a final name inside the target folder, and never over another file.

Folders of a batch are always made anew: one that stood there before gets a neighbour with a free name, so that a
peer can add nothing to folders it has not sent. Everything here blocks and is called from worker threads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from localpair.errors import LocalError
from localpair.limits import FOLDERS_KEPT, FREE_NAMES
from localpair.protocol.filenames import numbered
from localpair.transfer.directory_handle import Folder, open_folder

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_FLUSH: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What ``fsync`` answers where there is nothing of the kind; every other error may mean that bytes are lost."""
_MTIME_MAX_NS: Final = 1 << 62  # in the year 2116; some file systems refuse more


def is_disk_full(error: OSError) -> bool:
    """Whether nothing more can be stored, as opposed to a fault of one file."""
    return error.errno in _FULL


class PartFile:
    """Bytes under way, in a hidden file that vanishes unless it is placed."""

    def __init__(self, folder: Folder, doubt: Callable[[OSError], None]) -> None:
        self._folder = folder
        self._doubt = doubt
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
                self._flush(os.fdatasync)

    def flush(self, mtime_ns: int) -> None:
        """Make the contents durable, with the sender's time of change. Raises OSError."""
        if os.utime in os.supports_fd:
            # A date that the file system cannot store is no reason to lose the file.
            with contextlib.suppress(OSError, OverflowError):
                os.utime(self.fd, ns=(min(mtime_ns, _MTIME_MAX_NS),) * 2)
        self._flush(os.fsync)

    def place(self, parts: tuple[str, ...]) -> None:
        """Give it its final name. Raises FileExistsError where that is taken, OSError otherwise."""
        if self._folder.closes_first:
            self.close()
        self._folder.place(self.fd, self.name, parts)
        self.placed = True

    def _flush(self, flush: Callable[[int], None]) -> None:
        try:
            flush(self.fd)
        except OSError as error:
            if error.errno not in _NO_FLUSH:
                raise
            self._doubt(error)

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
        self.doubt = ""  # why what was stored may not survive a power cut, where it may not
        self._lock = threading.Lock()
        self._actual: OrderedDict[tuple[str, ...], tuple[str, ...]] = OrderedDict()
        self._changed: set[tuple[str, ...]] = set()
        self._folder.sweep()

    def part(self) -> PartFile:
        """A new part file. Raises OSError."""
        return PartFile(self._folder, self._cannot_flush)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes fit, as far as the system knows: where it does not, trying tells."""
        free = self._folder.free()
        return free is None or size <= free

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
        """Make all names given since the last call durable, where that can be had: the files stand in any case."""
        with self._lock:
            changed, self._changed = self._changed, set()
        for parts in changed:
            try:
                self._folder.sync(parts)
            except OSError as error:
                self._cannot_flush(error)

    def close(self) -> None:
        """Let go of the folder, after everything else."""
        self._folder.close()

    def _cannot_flush(self, error: OSError) -> None:
        self.doubt = self.doubt or error.strerror or str(error)

    def _make(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts:
            return ()
        known = self._actual.pop(parts, None)
        if known is None:
            known = self._make_new(self._make(parts[:-1]), parts[-1])
        self._actual[parts] = known
        if len(self._actual) > FOLDERS_KEPT:
            self._actual.popitem(last=False)
        return known

    def _make_new(self, parent: tuple[str, ...], name: str) -> tuple[str, ...]:
        for number in range(FREE_NAMES):
            actual = (*parent, numbered(name, number))
            try:
                self._folder.make(actual)
            except FileExistsError:
                continue
            self._changed.add(parent)
            return actual
        raise FileExistsError(errno.EEXIST, "too many folders of this name", name)
