"""What this host says of its own network, as facts: links with their routers, ways to addresses, neighbours, settings.

Read when a run ends, without privileges. What the platform does not tell stays unknown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.address import IPAddress, unscoped
from localpair.candidate import Interface, InterfaceKind
from localpair.causes.facts import (
    AddressFacts,
    GatewayFacts,
    HostSystem,
    LinkFacts,
    NeighbourFacts,
    NeighbourState,
    RouteFacts,
)
from localpair.causes.records.codec import fits
from localpair.dataclass import dataclass
from localpair.limits import FACTS_ROWS
from localpair.names.visible import escaped
from localpair.net.host.files import read_text
from localpair.net.host.routes import NoRoute
from localpair.net.host.routing import route_to

if TYPE_CHECKING:
    from localpair.net.host.interfaces import Interfaces
    from localpair.net.host.linux.netlink import LinkTables
    from localpair.net.host.linux.rtnetlink import NeighbourEntry

_SYSTEMS: Final = {"linux": HostSystem.LINUX, "darwin": HostSystem.MACOS, "win32": HostSystem.WINDOWS}
_NAME_CHARS: Final = 64
_SETTINGS: Final = Path("/proc/sys/net")


def host_system() -> HostSystem:
    """The kind of system that this is."""
    name = "linux" if sys.platform.startswith("linux") else sys.platform
    return _SYSTEMS.get(name, HostSystem.OTHER)


def bridge_filter() -> bool | None:
    """Whether bridged frames pass this host's packet filter; None where that is not told."""
    if not sys.platform.startswith("linux"):
        return None
    values = [read_text(_SETTINGS / f"bridge/bridge-nf-call-{table}tables") for table in ("ip", "ip6")]
    return "1" in values  # the settings are there only where the filter is


@dataclass(frozen=True, slots=True)
class NetworkState:
    """This host's network at one moment. ``tables`` are None where the platform does not tell of routers and
    neighbours.
    """

    interfaces: Interfaces
    tables: LinkTables | None = None
    _entries: dict[tuple[int, IPAddress], NeighbourEntry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = self.tables.neighbours if self.tables is not None else ()
        object.__setattr__(self, "_entries", {(one.index, unscoped(one.address)): one for one in found})

    def links(self) -> tuple[LinkFacts, ...]:
        """The interfaces; those with addresses or routers first, where there are very many."""
        ordered = sorted(self.interfaces.interfaces, key=lambda one: not (one.addresses or one.gateway))
        return within(tuple(self._link(one) for one in ordered[:FACTS_ROWS]))

    def neighbours(self) -> tuple[NeighbourFacts, ...] | None:
        """Those whose hardware address is known; of very many those that have answered lately."""
        if self.tables is None:
            return None
        found = sorted(
            (one for one in self.tables.neighbours if one.resolved), key=lambda one: not one.reachable
        )
        return tuple(
            NeighbourFacts(unscoped(one.address), one.index, _state(one), one.mac) for one in found[:FACTS_ROWS]
        )  # fmt: skip

    def routes(self, destinations: Iterable[tuple[IPAddress, int]]) -> tuple[RouteFacts, ...]:
        """The ways that the system takes to these addresses, each with a scope; the first ones of very many."""
        found = dict.fromkeys((unscoped(address), scope) for address, scope in destinations)
        return tuple(self._route(address, scope) for address, scope in list(found)[:FACTS_ROWS])

    def state_of(self, address: IPAddress, index: int) -> NeighbourState | None:
        """What the table of neighbours says of an address on a link; None where there is no such table."""
        if self.tables is None:
            return None
        entry = self._entries.get((index, unscoped(address)))
        return NeighbourState.ABSENT if entry is None else _state(entry)

    def _link(self, one: Interface) -> LinkFacts:
        tables = self.tables
        inner = one.kind is InterfaceKind.LOOPBACK
        return LinkFacts(
            index=one.index,
            name=escaped(one.name)[:_NAME_CHARS],
            kind=one.kind,
            up=one.up,
            carrier=one.carrier,
            multicast=one.multicast,
            point_to_point=one.point_to_point,
            mtu=one.mtu,
            addresses=tuple(
                AddressFacts(details.address, details.prefix, details.tentative)
                for details in one.addresses[:FACTS_ROWS]
            ),
            gateways=None if tables is None else tuple(
                self._gateway(address, one.index) for address in tables.gateways.get(one.index, ())[:FACTS_ROWS]
            ),
            mac=None if tables is None or inner else tables.macs.get(one.index),
            reverse_path=_reverse_path(one.name),
        )  # fmt: skip

    def _gateway(self, address: IPAddress, index: int) -> GatewayFacts:
        entry = self._entries.get((index, address))
        return GatewayFacts(address, self.state_of(address, index), entry.mac if entry is not None else None)

    def _route(self, address: IPAddress, scope: int) -> RouteFacts:
        answer = route_to(address, self.interfaces, scope=scope)
        if isinstance(answer, NoRoute):
            return RouteFacts(address, errno=answer.name)
        hop = answer.gateway or address
        entry = self._entries.get((answer.index, hop))
        return RouteFacts(
            destination=address,
            source=unscoped(answer.source),
            index=answer.index or None,
            gateway=answer.gateway,
            state=self.state_of(hop, answer.index),
            mac=entry.mac if entry is not None else None,
        )


def within(rows: tuple[LinkFacts, ...]) -> tuple[LinkFacts, ...]:
    """The same interfaces, without the last ones where there is more than a verdict can compare."""
    while not fits(rows):
        rows = rows[:-1]
    return rows


def read_state(interfaces: Interfaces) -> NetworkState:
    """The network of this host as it is now. Never raises."""
    if not sys.platform.startswith("linux"):
        return NetworkState(interfaces)
    from localpair.net.host.linux import netlink

    try:
        return NetworkState(interfaces, netlink.read_tables())
    except OSError:
        return NetworkState(interfaces)


def _state(entry: NeighbourEntry) -> NeighbourState:
    if entry.reachable:
        return NeighbourState.ANSWERS
    return NeighbourState.KNOWN if entry.resolved else NeighbourState.SILENT


def _reverse_path(name: str) -> int | None:
    """The filter that holds on an interface: the larger of both values (ip-sysctl)."""
    if not sys.platform.startswith("linux") or "/" in name:
        return None
    values = [read_text(_SETTINGS / f"ipv4/conf/{one}/rp_filter") for one in ("all", name)]
    found = [int(value) for value in values if value is not None and value.isdecimal()]
    return max(found, default=None)
