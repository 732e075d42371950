"""The folder that holds a device's state, files that are replaced whole, and the lock between processes.

Every file is private (0600 from its first byte on POSIX; on Windows the folder lies in the user's profile and
inherits its access list). A write either replaces the file completely or leaves the old one untouched.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import stat
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from localpair.errors import StateError
from localpair.limits import STATE_LOCK_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

HOME_VARIABLE: Final = "LOCALPAIR_HOME"
_RETRY_S: Final = 0.01  # between two tries at a lock or at a file that another Windows process holds open
_REPLACE_S: Final = 1.0  # Windows refuses to replace a file while a reader has it open
_TAKEN: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
# What a file system without locks answers; two writers at once are then kept apart by the rename alone.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


def state_path() -> Path:
    """Where state lives: ``LOCALPAIR_HOME``, else the platform's place for user data. Creates nothing."""
    chosen = os.environ.get(HOME_VARIABLE, "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("localpair", appauthor=False)


def state_folder() -> Path:
    """``state_path()``, created with mode 0700 where it does not exist. Raises StateError."""
    folder = state_path()
    make_folder(folder)
    return folder


def make_folder(folder: Path) -> None:
    """Create ``folder`` with mode 0700 where it does not exist; one that exists is left as it is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"cannot create the folder {folder}: {_reason(error)}",
            hint=f"make it writable, or set {HOME_VARIABLE} to a folder that is",
        ) from error


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` as a whole: whoever reads it finds the old content or the new one.

    A temporary file in the same folder is written with mode 0600, flushed to the disk and renamed. Raises
    StateError; the old file is then as it was.
    """
    temporary = _temporary(path)
    try:
        _write_new(temporary, data)
        _patiently(lambda: temporary.replace(path))
        _sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        _discard(temporary)


def create_private(path: Path, data: bytes) -> bool:
    """Like ``write_private``, but never replaces a file: False where ``path`` exists already."""
    temporary = _temporary(path)
    try:
        _write_new(temporary, data)
        _link(temporary, path)
        _sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        _discard(temporary)
    return True


def read_private(path: Path, limit: int) -> bytes | None:
    """At most ``limit`` + 1 bytes of ``path``, None where it does not exist. Raises StateError.

    A mode wider than 0600 is narrowed, and a warning is logged.
    """
    try:
        return _patiently(lambda: _read(path, limit + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(
            f"cannot read {path}: {_reason(error)}", hint="check who owns the file and what its folder allows"
        ) from error


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of ``path`` that a killed process left. For the lock's holder."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        try:
            leftover.unlink()
        except OSError as error:
            log.warning("cannot remove %s: %s", leftover, _reason(error))


def set_aside(path: Path) -> Path | None:
    """Rename ``path`` to the first free ``NAME.broken-N``; None where that fails. For the lock's holder."""
    number = 1
    while (kept := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        path.rename(kept)
    except OSError as error:
        log.warning("cannot move %s aside: %s", path, _reason(error))
        return None
    return kept


@contextmanager
def locked(folder: Path, wait: float = STATE_LOCK_S) -> Iterator[bool]:
    """Hold the folder's lock against other processes and threads; StateError after ``wait`` seconds.

    Gives False where the file system knows no locks: others may then be writing at the same time.
    """
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        yield _acquire(descriptor, path, wait)
    finally:
        os.close(descriptor)  # this releases the lock, and so does the death of the process


def _acquire(descriptor: int, path: Path, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                log.warning("%s cannot be locked: %s", path, _reason(error))
                return False
            if error.errno not in _TAKEN:
                raise _not_written(path, error) from error
        else:
            return True
        if time.monotonic() >= deadline:
            raise StateError(
                f"another process has held {path} for more than {wait:g} s",
                hint="end the localpair process that hangs, then try again",
            )
        time.sleep(_RETRY_S)


def _lock(descriptor: int) -> None:
    """Take the lock if it is free, else raise OSError. The one place where platforms differ."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(temporary: Path, path: Path) -> None:
    """Give ``temporary`` the name ``path`` unless that exists: FileExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # No hard links here (FAT, some network shares). The caller's lock keeps others out in the meantime.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        temporary.rename(path)


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        _narrow(path, file.fileno())
        return file.read(size)


def _discard(temporary: Path) -> None:
    try:
        temporary.unlink()
    except FileNotFoundError:
        pass  # it has become the file itself
    except OSError as error:
        log.debug("cannot remove %s: %s", temporary, _reason(error))


def _patiently(action: Callable[[], _Result]) -> _Result:
    """Try again for a while on Windows, where a file that somebody reads cannot be replaced."""
    deadline = time.monotonic() + (_REPLACE_S if sys.platform == "win32" else 0.0)
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_S)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where a folder can be opened for that."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a folder that may be written but not read; the rename stands all the same
    try:
        os.fsync(descriptor)
    except OSError as error:
        log.debug("cannot flush the folder %s: %s", folder, _reason(error))
    finally:
        os.close(descriptor)


def _narrow(path: Path, descriptor: int) -> None:
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if not mode & 0o077:
        return
    try:
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        log.warning(
            "%s can be read by others (mode %04o) and that cannot be changed: %s", path, mode, _reason(error)
        )
    else:
        log.warning("%s could be read by others (mode %04o); it is private now", path, mode)


def _not_written(path: Path, error: OSError) -> StateError:
    return StateError(
        f"cannot write {path}: {_reason(error)}; nothing was changed",
        hint="make room on the disk or make the folder writable, then try again",
    )


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
