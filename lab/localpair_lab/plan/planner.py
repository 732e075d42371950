"""Scenario -> plan: pure, and the same plan every time for the same scenario."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from localpair_lab.model.adapters import Product
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.build.actions import plan_actions
from localpair_lab.plan.build.events import EventContext, plan_events, plan_impairments
from localpair_lab.plan.build.machines import plan_nodes
from localpair_lab.plan.build.networks import lonely_segments, plan_segments
from localpair_lab.plan.build.ports import all_ports
from localpair_lab.plan.build.products import fitted
from localpair_lab.plan.changes import (
    CreateInterface,
    Event,
    Roam,
    SetChains,
    SetClock,
    SetImpairments,
    SetSegment,
)
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface, Segment

LIMIT_S = 60.0


def make_plan(scenario: Scenario, product: Product, *, name: str, cell: str = "", source: str = "") -> Plan:
    """The plan of one cell, for that program. ``name`` is the scenario's, ``source`` the file it came from."""
    ports = all_ports(scenario)
    nodes = plan_nodes(scenario, ports)
    events = tuple(plan_events(EventContext(scenario, ports, {node.name: node for node in nodes})))
    segments = plan_segments(scenario.networks, ports)
    segments += tuple(lonely_segments(nodes, segments))
    impairments = tuple(plan_impairments(scenario.impair, ports))
    plan = Plan(
        scenario=name,
        cell=cell,
        source=source,
        seed=scenario.seed,
        segments=segments,
        nodes=nodes,
        impairments=impairments,
        events=events,
        actions=tuple(plan_actions(scenario, product, nodes)),
        needs=scenario.needs,
        limit_s=scenario.limit or LIMIT_S,
    )
    return _with_needs(fitted(plan, scenario, product))


def _with_needs(plan: Plan) -> Plan:
    needs = [*plan.needs, *_network_needs(plan), *_node_needs(plan.nodes), *_event_needs(plan.events)]
    return dataclasses.replace(plan, needs=tuple(dict.fromkeys(needs)))


def _network_needs(plan: Plan) -> Iterator[str]:
    changes = [event.change for event in plan.events]
    later = [
        entry for change in changes if isinstance(change, SetImpairments) for entry in change.impairments
    ]
    for entry in (*plan.impairments, *later):
        if entry.loss_percent or entry.nth:
            yield "loss"
        if entry.rate_kbit:
            yield "rate"
        if entry.delay_ms or entry.duplicate_percent or entry.reorder_percent:
            yield "delay"
    rules = [rule for change in changes if isinstance(change, SetSegment) for rule in change.rules]
    rules.extend(rule for segment in plan.segments for rule in segment.rules)
    if rules:
        yield "filter"
    if any(rule.loss_percent < 100 or rule.only_s != (0.0, 0.0) for rule in rules):
        yield "loss"
    yield from _switch_needs(plan.segments)


def _switch_needs(segments: tuple[Segment, ...]) -> Iterator[str]:
    if any(segment.snooping for segment in segments):
        yield "snooping"


def _node_needs(nodes: tuple[Node, ...]) -> Iterator[str]:
    for node in nodes:
        if node.chains:
            yield "firewall"
        if node.source_nat or node.port_forwards or node.caught:
            yield "nat"
        if node.routing_rules or any(route.table != 254 for route in node.routes):
            yield "policy-routing"
        if node.trunk is not None:
            yield "trunk"
        if node.clock_offset_s:
            yield "clock"
        if "netlink" in node.sandbox:
            yield "sandbox"
        if "kernel-files" in node.sandbox:
            yield "kernel-files"
        for interface in node.interfaces:
            yield from _interface_needs(interface)


def _interface_needs(interface: NodeInterface) -> Iterator[str]:
    if interface.link_local:
        yield "ipv6"
    if interface.flags.isolated:
        yield "isolation"
    if interface.has_no_link:
        yield "tunnel-device"


def _event_needs(events: tuple[Event, ...]) -> Iterator[str]:
    if events:
        yield "events"
    for event in events:
        match event.change:
            case SetClock():
                yield "clock"
            case SetChains():
                yield "firewall"
            case CreateInterface():
                yield from _interface_needs(event.change.interface)
            case Roam() if event.change.flags.isolated:
                yield "isolation"
            case SetSegment() if any(flags.isolated for _, flags in event.change.flags):
                yield "isolation"
            case _:
                pass
