"""Translators between the families that fit: networks that are there, and addresses on them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.problems import Where
from localpair_lab.model.interface_names import interface_names
from localpair_lab.model.machines import Device, Forwarder
from localpair_lab.model.scenario import Scenario

PREFIX_BITS = 96  # with others the IPv4 address would not stand at the end (RFC 6052, 2.2)
NAMES = {"nat64": "nat64", "clat": "clat0"}


def check_translators(scenario: Scenario, where: Where, machine: Forwarder) -> Iterator[Conflict]:
    """One machine's NAT64, and its half of 464XLAT."""
    clat = machine.clat if isinstance(machine, Device) else None
    if machine.nat64 is not None:
        yield from _check_prefix((*where, "nat64", "prefix"), machine.nat64.prefix)
        yield from _check_network(scenario, (*where, "nat64", "from"), machine, machine.nat64.source, ":")
        yield from _check_network(scenario, (*where, "nat64", "out"), machine, machine.nat64.out, ".")
        if not machine.forwards:
            yield Conflict((*where, "nat64"), "only what forwards can translate for others: `forwards: true`")
    if clat is not None:
        yield from _check_prefix((*where, "clat", "prefix"), clat.prefix)
        yield from _check_network(scenario, (*where, "clat", "on"), machine, clat.on, ":")
        if machine.nat64 is not None:
            yield Conflict((*where, "clat"), "a machine translates for itself or for others, not both")
    for key, name in NAMES.items():
        if getattr(machine, key, None) is not None and name in interface_names(machine):
            yield Conflict(
                (*where, key), f"its own interface is called {name!r}; give the other one another name"
            )


def _check_prefix(where: Where, prefix: str) -> Iterator[Conflict]:
    if ":" not in prefix or ip_network(prefix).prefixlen != PREFIX_BITS:
        yield Conflict(where, f"{prefix} is no IPv6 prefix of {PREFIX_BITS} bits, such as 64:ff9b::/96")


def _check_network(
    scenario: Scenario, where: Where, machine: Forwarder, name: str, sign: str
) -> Iterator[Conflict]:
    yield from known(where, "network", name, scenario.networks)
    if name not in scenario.networks:
        return
    hosts = [host for entry in machine.all_interfaces() if entry.network == name for host in entry.ip]
    prefixes = scenario.networks[name].ip if "auto" in hosts else ()
    if not any(sign in text for text in (*hosts, *prefixes)):
        family = "IPv6" if sign == ":" else "IPv4"
        yield Conflict(where, f"it needs an {family} address of its own on {name}")
