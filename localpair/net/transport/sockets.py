"""Opening the sockets: one port number, TCP and UDP, IPv4 and IPv6, and the shared discovery port."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import field

from localpair.address import IPAddress
from localpair.dataclass import dataclass
from localpair.errors import LocalError, PortError
from localpair.limits import (
    DATAGRAM_SEND_BYTES,
    DIAL_PORTS,
    DISCOVERY_PORT,
    LISTEN_BACKLOG,
    MULTICAST_HOPS,
    PAIRING_PORTS,
    SEGMENT_BYTES,
)

_WINDOWS = sys.platform == "win32"
_TRIES_ANY_PORT = 16
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(slots=True)
class Sockets:
    """What one process listens on. ``notes`` say which socket could not be opened, and why."""

    tcp_port: int
    udp_port: int
    dial_port: int = 0
    listeners: list[socket.socket] = field(default_factory=list)
    unicast: list[socket.socket] = field(default_factory=list)
    shared: list[socket.socket] = field(default_factory=list)
    reserved: list[socket.socket] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Close all of them."""
        for one in (*self.listeners, *self.unicast, *self.shared, *self.reserved):
            one.close()


def families() -> Iterator[tuple[socket.AddressFamily, str]]:
    """IPv4 and IPv6 with their wildcard addresses."""
    yield socket.AF_INET, "0.0.0.0"  # noqa: S104 - the origin asks for the wildcard: any path may be the one
    if socket.has_ipv6:
        yield socket.AF_INET6, "::"


@dataclass(frozen=True, slots=True)
class OneAddress:
    """The only address to listen on (flow post); ``scope`` is the interface index of a link-local one."""

    address: IPAddress
    scope: int = 0


def open_sockets(
    port: int = 0, *, prefer: int = 0, only: OneAddress | None = None, apart: bool = False
) -> Sockets:
    """Listen on ``port``, or, where it is 0, on ``prefer`` or the first number of PAIRING_PORTS that is free, or
    on any. ``only`` restricts the TCP listener to one address. ``apart``: whoever looks around and pairs with nobody
    leaves those numbers but the last one to runs that do, and answers nobody who means one of them. Raises LocalError,
    and PortError where the system refused a port.
    """
    notes: list[str] = []
    refused: list[PortError] = []
    for number in _apart() if apart and not port else _numbers(port, prefer):
        found = _try_number(number, only, notes, refused)
        if found is not None:
            found.shared = list(_open_shared(found.notes))
            _reserve_dial_port(found)
            return found
    raise _no_port(port, notes[-1] if notes else "no address family works", refused)


def _no_port(port: int, why: str, refused: list[PortError]) -> LocalError:
    """``port`` 0: any would have done."""
    text = f"port {port} cannot be used: {why}" if port else f"no port can be opened: {why}"
    hint = "end the program that holds it, or choose another one with --port" if port else None
    if not refused:
        return LocalError(text, hint=hint)
    last = refused[-1]
    return PortError(text, last.protocol, last.port, last.errno, hint=hint)


def _numbers(port: int, prefer: int) -> Iterator[int]:
    if port:
        yield port
        return
    if prefer:
        yield prefer
    yield from (number for number in PAIRING_PORTS if number != prefer)
    yield from [0] * _TRIES_ANY_PORT


def _apart() -> Iterator[int]:
    yield PAIRING_PORTS[-1]
    yield from [0] * _TRIES_ANY_PORT


def _try_number(
    number: int, only: OneAddress | None, notes: list[str], refused: list[PortError]
) -> Sockets | None:
    """TCP and UDP on one number in every family that works; None where the number is taken in one of them."""
    opened = Sockets(number, number)
    for kind, sockets in ((socket.SOCK_STREAM, opened.listeners), (socket.SOCK_DGRAM, opened.unicast)):
        for family, wildcard in families():
            listening = only if kind is socket.SOCK_STREAM else None
            if listening is not None and listening.address.version != _VERSIONS[family]:
                continue
            host, scope = (str(listening.address), listening.scope) if listening else (wildcard, 0)
            try:
                made = socket.socket(family, kind)
            except OSError as error:  # no such family here, whatever the errno: the other one may do
                opened.notes.append(f"{_name(kind)} {host}: {error.strerror or error}")
                continue
            try:
                one = _prepare(made, kind, host, opened.tcp_port, scope)
            except OSError as error:
                note = f"{_name(kind)} {host} port {opened.tcp_port}: {error.strerror or error}"
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    notes.append(note)
                    refused.append(
                        PortError(
                            note, _name(kind), opened.tcp_port, errno.errorcode.get(error.errno or 0, "")
                        )
                    )
                    opened.close()
                    return None
                opened.notes.append(note)  # this family does not work here: the other one may
                continue
            sockets.append(one)
            opened.tcp_port = opened.udp_port = one.getsockname()[1]
    if opened.listeners and opened.unicast:
        return opened
    notes.extend(opened.notes)
    opened.close()
    return None


def _name(kind: socket.SocketKind) -> str:
    return "tcp" if kind is socket.SOCK_STREAM else "udp"


def _prepare(
    one: socket.socket, kind: socket.SocketKind, host: str, port: int, scope: int = 0
) -> socket.socket:
    family = one.family
    try:
        one.setblocking(False)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _claim(one, kind)
        if kind is socket.SOCK_DGRAM:
            _allow_groups(one, family)
            with suppress(OSError):  # the system grants less where it has to
                one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, DATAGRAM_SEND_BYTES)
        one.bind((host, port, 0, scope) if family == socket.AF_INET6 else (host, port))
        if kind is socket.SOCK_STREAM:
            limit_segments(one)
            one.listen(LISTEN_BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _claim(one: socket.socket, kind: socket.SocketKind) -> None:
    """Nobody else may bind the same port; a listener may start again while old connections fade out."""
    if _WINDOWS:
        # SO_REUSEADDR would let any other program take the port away there.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
    elif kind is socket.SOCK_STREAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _allow_groups(one: socket.socket, family: socket.AddressFamily) -> None:
    """Hop limit 1, own copies wanted (two instances may share a host), broadcast allowed."""
    if family == socket.AF_INET6:
        options = (
            (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
            (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP),
        )
    else:
        options = (
            (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
            (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
        )
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for (level, option), value in zip(options, (MULTICAST_HOPS, 1), strict=True):
        with suppress(OSError):  # a system without multicast still has unicast; both are the usual values
            one.setsockopt(level, option, value)


def limit_segments(one: socket.socket) -> None:
    """Neither send nor ask for more than SEGMENT_BYTES in one segment. Only before ``connect`` or ``listen``.

    A tunnel or a switch that swallows large packets without a word is healed by nothing else: both sides would get
    through the handshake and hang with the first file. Where the platform refuses, connections are as they always are.
    """
    with suppress(OSError):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


def bind_to_interface(one: socket.socket, index: int) -> None:
    """Send and receive through one interface only, whatever the routing table says. Raises OSError.

    Linux asks for no privilege since 5.7 (socket(7), SO_BINDTODEVICE); macOS has IP_BOUND_IF (ip(4), ip6(4)). Elsewhere
    there is no such thing, and the attempt ends with ENOTSUP.
    """
    if sys.platform == "linux":
        name = socket.if_indextoname(index).encode() + b"\0"
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
    elif sys.platform == "darwin":
        level, option = (
            (socket.IPPROTO_IPV6, 125) if one.family == socket.AF_INET6 else (socket.IPPROTO_IP, 25)
        )
        one.setsockopt(level, option, index)
    else:
        raise OSError(errno.ENOTSUP, "a socket cannot be bound to an interface here")


def _open_shared(notes: list[str]) -> Iterable[socket.socket]:
    """The discovery port, shared by every instance on this host: groups and broadcasts reach all of them."""
    for family, wildcard in families():
        one = None
        try:
            one = socket.socket(family, socket.SOCK_DGRAM)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT") and not sys.platform.startswith("linux"):
                # BSD and macOS deliver groups to every socket only with it; Linux would also split unicast.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((wildcard, DISCOVERY_PORT))
        except OSError as error:
            notes.append(f"udp {wildcard} port {DISCOVERY_PORT}: {error.strerror or error}")
            if one is not None:
                with suppress(OSError):
                    one.close()
            continue
        yield one


def _reserve_dial_port(opened: Sockets) -> None:
    """A TCP port to dial from: bound so that no other program takes it, and never listened on.

    Dials bind to it again (SO_REUSEADDR). Where the platform does not allow that, there is no dial port.
    """
    if not sys.platform.startswith("linux"):
        return
    for family, wildcard in families():
        for number in (*DIAL_PORTS, 0):
            try:
                one = _reserve(family, wildcard, number)
            except OSError:
                continue
            opened.reserved.append(one)
            opened.dial_port = one.getsockname()[1]
            return


def _reserve(family: socket.AddressFamily, wildcard: str, number: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((wildcard, number))
    except OSError:
        one.close()
        raise
    return one
