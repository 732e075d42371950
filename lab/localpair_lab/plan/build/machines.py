"""Devices, routers, decoys and tunnel hubs -> nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from localpair_lab.model.interface_names import named_interfaces
from localpair_lab.model.machines import Device, Forwarder, Helper, Machine
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.build.addressing import link_local, make_mac
from localpair_lab.plan.build.firewalls import (
    RouterSide,
    plan_chains,
    plan_forwards,
    plan_nat,
    plan_router_chains,
)
from localpair_lab.plan.build.interfaces import plan_interface
from localpair_lab.plan.build.ports import Ports
from localpair_lab.plan.build.routing import plan_routes, plan_routing_rule, plan_sysctls
from localpair_lab.plan.build.site import Site
from localpair_lab.plan.build.translators import translator_nat, translator_of, translator_routes
from localpair_lab.plan.build.tunnel_hubs import plan_hubs
from localpair_lab.plan.topology import (
    CaughtConnections,
    NeededPackage,
    Node,
    NodeInterface,
    NodeRoute,
    Program,
    Role,
    TrunkTags,
)

PORTAL_PORT = 8080
PORTAL = Program("portal", ("@decoy", "portal", "--ports", f"{PORTAL_PORT}-{PORTAL_PORT}"))
LEARNED_METRIC = 1024  # the kernel's, of routes that it has from advertisements


def plan_nodes(scenario: Scenario, ports: Ports) -> tuple[Node, ...]:
    """Routers first, then decoys, then hubs, then devices: what others need stands before them."""
    names = [*scenario.routers, *scenario.decoys, *scenario.devices]
    site = Site(scenario, ports, {name: number for number, name in enumerate(names, start=1)})
    routers = tuple(_forwarder(site, name, router, "router") for name, router in scenario.routers.items())
    decoys = tuple(_machine(site, name, decoy, "decoy") for name, decoy in scenario.decoys.items())
    devices = tuple(_device(site, name, device) for name, device in scenario.devices.items())
    hubs = tuple(plan_hubs(site, (*routers, *decoys, *devices)))
    return (*routers, *decoys, *hubs, *devices)


def _device(site: Site, name: str, device: Device) -> Node:
    node = _forwarder(site, name, device, "device")
    resolver = device.resolver or "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
    return dataclasses.replace(
        node,
        environment=tuple(sorted(device.environment.items())),
        resolver=resolver,
        clock_offset_s=device.clock,
        identity=device.identity or "",
        sandbox=device.sandbox,
        image=device.image or "",
        needed=tuple(NeededPackage(one.name, one.package or one.name) for one in device.programs),
    )


def _forwarder(site: Site, name: str, machine: Forwarder, role: Role) -> Node:
    node = _machine(site, name, machine, role)
    sides = {
        entry.network: RouterSide(planned.name, site.scenario.networks[entry.network].ip)
        for planned, (_, entry) in zip(node.interfaces, named_interfaces(machine), strict=True)
        if entry.network is not None
    }
    caught = tuple(plan_portals(machine, node.interfaces, sides))
    translator = translator_of(site, name, machine)
    interfaces = (*node.interfaces, translator) if translator is not None else node.interfaces
    return dataclasses.replace(
        node,
        interfaces=interfaces,
        routes=(*node.routes, *translator_routes(site, name, machine, node.interfaces)),
        caught=caught,
        programs=(*node.programs, *((PORTAL,) if caught else ())),
        sysctls=plan_sysctls(machine, interfaces, forwards=machine.forwards),
        chains=plan_router_chains(machine, sides),
        source_nat=(*plan_nat(machine, sides), *translator_nat(machine, node.interfaces)),
        port_forwards=plan_forwards(machine, sides),
    )


def plan_portals(
    machine: Forwarder, interfaces: tuple[NodeInterface, ...], sides: Mapping[str, RouterSide]
) -> Iterator[CaughtConnections]:
    """What a captive portal takes for itself."""
    own = [text.partition("/")[0] for one in interfaces for text in one.addresses if ":" not in text]
    for portal in machine.portal:
        name = sides[portal.on].interface
        at = next(one for one in interfaces if one.name == name)
        address = next(text.partition("/")[0] for text in at.addresses if ":" not in text)
        yield CaughtConnections(name, address, PORTAL_PORT, tuple(own))


def _machine(site: Site, name: str, machine: Machine, role: Role) -> Node:
    interfaces = tuple(
        plan_interface(site, name, number, interface_name, entry)
        for number, (interface_name, entry) in enumerate(named_interfaces(machine))
    )
    return Node(
        name=name,
        role=role,
        interfaces=interfaces,
        routes=(*plan_routes(machine, interfaces), *learned_routes(site, interfaces)),
        routing_rules=tuple(plan_routing_rule(policy) for policy in machine.routing_policy),
        sysctls=plan_sysctls(machine, interfaces, forwards=False),
        chains=plan_chains(machine.firewall),
        trunk=_trunk(machine),
        programs=(
            *(_program(number, helper) for number, helper in enumerate(machine.run)),
            *_resolvers(machine),
        ),
        hosts_file=_hosts_file(name, machine),
    )


def _trunk(machine: Machine) -> TrunkTags | None:
    """Which tags the machine's interfaces have, and which the switch has where they arrive."""
    if machine.trunk is None:
        return None
    trunk = machine.trunk
    carried = [
        (name, on) for name, entry in named_interfaces(machine) if (on := entry.network) in trunk.carries
    ]
    return TrunkTags(
        tags=tuple((name, trunk.carries[on]) for name, on in carried),
        switch=tuple((trunk.carries[on], name) for name, on in carried if trunk.network_behind(on)),
    )


def learned_routes(site: Site, interfaces: tuple[NodeInterface, ...]) -> Iterator[NodeRoute]:
    """The default routes that a machine has from what routers advertise."""
    for interface in interfaces:
        network = site.scenario.networks.get(interface.segment)
        if interface.autoconf and network is not None and network.advertised is not None:
            router = network.advertised.by
            named = named_interfaces(site.scenario.machines()[router])
            at = next(n for n, (_, entry) in enumerate(named) if entry.network == interface.segment)
            mac = named[at][1].mac or make_mac(site.positions[router], at)
            via = link_local(mac).partition("/")[0]
            yield NodeRoute("::/0", interface.name, via=via, metric=LEARNED_METRIC, learned=True)


def _hosts_file(name: str, machine: Machine) -> str:
    lines = machine.hosts_file or ("127.0.0.1 localhost", "::1 localhost", f"127.0.1.1 {name}")
    return "".join(f"{line}\n" for line in lines)


def _resolvers(machine: Machine) -> Iterator[Program]:
    """The program that answers for the machine's names, by a translator's prefix as well."""
    if machine.names:
        records = (f"--record={name}={one}" for name, addresses in machine.names.items() for one in addresses)
        nat64 = machine.nat64 if isinstance(machine, Forwarder) else None
        prefix = nat64.prefix.partition("/")[0] if nat64 is not None else ""
        yield Program("names", ("@decoy", "names", *records, *((f"--dns64={prefix}",) if prefix else ())))


def _program(number: int, helper: Helper) -> Program:
    first, last = helper.port
    options = ("--ports", f"{first}-{last}", "--rate", str(helper.rate), "--protocol", helper.protocol)
    many = ("--count", str(helper.count)) if helper.run == "crowd" else ()
    return Program(name=f"{helper.run}-{number}", argv=("@decoy", helper.run, *options, *many))
