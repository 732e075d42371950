"""A plan's states in time: the network after each of its events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from localpair_lab.plan.build.addressing import autoconfigured
from localpair_lab.plan.changes import (
    Change,
    ChangeLease,
    CreateInterface,
    DeleteInterface,
    MoveAddress,
    Readdress,
    Roam,
    SetChains,
    SetImpairments,
    SetLink,
    SetPrefixes,
    SetSegment,
)
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface, NodeRoute


def states(plan: Plan, since: str = "") -> Iterator[Plan]:
    """The plan as it stands at the start and after each event, in the order of writing; or from the event ``since`` on.

    Processes that are killed or paused change no network; their states are left out.
    """
    if not since:
        yield plan
    told = not since
    for event in plan.events:
        changed, told = after(plan, event.change), told or event.id == since
        if told and (changed is not plan or event.id == since):
            yield changed
        plan = changed


def after(plan: Plan, change: Change) -> Plan:
    """The plan once ``change`` has been carried out."""
    match change:
        case SetSegment():
            return _set_segment(plan, change)
        case MoveAddress():
            return _move_address(plan, change)
        case SetPrefixes():
            return _set_prefixes(plan, change)
        case SetChains():
            return _with_node(plan, dataclasses.replace(plan.node(change.node), chains=change.chains))
        case SetImpairments():
            kept = tuple(entry for entry in plan.impairments if entry.port != change.port)
            return dataclasses.replace(plan, impairments=(*kept, *change.impairments))
        case CreateInterface():
            node = plan.node(change.node)
            others = tuple(entry for entry in node.interfaces if entry.name != change.interface.name)
            routes = _routes(node, change.interface.name, change.routes)
            return _with_node(
                plan, dataclasses.replace(node, interfaces=(*others, change.interface), routes=routes)
            )
        case SetLink() | Readdress() | ChangeLease() | DeleteInterface() | Roam():
            return _change_interface(plan, change)
        case _:
            return plan


def _change_interface(plan: Plan, change: SetLink | Readdress | ChangeLease | DeleteInterface | Roam) -> Plan:
    interface = plan.interface(change.port)
    match change:
        case SetLink(level="cable"):
            return _with_interface(plan, change.port, dataclasses.replace(interface, carrier=change.up))
        case SetLink():
            changed = dataclasses.replace(interface, up=change.up)
            return _with_interface(plan, change.port, changed, change.routes if change.up else None)
        case DeleteInterface():
            return _with_interface(plan, change.port, dataclasses.replace(interface, present=False))
        case Readdress() | ChangeLease():
            changed = dataclasses.replace(interface, addresses=change.addresses)
            return _with_interface(plan, change.port, changed, change.routes)
        case Roam():
            changed = dataclasses.replace(
                interface, segment=change.segment, flags=change.flags, addresses=change.addresses
            )
            return _with_interface(plan, change.port, changed, change.routes)


def _with_interface(
    plan: Plan, port: str, interface: NodeInterface, routes: tuple[NodeRoute, ...] | None = None
) -> Plan:
    node = plan.node(port.partition("/")[0])
    interfaces = tuple(interface if entry.name == interface.name else entry for entry in node.interfaces)
    kept = node.routes if routes is None else _routes(node, interface.name, routes)
    return _with_node(plan, dataclasses.replace(node, interfaces=interfaces, routes=kept))


def _routes(node: Node, interface: str, routes: tuple[NodeRoute, ...]) -> tuple[NodeRoute, ...]:
    return (*(route for route in node.routes if route.interface != interface), *routes)


def _with_node(plan: Plan, node: Node) -> Plan:
    nodes = tuple(node if entry.name == node.name else entry for entry in plan.nodes)
    return dataclasses.replace(plan, nodes=nodes)


def _move_address(plan: Plan, change: MoveAddress) -> Plan:
    before, after = plan.interface(change.holder), plan.interface(change.port)
    left = tuple(address for address in before.addresses if address != change.address)
    plan = _with_interface(plan, change.holder, dataclasses.replace(before, addresses=left))
    taken = dataclasses.replace(after, addresses=(*after.addresses, change.address))
    return _with_interface(plan, change.port, taken)


def _set_prefixes(plan: Plan, change: SetPrefixes) -> Plan:
    """New addresses come; those of deprecated prefixes stay, and are the last choice."""
    for port in plan.ports(change.segment):
        interface = plan.interface(port)
        if interface.autoconf:
            new = tuple(autoconfigured(prefix, interface.mac) for prefix in change.prefixes)
            addresses = (*new, *(address for address in interface.addresses if address not in new))
            plan = _with_interface(plan, port, dataclasses.replace(interface, addresses=addresses))
    return plan


def _set_segment(plan: Plan, change: SetSegment) -> Plan:
    segments = tuple(
        dataclasses.replace(segment, rules=change.rules, querier=change.querier)
        if segment.name == change.segment
        else segment
        for segment in plan.segments
    )
    plan = dataclasses.replace(plan, segments=segments)
    for port, flags in change.flags:
        interface = plan.interface(port)
        if interface.segment == change.segment:
            plan = _with_interface(plan, port, dataclasses.replace(interface, flags=flags))
    return plan
