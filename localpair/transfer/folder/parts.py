"""Part files: bytes under way, in hidden files of the receiving folder, and what happens to those of the dead.

A part belongs to one process, which holds a lock on it until it gets its name or is let go of. Those of large files
are kept for the next session with the same sender (``kept``). Of the others, what a killed process leaves is swept by
the next one that receives there: only our own, and only where nobody can still be writing. Whether such a part is of no
use any more is decided in ``is_stale`` alone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from localpair.dataclass import dataclass
from localpair.limits import STALE_PART_S
from localpair.protocol.transfer.filenames import PART_PREFIX

PART_SUFFIX: Final = ".part"
PART_MODE: Final = 0o600  # nobody else reads what is not whole, nor what may never get a name
_PART: Final = re.compile(rf"{re.escape(PART_PREFIX)}[0-9a-f]{{24}}{re.escape(PART_SUFFIX)}")


def part_name() -> str:
    """A name that nobody has: the mark of the kernel that sees our lock, and 64 random bits."""
    return f"{PART_PREFIX}{_kernel()}{secrets.token_hex(8)}{PART_SUFFIX}"


def is_part_name(name: str) -> bool:
    """Whether a part file of ours may be called so."""
    return _PART.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class NewFile:
    """What becomes of a new file in a folder: its ``mode``, after the umask and any access list that the folder hands
    down, whether it can be locked, and the time it bears, by the file system's own clock.
    """

    mode: int
    can_lock: bool
    time_ns: int


def try_new_file(create: Callable[[str, int], int], remove: Callable[[str], None]) -> NewFile:
    """Make a file in a folder and see.

    ``create`` opens a new file of a name with a mode; ``remove`` removes it. Raises OSError.
    """
    name = part_name()
    fd = create(name, 0o666)
    try:
        status = os.fstat(fd)
        return NewFile(stat.S_IMODE(status.st_mode) & 0o666, hold(fd) is True, status.st_ctime_ns)
    finally:
        os.close(fd)
        remove(name)


def is_stale(fd: int, name: str) -> bool:
    """Whether the part file ``name`` is ours and nobody will finish it: its process is dead, or it is old.

    A lock is the proof of life. Another machine's may not be seen here, on a shared folder, and some file systems have
    none: then only age tells. A day is longer than any transfer stands still.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or not is_own(status):
        return False
    free = hold(fd)
    if free and name.startswith(PART_PREFIX + _kernel()):
        return True
    return free is not False and time.time() - status.st_mtime > STALE_PART_S


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to this user: nobody else's is touched."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def hold(fd: int) -> bool | None:
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


def take(fd: int) -> None:
    """Hold a part that may have stood there before, to write to it. Raises OSError where it is not ours alone."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or not is_own(status) or status.st_nlink > 1:
        raise OSError(errno.EPERM, "a part that is somebody else's, too")
    if hold(fd) is not True:
        raise OSError(errno.EBUSY, "another process writes to this part")
    if stat.S_IMODE(status.st_mode) != PART_MODE:
        with contextlib.suppress(OSError):  # a kill came while it was given the mode of its name
            os.chmod(fd, PART_MODE)


@cache
def _kernel() -> str:
    """A mark of the running kernel: whoever runs on the same one sees our locks."""
    try:
        mark = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        mark = platform.node().encode()
    return hashlib.sha256(mark).hexdigest()[:8]
