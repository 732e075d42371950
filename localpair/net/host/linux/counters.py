"""What the kernel counts of packets, in this network namespace: two readings, and what happened between them.

Linux tells it to everybody (/proc/net is that of the process's own namespace, unlike /sys). Elsewhere nothing is read,
and nothing concluded. RFC 4293 defines the counters; IPReversePathFilter is Linux's own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from localpair.causes.facts import CounterFacts
from localpair.dataclass import dataclass
from localpair.net.host.files import read_text

# Packets that arrived and were not delivered for a reason of their own: malformed, for others, to be passed on.
_ELSEWHERE_4: Final = (
    "Ip.InHdrErrors", "Ip.InAddrErrors", "Ip.ForwDatagrams", "Ip.InUnknownProtos", "Ip.InDiscards",
    "IpExt.InNoRoutes", "IpExt.InTruncatedPkts",
)  # fmt: skip
_ELSEWHERE_6: Final = (
    "Ip6InHdrErrors", "Ip6InTooBigErrors", "Ip6InNoRoutes", "Ip6InAddrErrors", "Ip6InUnknownProtos",
    "Ip6InTruncatedPkts", "Ip6InDiscards", "Ip6OutForwDatagrams",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CounterReading:
    """All counters at one moment, by their names; empty where the system does not tell."""

    values: Mapping[str, int] = field(default_factory=dict)

    def since(
        self, earlier: CounterReading, groups_4: int = 0, groups_6: int = 0
    ) -> tuple[CounterFacts, ...] | None:
        """What happened between two readings; None where it is not known. ``groups_4`` and ``groups_6`` are how many
        packets for groups have reached our own sockets meanwhile.
        """
        if not self.values or not earlier.values:
            return None
        gained = {name: max(0, value - earlier.values.get(name, 0)) for name, value in self.values.items()}
        return (
            _of_ipv4(gained, groups_4),
            *((_of_ipv6(gained, groups_6),) if "Ip6InReceives" in gained else ()),
        )


def read_counters() -> CounterReading:
    """The counters as they are now."""
    if not sys.platform.startswith("linux"):
        return CounterReading()
    found = {**_tables("/proc/net/snmp"), **_tables("/proc/net/netstat"), **_list("/proc/net/snmp6")}
    return CounterReading(found if "Ip.InReceives" in found else {})


def _of_ipv4(gained: Mapping[str, int], groups: int) -> CounterFacts:
    received = gained.get("Ip.InReceives", 0)
    fragments = max(0, gained.get("Ip.ReasmReqds", 0) - gained.get("Ip.ReasmOKs", 0))
    used = gained.get("Ip.InDelivers", 0) + fragments + sum(gained.get(name, 0) for name in _ELSEWHERE_4)
    undelivered = max(0, received - used)
    # Of what was for groups and broadcast addresses, whatever did not reach us may have been dropped.
    others = max(0, gained.get("IpExt.InMcastPkts", 0) + gained.get("IpExt.InBcastPkts", 0) - groups)
    return CounterFacts(
        4, received, undelivered, max(0, undelivered - others), gained.get("TcpExt.IPReversePathFilter")
    )  # fmt: skip


def _of_ipv6(gained: Mapping[str, int], groups: int) -> CounterFacts:
    received = gained.get("Ip6InReceives", 0)
    fragments = max(0, gained.get("Ip6ReasmReqds", 0) - gained.get("Ip6ReasmOKs", 0))
    used = gained.get("Ip6InDelivers", 0) + fragments + sum(gained.get(name, 0) for name in _ELSEWHERE_6)
    undelivered = max(0, received - used)
    others = max(0, gained.get("Ip6InMcastPkts", 0) - groups)
    return CounterFacts(6, received, undelivered, max(0, undelivered - others))


def _tables(path: str) -> dict[str, int]:
    """Pairs of lines: the names of a group, and their values."""
    found: dict[str, int] = {}
    lines = (read_text(path) or "").splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        group, _, rest = names.partition(":")
        for name, value in zip(rest.split(), values.partition(":")[2].split(), strict=False):
            if value.lstrip("-").isdecimal():
                found[f"{group}.{name}"] = int(value)
    return found


def _list(path: str) -> dict[str, int]:
    """One name and one value a line."""
    rows = (line.split() for line in (read_text(path) or "").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}
