"""Files in a folder that somebody else may change at any time: no link is followed, and nothing but files opened."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_below(folder: Path, name: str, *, write: bool, owner: int, executable: bool = False) -> int:
    """Descriptor of the file ``name`` below ``folder``. To ``write`` it anew, it and its folders are made, ``owner``'s,
    who may start it if it is ``executable``.

    Raises ``OSError``, also for a name that leads elsewhere and for anything that is no plain file.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise PermissionError(errno.EPERM, f"{name!r} is not in the state folder")
    place = os.open(folder, _FOLDER)
    try:
        for part in path.parts[:-1]:
            inner = _folder_in(place, part, owner if write else None)
            os.close(place)
            place = inner
        return _file_in(place, path.parts[-1], write=write, owner=owner, mode=0o700 if executable else 0o600)
    finally:
        os.close(place)


def _folder_in(place: int, name: str, maker: int | None) -> int:
    if maker is not None:
        try:
            os.mkdir(name, 0o700, dir_fd=place)
            os.chown(name, maker, maker, dir_fd=place, follow_symlinks=False)
        except FileExistsError:
            pass
    return os.open(name, _FOLDER, dir_fd=place)


def _file_in(place: int, name: str, *, write: bool, owner: int, mode: int) -> int:
    found = os.open(name, _WRITE if write else _READ, mode, dir_fd=place)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise PermissionError(errno.EPERM, f"{name!r} is no file")
        if write:
            os.fchown(found, owner, owner)
            os.fchmod(found, mode)  # it may have been there, made by the device
    except OSError:
        os.close(found)
        raise
    return found
