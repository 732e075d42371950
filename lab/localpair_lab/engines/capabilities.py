"""What this machine can play, asked of the machine itself, and the one command that mends each gap.

The fabric tries each thing in throw-away namespaces (``fabric/server/features.py``) and answers in the kernel's
words; here those answers become the plan's capabilities.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.engines.base import Missing
from localpair_lab.fabric.traffic import tunnel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# What each capability of a plan rests on, by the names of the fabric's trials.
RESTS_ON: Final[dict[str, tuple[str, ...]]] = {
    "loss": ("wire", "segment-rules"),
    "rate": ("wire",),
    "delay": ("wire",),
    "snooping": ("snooping",),
    "ipv6": ("ipv6",),
    "nat": ("nat",),
    "firewall": ("firewall",),
    "filter": ("segment-rules",),
    "policy-routing": ("policy-routing",),
    "bbr": ("bbr",),
    "trunk": ("wire",),
    "isolation": ("isolation",),
    "tunnel-device": ("tunnel-device",),
    "clock": ("clock",),
    "sandbox": ("sandbox",),
    "kernel-files": ("kernel-files",),
    "files": (),
    "programs": (),
    "events": ("events",),
}
NEEDS_NFT: Final = frozenset({"segment-rules", "firewall", "nat"})


def product_command() -> tuple[str, ...]:
    """The command that runs localpair: the one beside this interpreter, so that the installed wheel is
    played.
    """
    beside = Path(sys.executable).parent / "localpair"
    return (str(beside),) if beside.exists() else (sys.executable, "-m", "localpair")


def missing(needs: Sequence[str], trials: Mapping[str, str]) -> list[Missing]:
    """The capabilities out of ``needs`` that the trials do not bear, each with the reason and what mends
    it.
    """
    found = []
    for need in needs:
        reasons = [f"{trials[name]}" for name in RESTS_ON.get(need, ()) if trials.get(name)]
        if reasons:
            found.append(Missing(need, reasons[0], mend(need, reasons[0])))
    return found


def mend(capability: str, reason: str) -> str:
    """The one command, or the one sentence, that gives this machine the capability."""
    if "nft is not installed" in reason:
        return _install("nftables")
    if capability == "clock":
        return _install("faketime")
    if "unshare" in reason or "uid_map" in reason:
        return _allow_namespaces()
    if capability == "bbr":
        return (
            "sudo modprobe tcp_bbr && sudo sysctl -w net.ipv4.tcp_allowed_congestion_control='reno cubic bbr'"
        )
    if capability == "tunnel-device":
        return _open_tunnel_device(reason)
    if "Operation not permitted" in reason:
        return _allow_namespaces()
    return (
        "a newer or fuller kernel: on Debian and Ubuntu, sudo apt-get install linux-modules-extra-$(uname -r)"
    )


def install(package: str) -> str:
    """The command that installs a package: of the system's, or of ``pip:`` or ``npm:``."""
    registry, _, name = package.rpartition(":")
    if registry == "pip":
        return f"{sys.executable} -m pip install {name}"
    return f"npm install --global {name}" if registry == "npm" else _install(name)


def _install(package: str) -> str:
    managers = {"apt-get": "install -y", "dnf": "install -y", "pacman": "-S --noconfirm", "apk": "add"}
    for manager, words in managers.items():
        if shutil.which(manager):
            return f"sudo {manager} {words} {package}"
    return f"install the package {package}"


def _open_tunnel_device(reason: str) -> str:
    if "Permission denied" in reason:
        return f"sudo chmod 0666 {tunnel.DEVICE}"
    return "sudo modprobe tun"


def _allow_namespaces() -> str:
    apparmor = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if apparmor.exists() and apparmor.read_text().strip() == "1":
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    clone = Path("/proc/sys/kernel/unprivileged_userns_clone")
    if clone.exists() and clone.read_text().strip() == "0":
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    return "run the lab as root, or in a container with NET_ADMIN, SYS_ADMIN and seccomp=unconfined"
