"""Firewalls, address translation and one-way routers -> chains with every rule written out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

from localpair_lab.model.machines import Firewall, FirewallChain, FirewallRule, Forwarder, Router
from localpair_lab.plan.build.networks import match_of
from localpair_lab.plan.topology import Chain, Match, PortForward, Rule, SourceNat

Hook = Literal["in", "out", "through"]
LOOPBACK = "lo"
ESTABLISHED = Rule(Match(state="established"), "accept", "answers to what went the other way")
NEIGHBOURS = Rule(Match(protocol="nd"), "accept", "IPv6 cannot do without")


def plan_chains(firewall: Firewall) -> tuple[Chain, ...]:
    """The chains of a host's firewall."""
    written: tuple[tuple[Hook, FirewallChain | None], ...] = (
        ("in", firewall.inward),
        ("out", firewall.outward),
        ("through", firewall.through),
    )
    return tuple(_chain(hook, chain) for hook, chain in written if chain is not None)


def _chain(hook: Hook, chain: FirewallChain) -> Chain:
    within = [
        rule for rule in chain.rules if rule.on == LOOPBACK
    ]  # else the customary accepts would hide them
    without = [rule for rule in chain.rules if rule.on != LOOPBACK]
    rules = (
        *(_rule(hook, rule) for rule in within),
        *_prelude(hook, chain),
        *(_rule(hook, rule) for rule in without),
    )
    return Chain(hook=hook, default=chain.default, rules=rules)


def _prelude(hook: Hook, chain: FirewallChain) -> Iterator[Rule]:
    """The customary accepts. ``out`` keeps no state unless asked: a kill switch stops answers, too."""
    stateful = chain.stateful if chain.stateful is not None else hook != "out"
    if hook == "in":
        yield Rule(Match(interface_in=LOOPBACK), "accept", "a host reaches itself")
    if hook == "out":
        yield Rule(Match(interface_out=LOOPBACK), "accept", "a host reaches itself")
    if stateful:
        yield ESTABLISHED
    if hook != "through":
        yield NEIGHBOURS
    if hook == "in":
        yield Rule(Match(protocol="igmp"), "accept", "group membership")
        yield Rule(Match(protocol="mld"), "accept", "group membership")
        if stateful:
            yield Rule(Match(protocol="icmp"), "accept", "ping and path MTU")


def _rule(hook: Hook, rule: FirewallRule) -> Rule:
    match = dataclasses.replace(match_of(rule), state=rule.state)
    if rule.on is not None and hook == "out":
        match = dataclasses.replace(match, interface_out=rule.on)
    elif rule.on is not None:
        match = dataclasses.replace(match, interface_in=rule.on)
    return Rule(match, rule.do, "the scenario's own rule")


# --- Routers ---


@dataclasses.dataclass(frozen=True, slots=True)
class RouterSide:
    """One interface of a router: its name and the prefixes of its network."""

    interface: str
    prefixes: tuple[str, ...]


def plan_nat(router: Forwarder, sides: Mapping[str, RouterSide]) -> tuple[SourceNat, ...]:
    """The router's translation; without named sources, everything IPv4 of its other networks, and nothing where these
    have none.
    """
    chosen = [(nat, nat.source or _other_prefixes(nat.out, sides)) for nat in router.nat]
    return tuple(
        SourceNat(sides[nat.out].interface, sources, nat.ports) for nat, sources in chosen if sources
    )


def _other_prefixes(out: str, sides: Mapping[str, RouterSide]) -> tuple[str, ...]:
    prefixes = [prefix for name, side in sides.items() if name != out for prefix in side.prefixes]
    return tuple(dict.fromkeys(prefix for prefix in prefixes if ":" not in prefix))


def plan_forwards(router: Forwarder, sides: Mapping[str, RouterSide]) -> tuple[PortForward, ...]:
    """The router's published ports."""
    return tuple(
        PortForward(
            sides[entry.on].interface, entry.protocol, entry.port, entry.to, entry.to_port or entry.port
        )
        for entry in router.publish
    )


def plan_router_chains(router: Forwarder, sides: Mapping[str, RouterSide]) -> tuple[Chain, ...]:
    """A router's firewall: its own, else what translation and one-way forwarding ask for.

    A translating router answers nothing of its own on the outer side: with an open one, the first packet
    from outside would claim the port that a punched hole needs. A device that shares its line does answer.
    """
    chains = {chain.hook: chain for chain in plan_chains(router.firewall)}
    if "in" not in chains and router.nat and isinstance(router, Router):
        chains["in"] = Chain("in", "accept", tuple(_outer_input(router, sides)))
    if "through" not in chains and (router.nat or router.one_way):
        default: Literal["accept", "drop"] = "drop" if router.one_way else "accept"
        chains["through"] = Chain("through", default, (ESTABLISHED, *_crossings(router, sides)))
    return tuple(chains.values())


def _outer_input(router: Forwarder, sides: Mapping[str, RouterSide]) -> Iterator[Rule]:
    yield ESTABLISHED
    yield NEIGHBOURS
    for nat in router.nat:
        outer = sides[nat.out].interface
        yield Rule(Match(interface_in=outer, protocol="icmp"), "accept", "the router answers ping")
        yield Rule(Match(interface_in=outer, cast="unicast"), "drop", "nothing of the router's own outside")


def _crossings(router: Forwarder, sides: Mapping[str, RouterSide]) -> Iterator[Rule]:
    for entry in router.publish:
        match = Match(
            interface_in=sides[entry.on].interface,
            protocol=entry.protocol,
            destinations=(f"{entry.to}/{128 if ':' in entry.to else 32}",),
            destination_ports=((entry.to_port or entry.port,) * 2,),
        )
        yield Rule(match, "accept", "a published port")
    for way in router.one_way:
        match = Match(interface_in=sides[way.source].interface, interface_out=sides[way.to].interface)
        yield Rule(match, "accept", "the one way that is open")
    for nat in router.nat:
        yield Rule(Match(interface_in=sides[nat.out].interface), "drop", "nothing new comes in from outside")
