"""Probes to groups and broadcast addresses, and an ear for what comes back and for who else is there."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from localpair.address import IPAddress
from localpair.candidate import Interface
from localpair.diagnosis.evidence import outcome
from localpair.limits import BEACON_BYTES, DISCOVERY_PORT, PEERS
from localpair.net.datagrams import Datagrams
from localpair.net.interfaces import Interfaces
from localpair.net.sockets import Sockets
from localpair.protocol.discovery import Carrier, Source, Transmit
from localpair.wire.beacon import MAGIC

if TYPE_CHECKING:
    from localpair.diagnosis.record import Facts, Json

_PROBE: Final = b"localpair diagnosis "  # not of a beacon's size: every localpair drops it unread


@dataclass(slots=True)
class Target:
    """One interface and one address to send to, and what came of it."""

    interface: Interface
    address: IPAddress
    carrier: Carrier
    probe: bytes = field(default_factory=lambda: _PROBE + secrets.token_bytes(16), repr=False)
    join: OSError | None = None
    send: OSError | None = None
    sent: float = 0.0
    heard: float | None = None

    @property
    def name(self) -> str:
        return f"{self.address} on {self.interface.name}"


class Ear:
    """Sends probes and sorts what arrives on the discovery port into own copies and others' packets."""

    def __init__(self, targets: list[Target], sockets: Sockets) -> None:
        self._targets = {target.probe: target for target in targets}
        self._sockets = sockets
        self._datagrams = Datagrams(sockets, self._hear, self._refused)
        self._others: dict[tuple[IPAddress, str], int] = {}
        self._versions = {6 if one.getsockname()[0].count(":") else 4 for one in sockets.shared}

    def start(self) -> None:
        """Join the groups and send."""
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

    def stop(self) -> None:
        """Hear nothing more."""
        self._datagrams.stop()

    def deaf(self, target: Target) -> bool:
        """Whether there is no socket on which the target's own copy could arrive."""
        return target.address.version not in self._versions

    def row(self, target: Target) -> Facts:
        """What came of one target."""
        row: dict[str, Json] = {"interface": target.interface.name, "address": str(target.address)}
        if target.carrier is Carrier.MULTICAST:
            row["join"] = "no socket" if self.deaf(target) else outcome(target.join, 0, 0).get("errno", "ok")
        row["send"] = outcome(target.send, 0, 0).get("errno", "ok")
        row["own_copy"] = target.heard is not None
        row["ms"] = None if target.heard is None else round((target.heard - target.sent) * 1000, 3)
        return row

    def strangers(self, found: Interfaces) -> list[Facts]:
        """Who else was heard: address, what kind of packet, how often."""
        return [
            {
                "address": str(address),
                "kind": kind,
                "packets": count,
                "this_host": address in found.own_addresses,
            }
            for (address, kind), count in sorted(self._others.items(), key=str)
        ]

    def _hear(self, data: bytes, source: Source, _: Carrier) -> None:
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
