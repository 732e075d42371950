"""Which way a node sends a packet: rules, tables, longest prefix, metric, source address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from localpair_lab.oracle.packet import Packet, family
from localpair_lab.oracle.parsed import ip_address, ip_interface, ip_network
from localpair_lab.oracle.settings import level
from localpair_lab.plan.build.addressing import has_route
from localpair_lab.plan.topology import Node, NodeInterface, NodeRoute

MAIN = 254
MAIN_PRIORITY = 32766


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a packet leaves: the interface, the next hop on its link, and the source address it would
    take.
    """

    interface: NodeInterface
    next_hop: str
    source: str


def live_interfaces(node: Node) -> tuple[NodeInterface, ...]:
    """The interfaces that exist and are up; carrier does not matter to routing."""
    return tuple(interface for interface in node.interfaces if interface.present and interface.up)


def own_addresses(node: Node) -> dict[str, NodeInterface]:
    """Every address of the node without its length, link-local ones too, and the interface that holds it."""
    owned: dict[str, NodeInterface] = {}
    for interface in live_interfaces(node):
        for text in (*interface.addresses, *filter(None, (interface.link_local,))):
            owned.setdefault(text.partition("/")[0], interface)
    return owned


def find_hop(
    node: Node, destination: str, *, source: str = "", bound: str = "", direct: bool = False
) -> Hop | None:
    """The hop for ``destination``; ``bound`` is the interface a socket is bound to. None: no route.

    ``direct``: on that interface's link, by no router (MSG_DONTROUTE).
    """
    if _is_broadcast(node, destination):
        return None  # nothing for one host leaves to what is everybody by the own mask
    if direct:
        return _hop(node, NodeRoute(destination=f"{destination}/32", interface=bound), destination, source)
    for table, suppress in _tables(node, destination, source):
        route = _best(node, destination, table, bound)
        if route is None or ip_network(route.destination).prefixlen <= suppress:
            continue
        if route.kind in ("blackhole", "unreachable"):
            return None
        return _hop(node, route, destination, source)
    owns_ipv4 = any(
        family(text) == "ipv4"
        for entry in live_interfaces(node)
        if entry.name == bound
        for text in entry.addresses
    )
    if owns_ipv4 and family(destination) == "ipv4":
        # Linux: a bound IPv4 socket takes every destination for on-link where no route says otherwise.
        route = NodeRoute(destination=f"{destination}/32", interface=bound)
        return _hop(node, route, destination, source)
    return None


def _is_broadcast(node: Node, destination: str) -> bool:
    if family(destination) == "ipv6":
        return False
    nets = (
        ip_interface(text).network
        for interface in live_interfaces(node)
        for text in interface.addresses
        if family(text) == "ipv4"
    )
    return any(net.prefixlen <= 30 and destination == str(net.broadcast_address) for net in nets)


def _tables(node: Node, destination: str, source: str) -> Iterator[tuple[int, int]]:
    """The tables to ask, in order, each with the prefix length whose results are ignored (-1: none)."""
    rules = [(rule.priority, rule) for rule in node.routing_rules if rule.family == family(destination)]
    rules.sort(key=lambda pair: pair[0])
    for priority, rule in rules:
        if priority >= MAIN_PRIORITY:
            break
        if (
            rule.mark
            or not _held(destination, rule.destination)
            or (rule.source and not _held(source, rule.source))
        ):
            continue
        yield rule.table, rule.suppress_prefix_length
    yield MAIN, -1


def _held(address: str, prefix: str) -> bool:
    if not prefix:
        return True
    return bool(address) and family(address) == family(prefix) and ip_address(address) in ip_network(prefix)


def _best(node: Node, destination: str, table: int, bound: str) -> NodeRoute | None:
    fitting = [
        route
        for route in _routes(node, table)
        if _held(destination, route.destination) and (not bound or route.interface in ("", bound))
    ]
    if not fitting:
        return None
    return min(fitting, key=lambda route: (-ip_network(route.destination).prefixlen, route.metric))


def _routes(node: Node, table: int) -> Iterator[NodeRoute]:
    """The table's routes, connected ones first; those through interfaces that are not live do not exist."""
    live = {interface.name: interface for interface in live_interfaces(node)}
    if table == MAIN:
        for interface in live.values():
            yield from _connected(interface)
    for route in node.routes:
        if route.table == table and (not route.interface or route.interface in live):
            yield route


@lru_cache(maxsize=1024)
def _connected(interface: NodeInterface) -> tuple[NodeRoute, ...]:
    return tuple(_subnet_routes(interface))


def _subnet_routes(interface: NodeInterface) -> Iterator[NodeRoute]:
    peers = dict(interface.peers)
    for text in interface.addresses:
        if text in peers:
            far = peers[text]
            yield NodeRoute(f"{far}/{128 if ':' in far else 32}", interface.name)
        elif has_route(subnet := ip_interface(text).network):
            yield NodeRoute(str(subnet), interface.name)
    if interface.link_local:
        yield NodeRoute("fe80::/64", interface.name)


def _hop(node: Node, route: NodeRoute, destination: str, source: str) -> Hop | None:
    interface = next(entry for entry in node.interfaces if entry.name == route.interface)
    next_hop = route.via or destination
    chosen = source or route.source or _source(interface, next_hop) or _any_source(node, destination)
    return Hop(interface, next_hop, chosen) if chosen else None


def _source(interface: NodeInterface, next_hop: str) -> str:
    """The interface's address on the next hop's link, else its first of that family."""
    if next_hop.startswith("fe80:"):
        return interface.link_local.partition("/")[0]
    same = [text for text in interface.addresses if family(text) == family(next_hop)]
    near = [text for text in same if ip_address(next_hop) in ip_interface(text).network]
    return next((text.partition("/")[0] for text in (*near, *same)), "")


def _any_source(node: Node, destination: str) -> str:
    for address in own_addresses(node):
        if family(address) == family(destination) and not address.startswith("fe80:"):
            return address
    return ""


def passes_reverse_path(node: Node, packet: Packet, interface: NodeInterface) -> bool:
    """Whether the node's reverse path filter lets ``packet`` in by ``interface`` (RFC 3704); an address of its own
    is never believed as a source from outside.
    """
    if packet.family == "ipv6":
        return True
    if packet.source in own_addresses(node):
        return False
    mode = level(node, interface.name, "rp_filter")
    if mode == 0:
        return True
    back = find_hop(node, packet.source)
    return back is not None and (mode == 2 or back.interface.name == interface.name)
