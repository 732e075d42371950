"""One packet's walk, hop by hop, with firewalls, forwarding and address translation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from localpair_lab.oracle.links import carries, owners, proxies, resolves
from localpair_lab.oracle.packet import Delivery, Packet, filtered, judge, other_family
from localpair_lab.oracle.parsed import ip_address, ip_network
from localpair_lab.oracle.routing import find_hop, live_interfaces, own_addresses, passes_reverse_path
from localpair_lab.oracle.settings import forwards
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface, State
from localpair_lab.verdicts import VERDICTS

MOST_HOPS = 8
StateAt: TypeAlias = Callable[[str], State]
"""A node's connection tracker: the state it gives the packet."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What a router changed: the packet before and after."""

    node: str
    before: Packet
    after: Packet


@dataclass(frozen=True, slots=True)
class Walk:
    """How a walk ended. ``reason`` is empty when it arrived; ``at`` is the node where it ended.

    ``arrived`` is the packet as the last node saw it, ``by`` the interface it came in by.
    """

    answer: Delivery
    at: str
    reason: str = ""
    visited: tuple[str, ...] = ()
    translations: tuple[Translation, ...] = ()
    arrived: Packet | None = None
    by: str = ""
    crossed: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Walker:
    plan: Plan
    packet: Packet
    state_at: StateAt
    undo: tuple[Translation, ...]
    acquainted: frozenset[tuple[str, str]]
    node: Node
    answer: Delivery = Delivery.YES
    visited: list[str] = field(default_factory=list)
    translations: list[Translation] = field(default_factory=list)
    crossed: list[tuple[str, str]] = field(default_factory=list)

    def end(self, reason: str, by: str = "") -> Walk:
        return Walk(
            answer=Delivery.NO if reason else self.answer,
            at=self.node.name,
            reason=reason,
            visited=tuple(self.visited),
            translations=tuple(self.translations),
            arrived=self.packet,
            by=by,
            crossed=tuple(self.crossed),
        )


def walk(
    plan: Plan,
    origin: str,
    packet: Packet,
    state_at: StateAt,
    *,
    bound: str = "",
    direct: bool = False,
    answers: Walk | None = None,
    acquainted: frozenset[tuple[str, str]] = frozenset(),
) -> Walk:
    """Send ``packet`` from node ``origin``; an empty source is filled in as the kernel would. ``direct``: to a host on
    the link of ``bound``, by no router.

    ``answers`` is the walk that this one is the answer to: its translations are undone on the way, and
    whoever asked for a hardware address then is known by now. ``acquainted`` are further pairs of ports of which
    the first knows the second's hardware address.
    """
    undo = tuple(reversed(answers.translations)) if answers is not None else ()
    if answers is not None:
        acquainted |= {(b, a) for a, b in answers.crossed}
    walker = _Walker(plan, packet, state_at, undo, acquainted, plan.node(origin))
    walker.visited.append(origin)
    if _is_own(walker.node, packet.destination, bound):
        return walker.end("own-address")
    hook, interface_in = "out", ""
    for _ in range(MOST_HOPS):
        port, reason = _leave(walker, hook, interface_in, bound, direct=direct)
        if reason:
            return walker.end(reason)
        walker.node = plan.node(port.partition("/")[0])
        walker.visited.append(walker.node.name)
        interface_in, bound, direct = port.partition("/")[2], "", False
        reason = _arrive(walker, plan.interface(port))
        if reason or _is_own(walker.node, walker.packet.destination, interface_in):
            return walker.end(reason or _accept(walker, interface_in), interface_in)
        if _is_caught(walker, interface_in):
            return walker.end("portal")
        if not _forwards(walker.node, walker.packet):
            return walker.end("not-forwarded")
        hook = "through"
    return walker.end("hop-limit")


def _is_own(node: Node, address: str, link: str) -> bool:
    """Whether the node has the address; a link-local one on the link of its interface ``link``, where that is given."""
    if not address.startswith("fe80:"):
        return address in own_addresses(node)
    texts = (
        text
        for entry in live_interfaces(node)
        if link in ("", entry.name)
        for text in (entry.link_local, *entry.addresses)
    )
    return any(text.partition("/")[0] == address for text in texts)


def _leave(walker: _Walker, hook: str, interface_in: str, bound: str, *, direct: bool) -> tuple[str, str]:
    """Route, filter, translate and send on: the port it reaches, or the reason why it reaches none."""
    node, packet = walker.node, walker.packet
    hop = find_hop(node, packet.destination, source=packet.source, bound=bound, direct=direct)
    if hop is None:
        return "", "no-route"
    walker.packet = replace(packet, source=packet.source or hop.source)
    name = hop.interface.name
    state = walker.state_at(node.name)
    verdict = judge(node, hook, walker.packet, state, interface_in=interface_in, interface_out=name)
    if not VERDICTS[verdict].passes:
        return "", filtered(hook, verdict)
    _translate_source(walker, hop.interface)
    return _cross(walker, hop.interface, hop.next_hop)


def _cross(walker: _Walker, interface: NodeInterface, next_hop: str) -> tuple[str, str]:
    if interface.kind == "tunnel":
        return interface.far_end, ""
    if interface.kind == "bridge":
        return "", "nobody-there"
    if interface.mapped is not None:
        translated = other_family(walker.packet, interface.mapped)
        if translated is None:
            return "", "untranslatable"
        walker.packet = translated
        return f"{walker.node.name}/{interface.name}", ""
    sender = f"{walker.node.name}/{interface.name}"
    found = [port for port in owners(walker.plan, interface.segment, next_hop) if port != sender]
    found = [port for port in found if port.partition("/")[0] != walker.node.name]
    port, reason = _to_owner(walker, sender, found, next_hop)
    return (port, "") if port else _to_proxy(walker, sender, next_hop, reason)


def _to_owner(walker: _Walker, sender: str, found: list[str], next_hop: str) -> tuple[str, str]:
    """The port of a node that has the address, or the reason why the packet comes to none."""
    # Of several that have the address, the one is meant that asked by it.
    found.sort(key=lambda port: ((sender, port) not in walker.acquainted, not _lets_in(walker, port)))
    reason = "nobody-there"
    for port in found:
        resolved, why = Delivery.YES, ""
        if (sender, port) not in walker.acquainted:
            resolved, why = resolves(walker.plan, sender, port, walker.packet)
        carried, stopped = carries(walker.plan, sender, port, walker.packet)
        if Delivery.NO not in (resolved, carried):
            twins = len({port.partition("/")[0] for port in found}) > 1
            certain = not (
                twins
                or _may_be_led(walker, found, port, next_hop)
                or _may_vanish(walker, sender, found, port)
            )
            walker.answer &= resolved & carried & (Delivery.YES if certain else Delivery.MAYBE)
            walker.crossed.append((sender, port))
            return port, ""
        reason = why if resolved is Delivery.NO else stopped
    return "", reason


def _to_proxy(walker: _Walker, sender: str, next_hop: str, reason: str) -> tuple[str, str]:
    """The port of a node that answers for others. It takes its time, so whoever has the address answers before it."""
    found: list[tuple[str, Delivery]] = []
    for port in proxies(walker.plan, sender, next_hop, walker.packet):
        asked = resolves(walker.plan, sender, port, walker.packet)[0]
        answer = asked & carries(walker.plan, sender, port, walker.packet)[0]
        if answer is not Delivery.NO:
            found.append((port, answer))
    if not found:
        return "", reason
    port, answer = found[0]
    walker.answer &= answer if len(found) == 1 else Delivery.MAYBE
    walker.crossed.append((sender, port))
    return port, ""


def _lets_in(walker: _Walker, port: str) -> bool:
    """Whether the packet passes the reverse path filter there."""
    node = walker.plan.node(port.partition("/")[0])
    return passes_reverse_path(node, walker.packet, walker.plan.interface(port))


def _may_vanish(walker: _Walker, sender: str, found: list[str], port: str) -> bool:
    """Whether the packet may go to another port, which answers the question as ``port`` does and never gets it."""
    if (sender, port) in walker.acquainted:
        return False
    return any(
        resolves(walker.plan, sender, other, walker.packet)[0] is not Delivery.NO
        and carries(walker.plan, sender, other, walker.packet)[0] is Delivery.NO
        for other in found
        if other != port
    )


def _may_be_led(walker: _Walker, found: list[str], port: str, next_hop: str) -> bool:
    """Whether the packet may come to another port of the same node, which does with it what ``port`` does not: where
    the node has written from ``next_hop`` out of that one, its hardware address is the one that is known.
    """
    name = port.partition("/")[0]
    node, lets_in = walker.plan.node(name), _lets_in(walker, port)
    others = [
        one.partition("/")[2]
        for one in found
        if one.partition("/")[0] == name and one != port and _lets_in(walker, one) is not lets_in
    ]
    if not others:
        return False
    hops = (
        find_hop(node, address, source=next_hop)
        for address in own_addresses(walker.node)
        if _same(walker.packet, address)
    )
    return any(hop is not None and hop.interface.name in others for hop in hops)


def _arrive(walker: _Walker, interface: NodeInterface) -> str:
    """Translate back or forwards at arrival; the reason why the node throws it away before that, if it
    does.
    """
    if walker.packet.family == "ipv4" and walker.packet.source in own_addresses(walker.node):
        return "own-address"  # a host takes what claims to come from itself for a forgery
    if not passes_reverse_path(walker.node, walker.packet, interface):
        return "reverse-path-filter"
    _translate_back(walker)
    for forward in walker.node.port_forwards:
        if not _same(walker.packet, forward.address):
            continue
        wanted = (forward.interface_in, forward.protocol, forward.port)
        if walker.state_at(walker.node.name) != "new":  # answers go where their question came from
            break
        if wanted == (interface.name, walker.packet.protocol, walker.packet.destination_port):
            before = walker.packet
            walker.packet = replace(before, destination=forward.address, destination_port=forward.to_port)
            walker.translations.append(Translation(walker.node.name, before, walker.packet))
    return ""


def _accept(walker: _Walker, interface_in: str) -> str:
    state = walker.state_at(walker.node.name)
    verdict = judge(walker.node, "in", walker.packet, state, interface_in=interface_in)
    return "" if VERDICTS[verdict].passes else filtered("in", verdict)


def _is_caught(walker: _Walker, interface_in: str) -> bool:
    """Whether a captive portal takes the connection that the packet begins."""
    is_first = walker.packet.protocol == "tcp" and walker.state_at(walker.node.name) == "new"
    fits = is_first and walker.packet.family == "ipv4"
    return fits and any(caught.interface_in == interface_in for caught in walker.node.caught)


def _forwards(node: Node, packet: Packet) -> bool:
    if packet.destination.startswith("fe80:") or packet.source.startswith("fe80:"):
        return False
    return forwards(node, packet.family)


def _translate_source(walker: _Walker, interface: NodeInterface) -> None:
    packet = walker.packet
    for undone in walker.undo:  # an answer leaves with the address that the question was sent to
        forwarded = undone.before.destination != undone.after.destination
        if undone.node == walker.node.name and forwarded and packet.source == undone.after.destination:
            asked = undone.before
            walker.packet = replace(packet, source=asked.destination, source_port=asked.destination_port)
            return
    if walker.undo:
        return
    own = [text.partition("/")[0] for text in interface.addresses if _same(packet, text)]
    if not own or packet.source in own:
        return
    for nat in walker.node.source_nat:
        if nat.interface_out == interface.name and _inside(packet, nat.sources):
            port = packet.source_port if nat.ports == "keep" else 0
            walker.packet = replace(packet, source=own[0], source_port=port)
            walker.translations.append(Translation(walker.node.name, packet, walker.packet))
            return


def _inside(packet: Packet, prefixes: tuple[str, ...]) -> bool:
    fitting = [ip_network(prefix) for prefix in prefixes if _same(packet, prefix)]
    return any(ip_address(packet.source) in prefix for prefix in fitting)


def _translate_back(walker: _Walker) -> None:
    packet = walker.packet
    for undone in walker.undo:
        if undone.node != walker.node.name or undone.before.source == undone.after.source:
            continue
        if (packet.destination, packet.destination_port) == (undone.after.source, undone.after.source_port):
            walker.packet = replace(
                packet, destination=undone.before.source, destination_port=undone.before.source_port
            )
            return


def _same(packet: Packet, text: str) -> bool:
    return (":" in text) == (packet.family == "ipv6")
