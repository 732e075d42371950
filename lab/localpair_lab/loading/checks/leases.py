"""DHCP that fits: a server that is there, clients that can hear it, leases that end while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.problems import Where
from localpair_lab.model.events import LeaseChange, Move, Renumber, ScenarioEvent
from localpair_lab.model.interface_names import interface_of_port
from localpair_lab.model.machines import NetworkInterface
from localpair_lab.model.networks import Dhcp, Network
from localpair_lab.model.scenario import Scenario

SHORTEST_S = 2.0  # the protocol counts whole seconds, and a client asks after half of them
LONGEST_WAIT_S = 30.0  # for a change to reach a client


def check_server(scenario: Scenario, where: Where, name: str, dhcp: Dhcp) -> Iterator[Conflict]:
    """One network's DHCP."""
    network = scenario.networks[name]
    machines = scenario.machines()
    yield from known((*where, "server"), "machine", dhcp.server, machines)
    if dhcp.lease < SHORTEST_S or dhcp.lease % 1:
        yield Conflict((*where, "lease"), "a lease is of whole seconds, and no shorter than 2s")
    if network.kind != "lan":
        yield Conflict(where, "a tunnel carries no DHCP")
    if network.broadcast == "drop":
        yield Conflict(where, "no client finds the server where the network drops broadcasts")
    if network.isolation == "clients" and dhcp.server not in scenario.routers:
        yield Conflict((*where, "server"), "isolated clients reach routers only; let a router be the server")
    if dhcp.server not in machines:
        return
    own = [entry for entry in machines[dhcp.server].all_interfaces() if entry.network == name]
    if not any(":" not in host and not entry.dhcp for entry in own[:1] for host in entry.ip):
        yield Conflict((*where, "server"), f"{dhcp.server} needs an IPv4 address of its own on {name}")


def check_client(where: Where, interface: NetworkInterface, network: Network) -> Iterator[Conflict]:
    """One interface that has its address by DHCP."""
    four = [host for host in interface.ip if ":" not in host]
    if network.dhcp is None:
        yield Conflict(
            where, f"nobody hands out addresses on {interface.network}; give it `dhcp: {{server: ...}}`"
        )
    if len(four) != 1:
        yield Conflict(
            where, "a lease is for one IPv4 address: write the one that the server has for it as `ip`"
        )
    if not (interface.up and interface.carrier):
        yield Conflict(where, "a lease needs an interface that is up and has a carrier from the start")


def check_lease_event(scenario: Scenario, where: Where, event: ScenarioEvent) -> Iterator[Conflict]:
    """What an event does to an address that is or is not a lease."""
    if not isinstance(event, LeaseChange | Renumber | Move):
        return
    entry = interface_of_port(scenario.machines(), event.interface)
    if entry is None:
        return
    if not isinstance(event, LeaseChange):
        if entry.dhcp:
            words = "`do: lease` or `do: no-lease`"
            yield Conflict((*where, "do"), f"{event.interface} has its address by DHCP; write {words}")
        return
    if not entry.dhcp:
        yield Conflict((*where, "interface"), f"{event.interface} has no lease; give it `dhcp: true`")
    if event.do == "lease" and len(event.ip) != 1:
        yield Conflict((*where, "ip"), "a lease is for one IPv4 address")
    network = scenario.networks.get(entry.network or "")
    dhcp = network.dhcp if network else None
    wait = dhcp.lease / (2 if event.do == "lease" else 1) if dhcp else 0.0
    if wait > LONGEST_WAIT_S:
        advice = f"give {entry.network} a shorter `dhcp: {{lease: ...}}`"
        yield Conflict(where, f"the client notices only after {wait:g} s; {advice}")
