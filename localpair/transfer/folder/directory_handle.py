"""The folder that receives, held open: every name below it is used relative to that handle, never as a path.

Where the system has ``openat`` and its like (Linux, macOS), a link that somebody swaps in, anywhere below, cannot
lead outside: each step is opened without following links. Elsewhere (Windows) real paths are compared before use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from localpair.transfer.checksum import new_checksum
from localpair.transfer.folder.kept import KeptPart, has_mark, is_kept_name, kept_parts, set_mark
from localpair.transfer.folder.parts import (
    PART_MODE,
    NewFile,
    hold,
    is_part_name,
    is_stale,
    part_name,
    take,
    try_new_file,
)
from localpair.transfer.folder.placing import NOTE_SUFFIX, Placer, Spot, link, note_of, read_note, rename

# Windows has none of these, and no handle of this kind is opened there.
_CLOEXEC: Final[int] = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0) | _CLOEXEC
_FOLDER: Final[int] = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)

_READ: Final[int] = os.O_RDONLY | _NOFOLLOW | _NONBLOCK | getattr(os, "O_BINARY", 0)
_PART_TRIES: Final = 16
_COMPARED_BYTES: Final = 1024 * 1024  # read at once
IsWanted: TypeAlias = Callable[[], bool]
"""Whether what takes long is to go on: a batch may end meanwhile."""


class Folder(Protocol):
    """What receiving needs of the folder and those below it. ``parts`` are names, outermost first."""

    path: Path
    closes_first: bool
    """Whether a part file must be closed before it is placed."""

    @property
    def opened_ns(self) -> int:
        """When this was opened, as the file system dates its files."""

    def make(self, parts: tuple[str, ...]) -> None:
        """Make the folder ``parts``. Raises FileExistsError where the name is taken."""

    def create_part(self) -> tuple[int, str]:
        """A new file for bytes under way, for this user alone and held so that nobody takes it for stale: descriptor
        and name.
        """

    def open_kept(self, name: str) -> int:
        """A part that is kept when it is closed, made if it does not stand yet, and held by nobody else: descriptor.

        Raises OSError where that cannot be had.
        """

    def kept(self) -> list[KeptPart]:
        """Our own kept parts, the latest first."""

    def status(self, parts: tuple[str, ...]) -> os.stat_result | None:
        """What stands under this name, no link followed; None where nothing does, or it cannot be told."""

    def digest(self, parts: tuple[str, ...], size: int, is_wanted: IsWanted) -> bytes | None:
        """The checksum of a file of ``size`` bytes; None where it has another size by now, or where it is not wanted
        any more. Raises OSError.
        """

    def claim_folder(self, name: str, sender: str) -> None:
        """Mark a folder as made for ``sender``, where the file system can; it goes when the folder goes."""

    def is_claimed(self, name: str, sender: str) -> bool:
        """Whether that folder was made for ``sender``."""

    def place(
        self,
        fd: int,
        part: str,
        parts: tuple[str, ...],
        over: os.stat_result | None = None,
        *,
        executable: bool = False,
    ) -> None:
        """Give the part file its final name, and the mode of any new file here.

        Raises FileExistsError where the name is taken. Where it is by the file ``over``, that one is replaced in one
        step, and its mode may only narrow the new one's.
        """

    def remove(self, part: str) -> None:
        """Remove a part file; one that is gone already is no error."""

    def sync(self, parts: tuple[str, ...]) -> None:
        """Make the names in folder ``parts`` durable."""

    def free(self) -> int | None:
        """Bytes that may still be stored; None where the file system does not tell."""

    def sweep(self) -> int:
        """Remove our own part files that nobody holds, and say how many: those of processes that were killed."""

    def close(self) -> None:
        """Let go of the folder."""


def open_folder(directory: Path) -> Folder:
    """Hold ``directory`` open. Raises OSError where it is none or may not be used."""
    handles = {os.open, os.mkdir, os.unlink, os.rename, os.stat} <= os.supports_dir_fd
    return _HandleFolder(directory) if handles and hasattr(os, "O_NOFOLLOW") else _PathFolder(directory)


class _HandleFolder:
    """By descriptors (``dir_fd``)."""

    closes_first = False

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._fd = os.open(directory, _FOLDER)
        self._placer = Placer()
        try:
            self._new = try_new_file(self._create, self.remove)
        except OSError:
            os.close(self._fd)
            raise

    @property
    def opened_ns(self) -> int:
        return self._new.time_ns

    def make(self, parts: tuple[str, ...]) -> None:
        with self._opened(parts[:-1]) as parent:
            os.mkdir(parts[-1], dir_fd=parent)

    def create_part(self) -> tuple[int, str]:
        for _ in range(_PART_TRIES):
            name = part_name()
            fd = self._create(name, PART_MODE)
            # A sweep may come between creating and locking; then the file is lost, and a new one is made.
            if hold(fd) is not False and self._stands(name):
                return fd, name
            os.close(fd)
        raise OSError(errno.EBUSY, "another process removes our part files", str(self.path))

    def open_kept(self, name: str) -> int:
        _require_locks(can_lock=self._new.can_lock)
        flags = os.O_RDWR | os.O_CREAT | _NOFOLLOW | _NONBLOCK
        fd = os.open(name, flags, PART_MODE, dir_fd=self._fd)
        return _taken(fd, Spot(self._fd, name))

    def kept(self) -> list[KeptPart]:
        with os.scandir(self._fd) as entries:
            return kept_parts(entries)

    def status(self, parts: tuple[str, ...]) -> os.stat_result | None:
        try:
            with self._opened(parts[:-1]) as parent:
                return os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
        except OSError:
            return None

    def digest(self, parts: tuple[str, ...], size: int, is_wanted: IsWanted) -> bytes | None:
        with self._opened(parts[:-1]) as parent:
            return _digest(os.open(parts[-1], _READ, dir_fd=parent), size, is_wanted)

    def claim_folder(self, name: str, sender: str) -> None:
        with contextlib.suppress(OSError), self._opened((name,)) as folder:
            set_mark(folder, sender)

    def is_claimed(self, name: str, sender: str) -> bool:
        try:
            with self._opened((name,)) as folder:
                return has_mark(folder, sender)
        except OSError:
            return False

    def place(
        self,
        fd: int,
        part: str,
        parts: tuple[str, ...],
        over: os.stat_result | None = None,
        *,
        executable: bool = False,
    ) -> None:
        _set_mode(fd, _final_mode(self._new, over, executable=executable))
        try:
            self._give_name(fd, part, parts, over)
        except OSError:
            _set_mode(fd, PART_MODE)  # it may be kept
            raise
        self.remove(part)

    def _give_name(self, fd: int, part: str, parts: tuple[str, ...], over: os.stat_result | None) -> None:
        with self._opened(parts[:-1]) as parent:
            if over is not None:
                os.rename(part, parts[-1], src_dir_fd=self._fd, dst_dir_fd=parent)
            else:
                self._placer.place(Spot(self._fd, part), Spot(parent, parts[-1]), "/".join(parts))
            if not _is_same_file(fd, Spot(parent, parts[-1])):
                with contextlib.suppress(OSError):
                    os.unlink(parts[-1], dir_fd=parent)
                raise OSError(errno.EIO, "the part file was replaced while it was written", part)

    def remove(self, part: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=self._fd)

    def sync(self, parts: tuple[str, ...]) -> None:
        with self._opened(parts) as folder:
            os.fsync(folder)

    def free(self) -> int | None:
        if sys.platform == "win32":
            raise NotImplementedError("no folder is held by its descriptor on Windows")
        return _free(self._fd)

    def sweep(self) -> int:
        removed = 0
        with os.scandir(self._fd) as entries:  # a folder may hold any number of them
            for entry in entries:
                with contextlib.suppress(OSError):
                    part = entry.name.removesuffix(NOTE_SUFFIX)
                    if is_part_name(entry.name):
                        removed += self._remove_stale(entry.name)
                    elif part != entry.name and is_part_name(part):
                        self._remove_note(entry.name)
                    elif part != entry.name and is_kept_name(part):
                        self._end_claim(entry.name)
        return removed

    def close(self) -> None:
        os.close(self._fd)

    @contextlib.contextmanager
    def _opened(self, parts: tuple[str, ...]) -> Iterator[int]:
        """The folder ``parts``, each step opened from the one before and never through a link."""
        fd = self._fd
        try:
            for part in parts:
                inner = os.open(part, _FOLDER | _NOFOLLOW, dir_fd=fd)
                if fd != self._fd:
                    os.close(fd)
                fd = inner
            yield fd
        finally:
            if fd != self._fd:
                os.close(fd)

    def _create(self, name: str, mode: int) -> int:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW, mode, dir_fd=self._fd)

    def _stands(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _remove_stale(self, name: str) -> bool:
        fd = os.open(name, os.O_RDWR | _NOFOLLOW | _NONBLOCK, dir_fd=self._fd)
        try:
            stale = is_stale(fd, name)
            if stale:
                self._lift_claim(note_of(name))
                os.unlink(name, dir_fd=self._fd)
            return stale
        finally:
            os.close(fd)

    def _lift_claim(self, note: str) -> None:
        """Remove the empty file that holds a name for a part which nobody will finish, and the note that says so."""
        try:
            claim = read_note(Spot(self._fd, note))
        except OSError:  # the usual case: there is none
            return
        with contextlib.suppress(OSError):
            if claim is not None:
                with self._opened(claim.parts[:-1]) as parent:
                    if claim.covers(os.stat(claim.parts[-1], dir_fd=parent, follow_symlinks=False)):
                        os.unlink(claim.parts[-1], dir_fd=parent)
        os.unlink(note, dir_fd=self._fd)

    def _end_claim(self, note: str) -> None:
        """Lift the claim of a kept part whose process was killed before it was done; the part stays."""
        part = note.removesuffix(NOTE_SUFFIX)
        if not self._stands(part):
            self._remove_note(note)
            return
        fd = self.open_kept(part)
        try:
            self._lift_claim(note)
        finally:
            os.close(fd)

    def _remove_note(self, note: str) -> None:
        """Remove a note whose part has got its name: its process was killed before it could."""
        if not self._stands(note.removesuffix(NOTE_SUFFIX)) and read_note(Spot(self._fd, note)) is not None:
            os.unlink(note, dir_fd=self._fd)


class _PathFolder:
    """By paths that are resolved and compared before each use (Windows)."""

    closes_first = True  # Windows renames no open file

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
        self.path = directory
        self._real = directory.resolve(strict=True)
        self._placer = Placer((rename, link))
        self._new = try_new_file(self._create, self.remove)

    @property
    def opened_ns(self) -> int:
        return self._new.time_ns

    def make(self, parts: tuple[str, ...]) -> None:
        (self._inside(parts[:-1]) / parts[-1]).mkdir()

    def create_part(self) -> tuple[int, str]:
        name = part_name()
        return self._create(name, PART_MODE), name

    def open_kept(self, name: str) -> int:
        _require_locks(can_lock=self._new.can_lock)
        path = self._inside(()) / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | _NOFOLLOW | _NONBLOCK, PART_MODE)
        return _taken(fd, Spot(None, str(path)))

    def kept(self) -> list[KeptPart]:
        with os.scandir(self._real) as entries:
            return kept_parts(entries)

    def status(self, parts: tuple[str, ...]) -> os.stat_result | None:
        try:
            return (self._inside(parts[:-1]) / parts[-1]).lstat()
        except OSError:
            return None

    def digest(self, parts: tuple[str, ...], size: int, is_wanted: IsWanted) -> bytes | None:
        return _digest(os.open(self._inside(parts[:-1]) / parts[-1], _READ), size, is_wanted)

    def claim_folder(self, name: str, sender: str) -> None:
        """No mark is set by path."""

    def is_claimed(self, name: str, sender: str) -> bool:
        return False

    def place(
        self,
        fd: int,
        part: str,
        parts: tuple[str, ...],
        over: os.stat_result | None = None,
        *,
        executable: bool = False,
    ) -> None:
        target = self._inside(parts[:-1]) / parts[-1]
        source = self._inside(()) / part
        if os.name != "nt":
            source.chmod(_final_mode(self._new, over, executable=executable))
        if over is not None:
            source.replace(target)
        elif os.name == "nt":
            source.rename(target)  # overwrites nothing there
        else:
            self._placer.place(Spot(None, str(source)), Spot(None, str(target)), "/".join(parts))
            source.unlink(missing_ok=True)
        self._inside(parts[:-1])

    def remove(self, part: str) -> None:
        (self._inside(()) / part).unlink(missing_ok=True)

    def sync(self, parts: tuple[str, ...]) -> None:
        """Windows writes names through its journal and cannot flush a folder."""

    def free(self) -> int | None:
        return _free(self._real)

    def sweep(self) -> int:
        removed = 0
        for path in self._real.iterdir():
            if is_part_name(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed

    def close(self) -> None:
        """Nothing is held."""

    def _create(self, name: str, mode: int) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        # Windows lets nobody delete a file that is open, which keeps it from being swept.
        return os.open(self._inside(()) / name, flags, mode)

    def _inside(self, parts: tuple[str, ...]) -> Path:
        folder = self._real.joinpath(*parts)
        if folder.resolve(strict=True) != folder:
            raise OSError(errno.ELOOP, "a folder was replaced by a link", str(folder))
        return folder


def _digest(fd: int, size: int, is_wanted: IsWanted) -> bytes | None:
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        checksum, count = new_checksum(), 0
        while is_wanted() and count <= size and (block := file.read(_COMPARED_BYTES)):
            checksum.update(block)
            count += len(block)
    return checksum.digest() if is_wanted() and count == size else None


def _final_mode(new: NewFile, over: os.stat_result | None, *, executable: bool) -> int:
    """Only who reads may execute, and nobody may do with what replaces a file what that one did not allow."""
    mode = new.mode | (new.mode & 0o444) >> 2 if executable else new.mode
    return mode if over is None else mode & over.st_mode


def _set_mode(fd: int, mode: int) -> None:
    with contextlib.suppress(OSError):  # modes mean nothing there, or belong to somebody else
        os.chmod(fd, mode)


def _taken(fd: int, spot: Spot) -> int:
    """``fd``, held. Raises OSError, and closes it, where it cannot be, or where a sweep came before."""
    try:
        take(fd)
        if not os.path.samestat(os.fstat(fd), os.stat(spot.name, dir_fd=spot.folder, follow_symlinks=False)):
            raise OSError(errno.EBUSY, "another process removes our part files")
    except OSError:
        os.close(fd)
        raise
    return fd


def _require_locks(*, can_lock: bool) -> None:
    """Without locks (also on Windows) two processes could write to one kept part: none is kept there."""
    if not can_lock:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def _free(folder: int | Path) -> int | None:
    """A file system of no size at all is one that does not know (FUSE, network shares)."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total > 0 else None


def _is_same_file(fd: int, placed: Spot) -> bool:
    """Whether what got the name is what was written through ``fd``.

    Some file systems number a file anew when it is renamed; then its bytes tell.
    """
    if os.path.samestat(os.fstat(fd), os.stat(placed.name, dir_fd=placed.folder, follow_symlinks=False)):
        return True
    try:
        other = os.open(placed.name, os.O_RDONLY | _NOFOLLOW | _NONBLOCK, dir_fd=placed.folder)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(other).st_mode) and _are_equal(fd, other)
    finally:
        os.close(other)


def _are_equal(one: int, other: int) -> bool:
    os.lseek(one, 0, os.SEEK_SET)
    with open(one, "rb", closefd=False) as ours, open(other, "rb", closefd=False) as theirs:
        while block := ours.read(_COMPARED_BYTES):
            if block != theirs.read(_COMPARED_BYTES):
                return False
        return not theirs.read(1)
