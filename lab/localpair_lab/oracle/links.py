"""What a network does between two of its ports: isolation, flags, rules, address resolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from localpair_lab.oracle.packet import Delivery, Packet, matches
from localpair_lab.oracle.routing import find_hop, own_addresses, passes_reverse_path
from localpair_lab.oracle.settings import forwards, level
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Cast, NodeInterface, Protocol

ALWAYS_FLOODED = "224.0.0."  # RFC 4541, 2.1.2: snooping switches forward the link-local block everywhere


def is_plugged(interface: NodeInterface) -> bool:
    """Whether the interface can send and hear on its link."""
    return interface.present and interface.up and interface.carrier


def carries(plan: Plan, sender: str, receiver: str, packet: Packet) -> tuple[Delivery, str]:
    """Whether the segment carries ``packet`` from port to port, and what stops it."""
    first, second = plan.interface(sender), plan.interface(receiver)
    if not (is_plugged(first) and is_plugged(second)):
        return Delivery.NO, "no-carrier"
    if first.flags.isolated and second.flags.isolated:
        return Delivery.NO, "isolation"
    if _flag_stops(second, packet) and not _may_be_member(plan, second, packet):
        return Delivery.NO, "multicast-filter" if packet.cast == "multicast" else "broadcast-filter"
    if packet.cast == "unicast" and first.mac == second.mac:
        return Delivery.NO, "same-mac"  # a switch knows the station at the port by which the packet came
    answer = _rules(plan, sender, receiver, packet) & _wires(plan, sender, receiver, packet)
    if packet.cast == "unicast" and _is_twin(plan, receiver):
        answer &= Delivery.MAYBE  # the switch sends it to that one of them which spoke last
    if _flag_stops(second, packet) or (packet.cast == "multicast" and not _is_member(plan, receiver, packet)):
        answer &= Delivery.MAYBE  # a group lives on for as long as the switch remembers its members
    return answer, "network-filter"


def _is_twin(plan: Plan, port: str) -> bool:
    """Whether another port of the segment has the hardware address of ``port``."""
    interface = plan.interface(port)
    alike = (plan.interface(other) for other in plan.ports(interface.segment) if other != port)
    return any(other.mac == interface.mac and is_plugged(other) for other in alike)


def _flag_stops(receiver: NodeInterface, packet: Packet) -> bool:
    if packet.protocol == "arp" or packet.cast == "broadcast":
        return packet.cast == "broadcast" and not receiver.flags.broadcast_flood
    return (packet.cast == "multicast" or packet.protocol == "nd") and not receiver.flags.multicast_flood


def _may_be_member(plan: Plan, receiver: NodeInterface, packet: Packet) -> bool:
    """Whether a switch that floods no group to the port sends this one there all the same, for a member that it knows.

    It knows those whom it has asked, and link-local groups have none.
    """
    segment = plan.segment(receiver.segment)
    grouped = packet.cast == "multicast" or packet.protocol == "nd"
    return (
        grouped and segment.snooping and segment.querier and not packet.destination.startswith(ALWAYS_FLOODED)
    )


def _is_member(plan: Plan, receiver: str, packet: Packet) -> bool:
    """Whether a snooping switch with a querier knows the receiver as a member; without one it floods."""
    segment = plan.segment(plan.interface(receiver).segment)
    if not (segment.snooping and segment.querier) or packet.destination.startswith(ALWAYS_FLOODED):
        return True
    report = replace(packet, protocol="igmp" if packet.family == "ipv4" else "mld", cast="")
    return not any(
        matches(rule.match, report) and (not rule.from_ports or receiver in rule.from_ports)
        for rule in segment.rules
        if rule.match.protocol in ("igmp", "mld") and rule.loss_percent >= 100
    )


def _rules(plan: Plan, sender: str, receiver: str, packet: Packet) -> Delivery:
    segment = plan.segment(plan.interface(sender).segment)
    answer = Delivery.YES
    for rule in segment.rules:
        if rule.from_ports and sender not in rule.from_ports:
            continue
        if rule.to_ports and receiver not in rule.to_ports:
            continue
        if matches(rule.match, packet):
            certain = rule.loss_percent >= 100 and rule.only_s == (0.0, 0.0)
            answer &= Delivery.NO if certain else Delivery.MAYBE
    return answer


def _wires(plan: Plan, sender: str, receiver: str, packet: Packet) -> Delivery:
    answer = Delivery.YES
    for impairment in plan.impairments:
        on_way = (impairment.port, impairment.direction) in ((sender, "from"), (receiver, "to"))
        if on_way and matches(impairment.match, packet):
            if impairment.loss_percent >= 100:
                return Delivery.NO
            if impairment.loss_percent or impairment.nth:
                answer &= Delivery.MAYBE
    return answer


def resolves(plan: Plan, sender: str, receiver: str, packet: Packet) -> tuple[Delivery, str]:
    """Whether ``sender`` learns the hardware address of ``receiver``: one question to all, one answer
    back.
    """
    asked, stopped = is_asked(plan, sender, receiver, packet)
    answer = replace(packet, protocol=_protocol(packet), cast="unicast", size=60, syn=False)
    told, stopped_back = carries(plan, receiver, sender, answer)
    reason = stopped if asked is Delivery.NO else stopped_back
    return asked & told, reason if reason in ("isolation", "same-mac") else "no-neighbour"


def is_asked(plan: Plan, sender: str, receiver: str, packet: Packet) -> tuple[Delivery, str]:
    """Whether the question for the hardware address to which ``sender`` wants to send ``packet`` is heeded.

    It names the packet's source where that is the sender's own, else an address of the interface. Linux heeds no
    question that its reverse path filter would not let in as a packet.
    """
    cast: Cast = "broadcast" if packet.family == "ipv4" else ""
    question = replace(packet, protocol=_protocol(packet), cast=cast, size=60, syn=False)
    asker, node = plan.interface(sender), plan.node(sender.partition("/")[0])
    if packet.family == "ipv4" and packet.source not in own_addresses(node):
        own = [text.partition("/")[0] for text in asker.addresses if ":" not in text]
        question = replace(question, source=own[0] if own else packet.source)
    if not passes_reverse_path(plan.node(receiver.partition("/")[0]), question, plan.interface(receiver)):
        return Delivery.NO, "reverse-path-filter"
    return carries(plan, sender, receiver, question)


def _protocol(packet: Packet) -> Protocol:
    return "arp" if packet.family == "ipv4" else "nd"


def owners(plan: Plan, segment: str, address: str) -> Iterator[str]:
    """The ports of ``segment`` that answer for ``address``: IPv4 hosts answer for any address of theirs."""
    having: dict[str, bool] = {}  # by node: it may have many ports there
    for port in plan.ports(segment):
        interface, name = plan.interface(port), port.partition("/")[0]
        if not (interface.present and interface.up):
            continue
        if ":" in address:
            texts = (*interface.addresses, interface.link_local)
            held = address in (text.partition("/")[0] for text in texts)
        else:
            if name not in having:
                having[name] = address in own_addresses(plan.node(name))
            held = having[name]
        if held:
            yield port


def proxies(plan: Plan, sender: str, address: str, packet: Packet) -> Iterator[str]:
    """The ports beside ``sender`` whose nodes answer a question for ``address`` though it is another's (RFC 1027): they
    forward, and their route leads out of another interface, or by the same one where they keep the members of a
    link apart (RFC 3069).
    """
    for port in plan.ports(plan.interface(sender).segment) if packet.family == "ipv4" else ():
        node, interface = plan.node(port.partition("/")[0]), plan.interface(port)
        if node.name == sender.partition("/")[0] or not (interface.present and interface.up):
            continue
        across, within = (level(node, interface.name, word) for word in ("proxy_arp", "proxy_arp_pvlan"))
        if not (across or within) or not forwards(node, "ipv4") or address in own_addresses(node):
            continue
        hop = find_hop(node, address, source=packet.source)
        if hop is not None and (within if hop.interface.name == interface.name else across):
            yield port
