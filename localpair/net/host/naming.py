"""What the names of interfaces and of errors tell."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from typing import Final

from localpair.candidate import InterfaceAddress, InterfaceKind


def in_order(addresses: Iterable[InterfaceAddress]) -> tuple[InterfaceAddress, ...]:
    """``addresses`` sorted, so that every source gives them alike."""
    return tuple(sorted(addresses, key=lambda one: (one.address.version, int(one.address), one.prefix)))


def describe(error: BaseException) -> str:
    """One line about ``error``: what the system or a library said, or the kind of the error where they said nothing."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed: {error.reason.lower().replace('_', ' ')}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


# What a name tells where the platform does not tell the kind. Only tunnels are recognised by name on Linux too: a
# VPN may hand us one end of a pair of virtual cables, and only its name says what it is.
_NAMES: Final = (
    (
        InterfaceKind.TUNNEL,
        r"(?:u?tun|tap|wg|ppp|pptp|l2tp|ipsec|gif|stf|gre|sit|zt|vpn|nordlynx|proton|tailscale)[\d_.-]*$",
        r"zt[0-9a-z]{8,}$|.*(?:\bvpn\b|wireguard|tailscale|tap-windows|zerotier|openvpn|wintun|teredo|isatap|tunnel)",
    ),
    (InterfaceKind.LOOPBACK, r"lo\d*$", r".*loopback"),
    (
        InterfaceKind.BRIDGE,
        r"(?:bridge|br|docker|podman|virbr|vboxnet|vmnet|lxcbr|lxdbr|cni)-?[0-9a-f]*$",
        r".*(?:vethernet|hyper-v|virtualbox|vmware|host-only)",
    ),
    (InterfaceKind.WIRELESS, r"wl|ath|awdl|llw", r".*(?:wi-?fi|wlan|wireless|802\.11)"),
    (InterfaceKind.ETHERNET, r"(?:en|eth|em)[a-z0-9]*$", r".*(?:ethernet|gigabit|gbe\b|lan\b)"),
)  # kind, what the system's own names look like, what the texts of drivers and people hold


_PATTERNS: Final = tuple((kind, re.compile(f"{short}|{text}", re.IGNORECASE)) for kind, short, text in _NAMES)


def kind_of_name(*names: str) -> InterfaceKind:
    """What the names of an interface say about its kind; OTHER where they say nothing."""
    for kind, pattern in _PATTERNS:
        if any(pattern.match(name) for name in names):
            return kind
    return InterfaceKind.OTHER
