"""Packets as the oracle sees them, and what rules say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from localpair_lab.model.words.verdicts import Verdict
from localpair_lab.oracle.parsed import ip_address, ip_network
from localpair_lab.plan.topology import AddressMap, Cast, Chain, Family, Match, Node, Protocol, State
from localpair_lab.verdicts import VERDICTS

IPV4_BITS = 32
GROWTH = 20  # bytes: an IPv6 header has 40
PROBE_BYTES = 100  # small enough for every link; what is larger is asked for by name


class Delivery(Enum):
    """Whether something arrives. ``MAYBE``: chance decides, or two hosts claim one address."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"

    def __and__(self, other: Delivery) -> Delivery:
        if Delivery.NO in (self, other):
            return Delivery.NO
        return Delivery.MAYBE if Delivery.MAYBE in (self, other) else Delivery.YES

    def __or__(self, other: Delivery) -> Delivery:
        if Delivery.YES in (self, other):
            return Delivery.YES
        return Delivery.MAYBE if Delivery.MAYBE in (self, other) else Delivery.NO


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. ``state`` is left to the chains that judge it; addresses are without prefix length."""

    family: Family
    protocol: Protocol
    source: str
    destination: str
    source_port: int = 0
    destination_port: int = 0
    cast: Cast = "unicast"
    size: int = PROBE_BYTES
    syn: bool = False

    def reply(self) -> Packet:
        """The answer to it, before any translation."""
        return replace(
            self,
            source=self.destination,
            destination=self.source,
            source_port=self.destination_port,
            destination_port=self.source_port,
            syn=False,
        )


def family(address: str) -> Family:
    """The family of an address or prefix."""
    return "ipv6" if ":" in address else "ipv4"


def matches(
    match: Match, packet: Packet, *, state: State = "", interface_in: str = "", interface_out: str = ""
) -> bool:
    """Whether every part of ``match`` holds. A match by cast never means address resolution or membership."""
    cast = "" if packet.protocol in ("arp", "nd", "igmp", "mld") else packet.cast
    return (
        match.family in ("", packet.family)
        and match.cast in ("", cast)
        and match.protocol in ("", packet.protocol)
        and match.state in ("", state)
        and match.interface_in in ("", interface_in)
        and match.interface_out in ("", interface_out)
        and (not match.syn or packet.syn)
        and (not match.larger_than or packet.size > match.larger_than)
        and _within(packet.source, match.sources)
        and _within(packet.destination, match.destinations)
        and _in_ranges(packet.source_port, match.source_ports)
        and _in_ranges(packet.destination_port, match.destination_ports)
    )


def _within(address: str, prefixes: tuple[str, ...]) -> bool:
    if not prefixes:
        return True
    return any(
        family(prefix) == family(address) and ip_address(address) in ip_network(prefix) for prefix in prefixes
    )


def _in_ranges(port: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return not ranges or any(first <= port <= last for first, last in ranges)


def chain_of(node: Node, hook: str) -> Chain | None:
    """The node's chain at ``hook``, if it has one."""
    return next((chain for chain in node.chains if chain.hook == hook), None)


def judge(
    node: Node, hook: str, packet: Packet, state: State, *, interface_in: str = "", interface_out: str = ""
) -> Verdict:
    """What the node's firewall does with the packet at ``hook``."""
    chain = chain_of(node, hook)
    if chain is None:
        return "accept"
    for rule in chain.rules:
        if matches(rule.match, packet, state=state, interface_in=interface_in, interface_out=interface_out):
            return rule.verdict
    return chain.default


def filtered(hook: str, verdict: Verdict) -> str:
    """The reason of a walk that ends at a firewall: ``firewall-in``; ``firewall-in-reject-port`` where it answers."""
    return f"firewall-{hook}-{verdict}" if VERDICTS[verdict].is_answered else f"firewall-{hook}"


def is_answered(reason: str) -> bool:
    """Whether a firewall has ended the walk, and its sender hears of it."""
    return any(kind.is_answered and reason.endswith(f"-{verdict}") for verdict, kind in VERDICTS.items())


def other_family(packet: Packet, mapped: AddressMap) -> Packet | None:
    """The packet as a translator between the families (NAT64) writes it; None where an end has no address there."""
    to_ipv6 = packet.family == "ipv4"
    source, destination = (
        _other(text, mapped, to_ipv6=to_ipv6) for text in (packet.source, packet.destination)
    )
    if not source or not destination:
        return None
    return replace(
        packet,
        family="ipv6" if to_ipv6 else "ipv4",
        source=source,
        destination=destination,
        size=packet.size + (GROWTH if to_ipv6 else -GROWTH),
    )


def _other(address: str, mapped: AddressMap, *, to_ipv6: bool) -> str:
    known = dict(mapped.pairs) if to_ipv6 else {ipv6: ipv4 for ipv4, ipv6 in mapped.pairs}
    prefix = ip_network(mapped.prefix)
    if address in known:
        return known[address]
    if to_ipv6:
        return str(IPv6Address(int(prefix.network_address) | int(ip_address(address))))
    if ip_address(address) not in prefix:
        return ""
    return str(IPv4Address(int(ip_address(address)) & ((1 << IPV4_BITS) - 1)))
