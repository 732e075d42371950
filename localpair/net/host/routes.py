"""Which of our addresses a packet to some destination would leave from, and through which interface.

The question is asked by connecting a UDP socket, which sends nothing. It is asked per destination: an answer for
"the internet" is the VPN's wherever there is one, while the answer for a peer's own address is the LAN's.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair.address import AddressClass, IPAddress, classify, normalise, unscoped
from localpair.candidate import Candidate
from localpair.dataclass import dataclass
from localpair.limits import DISCOVERY_PORT

if TYPE_CHECKING:
    pass

NOBODYS_ADDRESSES: Final[tuple[IPAddress, ...]] = (
    IPv4Address("192.0.2.1"),  # documentation (RFC 5737): follows the default route, and is nobody's
    IPv4Address("198.51.100.1"),
    IPv4Address("203.0.113.1"),
    IPv6Address("2001:db8::1"),  # documentation (RFC 3849)
    IPv6Address("3fff::1"),  # documentation (RFC 9637)
)
"""Addresses that lead where the default route leads, unless an own network is numbered so. Nothing is sent to them."""

OUTBOUND_DESTINATIONS: Final[tuple[IPAddress, ...]] = (
    IPv4Address("255.255.255.255"),
    NOBODYS_ADDRESSES[0],
    NOBODYS_ADDRESSES[3],
    IPv6Address("2000::1"),  # for hosts that refuse documentation addresses; the first of all global ones
)
"""The same, for a host whose own networks are not known: see ``routing.outbound_destinations``."""


@dataclass(frozen=True, slots=True)
class Route:
    """A packet to ``destination`` leaves from ``source``, through ``interface`` where that is known.

    ``index`` is 0 and ``interface`` None where it is not known; ``gateway`` is None for a destination on the link
    and where the platform does not tell. ``local`` marks a destination that is this host itself.
    """

    destination: IPAddress
    source: IPAddress
    interface: str | None = None
    index: int = 0
    gateway: IPAddress | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class NoRoute:
    """The system has no way to ``destination``. ``name`` is the symbolic errno, such as ``ENETUNREACH``."""

    destination: IPAddress
    errno: int
    name: str
    detail: str

    def __str__(self) -> str:
        return f"no route to {self.destination}: {self.name} ({self.detail})"


RouteAnswer: TypeAlias = Route | NoRoute


def preferred_source(destination: IPAddress, port: int = DISCOVERY_PORT, scope: int = 0) -> RouteAnswer:
    """The own address from which the system would send to ``destination``. No packet is sent.

    ``scope`` is the interface index for a link-local IPv6 destination. Only the source is filled in; ``route_to``
    adds the interface.
    """
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if classify(destination) is AddressClass.BROADCAST:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # else connecting is EACCES
            probe.connect(socket_address(destination, port, scope))
            source = normalise(probe.getsockname()[0])
    except OSError as error:
        return _no_route(destination, error)
    if classify(source) is AddressClass.UNSPECIFIED:
        return _no_route(destination, OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)))
    return Route(destination, unscoped(source))


def sources_towards(peer: Iterable[Candidate]) -> Iterator[IPAddress]:
    """The own address that the routing table uses towards each address of a peer to which a route leads."""
    for candidate in peer:
        answer = preferred_source(candidate.address, scope=candidate.scope)
        if not isinstance(answer, NoRoute):
            yield unscoped(answer.source)


def owns(address: IPAddress, scope: int = 0) -> bool:
    """Whether ``address`` is one of this host's own: only then can a socket be bound to it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(socket_address(address, 0, scope))
    except OSError:
        return False
    return True


def socket_address(
    address: IPAddress, port: int, scope: int = 0
) -> tuple[str, int] | tuple[str, int, int, int]:
    """What the socket module wants for ``address``; the scope goes beside it and never into the text."""
    if address.version == 4:
        return str(address), port
    return str(unscoped(address)), port, 0, scope


def _no_route(destination: IPAddress, error: OSError) -> NoRoute:
    number = error.errno or 0
    name = errno.errorcode.get(number, "unknown error")
    return NoRoute(destination, number, name, error.strerror or str(error))
