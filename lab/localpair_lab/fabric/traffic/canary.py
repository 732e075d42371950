"""The canary: before the devices start, the fabric's own packets show whether the network is what the plan
says.

All probes are sent at once from sockets opened inside the nodes' namespaces, through their firewalls, and
repeated while one that should arrive has not. What must not arrive has all that time, and a little more, to
prove us wrong. Afterwards nothing remembers them: connection tracking and neighbour tables are emptied.

A probe is a dictionary: ``id``, ``kind`` (udp, tcp, multicast, broadcast), ``source`` and ``target``
(node/interface),
``address``, ``port``, ``source_address`` (may be empty) and ``expected`` (true, false, or null: not judged).
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.fabric.system.addresses import forget_neighbours
from localpair_lab.fabric.system.netlink import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localpair_lab.fabric.system.places import Places

_PATIENCE_S: Final = 4.0  # for what should arrive: longer than an ARP entry takes to fail and be tried again
_REPEAT_S: Final = 0.1
_DOUBT_S: Final = 0.03  # for what should not arrive, after everything else has
_FORGETTINGS: Final = 20
_MULTICAST_ALL: Final = 49
_V6_MULTICAST_ALL: Final = 29
_PACKET_INFO: Final = 8
_CONNTRACK_DELETE: Final = (1 << 8) | 2
_NETFILTER: Final = 12


@dataclass(slots=True)
class Flight:
    """A probe under way."""

    probe: dict[str, Any]
    sender: socket.socket | None = None
    destination: tuple[Any, ...] = ()
    arrived: bool = False

    @property
    def is_tcp(self) -> bool:
        return bool(self.probe["kind"] == "tcp")

    def send(self) -> None:
        """Send it (again); a refusal by the node's own kernel means that it does not arrive."""
        if self.sender is None or self.arrived:
            return
        try:
            if self.is_tcp:
                self.sender.connect(self.destination)
            else:
                self.sender.sendto(self.probe["id"].encode(), self.destination)
        except OSError:
            pass


@dataclass(slots=True)
class Ears:
    """The sockets that listen, one for each place, family, port and carrier."""

    places: Places
    datagrams: dict[tuple[str, int, int], socket.socket] = field(default_factory=dict)
    listeners: dict[tuple[str, int, int], socket.socket] = field(default_factory=dict)
    indices: dict[str, int] = field(default_factory=dict)

    def index(self, port: str) -> int:
        """The kernel's index of ``node/interface``."""
        if port not in self.indices:
            place, _, link = port.partition("/")
            self.indices[port] = self.places.channel(place).index(link)
        return self.indices[port]

    def listen(self, probe: dict[str, Any]) -> None:
        """Be ready for a probe in its target."""
        place = probe["target"].partition("/")[0]
        key = (place, _family(probe), probe["port"])
        ears = self.listeners if probe["kind"] == "tcp" else self.datagrams
        if key not in ears:
            with self.places.inside(place):
                ears[key] = (
                    _open_listener(key[1], key[2]) if probe["kind"] == "tcp" else _open_ear(key[1], key[2])
                )
        if probe["kind"] == "multicast":
            _join(ears[key], probe["address"], self.index(probe["target"]))

    def close(self) -> None:
        """Close all."""
        for ear in (*self.datagrams.values(), *self.listeners.values()):
            ear.close()


def run(places: Places, probes: Iterable[dict[str, Any]]) -> dict[str, bool]:
    """Send the probes; whether each arrived, by its id. Probes that must fail go first."""
    ears = Ears(places)
    flights = [Flight(probe) for probe in sorted(probes, key=lambda probe: probe["expected"] is not False)]
    try:
        for flight in flights:
            ears.listen(flight.probe)
        for flight in flights:
            _launch(flight, ears)
        _watch(flights, ears)
        return {flight.probe["id"]: flight.arrived for flight in flights}
    finally:
        for flight in flights:
            if flight.sender:
                flight.sender.close()
        ears.close()
        forget(places, [flight.probe for flight in flights])


def forget(places: Places, probes: Iterable[dict[str, Any]]) -> None:
    """Empty what the ends of the probes have learnt of each other."""
    ends = {end.partition("/")[0] for probe in probes for end in (probe["source"], probe["target"])}
    # What was on its way when a place forgot is learnt again by the next one.
    for _ in range(_FORGETTINGS):
        if sum([forget_neighbours(places, place) for place in ends]) == 0:
            break
    for place in ends:
        _forget_connections(places, place)


def _forget_connections(places: Places, place: str) -> None:
    """Empty the connection tracking of a place."""
    with places.inside(place):
        try:
            tracker = Channel(_NETFILTER)
        except OSError:
            return  # a kernel without netfilter tracks nothing
    try:
        tracker.call(
            _CONNTRACK_DELETE, struct.pack("=BBH", 0, 0, 0), what=f"empty connection tracking of {place}"
        )
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT}:
            raise
    finally:
        tracker.close()


def _family(probe: dict[str, Any]) -> int:
    return int(socket.AF_INET6 if ":" in probe["address"] else socket.AF_INET)


def _open_ear(family: int, port: int) -> socket.socket:
    ear = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        ear.setsockopt(socket.IPPROTO_IPV6, _V6_MULTICAST_ALL, 0)
    else:
        ear.setsockopt(socket.IPPROTO_IP, _PACKET_INFO, 1)
        ear.setsockopt(socket.IPPROTO_IP, _MULTICAST_ALL, 0)
    ear.bind(("", port))
    return ear


def _open_listener(family: int, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("", port))
    listener.listen(256)
    return listener


def _join(ear: socket.socket, group: str, index: int) -> None:
    try:
        if ":" in group:
            membership = socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", index)
            ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        else:
            membership = socket.inet_aton(group) + struct.pack("=4si", b"", index)
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError as error:
        if error.errno not in {
            errno.EADDRINUSE,
            errno.ENODEV,
        }:  # joined already; an interface without multicast
            raise


def _launch(flight: Flight, ears: Ears) -> None:
    probe = flight.probe
    place, _, link = probe["source"].partition("/")
    kind = socket.SOCK_STREAM if flight.is_tcp else socket.SOCK_DGRAM
    with ears.places.inside(place):
        sender = socket.socket(_family(probe), kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    if flight.is_tcp:  # it ends by a reset: what says goodbye and waits for answers outlives the canary
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    flight.sender = sender
    scope = ears.index(probe["source"])
    v6 = sender.family == socket.AF_INET6
    flight.destination = (
        (probe["address"], probe["port"], 0, scope) if v6 else (probe["address"], probe["port"])
    )
    try:
        if probe["kind"] in {"multicast", "broadcast"}:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode() + b"\0")
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if probe.get("source_address"):
            source = (probe["source_address"], 0)
            sender.bind((*source, 0, scope) if v6 else source)
    except OSError:  # an address that is not there: the probe cannot leave
        sender.close()
        flight.sender = None
    flight.send()


def _watch(flights: list[Flight], ears: Ears) -> None:
    by_id = {flight.probe["id"]: flight for flight in flights}
    started = time.monotonic()
    repeat_at = started + _REPEAT_S
    quiet_at: float | None = None
    while True:
        now = time.monotonic()
        hoped = [flight for flight in flights if flight.probe["expected"] and not flight.arrived]
        if not hoped and quiet_at is None:
            quiet_at = now + _DOUBT_S
        if now > started + _PATIENCE_S or (quiet_at is not None and now >= quiet_at):
            return
        if now >= repeat_at:
            repeat_at = now + _REPEAT_S
            for flight in hoped:
                flight.send()
        wake = min(repeat_at, quiet_at if quiet_at is not None else repeat_at)
        connecting = [
            flight.sender for flight in flights if flight.is_tcp and flight.sender and not flight.arrived
        ]
        ready, writable, _ = _poll(list(ears.datagrams.values()), connecting, max(0.0, wake - now))
        _mark_connected(flights, writable)
        _mark_heard(by_id, ears, ready)


def _poll(
    readers: list[socket.socket], writers: list[socket.socket], timeout: float
) -> tuple[set[socket.socket], set[socket.socket], None]:
    poller = select.poll()
    by_number = {one.fileno(): one for one in (*readers, *writers)}
    for one in readers:
        poller.register(one, select.POLLIN)
    for one in writers:
        poller.register(one, select.POLLOUT)
    events = poller.poll(timeout * 1000)
    ready = {
        by_number[number]
        for number, event in events
        if event & select.POLLIN and by_number[number] in readers
    }
    return ready, {by_number[number] for number, event in events if by_number[number] in writers}, None


def _mark_connected(flights: list[Flight], writable: set[socket.socket]) -> None:
    for flight in flights:
        if flight.sender not in writable or flight.sender is None:
            continue
        if flight.sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and _is_connected(flight.sender):
            flight.arrived = True
        elif not flight.probe["expected"]:  # refused: this one is settled, and its socket would stay ready
            flight.sender.close()
            flight.sender = None


def _is_connected(sender: socket.socket) -> bool:
    try:
        sender.getpeername()
    except OSError:
        return False
    return True


def _mark_heard(by_id: dict[str, Flight], ears: Ears, ready: set[socket.socket]) -> None:
    for (place, _, _), ear in ears.datagrams.items():
        while ear in ready:
            try:
                data, notes, _, _ = ear.recvmsg(256, 256)
            except OSError:
                break
            flight = by_id.get(data.decode(errors="replace"))
            if flight and flight.probe["target"].partition("/")[0] == place:
                index = _arrival_index(notes)
                to_interface = flight.probe["kind"] in {"multicast", "broadcast"}
                flight.arrived |= not to_interface or index == ears.index(flight.probe["target"])


def _arrival_index(notes: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in notes:
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return int(struct.unpack_from("=I", data, 16)[0])
        if level == socket.IPPROTO_IP and kind == _PACKET_INFO:
            return int(struct.unpack_from("=i", data)[0])
    return 0
