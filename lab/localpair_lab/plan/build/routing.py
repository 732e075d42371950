"""Routes, routing rules and the kernel's settings of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from localpair_lab.model.kernel_names import key_of
from localpair_lab.model.machines import Machine, RouteEntry, RoutingPolicy
from localpair_lab.plan.build.addressing import family_of, has_route, holds
from localpair_lab.plan.topology import NodeInterface, NodeRoute, RoutingRule

NAMES_PORT = 53  # of resolvers
FAMILIES = ("ipv4", "ipv6")


def plan_routes(machine: Machine, interfaces: tuple[NodeInterface, ...]) -> Iterator[NodeRoute]:
    present = tuple(interface for interface in interfaces if interface.present)
    for gateway in machine.gateway:
        yield from gateway_routes(gateway, present)
    for entry in machine.routes:
        route = _route(entry, present)
        if route.interface or route.kind != "unicast":
            yield route


def gateway_routes(gateway: str, interfaces: tuple[NodeInterface, ...]) -> Iterator[NodeRoute]:
    """The default route through ``gateway``, by the first interface whose link it is on."""
    destination = "::/0" if ":" in gateway else "0.0.0.0/0"
    for interface in interfaces:
        if any(holds(address, gateway) for address in interface.addresses):
            on_link = not _is_routed(interface, gateway)  # as those who configure networks write it then
            yield NodeRoute(destination=destination, interface=interface.name, via=gateway, on_link=on_link)
            return
    if gateway.startswith("fe80:") and interfaces:
        yield NodeRoute(destination=destination, interface=interfaces[0].name, via=gateway)


def _is_routed(interface: NodeInterface, gateway: str) -> bool:
    """Whether the interface's own subnets lead to the gateway."""
    subnets = [ip_interface(address).network for address in interface.addresses if holds(address, gateway)]
    return any(map(has_route, subnets))


def _route(entry: RouteEntry, interfaces: tuple[NodeInterface, ...]) -> NodeRoute:
    on = entry.on or ""
    on_link = False
    by_name = {interface.name: interface for interface in interfaces}
    if entry.via is not None:
        direct = [i.name for i in interfaces if any(holds(address, entry.via) for address in i.addresses)]
        on = on or (direct[0] if direct else "")
        on_link = on not in [name for name in direct if _is_routed(by_name[name], entry.via)]
    if on and on not in by_name:
        on = ""
    return NodeRoute(
        destination=entry.to,
        interface=on,
        via=entry.via or "",
        metric=entry.metric,
        table=entry.table,
        source=entry.source or "",
        kind=entry.kind,
        on_link=on_link,
    )


def plan_routing_rule(policy: RoutingPolicy) -> RoutingRule:
    return RoutingRule(
        priority=policy.priority,
        table=policy.table,
        family=policy.family,
        source=policy.source or "",
        destination=policy.to or "",
        mark=policy.mark,
        not_mark=policy.not_mark,
        suppress_prefix_length=policy.suppress_prefix_length,
    )


def plan_sysctls(
    machine: Machine, interfaces: tuple[NodeInterface, ...], *, forwards: bool
) -> tuple[tuple[str, str], ...]:
    """Every setting whose default differs between kernels, distributions and engines, and the author's
    own.
    """
    forwarding = "1" if forwards else "0"
    settings = {
        "net.ipv4.ip_forward": forwarding,
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.default.rp_filter": "0",
        "net.ipv4.icmp_ratelimit": "0",  # else a reject acts as a drop after a few packets
        "net.ipv4.igmp_link_local_mcast_reports": "1",
        "net.ipv6.conf.all.disable_ipv6": "0",
        "net.ipv6.conf.default.disable_ipv6": "1",
        "net.ipv6.conf.lo.disable_ipv6": "0",
        "net.ipv6.conf.all.forwarding": forwarding,
        "net.ipv6.conf.default.accept_ra": "0",
        **{
            key_of(family, name, "accept_redirects"): "0"
            for family in FAMILIES
            for name in ("all", "default")
        },
        "net.ipv6.icmp.ratelimit": "0",
    }
    if machine.names:
        settings["net.ipv4.ip_unprivileged_port_start"] = str(NAMES_PORT)
    for interface in interfaces:
        settings[key_of("ipv4", interface.name, "rp_filter")] = "0"
        # A router's word that a host is on the link would open ways that no route shows.
        settings |= {key_of(family, interface.name, "accept_redirects"): "0" for family in FAMILIES}
        if interface.autoconf:
            own = {"accept_ra": "2", "autoconf": "1", "use_tempaddr": "0"}
            settings |= {key_of("ipv6", interface.name, key): value for key, value in own.items()}
        if interface.mapped is not None:  # what comes back from it goes on to another interface
            settings["net.ipv6.conf.all.forwarding"] = "1"
        settings[key_of("ipv6", interface.name, "disable_ipv6")] = "0" if _speaks_ipv6(interface) else "1"
    return tuple((settings | machine.sysctls).items())


def _speaks_ipv6(interface: NodeInterface) -> bool:
    return bool(interface.link_local or interface.mapped) or any(
        family_of(address) == "ipv6" for address in interface.addresses
    )
