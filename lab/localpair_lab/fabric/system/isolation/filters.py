"""Filters of system calls (seccomp(2)): what a program that may be a stranger's has no business with. Pure.

A filter lists what it refuses. The numbers of calls differ between architectures; on one that is not known here
there is no filter, and what else confines a program has to do.

Source: linux/seccomp.h, linux/filter.h, linux/audit.h, asm/unistd.h.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Numbers = tuple[int, int]

_ARCHITECTURES: Final[Mapping[str, tuple[int, int]]] = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The audit word of each architecture, and which of the numbers below are its own."""
_FOREIGN: Final = 0x40000000  # from here on numbers are x32's

# Calls by their numbers on x86_64 and aarch64; -1 where there is none.
CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_IOCTL: Final = (16, 29)
_SETNS: Final = (308, 268)
_SOCKET: Final = (41, 198)
_UNSHARE: Final = (272, 97)
_SETRLIMIT: Final = (160, 164)
_PRLIMIT: Final = (302, 261)

MOUNTING: Final[Mapping[str, Numbers]] = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442),
}  # fmt: skip
# What CAP_SYS_ADMIN opens besides in the profile that Docker gives every container.
_OF_SYS_ADMIN: Final[Mapping[str, Numbers]] = {
    "bpf": (321, 280), "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "name_to_handle_at": (303, 264),
    "perf_event_open": (298, 241), "quotactl": (179, 60), "quotactl_fd": (443, 443), "setdomainname": (171, 162),
    "sethostname": (170, 161), "syslog": (103, 116),
}  # fmt: skip
# What that profile gives to nobody, or to other capabilities only.
_OF_NOBODY: Final[Mapping[str, Numbers]] = {
    "acct": (163, 89), "add_key": (248, 217), "chroot": (161, 51), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "delete_module": (176, 106), "finit_module": (313, 273),
    "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "ioperm": (173, -1), "iopl": (172, -1), "kcmp": (312, 272),
    "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219), "move_pages": (279, 239),
    "open_by_handle_at": (304, 265), "personality": (135, 92), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117), "reboot": (169, 142),
    "request_key": (249, 218), "settimeofday": (164, 170), "swapoff": (168, 225), "swapon": (167, 224),
    "sysfs": (139, -1), "userfaultfd": (323, 282), "uselib": (134, -1), "ustat": (136, -1), "vhangup": (153, 58),
}  # fmt: skip

NEW_NETWORK: Final = 0x40000000
_NEW_NAMESPACES: Final = 0x7E020000  # the flags CLONE_NEW* that clone(2) takes
_FAMILIES: Final = (
    38,
    40,
)  # AF_ALG, a way into the kernel's drivers; AF_VSOCK, which leads out of any network
_CORE: Final = 4  # RLIMIT_CORE keeps the machine's own programs from looking at a crash, see ``confinement``
_TYPING: Final = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type for whoever sits at the terminal

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A call that fails with ``error``.

    ``argument`` is the number of the argument that it depends on (None: it fails always): the call fails if one of the
    ``bits`` is set there, or it is one of ``words``; with ``only``, if it is any word but those. Where ``pointer``
    names another argument, a call with nothing there is let through.
    """

    numbers: Numbers
    error: int = errno.EPERM
    argument: int | None = None
    words: Sequence[int] = ()
    bits: int = 0
    only: bool = False
    pointer: int | None = None


def fabric_refusals() -> list[RefusedCall]:
    """For the fabric in its container, which has CAP_SYS_ADMIN to enter the networks of devices, and for that alone."""
    listed = [*MOUNTING.values(), *_OF_SYS_ADMIN.values(), *_OF_NOBODY.values()]
    networks_only = [
        RefusedCall(_UNSHARE, argument=0, words=(NEW_NETWORK,), only=True),
        RefusedCall(_SETNS, argument=1, words=(NEW_NETWORK,), only=True),
    ]
    return [*map(RefusedCall, listed), *networks_only, *_NO_NAMESPACES]


def device_refusals() -> list[RefusedCall]:
    """For a device's programs, which never had any right: what the kernel gives to everybody and few need."""
    listed = [*MOUNTING.values(), *_OF_SYS_ADMIN.values(), *_OF_NOBODY.values(), _UNSHARE, _SETNS]
    return [
        *map(RefusedCall, listed),
        *_NO_NAMESPACES,
        RefusedCall(_SOCKET, errno.EAFNOSUPPORT, 0, _FAMILIES),
        RefusedCall(_IOCTL, argument=1, words=_TYPING),
        RefusedCall(_SETRLIMIT, argument=0, words=(_CORE,)),
        RefusedCall(_PRLIMIT, argument=1, words=(_CORE,), pointer=2),
    ]


# What a new process may be told lies behind a pointer in the newer call; C libraries then take the older one.
_NO_NAMESPACES: Final = (
    RefusedCall(CLONE, argument=0, bits=_NEW_NAMESPACES),
    RefusedCall(_CLONE3, errno.ENOSYS),
)


def program(refusals: Sequence[RefusedCall], machine: str) -> bytes | None:
    """The filter's instructions for ``machine`` as uname names it; None for one that is not known."""
    if machine not in _ARCHITECTURES:
        return None
    word, column = _ARCHITECTURES[machine]
    steps: list[bytes] = [
        _step(_LOAD, 0, 0, _ARCHITECTURE_AT),
        _step(_IF_EQUAL, 1, 0, word),
        _step(_RETURN, 0, 0, _ERROR | errno.EPERM),  # another architecture's numbers mean other calls
        _step(_LOAD, 0, 0, _NUMBER_AT),
        _step(_IF_AT_LEAST, 0, 1, _FOREIGN),
        _step(_RETURN, 0, 0, _ERROR | errno.EPERM),
    ]
    for refusal in refusals:
        if (number := refusal.numbers[column]) >= 0:
            body = _body(refusal)
            steps += [_step(_IF_EQUAL, 0, len(body), number), *body]
    return b"".join([*steps, _step(_RETURN, 0, 0, _ALLOW)])


def _body(refusal: RefusedCall) -> list[bytes]:
    """What is done with a call of that number: it always ends the filter."""
    refuse, allow = _step(_RETURN, 0, 0, _ERROR | refusal.error), _step(_RETURN, 0, 0, _ALLOW)
    if refusal.argument is None:
        return [refuse]
    head = [] if refusal.pointer is None else _unless_nothing(refusal.pointer)
    load = _step(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * refusal.argument)
    if refusal.bits:
        return [*head, load, _step(_IF_ANY_BIT, 0, 1, refusal.bits), refuse, allow]
    count = len(refusal.words)
    tests = [_step(_IF_EQUAL, count - number, 0, word) for number, word in enumerate(refusal.words)]
    # Those that are equal come to the last step, the others to the one before.
    return [*head, load, *tests, *((refuse, allow) if refusal.only else (allow, refuse))]


def _unless_nothing(argument: int) -> list[bytes]:
    """Let the call through if all of this argument's bits are off; go on behind these steps otherwise."""
    low = _ARGUMENTS_AT + 8 * argument
    return [
        _step(_LOAD, 0, 0, low),
        _step(_IF_EQUAL, 0, 3, 0),
        _step(_LOAD, 0, 0, low + 4),
        _step(_IF_EQUAL, 0, 1, 0),
        _step(_RETURN, 0, 0, _ALLOW),
    ]


def _step(code: int, if_true: int, if_false: int, word: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, word)
