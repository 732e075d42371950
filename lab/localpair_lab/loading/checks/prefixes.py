"""Router advertisements that fit: a router that is there, prefixes that hosts can use, hosts that hear them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.problems import Where
from localpair_lab.model.events import Advertise, Move, Renumber, ScenarioEvent
from localpair_lab.model.interface_names import interface_of_port, speaks_ipv6
from localpair_lab.model.machines import NetworkInterface
from localpair_lab.model.networks import Network, RouterAdvertisements
from localpair_lab.model.scenario import Scenario

HOST_PREFIX = 64  # the only length of which hosts make addresses (RFC 4862, 5.5.3)


def check_advertised(
    scenario: Scenario, where: Where, name: str, advertised: RouterAdvertisements
) -> Iterator[Conflict]:
    """One network's router advertisements."""
    network, machines = scenario.networks[name], scenario.machines()
    yield from known((*where, "by"), "machine", advertised.by, machines)
    yield from _check_prefixes((*where, "prefixes"), advertised.prefixes)
    if network.kind != "lan":
        yield Conflict(where, "nobody advertises prefixes into a tunnel")
    own = [prefix for prefix in network.ip if ":" in prefix]
    if not advertised.prefixes:
        yield from _check_prefixes(where, own)
        if not own:
            yield Conflict(where, f"{name} has no IPv6 prefix; write `prefixes`, or one among its `ip`")
    if advertised.by in machines:
        entries = [entry for entry in machines[advertised.by].all_interfaces() if entry.network == name]
        if not entries or not speaks_ipv6(entries[0], network) or entries[0].ipv6 == "autoconf":
            advice = "with an address of its own, or `ipv6: link-local`"
            yield Conflict((*where, "by"), f"{advertised.by} needs an interface on {name}, {advice}")


def _check_prefixes(where: Where, prefixes: Iterable[str]) -> Iterator[Conflict]:
    for prefix in prefixes:
        if ":" not in prefix or ip_network(prefix).prefixlen != HOST_PREFIX:
            yield Conflict(where, f"hosts make addresses of IPv6 prefixes of 64 bits only, not of {prefix}")


def check_host(where: Where, interface: NetworkInterface, network: Network) -> Iterator[Conflict]:
    """One interface with ``ipv6: autoconf``."""
    if network.advertised is None:
        yield Conflict(
            where, f"nobody advertises prefixes on {interface.network}; give it `advertised: {{by: ...}}`"
        )
    if not (interface.present and interface.up and interface.carrier):
        yield Conflict(
            where, "only an interface that is there, up and with a carrier from the start hears of prefixes"
        )


def check_prefix_event(scenario: Scenario, where: Where, event: ScenarioEvent) -> Iterator[Conflict]:
    """What an event does to addresses that are made of prefixes."""
    if isinstance(event, Advertise):
        network = scenario.networks.get(event.network)
        yield from _check_prefixes((*where, "prefixes"), event.prefixes)
        if network is not None and network.advertised is None:
            yield Conflict(
                (*where, "network"),
                f"nobody advertises on {event.network}; give it `advertised: {{by: ...}}`",
            )
    if isinstance(event, Renumber | Move):
        entry = interface_of_port(scenario.machines(), event.interface)
        if entry is not None and entry.ipv6 == "autoconf":
            yield Conflict(
                (*where, "do"), f"{event.interface} makes its addresses by itself; write `do: advertise`"
            )
