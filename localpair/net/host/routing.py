"""Which way the kernel would send a packet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localpair.address import IPAddress, unscoped
from localpair.limits import DISCOVERY_PORT
from localpair.net.host.routes import (
    NOBODYS_ADDRESSES,
    OUTBOUND_DESTINATIONS,
    NoRoute,
    Route,
    RouteAnswer,
    preferred_source,
)

if TYPE_CHECKING:
    from localpair.net.host.interfaces import Interfaces


def route_to(
    destination: IPAddress, interfaces: Interfaces, *, port: int = DISCOVERY_PORT, scope: int = 0
) -> RouteAnswer:
    """The way to one of the peer's addresses: source and interface, tunnels and policy rules included."""
    answer = preferred_source(destination, port, scope)
    if isinstance(answer, NoRoute):
        return answer
    index, gateway, local = _hop(answer, interfaces, scope)
    owner = interfaces.by_index.get(index)
    return Route(
        destination=destination,
        source=answer.source,
        interface=owner.name if owner else None,
        index=index,
        gateway=gateway,
        local=local,
    )


def far_away(version: int, interfaces: Interfaces) -> IPAddress | None:
    """An address of the family that leads where the default route leads; None where all that are nobody's lie in own
    subnets.
    """
    free = (one for one in NOBODYS_ADDRESSES if one.version == version and not interfaces.on_link(one))
    return next(free, None)


def outbound_destinations(interfaces: Interfaces) -> tuple[IPAddress, ...]:
    """Addresses that lead where the default route leads, and into no own subnet. Nothing is ever sent to them."""
    usual = (one for one in OUTBOUND_DESTINATIONS if one not in NOBODYS_ADDRESSES)
    found = (*usual, far_away(4, interfaces), far_away(6, interfaces))
    return tuple(one for one in found if one is not None)


def _hop(route: Route, interfaces: Interfaces, scope: int) -> tuple[int, IPAddress | None, bool]:
    """Interface index, gateway and whether it stays here; from the source's owner where the kernel is not asked."""
    if sys.platform.startswith("linux"):
        from localpair.net.host.linux import netlink

        try:
            hop = netlink.route_to(route.destination, scope)
        except OSError:
            pass
        else:
            return hop.index, hop.gateway, hop.local
    owner = interfaces.owner(route.source, scope)
    return (owner.index if owner else scope), None, unscoped(route.destination) in interfaces.own_addresses
