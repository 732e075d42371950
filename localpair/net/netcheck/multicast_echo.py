"""Probes to groups and broadcast addresses, what comes back of them, and who else is there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import field
from ipaddress import IPv4Address
from typing import Final

from localpair.address import IPAddress
from localpair.candidate import Interface
from localpair.dataclass import dataclass
from localpair.limits import BEACON_BYTES, DISCOVERY_PORT, PEERS
from localpair.net.transport.sockets import open_sockets
from localpair.net.transport.udp import Datagrams
from localpair.protocol.discovery_events import BeaconSource, Carrier, Transmit
from localpair.wire.beacon import MAGIC

_PROBE: Final = b"localpair diagnosis "  # not of a beacon's size: every localpair drops it unread


@dataclass(slots=True)
class EchoTarget:
    """One interface and one address to send to, and what came of it.

    ``deaf`` marks a target whose own copy has no socket to arrive on. ``sent`` and ``heard`` are monotonic seconds.
    """

    interface: Interface
    address: IPAddress
    carrier: Carrier
    probe: bytes = field(default_factory=lambda: _PROBE + secrets.token_bytes(16), repr=False)
    deaf: bool = False
    join: OSError | None = None
    send: OSError | None = None
    sent: float = 0.0
    heard: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.address} on {self.interface.name}"

    @property
    def ms(self) -> float | None:
        """How long the own copy took; None where it was not heard."""
        return None if self.heard is None else (self.heard - self.sent) * 1000


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who was heard: from where, what kind of packet, how often."""

    address: IPAddress
    kind: str
    packets: int


class MulticastEcho:
    """Sends probes and sorts what arrives on the discovery port into own copies and others' packets.

    Opens localpair's own sockets; raises LocalError where no port can be opened. What comes of a target is
    written into it.
    """

    def __init__(self, targets: Sequence[EchoTarget]) -> None:
        self._targets = {target.probe: target for target in targets}
        self._sockets = open_sockets(apart=True)
        self._datagrams = Datagrams(self._sockets, self._hear, self._refused)
        self._others: dict[tuple[IPAddress, str], int] = {}
        versions = {6 if one.getsockname()[0].count(":") else 4 for one in self._sockets.shared}
        for target in targets:
            target.deaf = target.address.version not in versions

    @property
    def notes(self) -> tuple[str, ...]:
        """Which socket could not be opened, and why."""
        return tuple(self._sockets.notes)

    @property
    def strangers(self) -> tuple[Stranger, ...]:
        """Who else has been heard so far."""
        heard = sorted(self._others.items(), key=str)
        return tuple(Stranger(address, kind, count) for (address, kind), count in heard)

    def start(self) -> None:
        """Join the groups and send. Within an event loop."""
        self._datagrams.start()
        groups = {
            (target.interface.index, target.address): target
            for target in self._targets.values()
            if target.carrier is Carrier.MULTICAST
        }
        wanted = [(index, group, _own_ipv4(target.interface)) for (index, group), target in groups.items()]
        for index, group, error in self._datagrams.join(wanted):
            groups[index, group].join = error
        for target in self._targets.values():
            target.sent = time.monotonic()
            self._datagrams.send(
                Transmit(target.probe, target.address, DISCOVERY_PORT, target.interface.index, target.carrier)
            )

    def close(self) -> None:
        """Hear nothing more, and close the sockets."""
        self._datagrams.stop()
        self._sockets.close()

    def _hear(self, data: bytes, source: BeaconSource, _: Carrier) -> None:
        target = self._targets.get(data)
        if target is None:
            key = (source.address, _kind(data))
            if key in self._others or len(self._others) < PEERS:
                self._others[key] = self._others.get(key, 0) + 1
        elif target.heard is None:
            target.heard = time.monotonic()

    def _refused(self, transmit: Transmit, error: OSError) -> None:
        self._targets[transmit.datagram].send = error


def _kind(data: bytes) -> str:
    if data.startswith(_PROBE):
        return "another diagnosis"
    if len(data) == BEACON_BYTES and data.startswith(MAGIC):
        return f"localpair beacon, version {data[2]}, mode {data[3]}"
    return "something else"


def _own_ipv4(interface: Interface) -> IPv4Address | None:
    for details in interface.addresses:
        if isinstance(details.address, IPv4Address):
            return details.address
    return None
