"""Who can hear whom without knowing an address: multicast, broadcast, relays."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface

from localpair_lab.oracle.links import carries, is_plugged
from localpair_lab.oracle.packet import Delivery, Packet, family, judge
from localpair_lab.oracle.parsed import ip_interface
from localpair_lab.oracle.routing import own_addresses, passes_reverse_path
from localpair_lab.oracle.special import calls
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface

DISCOVERY_PORT = 46820
GROUPS = ("224.0.0.171", "239.255.70.171", "ff12::6c70:6169:7273")
"""The groups that localpair announces to; the lab's own copy, so that a change there is noticed here."""
LIMITED_BROADCAST = "255.255.255.255"


@dataclass(frozen=True, slots=True)
class GroupDelivery:
    """Whether a packet to ``group`` is heard, and what stops it."""

    answer: Delivery
    reason: str = ""


def hears(plan: Plan, sender: str, receiver: str, group: str, port: int = DISCOVERY_PORT) -> GroupDelivery:
    """Whether the port ``receiver`` hears what ``sender`` sends to a group or to broadcast, on one segment.

    An interface whose multicast flag is off is not meant to; kernels differ in whether it does all the same.
    """
    first, second = plan.interface(sender), plan.interface(receiver)
    if first.kind != "segment" or second.kind != "segment" or first.segment != second.segment:
        return GroupDelivery(Delivery.NO, "other-network")
    packet = group_packet(first, group, port)
    if packet is None:
        return GroupDelivery(Delivery.NO, "no-address")
    if family(group) == "ipv6" and not second.link_local:
        return GroupDelivery(Delivery.NO, "no-address")
    if packet.cast == "multicast" and not (first.multicast and second.multicast):
        return GroupDelivery(
            _heard(plan, sender, receiver, packet).answer & Delivery.MAYBE, "no-multicast-flag"
        )
    if packet.cast == "broadcast" and not _takes_broadcast(plan.node(receiver.partition("/")[0]), group):
        return GroupDelivery(Delivery.NO, "other-mask")
    return _heard(plan, sender, receiver, packet)


def _takes_broadcast(node: Node, address: str) -> bool:
    """Whether ``address`` is a broadcast address to the node: of a subnet of its own, by its own mask."""
    own = (text for entry in node.interfaces if entry.present and entry.up for text in entry.addresses)
    return address == LIMITED_BROADCAST or address in map(broadcast_address, own)


def _heard(plan: Plan, sender: str, receiver: str, packet: Packet) -> GroupDelivery:
    origin, target = plan.node(sender.partition("/")[0]), plan.node(receiver.partition("/")[0])
    out = judge(origin, "out", packet, "new", interface_out=sender.partition("/")[2])
    if out != "accept":
        return GroupDelivery(Delivery.NO, "firewall-out")
    carried, stopped = carries(plan, sender, receiver, packet)
    if carried is Delivery.NO:
        return GroupDelivery(Delivery.NO, stopped)
    interface = plan.interface(receiver)
    if packet.family == "ipv4" and packet.source in own_addresses(target):
        return GroupDelivery(Delivery.NO, "own-address")
    if not passes_reverse_path(target, packet, interface):
        return GroupDelivery(Delivery.NO, "reverse-path-filter")
    if judge(target, "in", packet, "new", interface_in=interface.name) != "accept":
        return GroupDelivery(Delivery.NO, "firewall-in")
    return GroupDelivery(carried)


def group_packet(interface: NodeInterface, group: str, port: int) -> Packet | None:
    """The packet that a socket pinned to ``interface`` sends to ``group``; None without an address for it."""
    wanted = family(group)
    sources = [text for text in interface.addresses if family(text) == wanted]
    if wanted == "ipv6":
        sources = [interface.link_local, *sources] if interface.link_local else sources
    if not sources or not is_plugged(interface):
        return None
    broadcast = group == LIMITED_BROADCAST or group in map(broadcast_address, sources)
    return Packet(
        family=wanted,
        protocol="udp",
        source=sources[0].partition("/")[0],
        destination=group,
        source_port=port,
        destination_port=port,
        cast="broadcast" if broadcast else "multicast",
    )


def broadcast_address(address: str) -> str:
    """The directed broadcast address of ``address/length``, by its real mask; empty where there is none."""
    interface = ip_interface(address)
    has_one = isinstance(interface, IPv4Interface) and interface.network.prefixlen <= 30
    return str(interface.network.broadcast_address) if has_one else ""


def announced(plan: Plan, sender: Node, receiver: Node) -> Delivery:
    """Whether ``receiver`` hears ``sender`` by any group, broadcast or relay, from any of its interfaces."""
    best = Delivery.NO
    for answer in (_directly(plan, sender, receiver), _through_relays(plan, sender, receiver)):
        if answer is Delivery.YES:
            return answer
        best = answer if answer is Delivery.MAYBE else best
    return best


def _directly(plan: Plan, sender: Node, receiver: Node) -> Delivery:
    best = Delivery.NO
    for source in sender.interfaces:
        for target in receiver.interfaces:
            for group in (*GROUPS, *filter(None, map(broadcast_address, source.addresses))):
                packet = group_packet(source, group, DISCOVERY_PORT)
                if packet is None or not calls(receiver, packet.source):
                    continue
                found = hears(plan, f"{sender.name}/{source.name}", f"{receiver.name}/{target.name}", group)
                if found.reason == "no-multicast-flag":
                    continue  # it would get through here and there, and localpair does not ask for it
                if found.answer is Delivery.YES:
                    return Delivery.YES
                best = found.answer if found.answer is Delivery.MAYBE else best
    return best


def _through_relays(plan: Plan, sender: Node, receiver: Node) -> Delivery:
    best = Delivery.NO
    for node in plan.nodes:
        if any("relay" in program.argv for program in node.programs):
            answer = _directly(plan, sender, node) & _directly(plan, node, receiver)
            if answer is Delivery.YES:
                return answer
            best = answer if answer is Delivery.MAYBE else best
    return best
