"""Which parts of a plan the fabric must know of beforehand. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair_lab import plan as p

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Match, Node, NodeInterface


def created_later(plan: Plan) -> Iterator[tuple[str, NodeInterface]]:
    """(node, interface) of every interface that an event makes."""
    for event in plan.events:
        if isinstance(event.change, p.CreateInterface):
            yield event.change.node, event.change.interface


def every_port(plan: Plan) -> list[str]:
    """Every port on a segment that is there at the start or ever will be, in order, each once."""
    present = [(node.name, interface) for node in plan.nodes for interface in node.interfaces]
    found = (
        f"{node}/{interface.name}"
        for node, interface in (*present, *created_later(plan))
        if interface.kind == "segment"
    )
    return list(dict.fromkeys(found))


def wired_ports(plan: Plan) -> frozenset[str]:
    """The ports that are impaired at any time."""
    later = {event.change.port for event in plan.events if isinstance(event.change, p.SetImpairments)}
    return frozenset(later | {impairment.port for impairment in plan.impairments})


def trunked_ports(plan: Plan) -> frozenset[str]:
    """The ports whose frames go over a trunk."""
    return frozenset(
        f"{node.name}/{name}" for node in plan.nodes if node.trunk is not None for name, _ in node.trunk.tags
    )


def needs_single_packets(plan: Plan) -> bool:
    """Whether any length or count of packets matters, so that nodes must not send in bulk."""
    lengths = any(match.larger_than for match in _matches(plan)) or _has_long_packets(plan)
    return bool(wired_ports(plan) or trunked_ports(plan)) or lengths


def keeps_order(plan: Plan) -> bool:
    """Whether it matters which packet is the first: an impairment counts, and its dice fall for one after the other."""
    return bool(wired_ports(plan))


def _has_long_packets(plan: Plan) -> bool:
    """Whether a node may send larger packets than its network carries: bridges let those sent in bulk pass."""
    return any(
        interface.kind == "segment" and interface.mtu > plan.segment(interface.segment).mtu
        for node in plan.nodes
        for interface in node.interfaces
    )


def _matches(plan: Plan) -> Iterator[Match]:
    for segment in plan.segments:
        yield from (rule.match for rule in segment.rules)
    for node in plan.nodes:
        yield from (rule.match for chain in node.chains for rule in chain.rules)
    for event in plan.events:
        if isinstance(event.change, p.SetSegment):
            yield from (rule.match for rule in event.change.rules)
        if isinstance(event.change, p.SetChains):
            yield from (rule.match for chain in event.change.chains for rule in chain.rules)


def is_kept(node: Node) -> bool:
    """Whether the fabric itself keeps the node as a bare namespace: it runs no program."""
    return node.role in {"router", "hub"} and not node.programs
