"""Starts a program as a sandbox would: what the sandbox withholds fails with EACCES, in it and in all it starts.

    python sandbox.py netlink -- COMMAND [ARGUMENT ...]

``netlink``: no routing socket, so that neither interfaces nor routes can be listed by it, as on phones and in strict
sandboxes. Rests on seccomp (seccomp(2)), which needs no privilege. One file on the standard library alone: it runs
by itself in a node, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
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


def confine() -> None:
    """Withhold netlink from the calling process for good. Raises OSError where the kernel refuses."""
    code = ctypes.create_string_buffer(filter_program(os.uname().machine))
    steps = (len(code) - 1) // 8
    program = ctypes.create_string_buffer(struct.pack("@HP", steps, ctypes.addressof(code)))
    library = ctypes.CDLL(None, use_errno=True)
    for words in ((_NO_NEW_PRIVILEGES, 1, None), (_SET_SECCOMP, _FILTER, program)):
        if library.prctl(words[0], ctypes.c_ulong(words[1]), words[2], None, None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"seccomp: {os.strerror(number)}")


def try_out() -> None:
    """See whether this kernel lets a process be confined, in a child. Raises OSError."""
    child = os.fork()
    if child == 0:
        code = 0
        try:
            confine()
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, f"seccomp: {os.strerror(code)}")


def main() -> None:
    """Confine this process and become the command."""
    _, withheld, separator, *command = sys.argv
    if withheld != "netlink" or separator != "--" or not command:
        sys.exit("usage: sandbox.py netlink -- COMMAND [ARGUMENT ...]")
    confine()
    os.execvp(command[0], command)  # noqa: S606 - to start it is what this is for


if __name__ == "__main__":
    main()
