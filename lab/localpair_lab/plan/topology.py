"""The network of a plan: nodes, interfaces, segments, rules and routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from localpair_lab.model.words.verdicts import Verdict

Family: TypeAlias = Literal["", "ipv4", "ipv6"]


Cast: TypeAlias = Literal["", "unicast", "multicast", "broadcast"]


Protocol: TypeAlias = Literal["", "tcp", "udp", "icmp", "igmp", "mld", "arp", "nd"]


State: TypeAlias = Literal["", "new", "established", "invalid"]


Role: TypeAlias = Literal["device", "router", "hub", "decoy"]


Level: TypeAlias = Literal["cable", "interface"]


@dataclass(frozen=True, slots=True)
class Match:
    """Which packets a rule or an impairment means. All parts that are set must hold.

    ``protocol`` ``icmp`` covers ICMP and ICMPv6 without neighbour discovery; ``nd`` is neighbour and router
    discovery (ICMPv6 133-137); ``mld`` is ICMPv6 130-132 and 143; ``arp`` has meaning on a segment only.
    ``cast`` goes by the IP destination: ``multicast`` is 224.0.0.0/4 and ff00::/8 *without* neighbour
    discovery, IGMP and MLD (name those by ``protocol``); ``broadcast`` is IPv4 sent to 255.255.255.255 or
    to a subnet's broadcast address (on a segment: IPv4 in frames to ff:ff:ff:ff:ff:ff; ARP is never meant).
    ``sources`` and ``destinations`` are prefixes, any of which may match; mixed families are allowed. Ports
    are inclusive ranges. ``interface_in`` and ``interface_out`` are names on the node that owns the chain.
    ``state`` is the connection tracker's view (``established`` includes related). ``larger_than`` counts
    bytes of the whole IP packet. ``syn`` matches TCP segments with SYN and without ACK.
    """

    family: Family = ""
    cast: Cast = ""
    protocol: Protocol = ""
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    source_ports: tuple[tuple[int, int], ...] = ()
    destination_ports: tuple[tuple[int, int], ...] = ()
    interface_in: str = ""
    interface_out: str = ""
    state: State = ""
    larger_than: int = 0
    syn: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a host's or router's firewall. ``why`` is a comment for people."""

    match: Match
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A firewall chain of one node: what comes ``in`` to it, goes ``out`` of it, or is forwarded
    ``through`` it.

    ``default`` is what happens to a packet that no rule matches. It applies to IPv4 and IPv6 alike.
    """

    hook: Literal["in", "out", "through"]
    default: Verdict
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class SourceNat:
    """Packets leaving by ``interface_out`` from ``sources`` take that interface's address (masquerade).

    ``ports`` ``keep`` leaves the source port as it is where it is free; ``random`` picks another one for
    every connection, so that no hole can be punched.
    """

    interface_out: str
    sources: tuple[str, ...]
    ports: Literal["keep", "random"] = "keep"


@dataclass(frozen=True, slots=True)
class PortForward:
    """Connections to ``port`` that come in by ``interface_in`` go on to ``address`` and ``to_port``."""

    interface_in: str
    protocol: Literal["tcp", "udp"]
    port: int
    address: str
    to_port: int


@dataclass(frozen=True, slots=True)
class CaughtConnections:
    """TCP connections over IPv4 that come in by ``interface_in`` and are for none of the addresses ``spared`` end at
    ``address`` and ``port``, the node's own.
    """

    interface_in: str
    address: str
    port: int
    spared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrunkTags:
    """One cable between a node and its switch that carries the frames of several interfaces, each under its tag (0:
    untagged). ``tags`` are the node's, by interface; ``switch`` says at the port of which interface a tag leaves the
    cable at the other end. Frames under any other tag are dropped, there as here.
    """

    tags: tuple[tuple[str, int], ...]
    switch: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class NodeRoute:
    """One route of a node. ``via`` empty: on link. ``table`` 254 is the main table. ``kind`` ``blackhole``
    swallows silently.

    ``interface`` empty only for blackholes. ``source`` is the preferred source address. ``on_link`` allows
    a gateway outside every subnet. Routes of connected subnets are made by the kernel and are not listed.
    ``learned``: the kernel makes it of what a router advertises.
    """

    destination: str
    interface: str = ""
    via: str = ""
    metric: int = 0
    table: int = 254
    source: str = ""
    kind: Literal["unicast", "blackhole", "unreachable", "multicast"] = "unicast"
    on_link: bool = False
    learned: bool = False


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """One policy-routing rule. ``suppress_prefix_length`` -1: not set."""

    priority: int
    table: int
    family: Literal["ipv4", "ipv6"] = "ipv4"
    source: str = ""
    destination: str = ""
    mark: int = 0
    not_mark: int = 0
    suppress_prefix_length: int = -1


@dataclass(frozen=True, slots=True)
class PortFlags:
    """How the network treats one port (the bridge's side of an interface).

    ``isolated`` ports do not exchange frames with each other (client isolation, ARP included).
    ``multicast_flood`` off keeps every multicast frame without a known member from the port, IPv6 neighbour
    discovery included. ``broadcast_flood`` off keeps broadcast frames from it, ARP included.
    ``unicast_flood`` off keeps frames to unknown stations from it.
    """

    isolated: bool = False
    multicast_flood: bool = True
    broadcast_flood: bool = True
    unicast_flood: bool = True


@dataclass(frozen=True, slots=True)
class AddressMap:
    """How a translator between families writes addresses: those of ``pairs`` (IPv4, IPv6) as each other, any other IPv4
    one below ``prefix``, of 96 bits (RFC 6052, RFC 7757). What neither names is not translated.
    """

    prefix: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NodeInterface:
    """One interface of a node.

    ``kind``:

    - ``segment``: an Ethernet interface plugged into ``segment``.
    - ``bridge``: a bridge inside the node itself, as container engines make them. ``carrier`` True: with
      one stub neighbour behind it that holds ``neighbour``; False: no port, so no carrier.
    - ``tunnel``: one end of a point-to-point link to the port ``far_end``: no ARP, no multicast, flag
      POINTOPOINT (capability ``tunnel-device``).
    - ``translator``: what leaves by it comes back by it, into the same node, as a packet of the other family, by
      ``mapped`` (capability ``tunnel-device``).

    ``addresses`` are added as they stand, in this order (the first of a family is the primary one);
    ``peers`` pairs an address of them with the far end's address for point-to-point notation.
    ``link_local`` is the fe80::/64 address that the kernel makes from ``mac`` (EUI-64), given for the
    oracle and for waiting; empty: IPv6 is off on this interface (``disable_ipv6=1``). ``present`` False:
    made only by a ``CreateInterface`` change. ``up`` False: exists, administratively down, with its
    addresses. ``carrier`` False on a segment: the network's side is down (NO-CARRIER). ``multicast`` False:
    flag MULTICAST is cleared. ``temporary`` names addresses of ``addresses`` to be marked as RFC 8981
    temporary (soft). ``leased``: its IPv4 address is held by a lease, from the ``leases`` of its segment.
    ``autoconf``: it has an address, besides, of each prefix that is ``advertised`` on its segment.
    """

    name: str
    mac: str
    kind: Literal["segment", "bridge", "tunnel", "translator"] = "segment"
    segment: str = ""
    far_end: str = ""
    addresses: tuple[str, ...] = ()
    peers: tuple[tuple[str, str], ...] = ()
    link_local: str = ""
    mtu: int = 1500
    present: bool = True
    up: bool = True
    carrier: bool = True
    multicast: bool = True
    neighbour: str = ""
    flags: PortFlags = PortFlags()
    temporary: tuple[str, ...] = ()
    leased: bool = False
    autoconf: bool = False
    mapped: AddressMap | None = None

    @property
    def has_no_link(self) -> bool:
        """Whether it has no neighbours: a device with one far end."""
        return self.kind in ("tunnel", "translator")


@dataclass(frozen=True, slots=True)
class Program:
    """A helper that runs in a node from before the first action to the end: a relay, a decoy, noise, a
    squatter.

    It has started when it writes the line ``ready`` to stdout. ``argv`` begins with ``@decoy``.
    """

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeededPackage:
    """A program that a node must find on its path, and the package that brings it (``pip:`` and ``npm:`` before the
    names of others than the system's).
    """

    program: str
    package: str


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of its own: network namespace, host name, ``/etc/hosts``, state folder.

    ``role``: ``device`` runs the product; ``router`` forwards; ``hub`` is the far end of a tunnel network;
    ``decoy`` runs helpers only. ``sysctls`` are complete (forwarding, rp_filter, disable_ipv6, ... for
    ``all``, ``default`` and each interface) and are set before addresses are added, per-interface ones
    right after the interface is made. ``chains`` hold at most one chain per hook. ``hosts_file`` is the
    whole text of ``/etc/hosts``; ``resolver`` of ``/etc/resolv.conf`` (soft: capability ``files``).
    ``environment`` is added to every process of the node. ``clock_offset_s`` shifts the wall clock
    (capability ``clock`` if not 0). ``identity``: nodes with the same word have the same device key; empty:
    a new one of its own. ``sandbox`` names what the product is denied (capabilities ``sandbox`` for
    ``netlink``, and ``kernel-files``). ``image`` is the node's own image where it is a container; ``needed`` are the
    programs that it must find.
    """

    name: str
    role: Role
    interfaces: tuple[NodeInterface, ...]
    routes: tuple[NodeRoute, ...] = ()
    routing_rules: tuple[RoutingRule, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    chains: tuple[Chain, ...] = ()
    source_nat: tuple[SourceNat, ...] = ()
    port_forwards: tuple[PortForward, ...] = ()
    caught: tuple[CaughtConnections, ...] = ()
    trunk: TrunkTags | None = None
    programs: tuple[Program, ...] = ()
    hosts_file: str = ""
    resolver: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    clock_offset_s: float = 0.0
    identity: str = ""
    sandbox: tuple[str, ...] = ()
    image: str = ""
    needed: tuple[NeededPackage, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """What a network does not carry. Frames from any of ``from_ports`` to any of ``to_ports`` (empty: any)
    that match are dropped.

    ``loss_percent`` 100: all of them; less: that share, at random. ``only_s`` (on, off) drops for ``on``
    seconds out of every ``on + off`` (bursts), counted from when the network stands; (0, 0): always. The
    match never uses state or interfaces.
    """

    match: Match
    from_ports: tuple[str, ...] = ()
    to_ports: tuple[str, ...] = ()
    loss_percent: float = 100.0
    only_s: tuple[float, float] = (0.0, 0.0)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Leases:
    """The DHCP server of a segment: it stands behind the port ``server`` and gives each leased interface the address
    that the plan has for it, for ``seconds``.
    """

    server: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Advertised:
    """The router behind the port ``router`` announces itself and the /64 ``prefixes`` on a segment."""

    router: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One Ethernet, switch or Wi-Fi: all interfaces that name it share it.

    ``snooping`` and ``querier`` are the switch's IGMP and MLD snooping and its own querier; with a querier,
    a group without members heard for ``membership_s`` is pruned, the query interval is
    ``query_interval_s``. Without a querier a Linux bridge floods, so the planner expresses "pruned for want
    of a querier" as rules.
    """

    name: str
    mtu: int = 1500
    snooping: bool = False
    querier: bool = False
    query_interval_s: float = 0.0
    membership_s: float = 0.0
    rules: tuple[SegmentRule, ...] = ()
    leases: Leases | None = None
    advertised: Advertised | None = None


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to the packets of one port on the wire: ``to`` the node or ``from`` it.

    Applied to matching packets in this order: ``nth`` (1-based numbers of the packets dropped exactly),
    ``loss_percent``, ``duplicate_percent``, ``delay_ms`` +- ``jitter_ms`` (uniform), ``reorder_percent``
    (sent at once, past the queue), ``rate_kbit``. 0 means off. Delay sits ahead of connection tracking.
    Packets are counted from the moment the impairment begins, ARP, ND, MLD and IGMP only where ``match`` names
    them.
    """

    port: str
    direction: Literal["to", "from"]
    match: Match = Match()
    nth: tuple[int, ...] = ()
    loss_percent: float = 0.0
    duplicate_percent: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    reorder_percent: float = 0.0
    rate_kbit: float = 0.0
