"""A root of their own for nodes: the machine's programs, read-only, and of everything else nothing.

It is built once for each fabric, in a mount namespace that has nothing else. A node copies that namespace and mounts
its own /run, /proc and /sys into it; /tmp and what differs between nodes in /etc lead to its /run.

Source: mount_namespaces(7), pivot_root(2), mount_setattr(2).
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import namespaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BASE: Final = Path("/tmp")  # noqa: S108 - covered by a tmpfs of our own before anything is put there
_SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
)  # fmt: skip
_ETC: Final = (
    "alternatives", "bash.bashrc", "crypto-policies", "debian_version", "fedora-release", "gai.conf", "host.conf",
    "inputrc", "iproute2", "ld.so.cache", "ld.so.conf", "localtime", "mime.types", "nsswitch.conf", "os-release", "pki",
    "protocols", "services", "ssl", "timezone",
)  # fmt: skip
_OF_THE_NODE: Final = ("hosts", "resolv.conf", "passwd", "group")
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {
    "tmp": "run/tmp", "var/run": "../run", "var/tmp": "../run/tmp",
    **{f"etc/{name}": f"../run/etc/{name}" for name in _OF_THE_NODE},
}  # fmt: skip
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx", "shm": "/run/tmp",
}  # fmt: skip
_FOR_OTHERS: Final = stat.S_IROTH | stat.S_IXOTH


def make(folders: Iterable[str], *, for_others: bool) -> int:
    """Descriptor of a mount namespace with such a root, which holds those folders and files besides.

    It lives as long as the descriptor; the caller stays where it is. ``for_others``: nodes run under other ids than
    ours. Raises ``OSError``, with the reason where a folder is closed to them.
    """
    wanted = list(_outermost(folders))
    if for_others and (closed := [path for path in wanted if _is_closed(path)]):
        reason = f"{closed[0]} is closed to other users, and devices run under ids of their own"
        raise PermissionError(f"{reason}: chmod -R o+rX {closed[0]}")
    with _aside():
        namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
        made = namespaces.open_mounts()
        try:
            _fill(wanted)
            namespaces.pivot(_BASE)
        except BaseException:
            os.close(made)
            raise
        return made


@contextmanager
def _aside() -> Iterator[None]:
    """In a mount namespace of its own for a while, with the root and the folder of before at the end."""
    home = namespaces.open_mounts()
    places = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in ("/", ".")]
    namespaces.unshare(namespaces.NEW_MOUNT)
    mask = os.umask(0o022)  # whatever the lab's, nodes see what is made here
    try:
        yield
    finally:
        os.umask(mask)
        namespaces.enter(home, namespaces.NEW_MOUNT)
        os.fchdir(places[0])
        os.chroot(".")
        os.fchdir(places[1])
        for one in (home, *places):
            os.close(one)


def _outermost(folders: Iterable[str]) -> Iterator[str]:
    """Those that are there and lie in none of the others, by all names that they have."""
    system = {path for path in _SYSTEM if os.path.exists(path)}  # noqa: PTH110 - text in and out
    real = {os.path.realpath(path) for path in folders}
    there = {path for path in (*folders, *real) if os.path.exists(path)} - {"/"}  # noqa: PTH110
    for path in sorted(there | system):
        if not any(str(above) in there | system for above in Path(path).parents):
            yield path


def _is_closed(path: str) -> bool:
    mode = Path(path).stat().st_mode
    needed = _FOR_OTHERS if stat.S_ISDIR(mode) else stat.S_IROTH
    return mode & needed != needed


def _fill(wanted: Iterable[str]) -> None:
    sources = {path: os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC) for path in wanted}
    devices = {name: os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC) for name in _DEVICES}
    configuration = _configuration()
    harmless = namespaces.MS_NOSUID | namespaces.MS_NODEV
    namespaces.mount("tmpfs", _BASE, "tmpfs", harmless, "mode=755,size=16m")
    for name in ("dev", "etc", "proc", "run", "sys", "var"):
        (_BASE / name).mkdir()
    for path, source in sources.items():
        _take(source, _BASE / path.lstrip("/"))
    for name, source in configuration.items():
        _take(source, _BASE / "etc" / name)
    for link, target in _LINKS.items():
        if not (
            _BASE / link
        ).exists():  # an interpreter may lie below /tmp; nodes then write to /var/tmp alone
            (_BASE / link).symlink_to(target)
    namespaces.restrict_mounts(_BASE, read_only=True)
    _fill_dev(devices)
    if not namespaces.is_among_first_users():
        # Without these a user namespace may not mount its own ones; those will cover them.
        for name in ("proc", "sys"):
            namespaces.mount(f"/{name}", _BASE / name, flags=namespaces.MS_BIND | namespaces.MS_REC)
        namespaces.restrict_mounts(_BASE / "sys", read_only=True)
    for one in (*sources.values(), *devices.values(), *configuration.values()):
        os.close(one)


def _configuration() -> dict[str, int]:
    """What everybody may read of those files and folders of /etc."""
    found = {}
    for name in _ETC:
        path = Path("/etc") / name
        if path.is_symlink() or (path.exists() and not _is_closed(str(path))):
            found[name] = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    return found


def _take(source: int, target: Path) -> None:
    """The folder or file of that descriptor at ``target``; a link as the same link, a small file as a copy."""
    status = os.fstat(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    through = f"/proc/self/fd/{source}"
    if stat.S_ISLNK(status.st_mode):
        target.symlink_to(os.readlink("", dir_fd=source))
    elif stat.S_ISDIR(status.st_mode):
        target.mkdir(exist_ok=True)
        namespaces.mount(through, target, flags=namespaces.MS_BIND | namespaces.MS_REC)
    else:
        target.write_bytes(Path(through).read_bytes())


def _make_device(source: int, target: Path) -> None:
    status = os.fstat(source)
    os.mknod(target, status.st_mode, status.st_rdev)
    target.chmod(stat.S_IMODE(status.st_mode))
    try:
        os.close(os.open(target, os.O_RDWR | os.O_NOCTTY))
    except PermissionError:
        target.unlink()
        raise
    except OSError:  # a terminal that nobody has
        pass


def _fill_dev(devices: dict[str, int]) -> None:
    folder = _BASE / "dev"
    namespaces.mount(
        "tmpfs", folder, "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NOEXEC, "mode=755,size=64k"
    )
    for name, source in devices.items():
        try:  # each mount of a root costs every node a little
            _make_device(source, folder / name)
        except PermissionError:
            (folder / name).touch()
            namespaces.mount(f"/proc/self/fd/{source}", folder / name, flags=namespaces.MS_BIND)
    for link, target in _DEVICE_LINKS.items():
        (folder / link).symlink_to(target)
    (folder / "pts").mkdir()
    namespaces.mount("none", folder, flags=namespaces.MS_REMOUNT | namespaces.MS_BIND | namespaces.MS_RDONLY
                     | namespaces.MS_NOSUID | namespaces.MS_NOEXEC)  # fmt: skip
