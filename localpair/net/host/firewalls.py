"""Signs of a firewall on this host that can be read without privileges.

Hints and no proof: whether a firewall lets anybody in, only a peer can tell.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

from localpair.causes.facts import FirewallKind
from localpair.net.host.files import read_text

Signs: TypeAlias = Mapping[str, bool | str | None]
"""What was looked at, in words, and what was found; None where nothing shows."""

# The signs that name a firewall which a person can change, by its own program.
_KINDS: Final = {
    "ufw enabled": FirewallKind.UFW,
    "firewalld running": FirewallKind.FIREWALLD,
    "nftables service": FirewallKind.NFTABLES,
    "nf_tables loaded": FirewallKind.NFTABLES,
    "ip_tables loaded": FirewallKind.IPTABLES,
    "application firewall": FirewallKind.MACOS,
    "StandardProfile": FirewallKind.WINDOWS,
    "PublicProfile": FirewallKind.WINDOWS,
    "DomainProfile": FirewallKind.WINDOWS,
}


def firewall_signs() -> Signs | None:
    """All signs; None for a system of which nothing is known."""
    readers = {"linux": _on_linux, "darwin": _on_macos, "win32": _on_windows}
    reader = readers.get("linux" if sys.platform.startswith("linux") else sys.platform)
    return None if reader is None else reader()


def firewall_kinds() -> tuple[FirewallKind, ...] | None:
    """The firewalls that show, each once; None for a system of which nothing is known."""
    signs = firewall_signs()
    if signs is None:
        return None
    return tuple(dict.fromkeys(kind for sign, kind in _KINDS.items() if signs.get(sign) is True))


def _on_linux() -> Signs:
    modules = {line.partition(" ")[0] for line in (read_text("/proc/modules", 1 << 20) or "").splitlines()}
    units = Path("/etc/systemd/system/multi-user.target.wants")
    return {
        "nf_tables loaded": True if "nf_tables" in modules else None,
        "ip_tables loaded": True if {"ip_tables", "iptable_filter"} & modules else None,
        "connection tracking": True if Path("/proc/sys/net/netfilter/nf_conntrack_count").exists() else None,
        "ufw enabled": _setting_on(read_text("/etc/ufw/ufw.conf"), r"^ENABLED=yes"),
        "firewalld running": _exists("/run/firewalld", "/run/firewalld.pid", "/var/run/firewalld.pid"),
        "nftables service": _exists(
            str(units / "nftables.service"), "/etc/systemd/system/sysinit.target.wants/nftables.service"
        ),
        "firewalld zone": _first(read_text("/etc/firewalld/firewalld.conf"), r"^DefaultZone=(\S+)"),
    }


def _on_macos() -> Signs:
    import plistlib

    try:
        with Path("/Library/Preferences/com.apple.alf.plist").open("rb") as file:
            settings = plistlib.load(file)
    except (OSError, ValueError, plistlib.InvalidFileException):
        return {"application firewall": None}
    state = settings.get("globalstate") if isinstance(settings, dict) else None
    return {
        "application firewall": state in (1, 2),
        "blocks all incoming": state == 2,
        "stealth mode": bool(settings.get("stealthenabled")) if isinstance(settings, dict) else None,
    }


def _on_windows() -> Signs:
    signs: dict[str, bool | str | None] = {}
    if sys.platform == "win32":
        import winreg

        base = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
        for profile in ("StandardProfile", "PublicProfile", "DomainProfile"):
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{base}\{profile}") as key:
                    signs[profile] = winreg.QueryValueEx(key, "EnableFirewall")[0] == 1
            except OSError:
                signs[profile] = None
    return signs


def _setting_on(text: str | None, pattern: str) -> bool | None:
    return None if text is None else bool(re.search(pattern, text, re.MULTILINE | re.IGNORECASE))


def _first(text: str | None, pattern: str) -> str | None:
    found = re.search(pattern, text or "", re.MULTILINE)
    return found[1] if found else None


def _exists(*paths: str) -> bool | None:
    return True if any(Path(path).exists() for path in paths) else None
