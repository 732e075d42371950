"""Addresses that move between machines: somebody has them, and both machines are left with one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from localpair_lab.loading.checks.conflicts import Conflict
from localpair_lab.loading.problems import Where
from localpair_lab.model.events import ScenarioEvent, TakeOver
from localpair_lab.model.interface_names import interface_of_port
from localpair_lab.model.machines import NetworkInterface
from localpair_lab.model.scenario import Scenario


def check_take_over(scenario: Scenario, where: Where, event: ScenarioEvent) -> Iterator[Conflict]:
    """One ``take-over``."""
    if not isinstance(event, TakeOver):
        return
    taker = interface_of_port(scenario.machines(), event.interface)
    if taker is None or taker.network not in scenario.networks:
        return
    if ":" in event.ip:
        yield Conflict((*where, "ip"), "only IPv4 addresses are taken over here")
        return
    prefixes = [ip_network(prefix) for prefix in scenario.networks[taker.network].ip if ":" not in prefix]
    if not any(ip_address(event.ip) in prefix for prefix in prefixes):
        yield Conflict((*where, "ip"), f"{event.ip} is in no prefix of {taker.network}")
    holders = [
        entry
        for machine in scenario.machines().values()
        for entry in machine.all_interfaces()
        if entry.network == taker.network and event.ip in entry.ip
    ]
    if not holders:
        yield Conflict((*where, "ip"), f"nobody on {taker.network} has {event.ip}, so nobody can lose it")
    if any(_first(entry) == event.ip for entry in holders):
        advice = f"write one of its own before it: `ip: [OWN, {event.ip}]`"
        yield Conflict((*where, "ip"), f"{event.ip} is its holder's own address; {advice}")
    if not _first(taker) or taker.dhcp:
        yield Conflict((*where, "interface"), f"{event.interface} needs an IPv4 address of its own first")


def _first(entry: NetworkInterface) -> str:
    return next((host for host in entry.ip if ":" not in host), "")
