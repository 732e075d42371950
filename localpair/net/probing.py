"""Probing: one beacon to whoever might be the peer, where neither side hears the other by itself.

A host that drops everything inbound still answers ARP, and its kernel notes who asked: so whoever joins asks
everybody on its own links (a sweep), and whoever hosts looks at its neighbour table and sends one beacon to each new
neighbour. The two beacons meet in the state that each has opened in its own firewall.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import IPv4Address

from localpair.address import AddressClass, IPAddress, classify, subnet_hosts
from localpair.candidate import Interface
from localpair.limits import NEIGHBOUR_POLL_S, SWEEP_ADDRESSES, SWEEP_AFTER_S, SWEEP_STEP, SWEEP_STEP_S
from localpair.net.finder import Finder
from localpair.net.interfaces import Interfaces, neighbours
from localpair.protocol.discovery import Target
from localpair.ranking import is_tunnel

_SWEPT = frozenset({AddressClass.PRIVATE, AddressClass.LINK_LOCAL})
_PROBED = _SWEPT | {AddressClass.UNIQUE_LOCAL, AddressClass.GLOBAL}


class Prober:
    """Probes for one engine. ``port`` is the peer's UDP port: by the offer, or the number that both sides prefer."""

    def __init__(self, finder: Finder, port: int, *, sweeps: bool) -> None:
        self._finder, self.port, self._sweeps = finder, port, sweeps

    async def run(self) -> None:
        """Probe until cancelled; nothing is sent while discovery rests."""
        clock = asyncio.get_running_loop().time
        started = clock()
        waiting = list(SWEEP_AFTER_S) if self._sweeps else []
        while True:
            await asyncio.sleep(NEIGHBOUR_POLL_S)
            if self._finder.discovery.resting:
                started, waiting = clock(), list(SWEEP_AFTER_S) if self._sweeps else []
                continue
            self._probe_neighbours()
            if waiting and clock() - started >= waiting[0] and not self._finder.discovery.heard_anybody:
                waiting.pop(0)
                await self._sweep()

    def _probe_neighbours(self) -> None:
        """Also the first contact of a host whose firewall is closed: the peer's ARP request made it a neighbour."""
        if self._finder.discovery.heard_anybody:
            return
        for neighbour in neighbours():
            interface = self._finder.interfaces.by_index.get(neighbour.index)
            if interface is not None and _may_probe(neighbour.address, interface):
                self._probe(neighbour.address, neighbour.index)
        self._finder.flush()

    async def _sweep(self) -> None:
        """Ask every address of our own subnets, paced, until somebody is heard."""
        for count, (address, index) in enumerate(sweep_targets(self._finder.interfaces)):
            if self._finder.discovery.heard_anybody:
                return
            self._probe(address, index)
            if count % SWEEP_STEP == SWEEP_STEP - 1:
                self._finder.flush()
                await self._pause()
        self._finder.flush()

    async def _pause(self) -> None:
        """Until the next step; longer while so many probes wait for hardware addresses that no beat could leave."""
        while True:
            await asyncio.sleep(SWEEP_STEP_S)
            if self._finder.has_room() or self._finder.discovery.heard_anybody:
                return

    def _probe(self, address: IPAddress, index: int) -> None:
        if self._finder.is_own(address):
            return
        target = Target(address, self.port, index)  # over its own link, wherever the routing table would lead
        self._finder.discovery.probe(target, self._finder.now())


def sweep_targets(interfaces: Interfaces) -> Iterator[tuple[IPAddress, int]]:
    """The addresses to sweep, with the interface of each: on-link, private, IPv4, nearest numbers first.

    At most SWEEP_ADDRESSES in all; never on a tunnel, and never beyond the real mask. Addresses near our own come
    first, since address servers hand them out in order.
    """
    left = SWEEP_ADDRESSES
    for interface in interfaces.interfaces:
        for details in interface.addresses:
            own = details.address
            if not isinstance(own, IPv4Address) or details.prefix > 30 or not _may_probe(own, interface):
                continue
            for address in _nearest(own, details.prefix, left):
                left -= 1
                yield address, interface.index


def _nearest(own: IPv4Address, prefix: int, limit: int) -> Iterator[IPv4Address]:
    net = subnet_hosts(own, prefix)
    first, last, middle = net.first + 1, net.last - 1, int(own)
    given = 0
    for distance in range(1, net.size):
        for number in (middle + distance, middle - distance):
            if first <= number <= last:
                if given >= limit:
                    return
                given += 1
                yield IPv4Address(number)
        if middle + distance > last and middle - distance < first:
            return


def _may_probe(address: IPAddress, interface: Interface) -> bool:
    alive = interface.up and interface.carrier is not False and not is_tunnel(interface)
    classes = _SWEPT if address.version == 4 else _PROBED
    return alive and classify(address) in classes
