"""What a scenario may be marked with."""

from __future__ import annotations

MARKERS = {
    "smoke": "a quick look at everything",
    "stages": "where a device's own address comes from",
    "flow": "the two flows and the ways to carry an offer",
    "homes": "several interfaces, networks or addresses",
    "multicast": "multicast or broadcast does not arrive",
    "firewall": "a host refuses packets",
    "routed": "routers, address translation, VPNs",
    "isolation": "the network keeps its clients apart",
    "ipv6": "IPv6 without IPv4, or beside it",
    "quality": "loss, delay, small rates, small packets",
    "change": "the network changes while it is used",
    "hostile": "somebody on the network means harm",
    "noise": "other traffic, other devices, squatters",
    "slow": "takes more than ten seconds",
    "faults": "one thing is broken, and its cause is named",
    "found": "shrunk from a generated topology",
}
"""Every marker a scenario may carry, with its meaning; pytest knows them by the same names."""
