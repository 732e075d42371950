"""Linux namespaces by system call: enter, leave, create. For single-threaded programs.

Source: namespaces(7), setns(2), unshare(2), mount(2), prctl(2). ``os.setns`` came with Python 3.12 only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NEW_MOUNT: Final = 0x00020000
NEW_UTS: Final = 0x04000000
NEW_IPC: Final = 0x08000000
NEW_USER: Final = 0x10000000
NEW_PID: Final = 0x20000000
NEW_NET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
_MS_MOVE: Final = 0x2000
_DETACH: Final = 0x2  # of umount2(2)
_MOUNT_SETATTR: Final = 442  # on every architecture
_RECURSIVE: Final = 0x8000

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
_CAPABILITY_VERSION: Final = 0x20080522  # two words a set (linux/capability.h)
_CAPABILITIES: Final = 64  # as many as the kernel's sets have room for
NET_BIND_SERVICE: Final = 10
NET_ADMIN: Final = 12
NET_RAW: Final = 13
SYS_ADMIN: Final = 21

_AT_HERE: Final = -100  # AT_FDCWD
# Of statvfs(3), by the names that mount(2) has for them: noexec, noatime, nodiratime, relatime.
_SHOWN_FLAGS: Final = MS_NOEXEC | 0x400 | 0x800

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by ``flags``; the calling process gets new ones."""
    _check(_libc.unshare(flags), "unshare")


def keep_capabilities(numbers: Iterable[int]) -> None:
    """The calling process, and what it starts, keeps these of its capabilities and gets no others, for good."""
    limit_capabilities(numbers)
    kept = sum(1 << number for number in numbers)
    head, room = struct.pack("=Ii", _CAPABILITY_VERSION, 0), ctypes.create_string_buffer(24)
    _check(_libc.capget(head, room), "capget")
    effective, permitted, _, *_ = struct.unpack("=6I", room.raw)
    _check(_libc.capset(head, struct.pack("=6I", effective & kept, permitted & kept, 0, 0, 0, 0)), "capset")


def limit_capabilities(numbers: Iterable[int]) -> None:
    """No program that the calling process becomes gets any capability but these."""
    for number in set(range(_CAPABILITIES)).difference(numbers):
        if _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")


def show_to_own() -> None:
    """Other programs of the same user may look at the calling process, which has just become this user's."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def enter(descriptor: int, kind: int = 0) -> None:
    """Join the namespace that ``descriptor`` (of ``/proc/PID/ns/*``) refers to."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); all arguments as there."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target}")


def restrict_mounts(folder: Path, *, read_only: bool) -> None:
    """No set-user-id programs and no devices on the mount at ``folder`` and all below it, nor changes if ``read_only``.

    The flags that they have already stay.
    """
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)  # the newer call has the same three
    attributes = ctypes.create_string_buffer(struct.pack("=4Q", flags, 0, 0, 0), 32)
    here = ctypes.c_long(_AT_HERE)
    result = _libc.syscall(
        _MOUNT_SETATTR, here, os.fsencode(folder), ctypes.c_long(_RECURSIVE), attributes, ctypes.c_long(32)
    )
    if result < 0 and ctypes.get_errno() == errno.ENOSYS:  # Linux before 5.12: one by one
        for point in _mount_points(folder):
            kept = os.statvfs(point).f_flag & _SHOWN_FLAGS
            mount("none", point, flags=MS_REMOUNT | MS_BIND | flags | kept)
        return
    _check(result, f"mount_setattr {folder}")


def _mount_points(folder: Path) -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    found = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return [point for point in found if point.is_relative_to(folder)]


def pivot(folder: Path) -> None:
    """The mount at ``folder`` becomes the root of this mount namespace, and nothing else stays in it."""
    os.chdir(folder)
    if _libc.pivot_root(b".", b".") == 0:
        _check(_libc.umount2(b".", _DETACH), "umount of the root before")
    elif (
        ctypes.get_errno() == errno.EINVAL
    ):  # the root is the one that the kernel booted into: it can only be covered
        mount(".", "/", flags=_MS_MOVE)
        os.chroot(".")
    else:
        _check(-1, f"pivot_root {folder}")
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Name the calling process's UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), "sethostname")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` (its process id as seen from here) is gone.

    0 as ``parent`` means one outside our process namespace. A parent that died before the call is noticed
    too.
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def open_network(process: int | str = "self") -> int:
    """Descriptor of the network namespace of a process, seen through our ``/proc``."""
    return os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def open_mounts() -> int:
    """Descriptor of the calling process's mount namespace."""
    return os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def create_network() -> int:
    """A new network namespace, alive as long as the returned descriptor; the caller stays where it is."""
    home = open_network()
    try:
        unshare(NEW_NET)
        return open_network()
    finally:
        enter(home, NEW_NET)
        os.close(home)


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Run a block in another network namespace. Sockets opened there stay there."""
    home = open_network()
    enter(descriptor, NEW_NET)
    try:
        yield
    finally:
        enter(home, NEW_NET)
        os.close(home)


def become_root_of_own() -> None:
    """Enter a new user namespace in which the caller is root: the rootless way to everything else here.

    Raises ``OSError`` where the kernel or its policy refuses (``doctor`` says what to do).
    """
    become_user_of_own(0)


def is_among_first_users() -> bool:
    """Whether the calling process is in the user namespace that the kernel booted into."""
    return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]


def user_outside() -> int:
    """The calling user's number in the namespace around its user namespace: root of its own is not root there."""
    user = os.getuid()
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, outside, count = map(int, line.split())
        if inside <= user < inside + count:
            return outside + user - inside
    return user


def become_user_of_own(number: int) -> None:
    """Enter a new user namespace in which the caller is the user and group of that number, and nobody else is anybody.
    Raises ``OSError``.
    """
    user, group = os.getuid(), os.getgid()
    unshare(NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{number} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{number} {group} 1")


def writable_kernel_settings() -> None:
    """In a container whose /proc/sys is read-only: its part for networks becomes writable, and no other."""
    if os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK) and not _read_only(Path("/proc/sys/net")):
        return
    unshare(NEW_MOUNT)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    with tempfile.TemporaryDirectory(dir="/run") as whole:
        mount("proc", whole, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mount(f"{whole}/sys/net", "/proc/sys/net", flags=MS_BIND)
        _check(_libc.umount2(whole.encode(), 0), f"umount {whole}")


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
