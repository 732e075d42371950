"""Machines that fit: interfaces, addresses, routes, firewalls, routers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_interface, ip_network

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.checks.leases import check_client
from localpair_lab.loading.checks.prefixes import check_host
from localpair_lab.loading.checks.translators import check_translators
from localpair_lab.loading.checks.trunks import check_trunk
from localpair_lab.loading.problems import Where
from localpair_lab.model.interface_names import interface_names
from localpair_lab.model.kernel_names import interface_of
from localpair_lab.model.machines import Forwarder, Machine, NetworkInterface
from localpair_lab.model.scenario import Scenario

RESERVED = ("fabric", "lab")
MOST_INTERFACES = 128  # of one machine
MOST_ON_NETWORKS = 48  # of these, on networks: the oracle weighs each against each


def check_machines(scenario: Scenario) -> Iterator[Conflict]:
    seen: dict[str, str] = {}
    for group in ("devices", "routers", "decoys"):
        for name, machine in getattr(scenario, group).items():
            if name in seen:
                yield Conflict((group, name), f"{name!r} is a name among the {seen[name]} already")
            seen[name] = group
            if name in RESERVED:
                yield Conflict((group, name), f"{name!r} is a name that the lab keeps for itself")
            yield from _check_machine(scenario, (group, name), machine)
        for name, machine in getattr(scenario, group).items() if group != "decoys" else ():
            yield from _check_portals(scenario, (group, name, "portal"), machine)
            yield from check_translators(scenario, (group, name), machine)
            for key in ("nat", "publish", "one_way", "portal"):
                yield from _check_crossings(scenario, (group, name, key), getattr(machine, key))
    yield from _check_twins(scenario)


def _check_portals(scenario: Scenario, where: Where, machine: Forwarder) -> Iterator[Conflict]:
    for number, portal in enumerate(machine.portal):
        on = [entry for entry in machine.all_interfaces() if entry.network == portal.on]
        network = scenario.networks.get(portal.on)
        hosts = [host for entry in on[:1] for host in entry.ip]
        auto = "auto" in hosts and network is not None and any(":" not in prefix for prefix in network.ip)
        if network is not None and not auto and not any(":" not in host and host != "auto" for host in hosts):
            yield Conflict(
                (*where, number, "on"), f"a portal needs an IPv4 address of its own on {portal.on}"
            )


def _check_crossings(scenario: Scenario, where: Where, entries: Iterable[object]) -> Iterator[Conflict]:
    for number, entry in enumerate(entries):
        for key in ("out", "on", "source", "to"):
            value = getattr(entry, key, None)
            if isinstance(value, str) and not value[:1].isdigit():
                alias = "from" if key == "source" else key
                yield from known((*where, number, alias), "network", value, scenario.networks)


def _check_machine(scenario: Scenario, where: Where, machine: Machine) -> Iterator[Conflict]:
    names = interface_names(machine)
    for spot, interface in interface_places(machine):
        yield from _check_interface(scenario, (*where, *spot), interface)
    if len(names) > MOST_INTERFACES:
        yield Conflict(where, f"{len(names)} interfaces are more than {MOST_INTERFACES}")
    on_networks = sum(interface.network is not None for interface in machine.all_interfaces())
    if on_networks > MOST_ON_NETWORKS:
        yield Conflict(where, f"{on_networks} interfaces on networks are more than {MOST_ON_NETWORKS}")
    if not names:
        yield Conflict(where, "it has no interface; give it one with `on: {network: address}`")
    for name in {name for name in names if names.count(name) > 1}:
        yield Conflict(where, f"two interfaces are called {name!r}")
    for number, name in enumerate(machine.order):
        yield from known((*where, "order", number), "interface", name, names)
    if machine.order and sorted(machine.order) != sorted(names):
        yield Conflict((*where, "order"), f"must name every interface once: {', '.join(names)}")
    for number, gateway in enumerate(machine.gateway):
        yield from _check_gateway(scenario, (*where, "gateway", number), gateway, machine)
    for number, route in enumerate(machine.routes):
        if route.on is not None:
            yield from known((*where, "routes", number, "on"), "interface", route.on, names)
        if route.on is None and route.via is None and route.kind == "unicast":
            yield Conflict((*where, "routes", number), "a route needs `via`, `on` or both")
    yield from check_trunk(scenario, where, machine)
    for key in machine.sysctls:
        if (name := interface_of(key)) and name != "lo":
            yield from known((*where, "sysctls", key), "interface", name, names)
    for key, chain in (("in", machine.firewall.inward), ("out", machine.firewall.outward)):
        for number, rule in enumerate(chain.rules if chain else ()):
            if rule.on is not None:
                spot = (*where, "firewall", key, "rules", number, "on")
                yield from known(spot, "interface", rule.on, {*names, "lo"})


def _check_gateway(scenario: Scenario, where: Where, gateway: str, machine: Machine) -> Iterator[Conflict]:
    """A system takes no such route; a mask of one's own may make it so."""
    for _, interface in interface_places(machine):
        network = scenario.networks.get(interface.network or "")
        written = [host for host in interface.ip if "/" in host]
        for prefix in (*written, *(network.ip if network and len(written) < len(interface.ip) else ())):
            subnet = ip_interface(prefix).network
            edges = (subnet.network_address, subnet.broadcast_address)
            if subnet.version == 4 and subnet.prefixlen < 31 and ip_address(gateway) in edges:
                yield Conflict(where, f"{gateway} is an edge of the own subnet {subnet}, no router's address")
                return


def interface_places(machine: Machine) -> Iterator[tuple[Where, NetworkInterface]]:
    """Every interface of the machine with where it is written."""
    for key, interface in machine.on.items():
        yield ("on", key), interface
    for number, interface in enumerate(machine.interfaces):
        yield ("interfaces", number), interface


def _check_interface(scenario: Scenario, where: Where, interface: NetworkInterface) -> Iterator[Conflict]:
    if (interface.network is None) == (interface.bridge is None):
        yield Conflict(where, "an interface is on a `network` or is a `bridge`, one of the two")
        return
    if interface.network is None:
        for number, host in enumerate(interface.ip):
            if "/" not in host:
                yield Conflict(
                    (*where, "ip", number), f"a bridge's address needs its prefix length, such as {host}/16"
                )
        return
    yield from known(where, "network", interface.network, scenario.networks)
    network = scenario.networks.get(interface.network)
    if network is not None and interface.dhcp:
        yield from check_client((*where, "dhcp"), interface, network)
    if network is not None and interface.ipv6 == "autoconf":
        yield from check_host((*where, "ipv6"), interface, network)
    for number, host in enumerate(interface.ip if network is not None else ()):
        yield from _check_address((*where, "ip", number), host, network.ip if network else ())


def _check_address(where: Where, host: str, prefixes: Iterable[str]) -> Iterator[Conflict]:
    if host == "auto":
        return
    if "/" not in host:
        if not any(ip_address(host) in ip_network(prefix) for prefix in prefixes):
            listed = ", ".join(prefixes) or "no prefix"
            yield Conflict(
                where,
                f"{host} is in no prefix of the network ({listed}); write it with its length if it is meant",
            )
        return
    interface = ip_interface(host)
    if interface.version == 4 and interface.network.prefixlen < 31:
        if interface.ip == interface.network.network_address:
            yield Conflict(where, f"{host} is the network's own address, no host's")
        if interface.ip == interface.network.broadcast_address:
            yield Conflict(where, f"{host} is the subnet's broadcast address, no host's")


def _check_twins(scenario: Scenario) -> Iterator[Conflict]:
    """The same address twice on one network: a mistake in a topology; a thief comes by an event."""
    taken: dict[tuple[str, str], str] = {}
    for group in ("devices", "routers", "decoys"):
        for name, machine in getattr(scenario, group).items():
            for spot, interface in interface_places(machine):
                for number, host in enumerate(
                    interface.ip if interface.network and interface.present else ()
                ):
                    key = (interface.network or "", host.partition("/")[0])
                    if key in taken and host != "auto" and not interface.conflict:
                        where = (group, name, *spot, "ip", number)
                        advice = "write `conflict: true` beside it if that is meant"
                        yield Conflict(
                            where, f"{host} on {interface.network} is {taken[key]}'s already; {advice}"
                        )
                    taken[key] = name
