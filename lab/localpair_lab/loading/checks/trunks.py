"""Trunks that fit: networks that their machine is on, tags that tell them apart, nothing that a trunk cannot take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.problems import Where
from localpair_lab.model.events import Cable, ScenarioEvent, Switch
from localpair_lab.model.interface_names import interface_of_port, named_interfaces
from localpair_lab.model.machines import Machine
from localpair_lab.model.scenario import Scenario


def check_trunk(scenario: Scenario, where: Where, machine: Machine) -> Iterator[Conflict]:
    """One machine's trunk."""
    trunk = machine.trunk
    if trunk is None:
        return
    for key, tags in (("carries", trunk.carries), ("switch", trunk.switch or {})):
        yield from _check_tags(scenario, (*where, "trunk", key), tags)
    for network in trunk.carries:
        on = [(name, entry) for name, entry in named_interfaces(machine) if entry.network == network]
        if network in scenario.networks and len(on) != 1:
            yield Conflict(
                (*where, "trunk", "carries", network),
                f"a trunk has one interface for each of its networks, and {len(on)} are on {network}",
            )
        for name, entry in on:
            if entry.dhcp or entry.ipv6 == "autoconf" or not entry.present:
                yield Conflict(
                    (*where, "trunk"), f"{name} is on a trunk: its addresses are its own, from the start"
                )


def _check_tags(scenario: Scenario, where: Where, tags: Mapping[str, int]) -> Iterator[Conflict]:
    for network in tags:
        yield from known((*where, network), "network", network, scenario.networks)
        if network in scenario.networks and scenario.networks[network].kind == "tunnel":
            yield Conflict((*where, network), f"{network} is a tunnel, which no cable carries")
    listed = list(tags.values())
    for tag in {tag for tag in listed if listed.count(tag) > 1}:
        told = f"VLAN {tag}" if tag else "untagged"
        yield Conflict(where, f"two networks are {told}; one end of a cable cannot tell them apart")


def on_trunk(scenario: Scenario, port: str) -> bool:
    """Whether the interface's frames go over a trunk."""
    machine = scenario.machines().get(port.partition("/")[0])
    entry = interface_of_port(scenario.machines(), port)
    trunk = machine.trunk if machine is not None else None
    return trunk is not None and entry is not None and entry.network in trunk.carries


def check_trunk_event(scenario: Scenario, where: Where, event: ScenarioEvent) -> Iterator[Conflict]:
    """What an event asks of an interface on a trunk."""
    port = getattr(event, "interface", None)
    if port is not None and not isinstance(event, Cable | Switch) and on_trunk(scenario, port):
        yield Conflict(
            (*where, "do"),
            f"{port} is on a trunk, where only its cable and its switch (`interface-down`) change",
        )
