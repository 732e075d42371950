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
from typing import Final

from localpair_lab.errors import LabError
from localpair_lab.fabric.system import namespaces

LABEL: Final = "localpair.lab"
LABEL_LEASE: Final = "localpair.lab.lease"
LABEL_MACHINE: Final = "localpair.lab.machine"
_HINT: Final = "set XDG_RUNTIME_DIR to a folder that is yours alone"


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
    """Where this user's leases are; made if it is missing, and the user's alone.

    Raises ``LabError`` where it cannot be.
    """
    user = namespaces.user_outside()
    path = _base(user) / f"localpair-lab-{user}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        is_own = path.lstat().st_uid == os.getuid()
    except OSError as problem:
        raise LabError(f"{path}: cannot keep leases there: {problem.strerror}", hint=_HINT) from problem
    if not is_own:
        raise LabError(f"{path}: cannot keep leases there: it belongs to somebody else", hint=_HINT)
    return path


def _base(user: int) -> Path:
    """A folder in which nobody else may make what that user is about to look for, wherever there is one."""
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given)
    run = Path("/run")
    return run if user == 0 and os.access(run, os.W_OK) else Path(tempfile.gettempdir())


@dataclass(slots=True)
class Lease:
    """A claim on everything labelled with ``name``, until ``release`` or the end of this process: a lease that
    nobody refers to any more is still held.
    """

    name: str = field(default_factory=lambda: secrets.token_hex(6))
    _descriptor: int | None = None

    def __post_init__(self) -> None:
        self._descriptor = _locked(self.name)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def labels(self) -> dict[str, str]:
        """What to label things with."""
        return {LABEL: "1", LABEL_LEASE: self.name, LABEL_MACHINE: machine()}

    def release(self) -> None:
        """Give the claim up; twice is no error."""
        if self._descriptor is not None:
            (folder() / self.name).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
            _leave()


def _locked(name: str) -> int:
    """The descriptor of that lease's file, which is locked and in its folder."""
    while True:
        try:
            descriptor = os.open(folder() / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # somebody else's last lease ended, and took the folder with it
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # whoever only asks whether it is free is soon done
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # whoever asked found it free before the lock, and removed it


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
