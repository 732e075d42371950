"""What goes into discovery and comes out of it: where beacons go, how they travelled, and what was heard."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TypeAlias

from localpair.address import IPAddress
from localpair.candidate import Candidate, Evidence, Origin
from localpair.dataclass import dataclass
from localpair.endpoint import Endpoint
from localpair.wire.beacon import FactsPart, Part, Rendezvous


class Carrier(StrEnum):
    """How a beacon travelled."""

    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    UNICAST = "unicast"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Outlet:
    """An interface that beacons leave through: its index, the groups it can send to, its directed broadcasts, and
    the IPv4 address to send from.
    """

    interface: int
    groups: tuple[IPAddress, ...] = ()
    broadcasts: tuple[IPv4Address, ...] = ()
    source: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class BeaconTarget:
    """An address that gets every beacon by unicast; ``scope`` is an interface index or 0."""

    address: IPAddress
    port: int
    scope: int = 0


@dataclass(frozen=True, slots=True)
class Transmit:
    """A datagram to send. ``interface`` 0 leaves the choice to the routing table, as does ``source`` None; ``direct``:
    to a host on the link, by no router.
    """

    datagram: bytes = field(repr=False)
    address: IPAddress
    port: int
    interface: int
    carrier: Carrier
    source: IPv4Address | None = None
    direct: bool = False


@dataclass(frozen=True, slots=True)
class BeaconSource(Endpoint):
    """Where a beacon came from, as the socket says it. ``local`` is our own address that it was sent to, where that is
    known and no group or broadcast.
    """

    local: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class BeaconOpened:
    """A beacon of another instance was for us: sealed with the secret of this name, or open (None). ``is_counterpart``:
    it does what we look for, and is no other one that looks for the same. ``is_heeded``: it is no recording, as far as
    can be told.
    """

    secret: str | None
    is_counterpart: bool = False
    is_heeded: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """A peer was heard for the first time, at a new place, by a new way, or with new claims. ``secret`` is None for a
    hint.
    """

    instance: bytes
    part: Part
    secret: str | None
    label: str
    tcp_port: int
    udp_port: int
    dial_port: int
    claims: tuple[IPAddress, ...]
    source: BeaconSource
    carrier: Carrier
    first: bool
    answers: bool = False  # it answered a beacon of ours: ours arrived before one of its own did

    def candidate(self, port: int, evidence: Evidence = Evidence.ASSIGNED, dial_from: int = 0) -> Candidate:
        """The place where it was seen, to be dialled at that port."""
        return Candidate(
            self.source.address,
            port,
            scope=self.source.scope,
            origin=Origin.BEACON_SOURCE,
            evidence=evidence,
            via=self.carrier.value,
            dial_from=dial_from,
        )


@dataclass(frozen=True, slots=True)
class HearsUs:
    """A peer told us that it sees us, and at which address. ``called``: it dialled us there over TCP."""

    instance: bytes
    secret: str | None
    address: IPAddress
    carrier: Carrier
    by: IPAddress
    called: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """A peer said goodbye or has not been heard for PEER_EXPIRY_BEATS of its beats. ``secret`` names the secret of ours
    that it was heard with; of a goodbye the one that seals this goodbye.
    """

    instance: bytes
    said_goodbye: bool = False
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A localpair of another version or with another secret is here: told once a source."""

    source: IPAddress
    reason: str  # "version" | "stranger"


@dataclass(frozen=True, slots=True)
class Invited:
    """A peer that holds this secret has said a word of a rendezvous; it came ``at`` that time, from this source.

    Of several copies the first one counts: whoever repeats what it has heard comes too late to seem its source.
    """

    secret: str
    message: Rendezvous
    at: float
    source: BeaconSource


@dataclass(frozen=True, slots=True)
class FactsCame:
    """A peer that is known, and that holds this secret, has told a part of its facts, or asks for ours."""

    instance: bytes
    secret: str
    part: FactsPart


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A peer that is heard now with a secret of ours, and that does what we look for: where it was heard last, and
    ``places``, all addresses that are known of it.
    """

    instance: bytes
    secret: str
    address: IPAddress
    port: int
    scope: int
    places: frozenset[IPAddress]


DiscoveryEvent: TypeAlias = Heard | HearsUs | Gone | Foreign | Invited | FactsCame
