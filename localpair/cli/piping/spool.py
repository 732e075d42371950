"""Private folders for what is piped. One whose process was killed is removed by the next run that makes one."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX: Final = "localpair-piped-"
_LOCK: Final = "lock"
_YOUNG_S: Final = 60.0  # since it was made: its process may not have come to lock it


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700, locked while it is in use. Raises LocalError where none can be made."""
    try:
        place = Path(tempfile.gettempdir())
        _clear(place, time.time())
        folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True)
    except OSError as error:
        raise LocalError(f"there is no place to keep what is piped: {error.strerror}") from error
    with folder as name:
        lock = _lock(Path(name), make=True)
        inner = Path(name) / "content"
        try:
            inner.mkdir(mode=0o700)
            yield inner
        finally:
            if lock is not None:
                os.close(lock)


def _clear(place: Path, now: float) -> None:
    """Remove folders of this user that no process holds any more; nobody else's, and what cannot be told stays."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_ours(folder.lstat(), now):
                lock = _lock(folder, make=False)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)


def _is_ours(status: os.stat_result, now: float) -> bool:
    if sys.platform == "win32":
        return False
    mine = status.st_uid == os.geteuid()
    return mine and stat.S_ISDIR(status.st_mode) and now - status.st_mtime > _YOUNG_S


def _lock(folder: Path, *, make: bool) -> int | None:
    """The lock of a folder; None where another process has it, and where the system has none of this kind."""
    if sys.platform == "win32":
        return None
    import fcntl

    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if make else 0)
    lock = -1
    try:
        lock = os.open(folder / _LOCK, flags, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if lock >= 0:
            os.close(lock)
        return None
    return lock
