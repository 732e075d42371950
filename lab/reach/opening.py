"""Who can open TCP to whom, from where to where, and in which of the three ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab.plan import Interface, Node, Plan, State
from lab.reach.packet import Answer, Packet, family
from lab.reach.routing import live_interfaces, own_addresses
from lab.reach.walk import StateAt, Walk, walk

PAIRING_PORT = 46821


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a connection opens. ``local`` and ``remote`` are the addresses that the dialler's socket shows,
    ``seen`` the source address that the other side sees.
    """

    answer: Answer
    reason: str
    local: str
    remote: str
    seen: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One way for a pair to come together.

    ``kind``: ``dial`` (``first`` opens to ``second``) or ``simultaneous`` (both open). ``bound`` tells that
    a socket must be bound to an interface: at the dialler, at the listener, or both.
    """

    kind: Literal["dial", "simultaneous"]
    first: str
    second: str
    opening: Opening
    bound: tuple[str, ...] = ()


def ways(plan: Plan, first: str, second: str) -> Iterator[Way]:
    """Every way in which ``first`` opens to an address of ``second``, and both at once."""
    for address, at in {**own_addresses(plan.node(second)), **published_addresses(plan, second)}.items():
        if at.kind == "bridge" and not at.carrier:
            continue
        for bound in ("", *bindings(plan.node(first))):
            for listener in ("", at.name):
                opening = opens(plan, first, second, address, bound=bound, listener=listener)
                notes = tuple(note for note, on in (("dialler", bound), ("listener", listener)) if on)
                if opening.answer is not Answer.NO:
                    yield Way("dial", first, second, opening, notes)
            met = meets(plan, first, second, address, bound=bound)
            if met.answer is not Answer.NO:
                yield Way("simultaneous", first, second, met, ("dialler",) if bound else ())


def published_addresses(plan: Plan, name: str) -> dict[str, Interface]:
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
    """The interfaces that a socket of the node may be bound to."""
    return tuple(interface.name for interface in live_interfaces(node) if interface.kind != "bridge")


def opens(
    plan: Plan,
    dialler: str,
    listener_node: str,
    address: str,
    *,
    port: int = PAIRING_PORT,
    bound: str = "",
    listener: str = "",
    protocol: Literal["tcp", "udp"] = "tcp",
) -> Opening:
    """Whether ``dialler`` opens to ``address`` of ``listener_node``; ``listener`` is an interface that
    answers are bound to.
    """
    packet = _packet(plan.node(dialler), address, port, protocol)
    there = walk(plan, dialler, packet, lambda _: "new", bound=_scope(plan, dialler, address, bound))
    if there.answer is Answer.NO or there.at != listener_node:
        return _failed(there, address)
    back = _answer(plan, there, lambda node: "established" if node in there.visited else "invalid", listener)
    return _both(there, back, dialler, address)


def meets(
    plan: Plan,
    first: str,
    second: str,
    address: str,
    *,
    port: int = PAIRING_PORT,
    bound: str = "",
    protocol: Literal["tcp", "udp"] = "tcp",
) -> Opening:
    """Whether both open at once from fixed ports: each side's own packets make the other's an answer."""

    def going(node: str) -> State:
        return "established" if node == second else "new"

    packet = _packet(plan.node(first), address, port, protocol)
    there = walk(plan, first, packet, going, bound=_scope(plan, first, address, bound))
    if there.answer is Answer.NO or there.at != second:
        return _failed(there, address)
    if any(done.after.source_port == 0 for done in there.translations):
        return Opening(Answer.NO, "random-ports", packet.source, address, at=there.translations[0].node)
    back = _answer(plan, there, lambda node: "established" if node in there.visited else "new", "")
    return _both(there, back, first, address)


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


def _answer(plan: Plan, there: Walk, state_at: StateAt, listener: str) -> Walk:
    if there.arrived is None:
        raise ValueError("a walk that arrived nowhere has no answer")
    reply = there.arrived.reply()
    bound = listener or (there.by if reply.destination.startswith("fe80:") else "")
    return walk(plan, there.at, reply, state_at, bound=bound, answers=there)


def _failed(there: Walk, address: str) -> Opening:
    """Another host has the address, or something on the way said no."""
    return Opening(Answer.NO, there.reason or f"another-host-{there.at}", "", address, at=there.at)


def _both(there: Walk, back: Walk, dialler: str, address: str) -> Opening:
    seen = there.arrived.source if there.arrived is not None else ""
    local = back.arrived.destination if back.arrived is not None else ""
    if back.answer is Answer.NO or back.at != dialler:
        return Opening(Answer.NO, f"answer-{back.reason or 'astray'}", local, address, seen, at=back.at)
    return Opening(there.answer & back.answer, "", local, address, seen)
