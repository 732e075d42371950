"""Who comes to know whose addresses, by all the means that localpair has.

The means feed each other: what the offer holds is written to, whoever is written to is heard or at least asks for
a hardware address, and whoever is heard is written to at every address that it claims. So the answer is a fixed
point, found by asking again until nothing is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache, partial, reduce
from ipaddress import IPv4Interface
from itertools import chain, zip_longest
from operator import or_
from typing import Any, TypeAlias

from localpair_lab.oracle.links import is_asked, is_plugged, owners
from localpair_lab.oracle.multicast import announced
from localpair_lab.oracle.packet import Delivery, Packet, family, is_answered, judge
from localpair_lab.oracle.parsed import ip_address, ip_interface, ip_network
from localpair_lab.oracle.routing import find_hop, own_addresses
from localpair_lab.oracle.special import SPECIAL, calls, is_within
from localpair_lab.oracle.tcp import PAIRING_PORT, Met, bindings, crosses, opens, published_addresses
from localpair_lab.oracle.walk import walk
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface

SWEPT_ADDRESSES = 1024  # of one's own subnets, nearest numbers first, that a device asks one by one
SMALL_PREFIX = 24  # two subnets of this length, or a longer one, are asked before all others
SWEPT = (
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")),
    *(net for net in SPECIAL if net.version == 4),
)

Pair: TypeAlias = tuple[str, str]
"""Who, and of whom."""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """What two devices know of each other in the end.

    ``told`` are the addresses of each that persons carry to the other, by the offer or its answer; ``heard`` tells by
    (who, whom) whether a beacon comes in, and ``seen`` from which addresses that routers publish for it; ``met`` are
    the ports that came to know each other.
    """

    plan: Plan
    told: Mapping[str, frozenset[str]]
    heard: Mapping[Pair, Delivery]
    seen: Mapping[Pair, Mapping[str, Delivery]]
    met: AbstractSet[tuple[str, str]]

    def knows(self, who: str, whom: str, address: str) -> Delivery:
        """Whether ``who`` learns that ``whom`` is to be dialled at ``address``, and does so."""
        if not calls(self.plan.node(who), address):
            return Delivery.NO
        if address in self.told[whom]:
            return Delivery.YES
        if address in published_addresses(self.plan, whom) and not self.asks(who, address):
            # Nobody claims for itself what others publish for it; whoever sends its beacons on may show it.
            return self.seen[who, whom].get(address, Delivery.NO)
        return self.heard[who, whom]

    def sees(self, who: str, whom: str, source: str) -> Delivery:
        """Whether ``who`` learns the address that packets of ``whom`` come from, and calls it."""
        if not calls(self.plan.node(who), source):
            return Delivery.NO
        return Delivery.YES if source in self.told[whom] else self.heard[who, whom]

    def asks(self, who: str, address: str) -> bool:
        """Whether ``who`` comes upon ``address`` by asking its own subnets."""
        return sweeps(self.plan.node(who), address)


@dataclass(frozen=True, slots=True)
class _Reached:
    """By (who, whom): the addresses that are written to as the routes say or bound to an interface, and those of
    neighbours, written to on their link, with the two ports.
    """

    written: Mapping[Pair, frozenset[str]]
    noticed: Mapping[Pair, Mapping[str, tuple[str, str]]]
    met: Met

    def all(self, pair: Pair) -> frozenset[str]:
        """Every address that is written to."""
        return self.written[pair] | self.noticed[pair].keys()


def acquaint(plan: Plan, host: str, join: str, told: Mapping[str, frozenset[str]]) -> Acquaintance:
    """The end of it, where the addresses ``told`` of each are carried to the other."""
    pairs = ((join, host), (host, join))
    heard = {(who, whom): announced(plan, plan.node(whom), plan.node(who)) for who, whom in pairs}
    met = {ports for who in (host, join) for ports in _introduced(plan, who)}
    seen: dict[Pair, dict[str, Delivery]] = {pair: {} for pair in pairs}
    known = Acquaintance(plan, told, heard, seen, met)
    while True:
        written = {pair: frozenset(_written(known, *pair)) for pair in pairs}
        noticed = {pair: dict(_noticed(plan, written, *pair)) for pair in pairs}
        refused = {(who, whom): dict(_refused(plan, written, noticed, who, whom)) for who, whom in pairs}
        noticed = {pair: refused[pair] | noticed[pair] for pair in pairs}
        met.update(ports for places in noticed.values() for ports in places.values())
        reached = _Reached(written, noticed, frozenset(met))
        arriving = {pair: _arrives(plan, reached, *pair) for pair in pairs}
        found = {pair: reduce(or_, arriving[pair].values(), heard[pair]) for pair in pairs}
        shown = {pair: seen[pair] | _published(plan, pair, arriving[pair]) for pair in pairs}
        if (found, shown) == (heard, seen):
            return known
        heard.update(found)
        seen.update(shown)


def _published(plan: Plan, pair: Pair, arriving: Mapping[str, Delivery]) -> dict[str, Delivery]:
    """What arrives from addresses that others publish for the sender."""
    published = published_addresses(plan, pair[1])
    return {
        source: answer
        for source, answer in arriving.items()
        if source in published and answer is not Delivery.NO
    }


def _introduced(plan: Plan, who: str) -> Iterator[tuple[str, str]]:
    """The ports of every other node that ``who`` comes upon when it asks its own subnets: it has to say where it is
    itself, to routers that would ask for it in vain, too.
    """
    for node in plan.nodes:
        for address in own_addresses(node) if node.name != who else ():
            if sweeps(plan.node(who), address):
                for bound in bindings(plan.node(who)):
                    yield from (ports for _, ports in _asks(plan, who, node.name, address, bound))


def _written(known: Acquaintance, who: str, whom: str) -> Iterator[str]:
    """The addresses of ``whom`` that ``who`` sends beacons to, or dials."""
    plan = known.plan
    for address in (*own_addresses(plan.node(whom)), *published_addresses(plan, whom)):
        if known.knows(who, whom, address) is not Delivery.NO or known.asks(who, address):
            yield address


def _noticed(
    plan: Plan, written: dict[Pair, frozenset[str]], who: str, whom: str
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The addresses of ``whom``, and of routers that speak for it, that are neighbours of ``who``, since they have
    asked it for its hardware address; with the two ports.
    """
    for address in written[whom, who]:
        for bound in bindings(plan.node(whom)):
            yield from _asks(plan, whom, who, address, bound)
            yield from _asks_for(plan, whom, who, address, bound)


def _asks(
    plan: Plan, asker: str, asked: str, address: str, bound: str
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The address by which ``asker`` asks ``asked`` for the hardware address of ``address``, and the ports of the two,
    of the one that is asked first; nothing where it does not. Whoever is asked for an IPv4 address of his answers on
    every interface.
    """
    node = plan.node(asker)
    hop = find_hop(node, address, bound=bound)
    if hop is None or hop.interface.kind != "segment" or hop.next_hop != address:
        return
    segment = hop.interface.segment
    answering = [port for port in owners(plan, segment, address) if port.partition("/")[0] == asked]
    if not answering or not _is_probed(plan.node(asked), hop.source):
        return
    beacon = Packet(family(address), "udp", hop.source, address, PAIRING_PORT, PAIRING_PORT)
    dial = replace(beacon, protocol="tcp", syn=True)
    name = hop.interface.name
    if all(judge(node, "out", packet, "new", interface_out=name) != "accept" for packet in (beacon, dial)):
        return  # nothing leaves for which there would be a question
    for port in answering:
        heeded, _ = is_asked(plan, f"{asker}/{name}", port, beacon)
        if heeded is Delivery.YES:
            yield hop.source, (port, f"{asker}/{name}")


def _asks_for(
    plan: Plan, speaker: str, asked: str, address: str, bound: str
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The address of the router that brings what ``speaker`` writes in its own name: it has asked, too, and what is
    written to it comes back to ``speaker`` if it keeps the port.
    """
    beacon = Packet(family(address), "udp", "", address, PAIRING_PORT, PAIRING_PORT)
    there = walk(plan, speaker, beacon, lambda _: "new", bound=bound)
    if there.at != asked or there.arrived is None or not there.crossed or not there.translations:
        return
    source, ports = there.arrived.source, there.crossed[-1][::-1]
    last = there.translations[-1]  # what a router merely publishes keeps the source of whoever wrote
    translated = last.node == ports[1].partition("/")[0] and last.after.source != last.before.source
    if translated and there.arrived.source_port == PAIRING_PORT and _is_probed(plan.node(asked), source):
        yield source, ports


def _refused(
    plan: Plan,
    written: Mapping[Pair, frozenset[str]],
    noticed: Mapping[Pair, Mapping[str, tuple[str, str]]],
    who: str,
    whom: str,
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The addresses that ``whom`` writes to ``who`` from, where a firewall refuses it with an answer: that goes to a
    neighbour, whose hardware address is asked for first; with the two ports.
    """
    for address in (*written[whom, who], *noticed[whom, who]):
        beacon = Packet(family(address), "udp", "", address, PAIRING_PORT, PAIRING_PORT)
        for bound in bindings(plan.node(whom)):
            there = walk(plan, whom, beacon, lambda _: "new", bound=bound)
            if there.at == who and there.arrived is not None and is_answered(there.reason):
                yield from (
                    (there.arrived.source, (answering, asked))
                    for _, (asked, answering) in _asks(plan, who, whom, there.arrived.source, "")
                )


def _is_probed(node: Node, address: str) -> bool:
    """Whether ``node`` writes to a neighbour of that address."""
    return (":" in address or _is_asked(address)) and calls(node, address)


def _arrives(plan: Plan, reached: _Reached, who: str, whom: str) -> dict[str, Delivery]:
    """Whether a datagram of ``whom`` comes in, by the source address that it has at ``who``; no more than one that
    surely does where none is published for ``whom``.
    """
    found: dict[str, Delivery] = {}
    published = published_addresses(plan, whom)
    for source, answer in _arrivals(plan, reached, who, whom):
        found[source] = found.get(source, Delivery.NO) | answer
        if answer is Delivery.YES and not published:
            break
    return found


def _arrivals(plan: Plan, reached: _Reached, who: str, whom: str) -> Iterator[tuple[str, Delivery]]:
    """A closed firewall takes a datagram for an answer where ``who`` has written there, too; and what ``who`` writes
    is answered to where it came from, through whatever it came.
    """
    answering, met = reached.all((who, whom)), reached.met
    for address in reached.written[whom, who]:
        yield from crosses(plan, whom, who, address, answering=answering, met=met)
    for address, link in _links(reached, whom, who):
        yield from crosses(plan, whom, who, address, answering=answering, direct=link, met=met)
    asks = partial(_asked_over_udp, plan, who, whom, met=met)
    for address in reached.written[who, whom]:
        for bound in bindings(plan.node(who)):
            yield address, asks(address, bound=bound)
            yield address, asks(address, bound=bound, echoed=True)
    for address, link in _links(reached, who, whom):
        yield address, asks(address, bound=link, direct=True)
        yield address, asks(address, bound=link, direct=True, echoed=True)


def _asked_over_udp(plan: Plan, who: str, whom: str, address: str, **how: Any) -> Delivery:
    """Whether ``whom`` answers a beacon to ``address``: one that it hears."""
    found = opens(plan, who, whom, address, protocol="udp", **how)
    return found.answer if found.seen and calls(plan.node(whom), found.seen) else Delivery.NO


def _links(reached: _Reached, who: str, whom: str) -> Iterator[Pair]:
    """The neighbours' addresses, each with the interface of ``who`` on whose link it is."""
    for address, (port, _) in reached.noticed[who, whom].items():
        yield address, port.partition("/")[2]


# --- Sweeping ---


@lru_cache(maxsize=8192)
def _is_asked(address: str) -> bool:
    """Whether the number is of a block that is asked in one's own subnets."""
    return is_within(address, SWEPT)


def sweeps(node: Node, address: str) -> bool:
    """Whether ``node`` asks ``address`` when it asks its own subnets."""
    if ":" in address:
        return False
    nets = tuple((interface.name, own) for interface in node.interfaces for own in _swept(interface))
    return int(ip_address(address)) in _asked(nets)


def _swept(interface: NodeInterface) -> Iterator[IPv4Interface]:
    """The subnets of an interface that are asked before those of container bridges, behind which no peer is."""
    if interface.kind != "segment" or not is_plugged(interface):
        return
    for text in interface.addresses:
        own = ip_interface(text)
        if isinstance(own, IPv4Interface) and 0 < own.network.prefixlen <= 30 and _is_asked(str(own.ip)):
            yield own


@lru_cache(maxsize=1024)
def _asked(nets: tuple[tuple[str, IPv4Interface], ...]) -> frozenset[int]:
    """The numbers that are asked: two small subnets first, then all in turn, each on each interface once."""
    small = [net for net in nets if net[1].network.prefixlen >= SMALL_PREFIX]
    others = [*small[2:], *(net for net in nets if net not in small)]
    asked: set[tuple[str, int]] = set()
    for entry in chain(_in_turn(small[:2]), _in_turn(others)):
        if len(asked) == SWEPT_ADDRESSES:
            break
        asked.add(entry)
    return frozenset(number for _, number in asked)


def _in_turn(nets: list[tuple[str, IPv4Interface]]) -> Iterator[tuple[str, int]]:
    for turn in zip_longest(*(_nearest(name, own) for name, own in nets)):
        yield from filter(None, turn)


def _nearest(name: str, own: IPv4Interface) -> Iterator[tuple[str, int]]:
    """The numbers of ``own``'s subnet, from its own one outwards, as far as they are of a block that is asked."""
    first, last = int(own.network.network_address) + 1, int(own.network.broadcast_address) - 1
    blocks = [
        (int(net.network_address), int(net.broadcast_address)) for net in SWEPT if own.network.overlaps(net)
    ]
    for distance in range(1, min(last - first, SWEPT_ADDRESSES) + 1):
        for number in (int(own.ip) + distance, int(own.ip) - distance):
            if first <= number <= last and any(low <= number <= high for low, high in blocks):
                yield name, number
