"""The folder that receives, held open: every name below it is used relative to that handle, never as a path.

Where the system has ``openat`` and its like (Linux, macOS), a link that somebody swaps in, anywhere below, cannot
lead outside: each step is opened without following links. Elsewhere (Windows) real paths are compared before use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from localpair.limits import STALE_PART_S
from localpair.protocol.filenames import PART_PREFIX

# Windows has none of these, and no handle of this kind is opened there.
_CLOEXEC: Final[int] = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0) | _CLOEXEC
_FOLDER: Final[int] = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _CLOEXEC
_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)

PART_SUFFIX: Final = ".part"
_PART_TRIES: Final = 16
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
"""What ``link`` answers on file systems without hard links (FAT, exFAT, some network shares)."""


class Folder(Protocol):
    """What receiving needs of the folder and those below it. ``parts`` are names, outermost first."""

    path: Path
    closes_first: bool
    """Whether a part file must be closed before it is placed."""

    def make(self, parts: tuple[str, ...]) -> None:
        """Make the folder ``parts``. Raises FileExistsError where the name is taken."""

    def create_part(self) -> tuple[int, str]:
        """A new file for bytes under way, held so that nobody takes it for stale: descriptor and name."""

    def place(self, fd: int, part: str, parts: tuple[str, ...]) -> None:
        """Give the part file its final name. Raises FileExistsError where that is taken: nothing is overwritten."""

    def remove(self, part: str) -> None:
        """Remove a part file; one that is gone already is no error."""

    def sync(self, parts: tuple[str, ...]) -> None:
        """Make the names in folder ``parts`` durable."""

    def free(self) -> int:
        """Bytes that may still be stored."""

    def sweep(self) -> int:
        """Remove part files that nobody holds, and say how many: those of processes that were killed."""

    def close(self) -> None:
        """Let go of the folder."""


def open_folder(directory: Path) -> Folder:
    """Hold ``directory`` open. Raises OSError where it is none or may not be used."""
    handles = {os.open, os.mkdir, os.link, os.unlink, os.rename, os.stat} <= os.supports_dir_fd
    return _HandleFolder(directory) if handles and hasattr(os, "O_NOFOLLOW") else _PathFolder(directory)


class _HandleFolder:
    """By descriptors (``dir_fd``)."""

    closes_first = False

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._fd = os.open(directory, _FOLDER)

    def make(self, parts: tuple[str, ...]) -> None:
        with self._opened(parts[:-1]) as parent:
            os.mkdir(parts[-1], dir_fd=parent)

    def create_part(self) -> tuple[int, str]:
        for _ in range(_PART_TRIES):
            name = _part_name()
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o666, dir_fd=self._fd)
            # A sweep may come between creating and locking; then the file is lost, and a new one is made.
            if _hold(fd) is not False and os.fstat(fd).st_nlink:
                return fd, name
            os.close(fd)
        raise OSError(errno.EBUSY, "another process removes our part files", str(self.path))

    def place(self, fd: int, part: str, parts: tuple[str, ...]) -> None:
        with self._opened(parts[:-1]) as parent:
            try:
                os.link(part, parts[-1], src_dir_fd=self._fd, dst_dir_fd=parent, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._rename(part, parts[-1], parent)
            placed = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
            if not os.path.samestat(placed, os.fstat(fd)):
                os.unlink(parts[-1], dir_fd=parent)
                raise OSError(errno.EIO, "the part file was replaced while it was written", part)
        self.remove(part)

    def remove(self, part: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=self._fd)

    def sync(self, parts: tuple[str, ...]) -> None:
        with self._opened(parts) as folder:
            os.fsync(folder)

    def free(self) -> int:
        if sys.platform == "win32":
            raise NotImplementedError("no folder is held by its descriptor on Windows")
        return shutil.disk_usage(self._fd).free

    def sweep(self) -> int:
        removed = 0
        for name in os.listdir(self._fd):  # noqa: PTH208 - by descriptor
            if _is_part_name(name):
                with contextlib.suppress(OSError):
                    removed += self._remove_stale(name)
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

    def _rename(self, part: str, name: str, parent: int) -> None:
        """Without links nothing renames and refuses to overwrite in one step; look first."""
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(part, name, src_dir_fd=self._fd, dst_dir_fd=parent)
        else:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)

    def _remove_stale(self, name: str) -> bool:
        fd = os.open(name, os.O_RDWR | _NOFOLLOW | _NONBLOCK, dir_fd=self._fd)
        try:
            status = os.fstat(fd)
            held = _hold(fd) if stat.S_ISREG(status.st_mode) else False
            # Without locks only age tells; a day is longer than any transfer stands still.
            stale = time.time() - status.st_mtime > STALE_PART_S if held is None else held
            if stale:
                os.unlink(name, dir_fd=self._fd)
            return stale
        finally:
            os.close(fd)


class _PathFolder:
    """By paths that are resolved and compared before each use (Windows)."""

    closes_first = True  # Windows renames no open file

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
        self.path = directory
        self._real = directory.resolve(strict=True)

    def make(self, parts: tuple[str, ...]) -> None:
        (self._inside(parts[:-1]) / parts[-1]).mkdir()

    def create_part(self) -> tuple[int, str]:
        name = _part_name()
        flags = (
            os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        )
        # Windows lets nobody delete a file that is open, which keeps it from being swept.
        return os.open(self._inside(()) / name, flags, 0o666), name

    def place(self, fd: int, part: str, parts: tuple[str, ...]) -> None:
        target = self._inside(parts[:-1]) / parts[-1]
        source = self._inside(()) / part
        if os.name == "nt":
            source.rename(target)  # overwrites nothing there
        else:
            target.hardlink_to(source)
            source.unlink()
        self._inside(parts[:-1])

    def remove(self, part: str) -> None:
        (self._inside(()) / part).unlink(missing_ok=True)

    def sync(self, parts: tuple[str, ...]) -> None:
        """Windows writes names through its journal and cannot flush a folder."""

    def free(self) -> int:
        return shutil.disk_usage(self._real).free

    def sweep(self) -> int:
        removed = 0
        for path in self._real.iterdir():
            if _is_part_name(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed

    def close(self) -> None:
        """Nothing is held."""

    def _inside(self, parts: tuple[str, ...]) -> Path:
        folder = self._real.joinpath(*parts)
        if folder.resolve(strict=True) != folder:
            raise OSError(errno.ELOOP, "a folder was replaced by a link", str(folder))
        return folder


def _part_name() -> str:
    return f"{PART_PREFIX}{secrets.token_hex(8)}{PART_SUFFIX}"


def _is_part_name(name: str) -> bool:
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)


def _hold(fd: int) -> bool | None:
    """Lock a part file until it is closed; the kernel lets go of it when the process dies, however it dies.

    False where another process holds it, None where the file system has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
