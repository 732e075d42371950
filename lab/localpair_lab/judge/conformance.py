"""What a device may send, and where: every datagram of localpair and every connection it opens, from the captures.

The rules are those of ``docs/protocol.md``, "What a device sends"; the numbers stand in ``budget``. Pure: packets
that were seen go in, what was wrong with them comes out. Only what leaves by a port counts; what stays inside a device
harms nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import NamedTuple

from localpair_lab.judge import traffic_limits
from localpair_lab.judge.packets import CapturedPacket
from localpair_lab.judge.traffic_limits import DISCOVERY_PORT, GROUPS, Span
from localpair_lab.oracle.judge import holds_addresses
from localpair_lab.oracle.special import is_special, is_within, widened
from localpair_lab.oracle.states import states
from localpair_lab.plan.actions import Action
from localpair_lab.plan.changes import (
    ChangeLease,
    CreateInterface,
    MoveAddress,
    Readdress,
    Roam,
    SetLink,
    SetPrefixes,
)
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface
from localpair_lab.timeline import ActionRecord, Record

ANNOUNCING = ("host", "join", "discover", "send", "listen", "addresses", "diagnose")
SWEPT = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
LOCAL = (*SWEPT, *map(ip_network, ("100.64.0.0/10", "fc00::/7", "fe80::/10")))
NOBODY = tuple(
    map(ip_network, ("0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/127", "ff00::/8"))
)
DHCP = (68, 67)  # of the machine that holds a lease
NOTICES = 3  # of one change of a device's network: the link, its addresses, its routes
NO_REFUSALS = (
    None,
    "",
    "ETIMEDOUT",
    "EADDRNOTAVAIL",
    "EADDRINUSE",
    "ENXIO",
    "ENODEV",
)  # silence, or one's own host
SHOWN = 3  # violations of one kind

Subnet = IPv4Network | IPv6Network
Fault = tuple[str, str]
"""What a device should have done, and what it did instead."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the rules need to know of one device.

    ``subnets`` holds its own ones, without those of tunnels; ``known`` the addresses that it was offered or that other
    devices claim; ``gateways`` those that its kernel asks for by itself; ``ports`` those that localpair bound anywhere;
    ``spans`` one entry for each process. ``refused`` holds the addresses that refused this device's dials between the
    fixed ports, or did not answer a second one, and those of devices whose dials to this one ended so: with them there
    may be a rendezvous.
    ``alone``: nothing else sends from this device.
    """

    node: str
    own: frozenset[str]
    subnets: tuple[Subnet, ...]
    broadcasts: frozenset[str]
    tunnels: frozenset[str]
    known: frozenset[str]
    gateways: frozenset[str]
    ports: frozenset[int]
    spans: tuple[Span, ...]
    refused: frozenset[str] = frozenset()
    alone: bool = True

    @property
    def callable(self) -> frozenset[int]:
        """The ports at which localpair listens on some device, or dials from; elsewhere it confirms only."""
        return self.ports | frozenset(traffic_limits.DIAL_PORTS)

    def on_link(self, address: str) -> bool:
        """Whether the address lies in an own subnet, by its real mask."""
        return _within(address, self.subnets)

    def is_private(self, address: str) -> bool:
        """Whether the number is one that a LAN hands out, or set aside for another purpose and in an own subnet."""
        return _within(address, SWEPT) or (is_special(address) and self.on_link(address))

    def is_called(self, address: str) -> bool:
        """Whether the number may be called from here at all."""
        return not is_special(address) or is_within(address, map(widened, self.subnets))

    def total(self, what: str) -> int:
        """A number of ``Span``, for all processes together."""
        return sum(int(getattr(span, what)) for span in self.spans)


# --- What a plan and its record say of a device ---


def circumstances(plan: Plan, record: Record, node: Node) -> Circumstances:
    """Everything that was true of the device at any time of the run."""
    lives = [
        interface
        for state in states(plan)
        for interface in state.node(node.name).interfaces
        if _is_used(interface)
    ]
    open_links = [text for interface in lives if not interface.has_no_link for text in _addresses(interface)]
    actions = [entry for entry in plan.actions if entry.node == node.name and entry.verb in ANNOUNCING]
    subnets = tuple({net for text in open_links if (net := ip_interface(text).network).prefixlen})
    return Circumstances(
        node=node.name,
        own=frozenset(text.partition("/")[0] for interface in lives for text in _addresses(interface)),
        subnets=subnets,
        broadcasts=frozenset(
            str(net.broadcast_address) for net in subnets if net.version == 4 and 0 < net.prefixlen <= 30
        ),
        tunnels=frozenset(f"{node.name}/{one.name}" for one in lives if one.has_no_link),
        known=frozenset(_offered(plan, record) | _claimed(plan, node, subnets)),
        gateways=frozenset(route.via for state in states(plan) for route in state.node(node.name).routes),
        ports=frozenset({DISCOVERY_PORT, *traffic_limits.PAIRING_PORTS, *_told_ports(record)}),
        spans=tuple(_spans(plan, record, actions)),
        refused=frozenset(_refused(plan, record, node)),
        alone=not node.programs
        and not any(one.kind == "translator" for one in node.interfaces)
        and not node.source_nat
        and ("net.ipv4.ip_forward", "1") not in node.sysctls,
    )


def _is_used(interface: NodeInterface) -> bool:
    return interface.present and interface.up


def _addresses(interface: NodeInterface) -> tuple[str, ...]:
    return (*interface.addresses, *filter(None, (interface.link_local,)))


def _offered(plan: Plan, record: Record) -> set[str]:
    """The addresses in the offers of this run."""
    hosts = [action for action in plan.actions if action.verb == "host" and holds_addresses(action)]
    ready = [
        event
        for action in hosts
        if action.id in record.actions
        for event in record.actions[action.id].events("ready")
    ]
    return {
        str(entry["address"]).partition("%")[0]
        for event in ready
        for entry in event.fields.get("addresses", ())
    }


def _claimed(plan: Plan, node: Node, subnets: tuple[Subnet, ...]) -> set[str]:
    """What the other devices may say of themselves; a public address counts only in an own subnet."""
    names = {action.node for action in plan.actions} - {node.name}
    told = {
        text.partition("/")[0]
        for state in states(plan)
        for name in names
        for interface in state.node(name).interfaces
        for text in _addresses(interface)
    }
    return {address for address in told if _within(address, (*LOCAL, *map(widened, subnets)))}


def _refused(plan: Plan, record: Record, node: Node) -> Iterator[str]:
    """A device's own firewall refuses, or a router on a wrong way: on the wire between the two nothing shows of it, so
    that what the devices tell of their dials has to do.
    """
    translating = {one.name for one in plan.nodes if one.source_nat or one.port_forwards}
    mine = {address for name in {node.name, *translating} for address in _held(plan, name)}
    for told in record.actions.values():
        for address in _refusing(told):
            if told.node == node.name:
                yield address
                for one in plan.nodes:
                    held = set(_held(plan, one.name))
                    yield from held if address in held else ()
            elif address in mine:
                yield from _held(plan, told.node)


def _refusing(told: ActionRecord) -> Iterator[str]:
    """The addresses that answered a dial between the fixed ports with anything but silence, or with silence again."""
    silent: set[str] = set()
    for event in told.events("attempt"):
        host, _, port = str(event.fields.get("candidate", "")).rpartition(":")
        if not port.isdigit() or int(port) not in traffic_limits.DIAL_PORTS:
            continue
        address, errno = host.strip("[]").partition("%")[0], event.fields.get("errno")
        if errno not in NO_REFUSALS or address in silent:
            yield address
        elif errno == "ETIMEDOUT":
            silent.add(address)


def _held(plan: Plan, name: str) -> Iterator[str]:
    """The addresses that a node has at any time."""
    for state in states(plan):
        for interface in state.node(name).interfaces:
            yield from (text.partition("/")[0] for text in _addresses(interface))


def _told_ports(record: Record) -> set[int]:
    ready = [event for action in record.actions.values() for event in action.events("ready")]
    return {int(port) for event in ready for port in event.fields.get("ports", {}).values()}


def _spans(plan: Plan, record: Record, actions: Iterable[Action]) -> Iterator[Span]:
    for action in actions:
        told = record.actions.get(action.id)
        if told is not None and told.started is not None:
            yield _span(plan, record, action, told, told.started)


def _span(plan: Plan, record: Record, action: Action, told: ActionRecord, started: float) -> Span:
    """How long one process announced: until it has paired, and again while it looks for a lost peer."""
    paired = told.first("paired")
    until = told.ended if told.ended is not None else record.elapsed_s
    lost = sum(1 for _ in told.events("reconnected"))
    if paired is not None and action.verb != "listen":
        broken = lost + (told.exit not in (0, None))
        until = min(until, paired.at + broken * traffic_limits.RESUME_S)
    secrets = _pairs(record, action.node) if action.verb == "listen" else _expected_again(action, told, until)
    changes = _changes(plan, action.node)
    bursts = _first_bursts(action, told) + NOTICES * changes + lost
    return Span(max(0.0, until - started), bursts, secrets, 1 + changes, waits=action.verb == "host")


def _changes(plan: Plan, node: str) -> int:
    """How often the device's own network changes."""
    changes = [
        event.change
        for event in plan.events
        if isinstance(event.change, SetLink | Readdress | ChangeLease | Roam | CreateInterface)
        or event.change.do == "delete-interface"
    ]
    hosts = [interface.segment for interface in plan.node(node).interfaces if interface.autoconf]
    prefixes = [event.change for event in plan.events if isinstance(event.change, SetPrefixes)]
    own: int = sum(
        getattr(one, "node", getattr(one, "port", "")).partition("/")[0] == node for one in changes
    )
    moves = [event.change for event in plan.events if isinstance(event.change, MoveAddress)]
    taken = sum(port.partition("/")[0] == node for one in moves for port in (one.port, one.holder))
    return own + taken + sum(one.segment in hosts for one in prefixes)


def _first_bursts(action: Action, told: ActionRecord) -> int:
    """Reasons to announce that are none of the network's: the start, a secret that comes."""
    offers = sum(1 for _ in told.events("offer"))
    post = ("--flow", "post") in zip(action.argv, action.argv[1:], strict=False)
    looks = action.verb in ("discover", "addresses", "diagnose")
    return max(1, offers + post if action.verb == "host" else 1 + post + looks)


def _expected_again(action: Action, told: ActionRecord, until: float) -> int:
    """The offer's secret; besides, where the exchange of the last words takes long, whoever hosts announces by the
    pair's own already: the other side may have finished, and come again with nothing but that.
    """
    agreed = told.first("approval")
    return 1 + (action.verb == "host" and agreed is not None and until - agreed.at > traffic_limits.SLACK_S)


def _pairs(record: Record, node: str) -> int:
    """How many secrets each beat of whoever listens is sent with: those of the pairs that this device has made."""
    made = [told for told in record.actions.values() if told.node == node and told.verb in ("host", "join")]
    return min(
        traffic_limits.SECRETS_PER_BEAT, max(1, sum(told.first("paired") is not None for told in made))
    )


# --- The rules ---


class _Way(NamedTuple):
    """How a dial leaves: by which port, and from which address; cards on one wire answer for each other's."""

    port: str
    source: bytes

    def __str__(self) -> str:
        return self.port


@dataclass(slots=True)
class _Watch:
    """Goes through a device's packets in order and keeps what is to be counted."""

    of: Circumstances
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    carried: Counter[tuple[str, str]] = field(default_factory=Counter)
    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    probed: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    dials: dict[tuple[_Way, str, int], Counter[tuple[int, bytes]]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    heard: set[str] = field(default_factory=set)
    neighbours: set[tuple[str, str, bytes]] = field(default_factory=set)
    refusing: set[str] = field(default_factory=set)
    peers: set[str] = field(default_factory=set)

    def take(self, one: CapturedPacket) -> None:
        packet = one.packet
        if not packet.source:
            return
        source = str(ip_address(packet.source))
        if packet.refusal:  # whichever side it is that refuses, the two may have to meet
            self.refusing.update((source, str(ip_address(packet.destination))))
        if not one.outbound:
            self._hear(source, one)
        elif source in self.of.own or self.of.alone:
            if packet.protocol == "arp":
                self._question(one, str(ip_address(packet.destination)))
            elif packet.protocol == "udp":
                self._datagram(one, str(ip_address(packet.destination)))
            elif packet.syn:
                self._dial(one, str(ip_address(packet.destination)))

    def _hear(self, source: str, one: CapturedPacket) -> None:
        packet = one.packet
        self.heard.add(source)
        if packet.protocol in ("arp", "nd"):
            self.neighbours.add((one.port, source, one.sender))
        if packet.protocol == "udp" and packet.first.startswith(b"LP"):
            self.peers.add(source)

    def _fault(self, kind: str, one: CapturedPacket, address: str) -> None:
        packet = one.packet
        way = f"{packet.protocol} from port {packet.source_port} to {address} port {packet.destination_port}"
        self.faults[kind].append(f"{way}, out of {one.port}")

    def _datagram(self, one: CapturedPacket, address: str) -> None:
        packet = one.packet
        if packet.source_port not in self.of.ports:
            if self.of.alone and (packet.source_port, packet.destination_port) != DHCP:
                self._fault("send datagrams from its own ports only", one, address)
        elif packet.cast == "multicast":
            self._multicast(one, address)
        elif address in self.of.broadcasts and packet.destination_port == DISCOVERY_PORT:
            self.carried[one.port, address] += 1
        elif self._is_fit(one, address):
            self._unicast(one, address)

    def _multicast(self, one: CapturedPacket, address: str) -> None:
        if address not in GROUPS or one.packet.destination_port != DISCOVERY_PORT:
            self._fault("multicast to its own groups only", one, address)
        elif one.packet.hops != traffic_limits.MULTICAST_HOPS:
            self._fault(f"multicast with the hop limit {traffic_limits.MULTICAST_HOPS}", one, address)
        self.carried[one.port, address] += 1

    def _is_fit(self, one: CapturedPacket, address: str) -> bool:
        """Rules for every address that is called or written to by itself."""
        if _within(address, NOBODY):
            self._fault("never write to an address that is nobody's", one, address)
        elif not self.of.is_called(address):
            self._fault("call addresses of special purpose in own subnets only", one, address)
        elif one.packet.destination_port < traffic_limits.LOWEST_PORT:
            self._fault("never call a system service", one, address)
        else:
            return True
        return False

    def _unicast(self, one: CapturedPacket, address: str) -> None:
        if one.packet.destination_port not in self.of.ports:
            self.answered += 1
            if address not in self.peers:
                self._fault("answer only where a beacon came from", one, address)
        elif address in self.of.known or address in self.peers:
            self.written[one.port, address] += 1
        elif one.port in self.of.tunnels:
            self._fault("never probe over a tunnel", one, address)
        elif self._is_near(one, address):
            self.probed[one.port, address] += 1
        else:
            self._fault("write to its own links and to known addresses only", one, address)

    def _is_near(self, one: CapturedPacket, address: str) -> bool:
        """Whether it is on an own link: by the own mask, or since it has asked for us there and the frame goes to it,
        and to no router; the masks of one link may differ.
        """
        if self.of.on_link(address):
            return address in self.heard or self.of.is_private(address)
        return _within(address, SWEPT) and (one.port, address, one.receiver) in self.neighbours

    def _question(self, one: CapturedPacket, address: str) -> None:
        """An address that is asked for is one that something was to be sent to: it shows a sweep of empty places."""
        if address in self.of.own | self.of.known | self.of.gateways | self.heard:
            return
        self.asked[address] += 1
        if not (self.of.on_link(address) and self.of.is_private(address)):
            self._fault("ask for addresses of its own private links only", one, address)

    def _dial(self, one: CapturedPacket, address: str) -> None:
        if not self._is_fit(one, address):
            return
        packet = one.packet
        way = _Way(one.port, packet.source)
        self.dials[way, address, packet.destination_port][packet.source_port, packet.first] += 1
        if address not in self.of.known and address not in self.peers:
            self._fault("call offered addresses and heard devices only", one, address)

    # --- what was counted

    def found(self) -> Iterator[Fault]:
        """Everything that was wrong."""
        for kind, cases in self.faults.items():
            more = f", and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
            yield kind, "; ".join(cases[:SHOWN]) + more
        yield from self._too_many_datagrams()
        yield from self._too_many_dials()

    def _refuses(self, address: str) -> bool:
        return address in self.refusing or address in self.of.refused

    def _too_many_datagrams(self) -> Iterator[Fault]:
        of = self.of
        beats, answers, probes = of.total("beats"), of.total("answers"), of.total("probes")
        for (port, address), count in self.carried.items():
            yield from _over(count, beats, f"datagrams to {address} out of {port}")
        for (port, address), count in self.written.items():
            words = of.total("rounds") * traffic_limits.WORDS if self._refuses(address) else 0
            most = beats + answers + of.total("facts") + probes + words
            yield from _over(count, most, f"datagrams to {address} out of {port}")
        for (_, address), count in self.probed.items():
            yield from _over(count, probes, f"probes of {address}")
        yield from _over(sum(self.probed.values()), of.total("probes_in_all"), "probes in all")
        yield from _over(self.answered, answers, "answers")
        for address, count in self.asked.items():
            yield from _over(count, probes * traffic_limits.QUESTIONS, f"questions for {address}")
        yield from _over(  # a gateway is a neighbour without having asked
            len({*(address for _, address in self.probed), *self.asked} - self.heard - of.gateways),
            of.total("swept"),
            "addresses probed",
        )
        targets = {address for _, address in self.written}
        yield from _over(len(targets), traffic_limits.TARGETS * len(of.spans), "addresses written to")

    def _too_many_dials(self) -> Iterator[Fault]:
        for (way, address, port), dials in self.dials.items():
            yield from _over(
                max(dials.values()), traffic_limits.SYNS, f"SYNs of one dial to {address} port {port}"
            )
            if port not in self.of.callable:
                continue
            tries = self.of.total("openings" if port in traffic_limits.DIAL_PORTS else "tries")
            most = tries + self.of.total("calls")
            yield from _over(len(dials), most, f"dials to {address} port {port} out of {way}")
        strangers = Counter(
            address
            for (_, address, port), dials in self.dials.items()
            if port not in self.of.callable
            for _ in dials
        )
        simultaneous_opens = (
            self.of.total("rounds") * traffic_limits.SIMULTANEOUS_DIALS * traffic_limits.SIMULTANEOUS_OPENS
        )
        for address, count in strangers.items():
            most = self.of.total("calls") + (simultaneous_opens if self._refuses(address) else 0)
            yield from _over(count, most, f"confirmations to {address}")


def _over(count: int, most: int, what: str) -> Iterator[Fault]:
    if count > most:
        yield f"send at most {most} {what}", str(count)


def _within(address: str, subnets: Iterable[Subnet]) -> bool:
    return any(ip_address(address) in net for net in subnets)


def check_conformance(of: Circumstances, seen: Iterable[CapturedPacket]) -> Iterator[Fault]:
    """Every rule that the device's packets (in order) break: what it should have done, and what it did instead."""
    watch = _Watch(of)
    for one in seen:
        watch.take(one)
    yield from watch.found()
