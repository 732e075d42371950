"""Giving a finished file its name in such a way that nothing is replaced that stands there.

Which ways there are depends on the file system, the kernel and whoever else has a say (SELinux on phones, the program
behind a FUSE mount), and what they answer where there is none differs from one to the next. So each way is tried:

    rename without replacing   Linux and macOS; not NFS, 9p, VirtualBox, many FUSE mounts
    link, then unlink          every file system with hard links; not FAT, and no program on a phone
    claim, then rename         every file system: an empty file takes the name, and gives it to ours

Only "the name is taken" ends the trying.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, Protocol, TypeAlias

from localpair.dataclass import dataclass
from localpair.limits import NAME_BYTES, PATH_DEPTH
from localpair.transfer.folder.parts import is_own

NOTE_SUFFIX: Final = ".claim"
_NOTE_BYTES: Final = (NAME_BYTES + 1) * PATH_DEPTH  # the longest path
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW: Final[int] = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a folder that is held open as ``folder``; where that is None, ``name`` is a whole path."""

    folder: int | None
    name: str

    def stands(self) -> bool:
        """Whether there is something of that name."""
        try:
            os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except OSError as error:
            return not isinstance(error, FileNotFoundError)
        return True


Way: TypeAlias = Callable[[Spot, Spot, str], None]
"""Moves a part to its name. ``where`` is that name as a path below the receiving folder."""


class Placer:
    """Places parts in one folder and those below it; the way that worked last is tried first."""

    def __init__(self, ways: Sequence[Way] | None = None) -> None:
        self._ways = list(WAYS if ways is None else ways)

    def place(self, part: Spot, target: Spot, where: str) -> None:
        """Give ``part`` the name ``target``. Raises FileExistsError where it is taken, else the last way's OSError."""
        refusal = OSError(errno.ENOTSUP, "no file can be given a name here")
        ways = self._ways
        for way in ways:
            try:
                way(part, target, where)
            except FileExistsError:
                raise
            except OSError as error:
                if not part.stands():  # a session that was ended has removed it: nothing else is to be tried
                    raise
                refusal = error
            else:
                if way is not ways[0]:  # threads share the list, and none of them changes it
                    self._ways = [way, *(other for other in ways if other is not way)]
                return
        raise refusal


class _Rename(Protocol):
    def __call__(self, source_folder: int, source: bytes, folder: int, name: bytes, flags: int) -> int: ...


@cache
def _exclusive_rename() -> tuple[_Rename, int, int] | None:
    """The C library's function, its flag and its word for "no folder is held"; None where there is no function.

    Only a wrapper of the library is called, never the bare system call: where a phone's library has none, its kernel
    kills whoever makes the call.
    """
    names = {
        "linux": ("renameat2", 1, -100),
        "android": ("renameat2", 1, -100),
        "darwin": ("renameatx_np", 4, -2),
    }
    if sys.platform not in names:
        return None
    name, flag, here = names[sys.platform]
    try:
        import ctypes

        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (ImportError, AttributeError, OSError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    return function, flag, here


def rename(part: Spot, target: Spot, _: str) -> None:
    """Rename in one step that fails where the name is taken."""
    found = _exclusive_rename()
    if found is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    function, flag, here = found
    folders = [here if spot.folder is None else spot.folder for spot in (part, target)]
    if function(folders[0], os.fsencode(part.name), folders[1], os.fsencode(target.name), flag):
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target.name)


def link(part: Spot, target: Spot, _: str) -> None:
    """Give the file a second name; the caller removes the first one."""
    if not hasattr(os, "link"):  # Python for Android
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        os.link(
            part.name, target.name, src_dir_fd=part.folder, dst_dir_fd=target.folder, follow_symlinks=False
        )
    except NotImplementedError as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error


def claim(part: Spot, target: Spot, where: str) -> None:
    """Take the name with an empty file, then rename over that one.

    A note beside the part says whose the empty file is: a process that is killed in between leaves it to the next
    sweep (``release``) to remove both.
    """
    note = note_of(part.name)
    _write_note(Spot(part.folder, note), where)
    try:
        _rename_over_claim(part, target)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(note, dir_fd=part.folder)


WAYS: Final[tuple[Way, ...]] = (rename, link, claim)


def _rename_over_claim(part: Spot, target: Spot) -> None:
    fd = os.open(target.name, _NEW, 0o600, dir_fd=target.folder)
    try:
        try:
            os.rename(part.name, target.name, src_dir_fd=part.folder, dst_dir_fd=target.folder)
        except OSError:
            if not os.fstat(fd).st_size:
                os.unlink(target.name, dir_fd=target.folder)
            raise
    finally:
        os.close(fd)


def note_of(part: str) -> str:
    """The name of the note that stands beside ``part`` while a name is claimed for it."""
    return part + NOTE_SUFFIX


def _write_note(note: Spot, where: str) -> None:
    fd = os.open(note.name, _NEW, 0o600, dir_fd=note.folder)
    try:
        left = os.fsencode(where)
        while left:
            left = left[os.write(fd, left) :]
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class ClaimNote:
    """A claim that was not lifted: the path of the claimed name, and when it was made."""

    parts: tuple[str, ...]
    mtime_ns: int

    def covers(self, status: os.stat_result) -> bool:
        """Whether a file of this ``status`` can be the claim: a person's file is older, or holds something."""
        return stat.S_ISREG(status.st_mode) and not status.st_size and status.st_mtime_ns >= self.mtime_ns


def read_note(note: Spot) -> ClaimNote | None:
    """What ``note`` says, if it is one and ours. Raises OSError where there is none."""
    fd = os.open(note.name, os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0), dir_fd=note.folder)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not is_own(status):
            return None
        # A text that was cut short names nothing that was claimed: it is written before.
        parts = tuple(os.fsdecode(os.read(fd, _NOTE_BYTES)).split("/"))
    finally:
        os.close(fd)
    return None if set(parts) & {"", ".", ".."} else ClaimNote(parts, status.st_mtime_ns)
