"""Facts: what one side of a run saw of its own network and of the other device, as one frozen record.

A record is evidence and no verdict: ``localpair.causes.judge`` draws the conclusions, from one side's record or from
both sides'. None means unknown: the platform does not tell, or nobody asked. An empty tuple means that somebody looked
and found nothing. Repeats are counted in one row, and every table is bounded
(``localpair.causes.records.recorder``); no field holds a secret, a key, or a text that another device chose.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from localpair.address import IPAddress
from localpair.candidate import InterfaceKind, Origin
from localpair.dataclass import dataclass
from localpair.errors import Refusal
from localpair.events import Direction, Flaw, Phase

FORMAT: Final = 1


class RunRole(StrEnum):
    """What this side did."""

    HOST = "host"
    JOIN = "join"
    SEND = "send"
    LISTEN = "listen"
    DIAGNOSE = "diagnose"


class HostSystem(StrEnum):
    """The kind of system, as far as causes and hints differ."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"
    OTHER = "other"


class Ending(StrEnum):
    """How the run ended."""

    RUNNING = "running"
    PAIRED = "paired"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    PEER_ENDED = "peer-ended"
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # a fault of this side


class NeighbourState(StrEnum):
    """What the table of neighbours says of one address on one link."""

    ANSWERS = "answers"  # it has answered within the last half minute
    KNOWN = "known"  # it has answered once, or has asked itself
    SILENT = "silent"  # it was asked and does not answer
    ABSENT = "absent"  # the table says nothing: it was never asked, or so long ago that it is forgotten

    @property
    def is_found(self) -> bool:
        """Whether its hardware address is known."""
        return self in (NeighbourState.ANSWERS, NeighbourState.KNOWN)


class FirewallKind(StrEnum):
    """A firewall of which this host shows signs. Whether it lets anybody in, they do not tell."""

    UFW = "ufw"
    FIREWALLD = "firewalld"
    NFTABLES = "nftables"
    IPTABLES = "iptables"
    WINDOWS = "windows"
    MACOS = "macos"


class Transport(StrEnum):
    """A transport of localpair's."""

    TCP = "tcp"
    UDP = "udp"


class DialTime(StrEnum):
    """How long a dial took, in steps that mean something."""

    AT_ONCE = "at-once"  # under 0.1 s: something on the way answered
    SOON = "soon"  # under 1 s
    LATE = "late"  # a kernel or a limit of ours gave up

    @classmethod
    def of(cls, ms: float) -> DialTime:
        """The step of so many milliseconds."""
        if ms < 100.0:
            return cls.AT_ONCE
        return cls.SOON if ms < 1000.0 else cls.LATE


class CallReach(StrEnum):
    """How far an incoming connection came."""

    ACCEPTED = "accepted"  # it stood, and did not show which secret it holds
    STRANGER = "stranger"  # it holds no secret of ours
    KNOWN = "known"  # it holds a secret of ours
    ENCRYPTED = "encrypted"  # TLS stood
    VERIFIED = "verified"  # its key and its secret were proven

    @property
    def holds_secret(self) -> bool:
        """Whether it has shown that it holds a secret of ours."""
        return self not in (CallReach.ACCEPTED, CallReach.STRANGER)


class CarrierName(StrEnum):
    """How beacons travel."""

    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    UNICAST = "unicast"
    TCP = "tcp"


class ForeignKind(StrEnum):
    """Why a beacon could not be read."""

    VERSION = "version"
    STRANGER = "stranger"  # it is sealed with somebody else's secret


class Whose(StrEnum):
    """Which of the two devices, seen from the side that kept the record."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One address of an interface; ``prefix`` in bits."""

    address: IPAddress
    prefix: int
    tentative: bool = False

    def __post_init__(self) -> None:
        if self.prefix > self.address.max_prefixlen:
            raise ValueError(f"a prefix of {self.prefix} bits")


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """A router that a default route of an interface leads to, as the table of neighbours has it."""

    address: IPAddress
    state: NeighbourState | None = None
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """One network interface. ``reverse_path`` is the filter that holds: 0 none, 1 strict, 2 loose."""

    index: int
    name: str
    kind: InterfaceKind = InterfaceKind.OTHER
    up: bool = True
    carrier: bool | None = None
    multicast: bool = True
    point_to_point: bool = False
    mtu: int = 1500
    addresses: tuple[AddressFacts, ...] = ()
    gateways: tuple[GatewayFacts, ...] | None = None
    mac: str | None = None
    reverse_path: int | None = None


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The way that the system takes to one address of the other device: out of the interface ``index``, to
    ``gateway`` where it is not on the link. ``state`` and ``mac`` are those of the next hop. ``errno`` is set where
    there is no way.
    """

    destination: IPAddress
    errno: str = ""
    source: IPAddress | None = None
    index: int | None = None
    gateway: IPAddress | None = None
    state: NeighbourState | None = None
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class NeighbourFacts:
    """A neighbour whose hardware address is known. It may have asked first, and have answered nothing."""

    address: IPAddress
    index: int
    state: NeighbourState
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """So many dials that ended in the same way. ``again`` is False for the first dial of a way. ``hop`` is the
    state of the next hop when they ended. ``opening``: between fixed ports, to open two firewalls; such a dial is
    answered by nobody who does not dial at the same moment.
    """

    address: IPAddress
    port: int
    origin: Origin
    direction: Direction
    phase: Phase
    outcome: str  # ok | lost | failed
    errno: str = ""
    flaw: Flaw = Flaw.NONE
    again: bool = False
    took: DialTime = DialTime.LATE
    opening: bool = False
    hop: NeighbourState | None = None
    index: int | None = None
    source: IPAddress | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class CallFacts:
    """So many incoming connections of one source that ended in the same way. ``why`` is an error number's name, or a
    ``Flaw``, or a ``Refusal``; empty for one that was taken over.
    """

    source: IPAddress
    reach: CallReach
    why: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class SentFacts:
    """So many beacons that left, or were refused by this host with ``errno``. ``address`` is named for unicast."""

    carrier: CarrierName
    index: int
    version: int  # of IP
    address: IPAddress | None = None
    errno: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class HeardFacts:
    """So many beacons of the other device, which hold our secret, from one address by one carrier. ``first_s`` and
    ``last_s`` count from the start of the run.
    """

    carrier: CarrierName
    index: int
    source: IPAddress
    count: int = 1
    first_s: int = 0
    last_s: int = 0


@dataclass(frozen=True, slots=True)
class ForeignFacts:
    """Beacons of one source that this side cannot read."""

    source: IPAddress
    kind: ForeignKind


@dataclass(frozen=True, slots=True)
class SelfCallFacts:
    """A call to an own address. It runs through the loopback device: it tells of this host alone."""

    address: IPAddress
    confirmed: bool
    errno: str = ""


@dataclass(frozen=True, slots=True)
class CounterFacts:
    """What the kernel counted during the run, for one version of IP.

    ``undelivered`` are packets that arrived for this host and that something between the card and the sockets has
    dropped: its packet filter, or nobody had joined their group. ``singly`` are those of them that were for this host
    alone, at least: what was for groups and may have been dropped is left out. ``reverse_path`` are those that the
    reverse path filter dropped.
    """

    version: int
    received: int
    undelivered: int
    singly: int = 0
    reverse_path: int | None = None


@dataclass(frozen=True, slots=True)
class RefusalFacts:
    """How often one side refused, and why. ``proven``: the side that refused has shown that it holds the secret."""

    reason: Refusal
    by: Whose
    proven: bool = True
    count: int = 1


@dataclass(frozen=True, slots=True)
class IcmpFacts:
    """An error that somebody on the way sent back for a packet to ``address``."""

    address: IPAddress
    sender: IPAddress
    errno: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A port that this side wanted and did not get."""

    protocol: Transport
    port: int
    errno: str


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """The offer that was read, or the one that is shown: never its secret. ``age_s`` counts from when it was read or
    shown; ``issued`` is how many this run has shown.
    """

    addresses: tuple[IPAddress, ...] = ()
    version: int = 1
    lifetime_s: int = 0
    age_s: int = 0
    issued: int = 0
    passed_over: int = 0  # of its addresses, which are never called


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What the other device, which holds our secret, told of itself over discovery. ``claims`` are the addresses
    that it has, as it says; ``sees_us_at`` those at which it sees us. ``goodbye``: it said that it ends.
    """

    claims: tuple[IPAddress, ...] = ()
    sees_us_at: tuple[IPAddress, ...] = ()
    goodbye: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What one side saw. ``omitted`` counts the rows for which there was no room."""

    format: int = FORMAT
    role: RunRole
    platform: HostSystem = HostSystem.OTHER
    ending: Ending = Ending.RUNNING
    lasted_s: int = 0
    clock_s: int | None = None  # wall clock, seconds since 1970
    tcp_port: int = 0
    links: tuple[LinkFacts, ...] | None = None
    routes: tuple[RouteFacts, ...] | None = None
    neighbours: tuple[NeighbourFacts, ...] | None = None
    attempts: tuple[AttemptFacts, ...] | None = None
    calls: tuple[CallFacts, ...] | None = None
    sent: tuple[SentFacts, ...] | None = None
    heard: tuple[HeardFacts, ...] | None = None
    foreign: tuple[ForeignFacts, ...] | None = None
    self_calls: tuple[SelfCallFacts, ...] | None = None
    counters: tuple[CounterFacts, ...] | None = None
    refusals: tuple[RefusalFacts, ...] | None = None
    icmp: tuple[IcmpFacts, ...] | None = None
    ports: tuple[PortFacts, ...] | None = None
    offer: OfferFacts | None = None
    peer: PeerFacts | None = None
    firewalls: tuple[FirewallKind, ...] | None = None
    bridge_filter: bool | None = None  # bridged frames pass this host's packet filter
    omitted: int = 0
