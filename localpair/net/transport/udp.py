"""The datagram transport: it shouts bytes and hears bytes, and knows nothing of their meaning."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, ip_address

from localpair.address import IPAddress
from localpair.endpoint import plain_address, scope_of
from localpair.limits import DATAGRAM_BYTES, DATAGRAM_RESERVE_BYTES
from localpair.net.transport.memberships import Memberships
from localpair.net.transport.sockets import Sockets
from localpair.protocol.discovery_events import BeaconSource, Carrier, Transmit
from localpair.trace import TRACE

_LINUX = sys.platform.startswith("linux")
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # Linux; the name is missing from Python 3.11
_READS_AT_ONCE = 64  # then other work has its turn, however many datagrams wait

_PAUSE_S = 0.01

Receiver = Callable[[bytes, BeaconSource, Carrier], None]
FailureReporter = Callable[[Transmit, OSError], None]
SentReporter = Callable[[Transmit], None]


class Datagrams:
    """Sends from the one fixed port, pinned to an interface where asked, and hears both ports.

    ``on_failure`` is told of every send that the system refused: EPERM means a filter of our own host; ``on_sent`` of
    every other one. ``groups`` counts the datagrams that came for groups or broadcast addresses, by version of IP.
    """

    def __init__(
        self, sockets: Sockets, on_datagram: Receiver, on_failure: FailureReporter,
        on_sent: SentReporter = lambda _: None,
    ) -> None:  # fmt: skip
        self._sockets, self._on_datagram = sockets, on_datagram
        self._on_failure, self._on_sent = on_failure, on_sent
        self.groups = {4: 0, 6: 0}
        self._memberships = Memberships(sockets.shared)
        self._by_version = {6 if one.family == socket.AF_INET6 else 4: one for one in sockets.unicast}
        self._tasks: list[asyncio.Task[None]] = []
        self._readers: list[socket.socket] = []

    def start(self) -> None:
        """Hear from now on."""
        loop = asyncio.get_running_loop()
        for one in (*self._sockets.unicast, *self._sockets.shared):
            shared = one in self._sockets.shared
            _want_interface(one)
            try:
                loop.add_reader(one.fileno(), self._read, one, shared)
                self._readers.append(one)
            except NotImplementedError:  # the proactor loop of Windows
                self._tasks.append(loop.create_task(self._read_forever(one, shared)))

    def stop(self) -> None:
        """Hear nothing more. The sockets stay open; their owner closes them."""
        self._memberships.close()
        loop = asyncio.get_running_loop()
        for one in self._readers:
            loop.remove_reader(one.fileno())
        for task in self._tasks:
            task.cancel()
        self._readers.clear()
        self._tasks.clear()

    def join(
        self, wanted: Iterable[tuple[int, IPAddress, IPv4Address | None]]
    ) -> list[tuple[int, IPAddress, OSError]]:
        """Be a member of exactly these groups: (interface index, group, an IPv4 address of that interface).

        Memberships of interfaces that are gone are forgotten, so that one which comes back is joined anew. Gives
        the ones that failed; the others stand.
        """
        return self._memberships.join(wanted)

    def rejoin(self) -> None:
        """Leave everything, so that the next ``join`` sends fresh membership reports to the switches."""
        self._memberships.leave()

    def send(self, transmit: Transmit) -> bool:
        """Send now or never: a full buffer loses a beacon, and the next beat repeats it.

        False where the system had no room for it: in the buffer, or in its table of neighbours (ENOBUFS).
        """
        one = self._by_version.get(transmit.address.version)
        if one is None:
            return True
        try:
            _send(one, transmit)
        except BlockingIOError:
            if TRACE.on:
                TRACE.sent(transmit, "EAGAIN")
            return False
        except OSError as error:
            if TRACE.on:
                TRACE.sent(transmit, errno.errorcode.get(error.errno or 0, str(error.errno)))
            self._on_failure(transmit, error)
            return error.errno != errno.ENOBUFS
        if TRACE.on:
            TRACE.sent(transmit, "ok")
        self._on_sent(transmit)
        return True

    def has_room(self) -> bool:
        """Whether what waits for hardware addresses leaves enough of the buffers for beats and answers."""
        return all(_has_room(one) for one in self._by_version.values())

    def _read(self, one: socket.socket, shared: bool) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                data, source, carrier = _receive(one, shared)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return  # an ICMP error of an earlier send: the next read is clean
            if carrier is not Carrier.UNICAST:
                self.groups[6 if one.family == socket.AF_INET6 else 4] += 1
            if source is not None:
                self._hear(data, source, carrier)

    def _hear(self, data: bytes, source: BeaconSource, carrier: Carrier) -> None:
        if TRACE.on:
            TRACE.received(source, carrier, len(data))
        self._on_datagram(data, source, carrier)

    async def _read_forever(self, one: socket.socket, shared: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, address = await loop.sock_recvfrom(one, DATAGRAM_BYTES)
            except OSError:
                await asyncio.sleep(_PAUSE_S)  # Windows reports an earlier send's ICMP error here
                continue
            source = _source(address, 0)
            if source is not None:
                self._hear(data, source, Carrier.MULTICAST if shared else Carrier.UNICAST)


def _has_room(one: socket.socket) -> bool:
    """Linux charges a datagram to its socket until its neighbour is found (udp(7), SIOCOUTQ)."""
    if sys.platform != "linux":
        return True  # elsewhere what waits is the kernel's own business
    import fcntl
    import termios

    (waiting,) = struct.unpack("=i", fcntl.ioctl(one.fileno(), termios.TIOCOUTQ, bytes(4)))
    granted = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return bool(waiting + DATAGRAM_RESERVE_BYTES < granted)


def _want_interface(one: socket.socket) -> None:
    """Ask for the interface and the destination of every datagram, where the platform can tell."""
    with suppress(OSError, AttributeError):
        if one.family == socket.AF_INET6:
            if sys.platform != "win32":
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif _LINUX:
            one.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _receive(one: socket.socket, shared: bool) -> tuple[bytes, BeaconSource | None, Carrier]:
    if not hasattr(one, "recvmsg"):
        data, address = one.recvfrom(DATAGRAM_BYTES)
        return data, _source(address, 0), Carrier.MULTICAST if shared else Carrier.UNICAST
    data, ancillary, flags, address = one.recvmsg(DATAGRAM_BYTES, 128)
    if flags & socket.MSG_TRUNC:
        return data, None, Carrier.UNICAST  # larger than anything of ours
    index, destination = _packet_info(ancillary)
    carrier = _carrier(destination, shared)
    local = destination if carrier is Carrier.UNICAST and isinstance(destination, IPv4Address) else None
    return data, _source(address, index, local), carrier


def _packet_info(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, IPAddress | None]:
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO and len(value) >= 12:
            index, _, destination = struct.unpack_from("=I4s4s", value)
            return index, ip_address(destination)
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(value) >= 20:
            return struct.unpack_from("=I", value, 16)[0], ip_address(value[:16])
    return 0, None


def _carrier(destination: IPAddress | None, shared: bool) -> Carrier:
    if destination is not None and destination.is_multicast:
        return Carrier.MULTICAST
    if shared and destination is not None:
        return Carrier.BROADCAST if destination.version == 4 else Carrier.UNICAST
    return Carrier.MULTICAST if shared else Carrier.UNICAST


def _source(
    address: tuple[str, int] | tuple[str, int, int, int], index: int, local: IPv4Address | None = None
) -> BeaconSource | None:
    """The sender. A scope comes from the interface the packet arrived on (``index``), never from the wire."""
    try:
        sender = plain_address(address[0])
    except ValueError:
        return None
    scope = address[3] if len(address) == 4 else 0
    return BeaconSource(sender, address[1], scope_of(sender, scope or index), index, local)


def _send(one: socket.socket, transmit: Transmit) -> None:
    if one.family == socket.AF_INET6:
        to6 = (str(transmit.address), transmit.port, 0, transmit.interface)
        if transmit.interface and sys.platform == "linux":
            # The scope alone pins link-local addresses only (RFC 3542, 6.2: the interface of IPV6_PKTINFO pins all).
            info = bytes(16) + struct.pack("=I", transmit.interface)
            one.sendmsg([transmit.datagram], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)], 0, to6)
        else:
            one.sendto(transmit.datagram, to6)
    elif (transmit.interface or transmit.source) and sys.platform == "linux":
        # Pins the packet to the interface, broadcasts on two links with one prefix included (ip(7), IP_PKTINFO).
        source = transmit.source.packed if transmit.source is not None else bytes(4)
        info = struct.pack("=I4s4s", transmit.interface, source, bytes(4))
        to = (str(transmit.address), transmit.port)
        flags = socket.MSG_DONTROUTE if transmit.direct else 0
        one.sendmsg([transmit.datagram], [(socket.IPPROTO_IP, _IP_PKTINFO, info)], flags, to)
    else:
        if transmit.interface and transmit.carrier is Carrier.MULTICAST:
            _choose_interface(one, transmit.interface)
        one.sendto(transmit.datagram, (str(transmit.address), transmit.port))


def _choose_interface(one: socket.socket, index: int) -> None:
    """Where multicast leaves, by index: ``ip_mreqn`` on BSD and macOS, ``0.x.y.z`` on Windows (both documented)."""
    choice = (
        struct.pack("!I", index)
        if sys.platform == "win32"
        else struct.pack("=4s4si", bytes(4), bytes(4), index)
    )
    one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, choice)
