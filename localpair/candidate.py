"""Candidates: where a device might be reached, how well that is known, and how they rank."""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum, StrEnum

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.dataclass import dataclass


class Evidence(IntEnum):
    """How well an address is known to be reachable; the order is the grading.

    A call to one's own address runs through the loopback device, so ``SELF_CONFIRMED`` proves ownership only;
    reachability starts with what the other side has seen.
    """

    ASSIGNED = 0  # its owner says it has it
    PREFERRED_ROUTE = 1  # the routing table would send from it
    SELF_CONFIRMED = 2  # its owner called its own listener there
    SEEN_OVER_UDP = 3  # the peer saw packets come from it
    DIALLED_OVER_TCP = 4  # the peer reached it with a TCP connection, or saw one come from it
    AUTHENTICATED = 5  # a verified session ran over it

    @property
    def label(self) -> str:
        """The name used on screens and in JSON, such as ``seen-over-udp``."""
        return self.name.lower().replace("_", "-")


class Origin(StrEnum):
    """Where a candidate came from."""

    STAGE_1 = "stage-1"
    STAGE_2 = "stage-2"
    STAGE_3 = "stage-3"
    INTERFACE = "interface"
    OFFER = "offer"
    ANSWER = "answer"
    BEACON_CLAIM = "beacon-claim"
    BEACON_SOURCE = "beacon-source"
    TCP_SOURCE = "tcp-source"
    CONFIRMATION = "confirmation"
    REMEMBERED = "remembered"
    NEIGHBOUR = "neighbour"
    SWEEP = "sweep"
    MANUAL = "manual"


class InterfaceKind(StrEnum):
    """What kind of link an interface is, as far as the platform tells."""

    ETHERNET = "ethernet"
    WIRELESS = "wireless"
    BRIDGE = "bridge"
    VETH = "veth"
    TUNNEL = "tunnel"
    LOOPBACK = "loopback"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of an interface; ``prefix`` in bits. A scope that the address comes with is left out."""

    address: IPAddress
    prefix: int
    tentative: bool = False  # duplicate address detection has not finished: bind would fail
    deprecated: bool = False
    temporary: bool = False  # RFC 8981 privacy address
    peer: IPAddress | None = None  # the other end of a point-to-point link

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", unscoped(self.address))


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as it is now. ``carrier`` is None where the platform does not tell."""

    index: int
    name: str
    kind: InterfaceKind = InterfaceKind.OTHER
    up: bool = True
    carrier: bool | None = None
    multicast: bool = True
    point_to_point: bool = False
    mtu: int = 1500
    addresses: tuple[InterfaceAddress, ...] = ()
    gateway: bool = False  # a default route leaves through it
    neighbours: int = 0  # resolved neighbour entries


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address at which a device, ours or the peer's, might be reached.

    ``address`` carries no scope: one that it comes with is left out. ``scope`` is the interface index on *this* host
    through which a link-local address is meant, or 0. ``port`` is TCP; 0 where none is known. ``via`` names what made
    it known: ``offer``, ``answer``, ``multicast``, ``broadcast``, ``unicast``, ``tcp`` or ``remembered``. ``dial_from``
    is our own fixed port for a simultaneous open, and 0 for an ordinary dial. ``bind_to`` is the index of the interface
    that the dial is bound to where the routing table would lead elsewhere, and 0 where it decides. ``local`` is our own
    address that the dial comes from, None where the interface's decides.
    """

    address: IPAddress
    port: int = 0
    prefix: int | None = None
    scope: int = 0
    origin: Origin = Origin.INTERFACE
    evidence: Evidence = Evidence.ASSIGNED
    interface: str | None = None
    reasons: tuple[str, ...] = field(default=(), compare=False)
    via: str = field(default="", compare=False)
    dial_from: int = 0
    bind_to: int = 0
    local: IPAddress | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", unscoped(self.address))

    @property
    def cls(self) -> AddressClass:
        """The address's class."""
        return classify(self.address)

    @property
    def key(self) -> tuple[IPAddress, int, int, int, IPAddress | None]:
        """What makes two candidates the same target by the same way: address, scope, port, and what it is bound to:
        interface and own address.
        """
        return (self.address, self.scope, self.port, self.bind_to, self.local)

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}" if self.port else str(self.address)
