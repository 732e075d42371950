"""Safe receiving: part file, flush, then a final name inside the target folder, and over no other file unasked.

A folder that stood there before gets a neighbour with a free name, so that a peer can add nothing to folders it has
not sent, unless a person has said what becomes of files that stand there. Those that it has sent bear a mark, where
the file system takes one, and are gone on with. Everything here blocks and is called from worker threads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from localpair.choices.terms import Existing
from localpair.errors import LocalError
from localpair.limits import CHUNK_BYTES, FOLDERS_KEPT, FREE_NAMES, KEPT_LEAST_BYTES, RECEIVE_BLOCK_BYTES
from localpair.protocol.transfer.filenames import numbered
from localpair.transfer.folder.directory_handle import Folder, IsWanted, open_folder
from localpair.transfer.folder.existing import Standing
from localpair.transfer.folder.kept import KeptPart, kept_name, overdue, sender_mark
from localpair.wire.filekey import FileKey, Kept

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_FLUSH: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What ``fsync`` answers where there is nothing of the kind; every other error may mean that bytes are lost."""
_ZEROS: Final = bytes(RECEIVE_BLOCK_BYTES)
_MTIME_MAX_NS: Final = 1 << 62  # in the year 2116; some file systems refuse more


def is_disk_full(error: OSError) -> bool:
    """Whether nothing more can be stored, as opposed to a fault of one file."""
    return error.errno in _FULL


class PartFile:
    """Bytes under way, in a hidden file. It vanishes unless it is placed, or ``is_kept`` for a later session."""

    def __init__(
        self, folder: Folder, doubt: Callable[[OSError], None], fd: int, name: str, *, is_kept: bool = False
    ) -> None:
        self._folder = folder
        self._doubt = doubt
        self.fd, self.name = fd, name
        self.size = 0
        self.has_holes = self.is_executable = False
        self.is_kept = is_kept
        self.stood = 0  # bytes that were in it before; ``blocks`` counts them in ``size`` as it reads them
        self._lock = threading.Lock()
        self._closed = False
        self._at_rest: os.stat_result | None = None
        self.placed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``. Raises OSError."""
        view = memoryview(data)
        if self.has_holes and self._skip(view):
            return
        while view:
            written = os.write(self.fd, view)
            self.size += written
            view = view[written:]

    def _skip(self, view: memoryview) -> bool:
        """Whether ``view`` is nothing but zeros, and was left as a hole."""
        if len(view) > len(_ZEROS) or bytes(view) != _ZEROS[: len(view)]:
            return False
        try:
            os.ftruncate(self.fd, self.size + len(view))
        except OSError:  # no file grows like that there
            self.has_holes = False
            return False
        self.size += len(view)
        os.lseek(self.fd, self.size, os.SEEK_SET)
        return True

    def blocks(self) -> Iterator[bytes]:
        """What is in it from an earlier session; to be taken to the end, where new bytes are then written."""
        os.lseek(self.fd, 0, os.SEEK_SET)
        while block := os.read(self.fd, CHUNK_BYTES):
            self.size += len(block)
            yield block

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

    def place(self, parts: tuple[str, ...], over: os.stat_result | None = None) -> None:
        """Give it its final name, in the place of the file ``over`` if that is given.

        Raises FileExistsError where the name is taken by anything else, OSError otherwise.
        """
        if self._folder.closes_first:
            self.close()
        self._folder.place(self.fd, self.name, parts, over, executable=self.is_executable)
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

    def rest(self) -> None:
        """Let go of one that is kept while no connection stands: a newer session of its sender may need it."""
        if self.is_kept and not self._closed:
            self._at_rest = os.fstat(self.fd)
            self.close()

    def reclaim(self) -> bool:
        """Go on after a rest; whether it is as it was left, and ours again."""
        left = self._at_rest
        if left is None:
            return True
        try:
            fd = self._folder.open_kept(self.name)
        except OSError:
            return False
        now = os.fstat(fd)
        if not os.path.samestat(now, left) or (now.st_size, now.st_mtime_ns) != (
            left.st_size,
            left.st_mtime_ns,
        ):
            os.close(fd)
            return False
        os.lseek(fd, 0, os.SEEK_END)
        with self._lock:
            self.fd, self._closed, self._at_rest = fd, False, None
        return True

    def forget(self) -> None:
        """Remove the name of one that is not kept, though a thread may still write; no error leaves here."""
        is_worth_it = self.is_kept and max(self.size, self.stood) >= KEPT_LEAST_BYTES
        if self.placed or is_worth_it:
            return
        with contextlib.suppress(OSError):
            if self._at_rest is not None:
                remove_kept(self._folder, self.name)  # unless another session has it now
            else:
                self._folder.remove(self.name)

    def let_go(self) -> None:
        """Close it, and remove it unless it was placed or is kept; no error leaves here."""
        with contextlib.suppress(OSError):
            self.close()
        self.forget()

    def discard(self) -> None:
        """Close and remove it unless it was placed: nobody is to go on with it."""
        self.is_kept = False
        self.let_go()


def remove_kept(folder: Folder, name: str) -> bool:
    """Remove a kept part unless a session writes to it, or it is not ours; whether it is gone."""
    try:
        fd = folder.open_kept(name)
    except OSError:
        return False
    try:
        folder.remove(name)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class Inbox:
    """The target folder of one batch. Raises LocalError where it cannot be used.

    ``sender`` is the device id of the sender: only its own kept parts are found. ``existing`` says what
    becomes of files whose names are taken. ``removed`` are those parts of any device that had to go when it was opened.
    """

    def __init__(self, directory: Path, sender: str = "", existing: Existing = Existing.RENAME) -> None:
        try:
            self._folder = open_folder(directory)
        except OSError as error:
            raise LocalError(
                f"cannot receive into {directory}: {error.strerror or error}",
                hint="Choose an existing folder that you may write to.",
            ) from error
        self.path = directory
        self.existing = existing
        self.doubt = ""  # why what was stored may not survive a power cut, where it may not
        self._lock = threading.Lock()
        self._actual: OrderedDict[tuple[str, ...], tuple[str, ...]] = OrderedDict()
        self._changed: set[tuple[str, ...]] = set()
        self._folder.sweep()
        self._sender = sender_mark(sender)
        self._stands = Standing(self._folder, self._sender, existing)
        self._standing: dict[FileKey, KeptPart] = {}
        self.removed = self._tidy()

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The parts of earlier sessions that stand here for this sender."""
        return tuple(
            Kept(part.key, part.bytes)
            for part in self._standing.values()
            if KEPT_LEAST_BYTES <= part.bytes <= part.key.size
        )

    def may_have(self, names: Sequence[str]) -> bool:
        """Whether a file, or a folder that is gone on with, stands here under one of these names."""
        return self._stands.may_have(names)

    def digest(self, parts: tuple[str, ...], size: int, mtime_ns: int, is_wanted: IsWanted) -> bytes | None:
        """The checksum of what the batch's file ``parts`` is compared with, if anything is. Raises OSError."""
        return self._stands.digest(self._actual_of(parts), size, mtime_ns, is_wanted)

    def standing(self, parts: tuple[str, ...]) -> tuple[Path, os.stat_result] | None:
        """The file that was there before under the name that the batch calls ``parts``. Raises OSError."""
        actual = self._actual_of(parts)
        status = self._stands.file(actual)
        return None if status is None else (self.path.joinpath(*actual), status)

    def part(self, key: FileKey | None = None, shown: str = "") -> PartFile:
        """A new part file; that of the large file ``key``, which is called ``shown``, is kept. Raises OSError."""
        if key is not None:
            with contextlib.suppress(OSError):
                return self._kept_part(key, shown)
        return PartFile(self._folder, self._cannot_flush, *self._folder.create_part())

    def found(self, key: FileKey) -> PartFile | None:
        """The part that an earlier session has left of this very file; None where there is none, or it is in use."""
        part = self._standing.get(key)
        if part is None:
            return None
        try:
            fd = self._folder.open_kept(part.name)
        except OSError:
            return None
        found = PartFile(self._folder, self._cannot_flush, fd, part.name, is_kept=True)
        found.stood = part.bytes
        return found

    def room(self) -> int | None:
        """How many more bytes fit, None where the system does not know: trying tells."""
        return self._folder.free()

    def make(self, parts: tuple[str, ...]) -> Path:
        """Make the folder that the batch calls ``parts``, and those above it; its real path. Raises OSError."""
        with self._lock:
            return self.path.joinpath(*self._make(parts))

    def place(self, part: PartFile, parts: tuple[str, ...], *, replaces: bool = False) -> Path:
        """Give ``part`` the name ``parts``, or the next free one beside it; its real path. Raises OSError.

        Where it ``replaces``, a file that was there before goes.
        """
        wanted = self._actual_of(parts)
        for number in range(FREE_NAMES):
            actual = (*wanted[:-1], numbered(wanted[-1], number))
            over = self._stands.file(actual) if replaces and not number else None
            try:
                part.place(actual, over)
            except FileExistsError:
                continue
            with self._lock:
                self._changed.add(actual[:-1])
                self._stands.count_placed()
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

    def _tidy(self) -> list[KeptPart]:
        """Remove the parts that have to go, and remember this sender's; those removed."""
        parts = self._folder.kept()
        removed = [part for part in overdue(parts, time.time()) if remove_kept(self._folder, part.name)]
        self._standing = {
            part.key: part for part in parts if part.sender == self._sender and part not in removed
        }
        return removed

    def _kept_part(self, key: FileKey, shown: str) -> PartFile:
        """An empty one; those of other versions of the file are of no use any more."""
        for other in [one for one in self._standing if one.path == key.path and one != key]:
            remove_kept(self._folder, self._standing.pop(other).name)
        known = self._standing.get(key)
        name = known.name if known is not None else kept_name(self._sender, key, shown)
        fd = self._folder.open_kept(name)
        part = PartFile(self._folder, self._cannot_flush, fd, name, is_kept=True)
        try:
            os.ftruncate(fd, 0)
        except OSError:
            part.discard()
            raise
        return part

    def _cannot_flush(self, error: OSError) -> None:
        self.doubt = self.doubt or error.strerror or str(error)

    def _actual_of(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Where the batch's ``parts`` lies, if its name is free; the folders above it are made. Raises OSError."""
        with self._lock:
            return (*self._make(parts[:-1]), parts[-1])

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
                if self._stands.goes_into(actual):
                    return actual
                continue
            self._changed.add(parent)
            if not parent:
                self._folder.claim_folder(name=actual[0], sender=self._sender)
            return actual
        raise FileExistsError(errno.EEXIST, "too many folders of this name", name)
