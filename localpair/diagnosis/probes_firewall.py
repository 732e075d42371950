"""A check for traces of a firewall on this host that can be read without privileges."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localpair.diagnosis.probes_host import read_text

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json


def firewall(_: CheckContext, notes: CheckNotes) -> None:
    """What can be read of a firewall without privileges. Hints: whether it lets us in only a peer can tell."""
    found: dict[str, Json] = {}
    readers = {"linux": _linux_firewall, "darwin": _macos_firewall, "win32": _windows_firewall}
    reader = readers.get("linux" if sys.platform.startswith("linux") else sys.platform)
    if reader is None:
        notes.skip(f"nothing is known about firewalls on {sys.platform}")
        return
    found.update(reader())
    notes.fact("hints", found)
    active = [name for name, value in found.items() if value is True]
    notes.say(
        f"signs of a firewall: {', '.join(active)}" if active else "no sign of a firewall that can be read"
    )


def _linux_firewall() -> Facts:
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


def _macos_firewall() -> Facts:
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


def _windows_firewall() -> Facts:
    facts: dict[str, Json] = {}
    if sys.platform == "win32":
        import winreg

        base = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
        for profile in ("StandardProfile", "PublicProfile", "DomainProfile"):
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{base}\{profile}") as key:
                    facts[profile] = winreg.QueryValueEx(key, "EnableFirewall")[0] == 1
            except OSError:
                facts[profile] = None
    return facts


def _setting_on(text: str | None, pattern: str) -> bool | None:
    return None if text is None else bool(re.search(pattern, text, re.MULTILINE | re.IGNORECASE))


def _first(text: str | None, pattern: str) -> str | None:
    found = re.search(pattern, text or "", re.MULTILINE)
    return found[1] if found else None


def _exists(*paths: str) -> bool | None:
    return True if any(Path(path).exists() for path in paths) else None
