"""Starts a program as a sandbox would: what the sandbox withholds fails with EACCES, in it and in all it starts.

    python sandbox.py netlink kernel-files -- COMMAND [ARGUMENT ...]

``netlink``: no routing socket, so that neither interfaces nor routes can be listed by it, as on phones and in strict
sandboxes. ``kernel-files``: nothing below /proc and /sys can be read. Rests on seccomp (seccomp(2)) and Landlock
(landlock(7)), neither of which needs privilege. One file on the standard library alone: it runs by itself in a node,
too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

_SET_SECCOMP: Final = 22
_NO_NEW_PRIVILEGES: Final = 38
_FILTER: Final = 2
_SOCKET_CALL: Final = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The audit word of each architecture and its number of socket(2) (linux/audit.h, asm/unistd.h)."""

# Where linux/seccomp.h has them: the call's number, the architecture, the first argument.
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENT_AT = 0, 4, 16
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_AF_NETLINK: Final = 16

# linux/landlock.h; the numbers of its calls are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGE_FOLDER: Final = 0b1_1111_1111 << 4  # removing and making, of each kind
_PATH_BENEATH: Final = 1
_HIDDEN: Final = ("proc", "sys")


def filter_program(machine: str) -> bytes:
    """The filter that refuses netlink sockets, on ``machine`` as uname names it. Raises OSError for others."""
    if machine not in _SOCKET_CALL:
        raise OSError(errno.ENOSYS, f"no filter is known for {machine}")
    architecture, number = _SOCKET_CALL[machine]
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, _ARGUMENT_AT),
        (_IF_EQUAL, 0, 1, _AF_NETLINK),
        (_RETURN, 0, 0, _ERROR | errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def withhold_netlink() -> None:
    """No netlink sockets for the calling process, for good. Raises OSError where the kernel refuses."""
    refuse(filter_program(os.uname().machine))


def refuse(filter_steps: bytes) -> None:
    """Put a filter on the calling process and all that it starts, for good. Raises OSError."""
    code = ctypes.create_string_buffer(filter_steps)
    steps = (len(code) - 1) // 8
    program = ctypes.create_string_buffer(struct.pack("@HP", steps, ctypes.addressof(code)))
    _control(_NO_NEW_PRIVILEGES, 1, None)
    _control(_SET_SECCOMP, _FILTER, program)


def withhold_kernel_files() -> None:
    """Nothing below /proc and /sys for the calling process, for good. Raises OSError where the kernel refuses."""
    others = [entry.path for entry in os.scandir("/") if entry.name not in _HIDDEN and entry.is_dir()]
    _allow_only(_EXECUTE | _READ_FILE | _READ_DIRECTORY, others)


def write_only_below(places: Iterable[str]) -> None:
    """The calling process may change files and folders in ``places`` (folders or files) and nowhere else, for good; nor
    may it mount anything. Raises OSError where the kernel has no Landlock.
    """
    _allow_only(_WRITE_FILE | _CHANGE_FOLDER, places)


def _allow_only(handled: int, places: Iterable[str]) -> None:
    """Landlock forbids of what is ``handled`` all that no rule allows; every place gets a rule."""
    ruleset = _call(
        _CREATE_RULESET, ctypes.create_string_buffer(struct.pack("=Q", handled), 8), ctypes.c_size_t(8), 0
    )
    try:
        for path in places:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = handled if stat.S_ISDIR(os.fstat(place).st_mode) else handled & ~_CHANGE_FOLDER
            try:
                rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place), 12)
                _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
            finally:
                os.close(place)
        _control(_NO_NEW_PRIVILEGES, 1, None)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


WITHHOLDERS: Final[Mapping[str, Callable[[], None]]] = {
    "netlink": withhold_netlink,
    "kernel-files": withhold_kernel_files,
}


def _control(what: int, how: int, data: ctypes.Array[ctypes.c_char] | None) -> None:
    """prctl(2)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(what, ctypes.c_ulong(how), data, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def _call(number: int, *words: object) -> int:
    """A call of Landlock, for which C libraries have no functions."""
    library = ctypes.CDLL(None, use_errno=True)
    answer = int(library.syscall(number, *words))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return answer


def try_out(withheld: str) -> None:
    """See whether this kernel lets a process be confined so, in a child. Raises OSError."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            WITHHOLDERS[withheld]()
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, f"the sandbox {withheld}: {os.strerror(code)}")


def main() -> None:
    """Confine this process and become the command."""
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    withheld, command = words[:end], words[end + 1 :]
    if not withheld or not command or not set(withheld) <= set(WITHHOLDERS):
        sys.exit(f"usage: sandbox.py {{{'|'.join(WITHHOLDERS)}}} ... -- COMMAND [ARGUMENT ...]")
    for word in withheld:
        WITHHOLDERS[word]()
    os.execvp(command[0], command)  # noqa: S606 - to start it is what this is for


if __name__ == "__main__":
    main()
