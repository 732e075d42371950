"""The DHCP servers and clients of a plan as steps. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from localpair_lab.fabric import services

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from localpair_lab import plan as p
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import NodeInterface, NodeRoute


def is_leased(interface: NodeInterface, address: str) -> bool:
    """Whether the address, or a route to that prefix, comes to the interface by its lease."""
    return interface.leased and ":" not in address


def lease_of(interface: NodeInterface, addresses: Iterable[str]) -> str:
    """The one of ``addresses`` that the interface has by its lease; empty where there is none."""
    return next((address for address in addresses if is_leased(interface, address)), "")


def servers(plan: Plan) -> Iterator[services.LeaseServer]:
    """Each segment's, with every client that there is or will be."""
    for segment in plan.segments:
        if segment.leases is None:
            continue
        place, _, link = segment.leases.server.partition("/")
        own = next(one for one in plan.interface(segment.leases.server).addresses if ":" not in one)
        members = [plan.interface(port) for port in plan.ports(segment.name)]
        leases = tuple((one.mac, lease_of(one, one.addresses)) for one in members if one.leased)
        yield services.LeaseServer(place, link, own.partition("/")[0], leases, segment.leases.seconds)


def client(
    node: str, interface: NodeInterface, routes: Iterable[NodeRoute]
) -> Iterator[services.LeaseClient]:
    """The interface's client, where it has one; ``routes`` are those of its node."""
    if interface.leased and interface.present:
        own = tuple(_routes(node, interface, routes))
        address = lease_of(interface, interface.addresses)
        yield services.LeaseClient(
            node, interface.name, f"{node}/{interface.name}", interface.mac, address, own
        )


def change(plan: Plan, change: p.ChangeLease) -> services.UpdateLease:
    """What becomes of one lease."""
    node, _, _ = change.port.partition("/")
    interface = plan.interface(change.port)
    leases = plan.segment(interface.segment).leases
    if leases is None:
        raise ValueError(f"{interface.segment} has no DHCP server")
    place, _, link = leases.server.partition("/")
    address = lease_of(interface, change.addresses)
    given, otherwise = (address, "") if change.granted else ("", address)
    routes = tuple(_routes(node, interface, change.routes))
    return services.UpdateLease(place, link, change.port, interface.mac, given, otherwise, routes)


def _routes(node: str, interface: NodeInterface, routes: Iterable[NodeRoute]) -> Iterator[dict[str, Any]]:
    for route in routes:
        if route.interface == interface.name and is_leased(interface, route.destination):
            fields = dataclasses.asdict(route)
            del fields["learned"]
            yield {"place": node, "link": fields.pop("interface"), **fields}
