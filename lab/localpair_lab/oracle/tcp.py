"""Who can open TCP to whom, from where to where, and in which of the three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from localpair_lab.oracle.packet import Delivery, Packet, family, is_answered
from localpair_lab.oracle.routing import find_hop, live_interfaces, own_addresses
from localpair_lab.oracle.special import calls, calls_by
from localpair_lab.oracle.walk import StateAt, Walk, walk
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface, State

PAIRING_PORT = 46821
DIAL_PORT = 46830
"""The port that both dial from and to, where both open at once."""


Met: TypeAlias = frozenset[tuple[str, str]]
"""Pairs of ports of which the first knows the second's hardware address, because the second has asked it something."""
NOBODY_MET: Met = frozenset()


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a connection opens. ``local`` and ``remote`` are the addresses that the dialer's socket shows,
    ``seen`` the source address that the other side sees. ``timed``: both sides' first segments are refused, so that
    they have to cross on the way.
    """

    answer: Delivery
    reason: str
    local: str
    remote: str
    seen: str = ""
    at: str = ""
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """One way for a pair to come together.

    ``kind``: ``dial`` (``first`` opens to ``second``) or ``simultaneous`` (both open). ``bound`` names those whose
    socket must be bound to an interface for it, because their routes lead elsewhere.
    """

    kind: Literal["dial", "simultaneous"]
    first: str
    second: str
    opening: Opening
    bound: tuple[str, ...] = ()


def ways(plan: Plan, first: str, second: str, met: Met = NOBODY_MET) -> Iterator[Way]:
    """Every way in which ``first`` opens to an address of ``second``, and both at once.

    A socket that dials can be bound to an interface. One that listens cannot: its answers follow the routes.
    """
    for address, at in {**own_addresses(plan.node(second)), **published_addresses(plan, second)}.items():
        if at.kind == "bridge" and not at.carrier:
            continue
        for bound in bindings(plan.node(first)):
            if not calls_by(plan.node(first), address, bound):
                continue
            opening = opens(plan, first, second, address, bound=bound, met=met)
            if opening.answer is not Delivery.NO:
                yield Way("dial", first, second, opening, (first,) if bound else ())
            there = _sets_out(plan, first, second, address, bound=bound, met=met)
            if there.answer is Delivery.NO or there.at != second:
                continue  # by whichever interface the other's own segment leaves
            for bound_too in bindings(plan.node(second)):
                both = meets(plan, first, second, address, bound=(bound, bound_too), met=met)
                if both.answer is not Delivery.NO and calls_by(plan.node(second), both.seen, bound_too):
                    notes = tuple(who for who, on in ((first, bound), (second, bound_too)) if on)
                    yield Way("simultaneous", first, second, both, notes)


def published_addresses(plan: Plan, name: str) -> dict[str, NodeInterface]:
    """The addresses at which other machines publish the node's pairing port, and the node's interface behind
    each.
    """
    owned = own_addresses(plan.node(name))
    return {
        text.partition("/")[0]: owned[forward.address]
        for node in plan.nodes
        for forward in node.port_forwards
        for text in _addresses(node, forward.interface_in)
        if forward.address in owned and (forward.protocol, forward.port) == ("tcp", PAIRING_PORT)
    }


def _addresses(node: Node, interface: str) -> tuple[str, ...]:
    return next(entry.addresses for entry in node.interfaces if entry.name == interface)


def bindings(node: Node) -> tuple[str, ...]:
    """What a socket that sends can be bound to: nothing, or an interface that is no tunnel."""
    kinds = [entry.name for entry in live_interfaces(node) if entry.kind == "segment"]
    return ("", *kinds)


def opens(
    plan: Plan,
    dialer: str,
    listener: str,
    address: str,
    *,
    port: int = PAIRING_PORT,
    bound: str = "",
    protocol: Literal["tcp", "udp"] = "tcp",
    direct: bool = False,
    echoed: bool = False,
    met: Met = NOBODY_MET,
) -> Opening:
    """Whether ``dialer`` opens to ``address`` of ``listener``; ``bound`` is the interface of the dialling socket,
    ``direct``: to a host on its link. ``echoed``: the answer leaves by the interface that the question came in by,
    as beacons can and a listener's segments cannot.
    """
    packet = _packet(plan.node(dialer), address, port, protocol)
    scope = _scope(plan, dialer, address, bound)
    there = walk(plan, dialer, packet, lambda _: "new", bound=scope, direct=direct, acquainted=met)
    if there.answer is Delivery.NO or there.at != listener:
        return _failed(there, address)
    by = there.by if echoed else ""
    back = _answer(plan, there, lambda node: "established" if node in there.visited else "invalid", met, by)
    found = _both(there, back, dialer, address)
    if protocol == "udp" or found.answer is Delivery.NO:
        return found
    return _going_on(plan, found, (there, back), bound=scope, direct=direct, met=met)


def meets(
    plan: Plan,
    first: str,
    second: str,
    address: str,
    *,
    port: int = DIAL_PORT,
    bound: tuple[str, str] = ("", ""),
    met: Met = NOBODY_MET,
) -> Opening:
    """Whether both open at once from fixed ports: each side's own packets make the other's an answer.

    ``bound`` are the interfaces of the two sockets.
    """

    packet = _packet(plan.node(first), address, port, "tcp")
    scope = _scope(plan, first, address, bound[0])
    there = _sets_out(plan, first, second, address, port=port, bound=bound[0], met=met)
    if there.answer is Delivery.NO or there.at != second:
        return _failed(there, address)
    if any(done.after.source_port == 0 for done in there.translations):
        return Opening(Delivery.NO, "random-ports", packet.source, address, at=there.translations[0].node)
    if there.arrived is None or not _sends_from(plan.node(second), there.arrived.reply(), bound[1]):
        return Opening(Delivery.NO, "another-source", packet.source, address, at=second)

    # The other's first segment is no answer where it sets out, unless ours was let in there before.
    before = walk(plan, first, packet, lambda _: "new", bound=scope, acquainted=met)
    let_in = before.answer is not Delivery.NO and before.at == second

    def coming(node: str) -> State:
        return "established" if node in there.visited and (node != second or let_in) else "new"

    first_back = walk(plan, second, there.arrived.reply(), lambda _: "new", bound=bound[1], acquainted=met)
    timed = _is_refused(before) and _is_refused(first_back)
    back = _answer(plan, there, coming, met, bound[1])
    found = replace(_both(there, back, first, address), timed=timed)
    if found.answer is not Delivery.NO:
        found = _going_on(plan, found, (there, back), bound=scope, met=met)
    if found.answer is not Delivery.NO:
        found = _going_on(plan, found, (back, there), bound=bound[1], met=met)
    return found


def _going_on(
    plan: Plan, found: Opening, ways: tuple[Walk, Walk], *, bound: str, direct: bool = False, met: Met
) -> Opening:
    """``found``, unless what follows the first segments never arrives: where the two ways differ, a router that saw
    segments of one side only takes the next one for invalid.
    """
    there, back = ways
    one_sided = set(there.visited) - set(back.visited)
    if not one_sided or there.translations or there.arrived is None:
        return found

    def state_at(node: str) -> State:
        return "invalid" if node in one_sided else "established"

    segment = replace(there.arrived, syn=False)
    further = walk(plan, there.visited[0], segment, state_at, bound=bound, direct=direct, acquainted=met)
    if further.answer is not Delivery.NO and further.at == there.at:
        return found
    return replace(found, answer=Delivery.NO, reason=f"later-{further.reason or 'astray'}", at=further.at)


def _sets_out(
    plan: Plan, first: str, second: str, address: str, *, port: int = DIAL_PORT, bound: str, met: Met
) -> Walk:
    """The walk of a first segment to a host whose own one is on its way."""

    def going(node: str) -> State:
        return "established" if node == second else "new"

    packet = _packet(plan.node(first), address, port, "tcp")
    scope = _scope(plan, first, address, bound)
    return walk(plan, first, packet, going, bound=scope, acquainted=met)


def _is_refused(there: Walk) -> bool:
    """Whether a first segment is answered with a refusal: by a firewall, or where it is let in and nobody listens."""
    return not there.reason or is_answered(there.reason)


def _sends_from(node: Node, packet: Packet, bound: str) -> bool:
    """Whether the node's own packets to the destination have the source of ``packet``."""
    if packet.destination.startswith("fe80:"):
        return True  # the link decides
    hop = find_hop(node, packet.destination, bound=bound)
    return hop is not None and hop.source == packet.source


def crosses(
    plan: Plan,
    sender: str,
    receiver: str,
    address: str,
    *,
    answering: frozenset[str],
    direct: str = "",
    met: Met = NOBODY_MET,
) -> Iterator[tuple[str, Delivery]]:
    """Whether a beacon of ``sender`` to ``address`` comes in at ``receiver``, whatever becomes of an answer, and the
    source address that it has there.

    ``answering`` are the addresses that the receiver has itself written to, from the same port to the same port.
    ``direct``: it goes to a host on the link of that interface.
    """
    for bound in (direct,) if direct else bindings(plan.node(sender)):
        packet = _packet(plan.node(sender), address, PAIRING_PORT, "udp")
        scope = _scope(plan, sender, address, bound)
        leaves = partial(walk, plan, sender, packet, bound=scope, direct=bool(direct), acquainted=met)
        yield _crosses(plan, receiver, leaves, answering)


def _crosses(
    plan: Plan, receiver: str, leaves: Callable[[StateAt], Walk], answering: frozenset[str]
) -> tuple[str, Delivery]:
    there = leaves(lambda _: "new")
    if there.reason.startswith("firewall-in") and there.at == receiver and there.arrived is not None:
        wrote = (_wrote(plan, receiver, there.arrived.reply(), own) for own in bindings(plan.node(receiver)))
        if there.arrived.source in answering and any(wrote):
            going: StateAt = lambda node: "established" if node == receiver else "new"  # noqa: E731
            there = leaves(going)
    source = there.arrived.source if there.arrived is not None else ""
    heard = there.at == receiver and source and calls(plan.node(receiver), source)
    return source, there.answer if heard else Delivery.NO


def _wrote(plan: Plan, node: str, packet: Packet, bound: str) -> bool:
    """Whether ``packet`` is one that the node itself sends, and that its own firewall lets out."""
    if not _sends_from(plan.node(node), packet, bound):
        return False
    out = walk(plan, node, packet, lambda _: "new", bound=bound)
    return out.reason != "no-route" and not out.reason.startswith("firewall-out")


def _packet(node: Node, address: str, port: int, protocol: Literal["tcp", "udp"]) -> Packet:
    return Packet(family(address), protocol, "", address, port, port, syn=protocol == "tcp")


def _scope(plan: Plan, node: str, address: str, bound: str) -> str:
    """A link-local address means nothing without an interface: the first whose link holds it."""
    if bound or not address.startswith("fe80:"):
        return bound
    for interface in live_interfaces(plan.node(node)):
        links = plan.ports(interface.segment) if interface.kind == "segment" else ()
        if any(plan.interface(port).link_local.startswith(f"{address}/") for port in links):
            return interface.name
    return ""


def _answer(plan: Plan, there: Walk, state_at: StateAt, met: Met, bound: str = "") -> Walk:
    if there.arrived is None:
        raise ValueError("a walk that arrived nowhere has no answer")
    reply = there.arrived.reply()
    bound = bound or (there.by if reply.destination.startswith("fe80:") else "")
    return walk(plan, there.at, reply, state_at, bound=bound, answers=there, acquainted=met)


def _failed(there: Walk, address: str) -> Opening:
    """Another host has the address, or something on the way said no."""
    return Opening(Delivery.NO, there.reason or f"another-host-{there.at}", "", address, at=there.at)


def _both(there: Walk, back: Walk, dialer: str, address: str) -> Opening:
    seen = there.arrived.source if there.arrived is not None else ""
    local = back.arrived.destination if back.arrived is not None else ""
    if back.answer is Delivery.NO or back.at != dialer:
        return Opening(Delivery.NO, f"answer-{back.reason or 'astray'}", local, address, seen, at=back.at)
    return Opening(there.answer & back.answer, "", local, address, seen)
