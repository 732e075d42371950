"""Impairments and events: what goes wrong on the wire, and what changes while the devices run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from localpair_lab.model.events import (
    Advertise,
    Cable,
    Clock,
    Degrade,
    Guard,
    Impair,
    LeaseChange,
    Move,
    Plug,
    Policy,
    Process,
    Renumber,
    ScenarioEvent,
    Switch,
    TakeOver,
)
from localpair_lab.model.moments import Moment
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.build.addressing import family_of, holds, place_host
from localpair_lab.plan.build.firewalls import plan_chains
from localpair_lab.plan.build.networks import advertised_prefixes, match_of, port_flags, segment_rules
from localpair_lab.plan.build.ports import Ports
from localpair_lab.plan.build.routing import gateway_routes
from localpair_lab.plan.changes import (
    Change,
    ChangeLease,
    CreateInterface,
    DeleteInterface,
    Event,
    MoveAddress,
    Readdress,
    Roam,
    SetChains,
    SetClock,
    SetImpairments,
    SetLink,
    SetPrefixes,
    SetSegment,
    SignalNode,
    When,
)
from localpair_lab.plan.topology import Impairment, Node, NodeInterface, NodeRoute


def when(moment: Moment) -> When:
    """A scenario's moment as the plan writes it."""
    anchor = f"{moment.who}.{moment.what}" if moment.who else ""
    return When(anchor=anchor, delay_s=moment.delay, occurrence=moment.occurrence)


def plan_impairments(impairs: tuple[Impair, ...], ports: Ports) -> Iterator[Impairment]:
    """One impairment for each port and direction."""
    for impair in impairs:
        for port in ports.named(impair.at):
            if impair.direction in ("both", "to"):
                yield _impairment(impair, port, toward=True)
            if impair.direction in ("both", "from"):
                yield _impairment(impair, port, toward=False)


def _impairment(impair: Impair, port: str, *, toward: bool) -> Impairment:
    return Impairment(
        port=port,
        direction="to" if toward else "from",
        match=match_of(impair),
        nth=impair.nth,
        loss_percent=impair.loss,
        duplicate_percent=impair.duplicate,
        delay_ms=impair.delay * 1000,
        jitter_ms=impair.jitter * 1000,
        reorder_percent=impair.reorder,
        rate_kbit=impair.rate,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class EventContext:
    """What events are planned against: the scenario and its planned nodes."""

    scenario: Scenario
    ports: Ports
    nodes: dict[str, Node]

    def interface(self, port: str) -> NodeInterface:
        """The planned interface of a port."""
        owner, _, name = port.partition("/")
        return next(entry for entry in self.nodes[owner].interfaces if entry.name == name)

    def routes(self, port: str) -> tuple[NodeRoute, ...]:
        """The planned routes through a port."""
        owner, _, name = port.partition("/")
        return tuple(route for route in self.nodes[owner].routes if route.interface == name)


def plan_events(stage: EventContext) -> Iterator[Event]:
    """The scenario's events, in the order of writing; one without an id is called by its number."""
    for number, event in enumerate(stage.scenario.events, start=1):
        identity = event.id or f"change-{number}"
        yield Event(id=identity, when=when(event.at), change=_change(stage, event), text=_text(event))


def _text(event: ScenarioEvent) -> str:
    subject = getattr(event, "interface", None) or getattr(event, "device", None)
    subject = subject or getattr(event, "network", "")
    target = f" to {event.to}" if isinstance(event, Move) else ""
    hosts = f" to {', '.join(event.ip)}" if isinstance(event, Renumber | LeaseChange) and event.ip else ""
    hosts += f": {event.ip}" if isinstance(event, TakeOver) else ""
    hosts += f": {', '.join(event.prefixes)}" if isinstance(event, Advertise) else ""
    offset = f" to {event.offset / 3600:+g} h" if isinstance(event, Clock) else ""
    return f"{event.do} {subject}{target}{hosts}{offset}"


def _change(stage: EventContext, event: ScenarioEvent) -> Change:
    match event:
        case Process():
            return SignalNode(event.device, event.do)
        case Clock():
            return SetClock(event.device, event.offset)
        case Policy():
            return _policy(stage, event)
        case Advertise():
            return _advertise(stage, event)
        case Guard():
            return SetChains(event.device, plan_chains(event.firewall))
        case Degrade():
            return _degrade(stage, event)
        case _:
            return _change_interface(stage, event, stage.ports.one(event.interface))


def _change_interface(
    stage: EventContext, event: Cable | Switch | Renumber | LeaseChange | TakeOver | Plug | Move, port: str
) -> Change:
    match event:
        case Cable():
            return SetLink(port, up=event.do == "cable-in", level="cable")
        case Switch():
            up = event.do == "interface-up"
            return SetLink(port, up=up, level="interface", routes=stage.routes(port) if up else ())
        case Renumber():
            addresses = _addresses(stage, event.ip, stage.ports.networks[port], port)
            return Readdress(port, addresses, _routes(stage, port, addresses, event.gateway))
        case LeaseChange():
            return _lease(stage, event, port)
        case TakeOver():
            return _take_over(stage, event, port)
        case Plug():
            return _plug(stage, event, port)
        case Move():
            return _move(stage, event, port)


def _lease(stage: EventContext, event: LeaseChange, port: str) -> ChangeLease:
    """What is no lease stays as it is."""
    kept = tuple(address for address in stage.interface(port).addresses if family_of(address) == "ipv6")
    addresses = (*_addresses(stage, event.ip, stage.ports.networks[port], port), *kept)
    routes = _routes(stage, port, addresses, event.gateway)
    return ChangeLease(port, addresses, routes, granted=event.do == "lease")


def _take_over(stage: EventContext, event: TakeOver, port: str) -> MoveAddress:
    """From whoever took it last, else from whoever has it at first."""
    network = stage.ports.networks[port]
    (address,) = _addresses(stage, (event.ip,), network, port)
    members = [other for other, on in stage.ports.networks.items() if on == network]
    holder = next(other for other in members if address in stage.interface(other).addresses)
    for earlier in stage.scenario.events:
        if earlier is event:
            break
        if (
            isinstance(earlier, TakeOver)
            and earlier.ip == event.ip
            and stage.ports.one(earlier.interface) in members
        ):
            holder = stage.ports.one(earlier.interface)
    return MoveAddress(port, holder, address)


def _plug(stage: EventContext, plug: Plug, port: str) -> Change:
    if plug.do == "unplug":
        return DeleteInterface(port)
    owner, _, _name = port.partition("/")
    interface = dataclasses.replace(stage.interface(port), present=True)
    machine = stage.scenario.machines()[owner]
    routes = [route for gateway in machine.gateway for route in gateway_routes(gateway, (interface,))]
    return CreateInterface(owner, interface, tuple(dict.fromkeys([*stage.routes(port), *routes])))


def _move(stage: EventContext, move: Move, port: str) -> Roam:
    network = stage.scenario.networks[move.to]
    addresses = _addresses(stage, move.ip, move.to, port)
    flags = port_flags(port, network.isolation, network.multicast, stage.ports)
    return Roam(port, move.to, flags, addresses, _routes(stage, port, addresses, move.gateway))


def _addresses(stage: EventContext, hosts: tuple[str, ...], network: str, port: str) -> tuple[str, ...]:
    prefixes = stage.scenario.networks[network].ip
    position = list(stage.ports.networks).index(port)
    return tuple(full for host in hosts for full in place_host(host, prefixes, position, router=False))


def _routes(
    stage: EventContext, port: str, addresses: tuple[str, ...], gateways: tuple[str, ...]
) -> tuple[NodeRoute, ...]:
    """The gateways written, else those routes through the port that its new addresses still reach."""
    interface = dataclasses.replace(stage.interface(port), addresses=addresses)
    if gateways:
        return tuple(route for gateway in gateways for route in gateway_routes(gateway, (interface,)))
    return tuple(route for route in stage.routes(port) if _still_reached(route, addresses))


def _still_reached(route: NodeRoute, addresses: tuple[str, ...]) -> bool:
    return not route.via or any(holds(address, route.via) for address in addresses)


def _policy(stage: EventContext, policy: Policy) -> SetSegment:
    rules = tuple(segment_rules(policy.multicast, policy.broadcast, policy.drops, stage.ports))
    members = [port for port, network in stage.ports.networks.items() if network == policy.network]
    flags = tuple(
        (port, port_flags(port, policy.isolation, policy.multicast, stage.ports)) for port in members
    )
    snooping = stage.scenario.networks[policy.network].snooping
    return SetSegment(policy.network, rules, flags, querier=snooping is not None and snooping.querier)


def _advertise(stage: EventContext, event: Advertise) -> SetPrefixes:
    """Every prefix that was ever advertised before is deprecated."""
    earlier = [*advertised_prefixes(stage.scenario.networks[event.network])]
    for other in stage.scenario.events:
        if other is event:
            break
        if isinstance(other, Advertise) and other.network == event.network:
            earlier.extend(other.prefixes)
    deprecated = [prefix for prefix in dict.fromkeys(earlier) if prefix not in event.prefixes]
    return SetPrefixes(event.network, event.prefixes, tuple(deprecated))


def _degrade(stage: EventContext, degrade: Degrade) -> SetImpairments:
    port = stage.ports.one(degrade.interface)
    if degrade.do == "heal":
        return SetImpairments(port, ())
    return SetImpairments(port, tuple(plan_impairments(degrade.impair, stage.ports)))
