"""Who owns what the lab makes outside its own processes, and whether that owner is still alive.

A lease is a file that its owner keeps locked. The kernel lets go of the lock when the owner dies, however
it dies, so a lease that can be locked by somebody else is free, and whatever carries its name may be
removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import TextIOWrapper

LABEL: Final = "localpair.lab"
LABEL_LEASE: Final = "localpair.lab.lease"
LABEL_MACHINE: Final = "localpair.lab.machine"


def machine() -> str:
    """This machine since its last start, so that engines shared by several machines keep their things
    apart.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{socket.gethostname()}-{boot[:8]}"


def folder() -> Path:
    """Where this user's leases are; made if it is missing, and the user's alone."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    path = base / f"localpair-lab-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else")
    return path


@dataclass(slots=True)
class Lease:
    """A claim on everything labelled with ``name``, until ``release`` or the end of this process."""

    name: str = field(default_factory=lambda: secrets.token_hex(6))
    _file: TextIOWrapper | None = None

    def __post_init__(self) -> None:
        file = _opened(self.name)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def labels(self) -> dict[str, str]:
        """What to label things with."""
        return {LABEL: "1", LABEL_LEASE: self.name, LABEL_MACHINE: machine()}

    def release(self) -> None:
        """Give the claim up; twice is no error."""
        if self._file is not None:
            (folder() / self.name).unlink(missing_ok=True)
            self._file.close()
            self._file = None
            _leave()


def _opened(name: str) -> TextIOWrapper:
    while True:
        try:
            return (folder() / name).open("w")
        except FileNotFoundError:  # somebody else's last lease ended, and took the folder with it
            continue


def _leave() -> None:
    """Take the folder along if nobody has a lease in it."""
    try:
        folder().rmdir()
    except OSError:
        pass


def is_free(name: str) -> bool:
    """Whether nobody holds that lease (any more)."""
    if not name or "/" in name:
        return False  # no name of ours
    try:
        with (folder() / name).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def forget_free() -> list[str]:
    """Remove the files of leases that nobody holds; their names."""
    gone = [path for path in folder().iterdir() if is_free(path.name)]
    for path in gone:
        path.unlink(missing_ok=True)
    _leave()
    return sorted(path.name for path in gone)
