"""The announcer: drives discovery over real sockets and interfaces, and keeps what is known of our own addresses."""

from __future__ import annotations

import errno
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, ip_address

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.candidate import Candidate, Evidence, Interface, InterfaceKind, Origin
from localpair.causes.facts import CarrierName
from localpair.causes.records.recorder import FactRecorder
from localpair.limits import BEACON_ADDRESSES, GROUP_IPV6, GROUP_LINK_LOCAL, GROUP_SCOPED, TARGETS
from localpair.net.host.alternate_routes import alternates
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.sockets import Sockets
from localpair.net.transport.udp import Datagrams
from localpair.protocol.discovery import Discovery
from localpair.protocol.discovery_events import (
    BeaconOpened,
    BeaconSource,
    BeaconTarget,
    Carrier,
    DiscoveryEvent,
    Outlet,
    Transmit,
)
from localpair.ranking import own_candidates

_log = logging.getLogger("localpair.discovery")
_GROUPS_4 = (ip_address(GROUP_LINK_LOCAL), ip_address(GROUP_SCOPED))
_GROUP_6 = ip_address(GROUP_IPV6)

Clock = Callable[[], float]


class Announcer:
    """Discovery on this host's interfaces.

    ``step()`` does what is due and gives the events; ``changed`` is called whenever a datagram made a step worth
    while. Send errors are kept in ``failures`` by (interface index, carrier): they are evidence. ``recorder`` counts
    what left and what came, for an explanation.
    """

    def __init__(
        self, discovery: Discovery, sockets: Sockets, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self.discovery = discovery
        self.interfaces = Interfaces()
        self.failures: dict[tuple[int, Carrier], str] = {}
        self.dial_port = sockets.dial_port
        self.recorder = FactRecorder(clock())
        self._known: dict[tuple[IPAddress, int], tuple[Evidence, Origin]] = {}
        self._held_back: OrderedDict[tuple[IPAddress, int, int], None] = OrderedDict()
        self._sockets, self._clock, self._changed = sockets, clock, changed
        self._datagrams = Datagrams(sockets, self._received, self._failed, self._sent)

    def start(self) -> None:
        """Hear from now on."""
        self._datagrams.start()

    def stop(self) -> None:
        """Hear nothing more."""
        self._datagrams.stop()

    def set_interfaces(self, interfaces: Interfaces) -> None:
        """The network as it is now: join the groups anew and announce the change."""
        self.interfaces = interfaces
        if self._known:
            self._known = {
                key: value for key, value in self._known.items() if key[0] in interfaces.own_addresses
            }
        self._datagrams.rejoin()
        for index, group, error in self._datagrams.join(_memberships(interfaces)):
            _log.info("interface %d: cannot join %s: %s", index, group, error.strerror)
        self._announce_network()
        for held_back in list(self._held_back):
            self.add_target(*held_back)

    def step(self) -> list[DiscoveryEvent]:
        """Send what is due and give what was heard."""
        self.discovery.timer(self._clock())
        for transmit in self.discovery.take_transmits():
            self._datagrams.send(transmit)
        return self.discovery.take_events()

    def flush(self) -> list[Transmit]:
        """Send what waits, without doing what the time asks for. Gives what the system had no room for."""
        return self.send(self.discovery.take_transmits())

    def send(self, transmits: Iterable[Transmit]) -> list[Transmit]:
        """Send these; gives the ones that the system had no room for."""
        return [transmit for transmit in transmits if not self._datagrams.send(transmit)]

    def has_room(self) -> bool:
        """Whether a sweep may go on: see ``Datagrams.has_room``."""
        return self._datagrams.has_room()

    def learn(self, address: IPAddress, scope: int, evidence: Evidence, origin: Origin) -> bool:
        """Keep better evidence about one of our own addresses; True where it is news."""
        key = (unscoped(address), scope)
        if key[0] not in self.interfaces.own_addresses:
            return False
        if key in self._known and self._known[key][0] >= evidence:
            return False
        self._known[key] = (evidence, origin)
        return True

    def own(self, port: int) -> tuple[Candidate, ...]:
        """Our own candidates, best first."""
        return own_candidates(self.interfaces.interfaces, port=port, known=self._known)

    def add_target(self, address: IPAddress, port: int, scope: int = 0) -> None:
        """Send every beacon to this address too: on its link where that is known, else as the routing table says and by
        every alternate route around it. Where it is no neighbour yet, as soon as it is one.
        """
        key = (address, port, scope)
        if not self._may_write(address):
            self._held_back[key] = None
            while len(self._held_back) > TARGETS:
                self._held_back.popitem(last=False)
            return
        self._held_back.pop(key, None)
        for target in self.targets(address, port, scope):
            self.discovery.add_target(target, self._clock())

    def targets(self, address: IPAddress, port: int, scope: int = 0) -> list[BeaconTarget]:
        """The ways of a datagram to an address; see ``add_target``. None to the broadcast address of an own subnet:
        beats go there anyway, and no offer, code or claim chooses the port.
        """
        everybody = any(unscoped(address) == one.broadcast for one in self.interfaces.directed_broadcasts())
        if everybody or not self._may_write(address):
            return []
        links = (
            (scope,) if scope else self.interfaces.scopes_of(address) + alternates(address, self.interfaces)
        )
        return [BeaconTarget(address, port, interface) for interface in links]

    def _may_write(self, address: IPAddress) -> bool:
        return classify(address) is AddressClass.LOOPBACK or not self.interfaces.near.why_not(address)

    def now(self) -> float:
        """The time that discovery runs by."""
        return self._clock()

    def _announce_network(self) -> None:
        addresses = [candidate.address for candidate in self.own(0)][:BEACON_ADDRESSES]
        self.discovery.set_network(_outlets(self.interfaces), addresses, self._clock(), self.interfaces.near)

    def _received(self, datagram: bytes, source: BeaconSource, carrier: Carrier) -> None:
        opened = self.discovery.receive(datagram, source, carrier, self._clock())
        self.note_heard(opened, source, carrier)
        self._changed()

    def note_heard(self, opened: BeaconOpened | None, source: BeaconSource, carrier: Carrier) -> None:
        """Record a beacon of the other device, which holds a secret of ours. A recording tells nothing of it."""
        if opened is not None and opened.secret is not None and opened.is_counterpart and opened.is_heeded:
            name = CarrierName(carrier.value)
            self.recorder.heard(name, source.interface, source.address, self._clock())

    @property
    def groups_heard(self) -> tuple[int, int]:
        """How many datagrams have come for groups or broadcast addresses: of IPv4, of IPv6."""
        return self._datagrams.groups[4], self._datagrams.groups[6]

    def _sent(self, transmit: Transmit, errno_name: str = "") -> None:
        name = CarrierName(transmit.carrier.value)
        named = transmit.carrier is Carrier.UNICAST and not transmit.direct
        self.recorder.sent(name, transmit.interface, transmit.address, named=named, errno=errno_name)

    def _failed(self, transmit: Transmit, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, str(error))
        self._sent(transmit, errno.errorcode.get(error.errno or 0, "unknown"))
        key = (transmit.interface, transmit.carrier)
        if self.failures.get(key) != name:
            self.failures[key] = name
            _log.info("a %s beacon was refused by this host: %s", transmit.carrier, name)


def _loopback(interfaces: Interfaces) -> list[Interface]:
    """The loopback interface carries multicast too: two instances on a host without any network still meet."""
    return [one for one in interfaces.interfaces if one.kind is InterfaceKind.LOOPBACK and one.up]


def _memberships(interfaces: Interfaces) -> list[tuple[int, IPAddress, IPv4Address | None]]:
    wanted: list[tuple[int, IPAddress, IPv4Address | None]] = []
    for interface in (*interfaces.multicast_interfaces(), *_loopback(interfaces)):
        address = _first_ipv4(interface)
        if address is not None:
            wanted.extend((interface.index, group, address) for group in _GROUPS_4)
        if _has_ipv6(interface):
            wanted.append((interface.index, _GROUP_6, None))
    return wanted


def _outlets(interfaces: Interfaces) -> list[Outlet]:
    broadcasts: dict[int, list[IPv4Address]] = {}
    for entry in interfaces.directed_broadcasts():
        if isinstance(entry.broadcast, IPv4Address):
            broadcasts.setdefault(entry.index, []).append(entry.broadcast)
    outlets = []
    for interface in (*interfaces.multicast_interfaces(), *_loopback(interfaces)):
        source = _first_ipv4(interface)
        groups: list[IPAddress] = [*_GROUPS_4] if source is not None else []
        if _has_ipv6(interface):
            groups.append(_GROUP_6)
        outlets.append(
            Outlet(interface.index, tuple(groups), tuple(broadcasts.pop(interface.index, ())), source)
        )
    outlets.extend(Outlet(index, (), tuple(rest)) for index, rest in sorted(broadcasts.items()))
    return outlets


def _first_ipv4(interface: Interface) -> IPv4Address | None:
    for details in interface.addresses:
        if isinstance(details.address, IPv4Address):
            return details.address
    return None


def _has_ipv6(interface: Interface) -> bool:
    """Whether IPv6 multicast can leave here. The loopback has no route for it, and IPv4 serves this host."""
    if interface.kind is InterfaceKind.LOOPBACK:
        return False
    return any(details.address.version == 6 and not details.tentative for details in interface.addresses)
