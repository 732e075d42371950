"""A LAN without sockets: discovery machines that hear each other over virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from math import inf

from localpair.keys import digest
from localpair.limits import DISCOVERY_PORT, GROUP_LINK_LOCAL
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, Carrier, DiscoveryEvent, Outlet, Transmit
from localpair.protocol.keyring import Keyring
from localpair.wire.beacon import Part

GROUP = ip_address(GROUP_LINK_LOCAL)
BROADCAST = IPv4Address("10.0.255.255")
UDP_PORT = 46_821

Passes = Callable[["Device", "Device", Transmit], bool]


@dataclass(eq=False)
class Device:
    """One device on the virtual LAN: its discovery, and what came of it."""

    number: int
    discovery: Discovery
    address: IPv4Address
    events: list[tuple[float, DiscoveryEvent]] = field(default_factory=list)
    sent: list[tuple[float, Transmit]] = field(default_factory=list)

    def of(self, kind: type[DiscoveryEvent]) -> list[DiscoveryEvent]:
        """The events of one kind, in order."""
        return [event for _, event in self.events if isinstance(event, kind)]


class VirtualLan:
    """Carries every datagram to whoever would hear it, after ``delay`` seconds, unless ``passes`` says no."""

    def __init__(
        self, passes: Passes = lambda sender, receiver, what: True, *, delay: float = 0.001, seed: int = 1
    ) -> None:
        self.passes, self.delay = passes, delay
        self.now = 0.0
        self.random = random.Random(seed)
        self.devices: list[Device] = []
        self._flying: list[tuple[float, int, Device, Device, Transmit]] = []
        self._count = 0

    def add(
        self,
        keyring: Keyring | None = None,
        part: Part = Part.HOST,
        *,
        multicast: bool = True,
        label: str = "",
        run: int = 0,
    ) -> Device:
        """A device that starts now."""
        number = len(self.devices) + 1
        mark = digest(b"device", number.to_bytes(4, "big"))
        me = Self(part, mark[:16], mark, UDP_PORT, UDP_PORT, label=label, run=run)
        address = IPv4Address(f"10.0.{number // 250}.{number % 250 + 1}")
        device = Device(number, Discovery(me, keyring or Keyring(), self.now), address)
        outlet = Outlet(2, (GROUP,) if multicast else (), (BROADCAST,) if multicast else (), address)
        device.discovery.set_network([outlet], [address], self.now)
        self.devices.append(device)
        return device

    def run(self, seconds: float) -> None:
        """Let time pass: every deadline and every arrival happens at its moment, in order."""
        end = self.now + seconds
        while True:
            for device in self.devices:
                self._collect(device)
            moments = [d.discovery.deadline() for d in self.devices]
            following = min(
                [m for m in moments if m is not None] + [f[0] for f in self._flying[:1]], default=inf
            )
            if following > end:
                break
            self.now = max(self.now, following)
            self._deliver()
            for device in self.devices:
                due = device.discovery.deadline()
                if due is not None and due <= self.now:
                    device.discovery.timer(self.now)
        self.now = end

    def _collect(self, device: Device) -> None:
        for transmit in device.discovery.take_transmits():
            device.sent.append((self.now, transmit))
            for receiver in self._receivers(device, transmit):
                if self.passes(device, receiver, transmit):
                    self._count += 1
                    heapq.heappush(
                        self._flying, (self.now + self.delay, self._count, device, receiver, transmit)
                    )
        device.events.extend((self.now, event) for event in device.discovery.take_events())

    def _receivers(self, sender: Device, transmit: Transmit) -> list[Device]:
        if transmit.port == DISCOVERY_PORT and transmit.address in (GROUP, BROADCAST):
            return self.devices  # its own copy comes back to the sender, as on a real link
        return [device for device in self.devices if device.address == transmit.address]

    def _deliver(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, sender, receiver, transmit = heapq.heappop(self._flying)
            source = BeaconSource(sender.address, UDP_PORT)
            receiver.discovery.receive(transmit.datagram, source, transmit.carrier, self.now)
            receiver.events.extend((self.now, event) for event in receiver.discovery.take_events())


def only_unicast(sender: Device, receiver: Device, what: Transmit) -> bool:
    """A LAN that carries neither multicast nor broadcast."""
    return what.carrier is Carrier.UNICAST
