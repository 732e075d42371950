"""Probing: one beacon to whoever might be the peer, where neither side hears the other by itself.

A host that drops everything inbound still answers ARP, and its kernel notes who asked: so whoever joins asks
everybody on its own links (a sweep), and both look at their neighbour tables and send one beacon to each new
neighbour. The two beacons meet in the state that each has opened in its own firewall.

Whoever hosts sweeps too: its mask may hold a joiner whose own mask does not hold it, and a joiner may be allowed to
send nothing but answers. Since that one may start at any time, whoever lives there is asked again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address
from itertools import chain, islice, pairwise, repeat
from math import inf

from localpair.address import SPECIAL_CLASSES, AddressClass, IPAddress, classify, subnet_hosts
from localpair.candidate import Interface, InterfaceKind
from localpair.limits import (
    NEIGHBOUR_POLL_S,
    NEIGHBOUR_PROBES,
    NEIGHBOUR_PROBES_REFILL_S,
    SWEEP_ADDRESSES,
    SWEEP_AFTER_S,
    SWEEP_AGAIN_S,
    SWEEP_AIMED_AFTER_S,
    SWEEP_STEP,
    SWEEP_STEP_S,
    SWEEP_WAITING_AFTER_S,
    SWEEP_WAITING_EVERY_S,
)
from localpair.net.agent.announcer import Announcer
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.neighbours import NeighbourWatch
from localpair.net.host.read import neighbours
from localpair.net.host.routes import NoRoute
from localpair.net.host.routing import route_to
from localpair.protocol.discovery_events import BeaconTarget, Transmit
from localpair.protocol.rate_limits import Bucket
from localpair.ranking import is_tunnel
from localpair.wire.beacon import Part

_SWEPT = SPECIAL_CLASSES | {AddressClass.PRIVATE, AddressClass.LINK_LOCAL}
_SMALL_PREFIX = 24  # a quarter of a second for such a subnet, and most LANs are one
_PROBED = _SWEPT | {AddressClass.UNIQUE_LOCAL, AddressClass.GLOBAL}


class Scanner:
    """Probes for one agent. ``port`` is the peer's UDP port: by the offer, or the number that both sides prefer.

    ``has_target`` is set where addresses of the peer are known: they are tried before the whole subnet is asked.
    """

    def __init__(self, announcer: Announcer, port: int, part: Part) -> None:
        self._announcer, self.port, self._part = announcer, port, part
        self.has_target = False
        self._gaps: Iterator[float] = iter(())
        self._next_sweep: float | None = None  # None: the gaps begin anew
        self._watch = NeighbourWatch()
        self._allowance = Bucket(NEIGHBOUR_PROBES, NEIGHBOUR_PROBES_REFILL_S)

    def scan_soon(self) -> None:
        """Discovery rests no longer: look at once."""
        self._watch.notify()

    async def run(self) -> None:
        """Probe until cancelled; nothing is sent while discovery rests."""
        with self._watch as watch:
            while True:
                limit = NEIGHBOUR_POLL_S
                if self._announcer.discovery.is_paused:
                    self._next_sweep = None
                elif not self._announcer.discovery.heard_anybody:
                    await self._look()
                    if self._left() <= 0:
                        self._next_sweep = self._announcer.now() + next(self._gaps, inf)
                        await self._sweep()
                    limit = max(0.0, min(limit, self._left()))
                await watch.wait(limit)

    async def _look(self) -> None:
        """A flooded table leaves as much time for everything else."""
        began = self._announcer.now()
        self.ask_neighbours()
        await asyncio.sleep(self._announcer.now() - began)

    def _left(self) -> float:
        """Seconds until the next sweep is due."""
        now = self._announcer.now()
        if self._next_sweep is None:
            self._gaps = sweep_gaps(self._part, aimed=self.has_target)
            self._next_sweep = now + next(self._gaps, inf)
        return self._next_sweep - now

    def ask_neighbours(self) -> None:
        """A probe to each neighbour whose turn it is, as many as are allowed.

        Whoever is new comes first. Also the first contact of a host whose firewall is closed: the peer's ARP request
        made it a neighbour.
        """
        discovery, now = self._announcer.discovery, self._announcer.now()
        targets = [BeaconTarget(one.address, self.port, one.index) for one in neighbours()]
        for target in chain(self._due(targets, now, is_new=True), self._due(targets, now, is_new=False)):
            if not self._is_on_link(target.address):
                discovery.probes.pass_over(target, now)
            elif self._allowance.take(now):
                discovery.probe(target, now)
            else:
                break
        self._announcer.flush()

    def _due(self, targets: list[BeaconTarget], now: float, *, is_new: bool) -> Iterator[BeaconTarget]:
        """Whoever waits longest comes first; lazily, so that no more is looked at than is asked."""
        discovery = self._announcer.discovery
        probes = discovery.probes
        chosen = [
            one for one in targets if (probes.count(one) == 0) is is_new and discovery.may_probe(one, now)
        ]
        yield from filter(self._is_probable, sorted(chosen, key=probes.due))

    def _is_probable(self, target: BeaconTarget) -> bool:
        interface = self._announcer.interfaces.by_index.get(target.scope)
        return (
            interface is not None
            and _may_probe(target.address, interface)
            and not self._announcer.interfaces.near.waits_for(target.address)
            and not self._announcer.interfaces.is_own(target.address)
        )

    def _is_on_link(self, address: IPAddress) -> bool:
        """An IPv4 neighbour may lie beyond our mask: the probe goes to its link all the same. Where IPv6 goes is for
        the routing table to say.
        """
        if address.version == 4 or classify(address) is AddressClass.LINK_LOCAL:
            return True
        answer = route_to(address, self._announcer.interfaces)
        return not isinstance(answer, NoRoute) and answer.gateway is None

    async def _sweep(self) -> None:
        """Ask every address of our own subnets, paced, until somebody is heard.

        What the system has no room for is sent again with the next steps, and at the end for as long as it takes the
        system to give up the first questions.
        """
        left: list[Transmit] = []
        for count, (address, index) in enumerate(sweep_targets(self._announcer.interfaces)):
            if self._announcer.discovery.heard_anybody:
                return
            self._probe(address, index)
            if count % SWEEP_STEP == SWEEP_STEP - 1:
                left = self._announcer.send(left) + self._announcer.flush()
                await self._pause()
        left = self._announcer.send(left) + self._announcer.flush()
        until = self._announcer.now() + SWEEP_AGAIN_S
        while left and self._announcer.now() < until and not self._announcer.discovery.heard_anybody:
            await self._pause()
            left = self._announcer.send(left[:SWEEP_STEP]) + left[SWEEP_STEP:]

    async def _pause(self) -> None:
        """Until the next step; longer while so many probes wait for hardware addresses that no beat could leave.

        Whoever answers the questions of this sweep, or asks its own, is not left waiting for its end.
        """
        while True:
            await asyncio.sleep(SWEEP_STEP_S)
            if self._watch.take() and not self._announcer.discovery.heard_anybody:
                await self._look()
            if self._announcer.has_room() or self._announcer.discovery.heard_anybody:
                return

    def _probe(self, address: IPAddress, index: int) -> None:
        if self._announcer.interfaces.is_own(address):
            return
        target = BeaconTarget(
            address, self.port, index
        )  # over its own link, wherever the routing table would lead
        self._announcer.discovery.probe(target, self._announcer.now())


def sweep_gaps(part: Part, *, aimed: bool = False) -> Iterator[float]:
    """Seconds from the start of a search to the first sweep, from there to the second one, and so on.

    ``has_target``: addresses of the peer are known. Whoever joins sweeps twice; whoever hosts as long as nobody is
    heard.
    """
    match part:
        case Part.JOIN | Part.SEND:
            first, *later = SWEEP_AFTER_S
            yield from _gaps([SWEEP_AIMED_AFTER_S if aimed else first, *later])
        case Part.HOST:
            yield from _gaps(SWEEP_WAITING_AFTER_S)
            yield from repeat(SWEEP_WAITING_EVERY_S)


def _gaps(times: Sequence[float]) -> Iterator[float]:
    return (later - earlier for earlier, later in pairwise((0.0, *times)))


def sweep_targets(interfaces: Interfaces) -> Iterator[tuple[IPAddress, int]]:
    """The addresses to sweep, with the interface of each: on-link, private or of special purpose, IPv4, nearest numbers
    first.

    At most SWEEP_ADDRESSES in all; never on a tunnel, and never beyond the real mask. Addresses near our own come
    first, since address servers hand them out in order. Two small subnets are done before large ones begin; then all
    are asked in turn, so that none uses up what there is; and those of container bridges only after the others.
    """
    small: list[Iterator[tuple[IPAddress, int]]] = []
    large: list[Iterator[tuple[IPAddress, int]]] = []
    inner: list[Iterator[tuple[IPAddress, int]]] = []
    for interface in interfaces.interfaces:
        for details in interface.addresses:
            own = details.address
            if isinstance(own, IPv4Address) and 0 < details.prefix <= 30 and _may_probe(own, interface):
                kind = small if details.prefix >= _SMALL_PREFIX else large
                if interface.kind is InterfaceKind.BRIDGE and not interface.gateway:
                    kind = inner
                kind.append(_nearest(own, details.prefix, interface))
    every = chain(_in_turn(small[:2]), _in_turn(small[2:] + large), _in_turn(inner))
    return islice(_once(every), SWEEP_ADDRESSES)


def _once(entries: Iterable[tuple[IPAddress, int]]) -> Iterator[tuple[IPAddress, int]]:
    """Each entry the first time: several own addresses may lie in one subnet."""
    seen: set[tuple[IPAddress, int]] = set()
    for entry in entries:
        if entry not in seen:
            seen.add(entry)
            yield entry


def _in_turn(nets: list[Iterator[tuple[IPAddress, int]]]) -> Iterator[tuple[IPAddress, int]]:
    while nets:
        for net in list(nets):
            entry = next(net, None)
            if entry is None:
                nets.remove(net)
            else:
                yield entry


def _nearest(own: IPv4Address, prefix: int, interface: Interface) -> Iterator[tuple[IPAddress, int]]:
    """A mask that is wider than the block of our address holds addresses of others: those are not asked."""
    net = subnet_hosts(own, prefix)
    first, last, middle = net.first + 1, net.last - 1, int(own)
    for distance in range(1, min(net.size, SWEEP_ADDRESSES + 1)):
        for number in (middle + distance, middle - distance):
            address = IPv4Address(number) if first <= number <= last else None
            if address is not None and _may_probe(address, interface):
                yield address, interface.index


def _may_probe(address: IPAddress, interface: Interface) -> bool:
    alive = interface.up and interface.carrier is not False and not is_tunnel(interface)
    classes = _SWEPT if address.version == 4 else _PROBED
    return alive and classify(address) in classes
