"""What a node finds in its file system: the root of all nodes of its fabric, and in it what is its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localpair_lab.fabric.system import namespaces
from localpair_lab.fabric.system.isolation.account import Account

ROOT: Final = Path("/run")  # a tmpfs of the node's own; everything that differs between nodes is in it
STATE: Final = ROOT / "state"
HOME: Final = ROOT / "home"
TEMPORARY: Final = ROOT / "tmp"
_CONFIGURATION: Final = ROOT / "etc"
_USERS: Final = "root:x:0:0::/run/home:/bin/sh\n"
_GROUPS: Final = "root:x:0:\n"


@dataclass(frozen=True, slots=True)
class EtcFiles:
    """A node's name, and its /etc/hosts and /etc/resolv.conf."""

    name: str
    hosts: str = ""
    resolver: str = ""


def prepare_node(etc_files: EtcFiles, account: Account, root: int) -> None:
    """Move the calling process, alone, into namespaces of its own, made ready for programs of that account.

    They are made of the mount namespace ``root`` (see ``fabric.system.isolation.private_root``).
    """
    namespaces.enter(root, namespaces.NEW_MOUNT)
    kinds = namespaces.NEW_NET | namespaces.NEW_MOUNT | namespaces.NEW_UTS | namespaces.NEW_IPC
    namespaces.unshare(kinds)
    os.umask(0o022)
    namespaces.set_hostname(etc_files.name)
    harmless = namespaces.MS_NOSUID | namespaces.MS_NODEV
    namespaces.mount("tmpfs", ROOT, "tmpfs", harmless, "mode=755")
    _CONFIGURATION.mkdir()
    for folder in (STATE, HOME, TEMPORARY):
        folder.mkdir()
        os.chown(folder, account.owner, account.owner)
    user, group = account.lines()
    texts = {"hosts": etc_files.hosts, "resolv.conf": etc_files.resolver}
    for name, text in {**texts, "passwd": _USERS + user, "group": _GROUPS + group}.items():
        (_CONFIGURATION / name).write_text(text)
    namespaces.mount("proc", "/proc", "proc", harmless | namespaces.MS_NOEXEC)
    # Settings of the kernel are changed by the fabric alone, which has a /proc of its own.
    namespaces.mount("/proc/sys", "/proc/sys", flags=namespaces.MS_BIND)
    fixed = namespaces.MS_REMOUNT | namespaces.MS_BIND | namespaces.MS_RDONLY
    namespaces.mount("none", "/proc/sys", flags=fixed | harmless | namespaces.MS_NOEXEC)
    try:
        namespaces.mount("sysfs", "/sys", "sysfs", namespaces.MS_RDONLY | harmless | namespaces.MS_NOEXEC)
    except OSError:  # some hosts refuse it without root; programs then see the host's interfaces under /sys
        pass
