"""Which ports can be had, and who holds them. Each is bound for a moment; nothing is sent or accepted."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from localpair.dataclass import dataclass
from localpair.limits import DISCOVERY_PORT
from localpair.net.netcheck.lacking import lacking_versions
from localpair.net.netcheck.timed import TimedCall, attempt
from localpair.net.transport.sockets import families

_KINDS: Final = ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp"))
_VERSIONS: Final = {socket.AF_INET: 4, socket.AF_INET6: 6}


@dataclass(frozen=True, slots=True)
class SharedPort:
    """The discovery port in one family (IP version 4 or 6): taken as every instance does, and for us ``alone``."""

    version: int
    shared: TimedCall
    alone: TimedCall

    @property
    def others(self) -> bool:
        """Whether another program shares it at this moment."""
        return self.shared.ok and self.alone.error is not None and self.alone.error.errno == errno.EADDRINUSE


@dataclass(frozen=True, slots=True)
class Binding:
    """One try to take ``port`` at the wildcard address. ``version`` is 4 or 6, ``kind`` is ``tcp`` or ``udp``."""

    port: int
    kind: str
    version: int
    tried: TimedCall


@dataclass(frozen=True, slots=True)
class PortHolder:
    """Who has a port. ``process`` is None for another user's, ``program`` empty where its name is not told."""

    port: int
    process: int | None
    program: str


def ipv6_compiled() -> bool:
    """Whether this Python knows IPv6."""
    return socket.has_ipv6


def try_discovery_port() -> tuple[SharedPort, ...]:
    """Bind the discovery port in each family there is, shared and then alone; the latter fails where another runs."""
    return tuple(
        SharedPort(
            _VERSIONS[family],
            shared=attempt(_bind_shared, family, wildcard),
            alone=attempt(_bind, family, socket.SOCK_DGRAM, wildcard, DISCOVERY_PORT),
        )
        for family, wildcard in _families_here()
    )


def try_port(port: int) -> tuple[Binding, ...]:
    """Bind one number as a pairing does, TCP and UDP in each family that there is."""
    return tuple(
        Binding(port, name, _VERSIONS[family], attempt(_bind, family, kind, wildcard, port))
        for family, wildcard in _families_here()
        for kind, name in _KINDS
    )


def _families_here() -> Iterator[tuple[socket.AddressFamily, str]]:
    lacking = lacking_versions()
    return (one for one in families() if _VERSIONS[one[0]] not in lacking)


def can_pair(bindings: Sequence[Binding]) -> bool:
    """Whether one number serves: nobody else's in any family, TCP and UDP to be had in one of them."""
    had = {one.kind for one in bindings if one.tried.ok}
    return had == {name for _, name in _KINDS} and not any(one.tried.refused for one in bindings)


def port_holders(ports: Collection[int]) -> tuple[PortHolder, ...]:
    """Who listens on these, as far as the system tells without privileges. OSError where it does not."""
    import psutil

    try:
        connections = psutil.net_connections(kind="inet")
    except psutil.Error as error:
        raise PermissionError(errno.EACCES, type(error).__name__) from None
    found = {
        PortHolder(one.laddr.port, one.pid, _program(one.pid))
        for one in connections
        if one.laddr and one.laddr.port in ports and not one.raddr
    }
    return tuple(sorted(found, key=lambda one: (one.port, one.process or 0)))


def _bind_shared(family: socket.AddressFamily, wildcard: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT") and not sys.platform.startswith("linux"):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as in sockets.py
        _bind_to(one, family, wildcard, DISCOVERY_PORT)


def _bind(family: socket.AddressFamily, kind: socket.SocketKind, wildcard: str, port: int) -> None:
    with socket.socket(family, kind) as one:
        if sys.platform == "win32":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # else a taken port can be had
        elif kind is socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind_to(one, family, wildcard, port)
        if kind is socket.SOCK_STREAM:
            one.listen(1)


def _bind_to(one: socket.socket, family: socket.AddressFamily, wildcard: str, port: int) -> None:
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind((wildcard, port))


def _program(pid: int | None) -> str:
    """The program's name without arguments."""
    import psutil

    if pid is None:
        return ""
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
