"""Which way the kernel would send a packet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from localpair.address import IPAddress, unscoped
from localpair.limits import DISCOVERY_PORT
from localpair.net.host.routes import NoRoute, Route, RouteAnswer, preferred_source

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


def _hop(route: Route, interfaces: Interfaces, scope: int) -> tuple[int, IPAddress | None, bool]:
    """Interface index, gateway and whether it stays here; from the source's owner where the kernel is not asked."""
    if sys.platform.startswith("linux"):
        from localpair.net.host import netlink

        try:
            hop = netlink.route_to(route.destination, scope)
        except OSError:
            pass
        else:
            return hop.index, hop.gateway, hop.local
    owner = interfaces.owner(route.source, scope)
    return (owner.index if owner else scope), None, unscoped(route.destination) in interfaces.own_addresses
