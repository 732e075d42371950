"""Linux's routing socket: links, addresses, default routes and neighbours of this network namespace.

Plain sockets and no /sys, which may show another namespace than the process is in. No privilege is needed. One
message that cannot be read costs what it told, and nothing else.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import field
from typing import Final, TypeAlias, TypeVar

from localpair.address import IPAddress
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.dataclass import dataclass
from localpair.limits import NETLINK_MESSAGES, NETLINK_TIMEOUT_S
from localpair.net.host.interfaces import Interfaces, Neighbour, SkippedSource
from localpair.net.host.linux import rtnetlink as rt
from localpair.net.host.naming import describe, in_order

_AF_NETLINK: Final = 16  # the socket module names it on Linux only
_ROUTE_PROTOCOL: Final = 0
_RECEIVE_BYTES: Final = 1 << 16  # the kernel fills at most 32 KiB of it
_DUMP_TRIES: Final = 3  # a table that changed while it was read is read again
# include/uapi/linux/rtnetlink.h, RTMGRP_: link, IPv4 and IPv6 address, IPv4 and IPv6 route
CHANGE_GROUPS: Final = 0x1 | 0x10 | 0x100 | 0x40 | 0x400
NEIGHBOUR_GROUP: Final = 0x4
_USABLE_ROUTES: Final = frozenset({1, 2, 3, 5})  # unicast, local, broadcast, multicast

_Take: TypeAlias = Callable[[bytes], None]
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class RouteHop:
    """Where the kernel would send a packet: out of the interface ``index``, ``local`` where it stays here."""

    index: int
    gateway: IPAddress | None
    source: IPAddress | None
    local: bool


def read() -> Interfaces:
    """All interfaces of this network namespace. OSError where the socket or the list of links is refused.

    Addresses, neighbours and routes that are refused leave their part empty and an entry in ``skipped``.
    """
    tables = _Tables()
    with closing(_RouteSocket()) as asked:
        tables.take_links(asked.dump(rt.GET_LINK))
        for what, kind, take in (
            ("addresses", rt.GET_ADDRESS, tables.take_address),
            ("neighbours", rt.GET_NEIGHBOUR, tables.take_neighbour),
            ("routes", rt.GET_ROUTE, tables.take_route),  # last: a long table is cut off
        ):
            try:
                for message in asked.dump(kind):
                    tables.read(what, take, message)
            except OSError as error:
                tables.skipped.append(SkippedSource(what, describe(error)))
    return tables.interfaces()


def read_neighbours() -> tuple[Neighbour, ...]:
    """The neighbours that have answered, by interface and address. OSError where the kernel refuses."""
    tables = _Tables()
    with closing(_RouteSocket()) as asked:
        for message in asked.dump(rt.GET_NEIGHBOUR):
            tables.read("neighbours", tables.take_neighbour, message)
    return tuple(
        sorted(tables.neighbours, key=lambda one: (one.index, one.address.version, int(one.address)))
    )


@dataclass(frozen=True, slots=True)
class LinkTables:
    """What belongs to links and is asked for an explanation only: each by the index of its interface."""

    macs: Mapping[int, str]
    gateways: Mapping[int, tuple[IPAddress, ...]]
    neighbours: tuple[rt.NeighbourEntry, ...]


def read_tables() -> LinkTables:
    """Hardware addresses, routers and the whole table of neighbours. OSError where the kernel refuses."""
    macs: dict[int, str] = {}
    gateways: defaultdict[int, dict[IPAddress, None]] = defaultdict(dict)
    with closing(_RouteSocket()) as asked:
        for link in _readable(rt.parse_link, asked.dump(rt.GET_LINK)):
            if link.mac is not None:
                macs[link.index] = link.mac
        for route in _readable(_default_route, asked.dump(rt.GET_ROUTE)):
            if route.gateway is not None:
                for index in route.indices:
                    gateways[index][route.gateway] = None
        entries = tuple(_readable(rt.parse_neighbour_entry, asked.dump(rt.GET_NEIGHBOUR)))
    return LinkTables(macs, {index: tuple(found) for index, found in gateways.items()}, entries)


def _readable(parse: Callable[[bytes], _Parsed | None], messages: list[rt.Message]) -> Iterator[_Parsed]:
    """What the messages say, without those that cannot be read or say nothing."""
    for message in messages:
        try:
            found = parse(message.body)
        except (ValueError, IndexError):
            continue
        if found is not None:
            yield found


def _default_route(body: bytes) -> rt.RouteMessage | None:
    """A default route; of a large table no other one is read."""
    route = rt.parse_route(body) if rt.route_bits(body) == 0 else None
    return route if route is not None and rt.is_default(route) else None


def route_to(address: IPAddress, scope: int = 0) -> RouteHop:
    """The route that a packet to ``address`` takes, policy rules included. OSError (ENETUNREACH ...) for none."""
    with closing(_RouteSocket()) as asked:
        for message in asked.exchange(rt.route_request(address, scope, 1), multiple=False):
            route = rt.parse_route(message.body) if message.type == rt.NEW_ROUTE else None
            if route is not None and route.type in _USABLE_ROUTES and route.indices:
                return RouteHop(route.indices[0], route.gateway, route.source, local=route.type == 2)
    raise OSError(101, os.strerror(101))  # ENETUNREACH, for a route that only forbids


def open_changes(groups: int = CHANGE_GROUPS) -> socket.socket:
    """A non-blocking socket that hears of every change of links, addresses and routes, or of what else ``groups``
    name. OSError where refused.
    """
    heard = socket.socket(_AF_NETLINK, socket.SOCK_RAW, _ROUTE_PROTOCOL)
    try:
        heard.bind((0, groups))
        heard.setblocking(False)
    except OSError:
        heard.close()
        raise
    return heard


def drain_changes(heard: socket.socket) -> frozenset[int]:
    """Everything that has been heard is read; returns the indices of links that were deleted.

    Changes that overflowed the socket's buffer are lost without harm: the caller reads the whole state anyway.
    """
    deleted: set[int] = set()
    while True:
        try:
            data, sender = heard.recvfrom(_RECEIVE_BYTES)
        except BlockingIOError:
            return frozenset(deleted)
        except OSError:  # ENOBUFS: more came than fits
            continue
        deleted.update(_deleted_links(data) if sender[0] == 0 else ())


def _deleted_links(data: bytes) -> Iterator[int]:
    for message in rt.messages(data):
        if message.type == rt.DELETE_LINK:
            try:
                link = rt.parse_link(message.body)
            except ValueError:
                continue
            if link is not None:
                yield link.index


class _RouteSocket:
    """Asks the kernel and reads its answers; other processes that write to the socket are not listened to."""

    def __init__(self) -> None:
        self._socket = socket.socket(_AF_NETLINK, socket.SOCK_RAW, _ROUTE_PROTOCOL)
        try:
            self._socket.settimeout(NETLINK_TIMEOUT_S)
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def dump(self, kind: int) -> list[rt.Message]:
        """A whole table, read again where it changed meanwhile; at most NETLINK_MESSAGES of it."""
        answers: list[rt.Message] = []
        for _ in range(_DUMP_TRIES):
            self._sequence += 1
            answers = list(self.exchange(rt.dump_request(kind, self._sequence)))
            changed = any(message.flags & rt.DUMP_INTERRUPTED for message in answers)
            if not changed or len(answers) >= NETLINK_MESSAGES:
                break
        return answers

    def exchange(self, request: bytes, *, multiple: bool = True) -> Iterator[rt.Message]:
        """The answers to one request, until the kernel says that it is done."""
        (sequence,) = (message.sequence for message in rt.messages(request))
        self._socket.send(request)
        count = 0
        while True:
            for message in self._receive(sequence):
                if message.type in (rt.ERROR, rt.DONE):
                    _raise_for(message)
                    return
                yield message
                count += 1
                if not multiple or count >= NETLINK_MESSAGES:
                    return

    def _receive(self, sequence: int) -> Iterator[rt.Message]:
        data, sender = self._socket.recvfrom(_RECEIVE_BYTES)
        if sender[0] == 0:  # 0 is the kernel
            yield from (message for message in rt.messages(data) if message.sequence == sequence)


def _raise_for(message: rt.Message) -> None:
    number = rt.error_number(message.body) if len(message.body) >= 4 else 0
    if number > 0:
        raise OSError(number, os.strerror(number))


@dataclass(slots=True)
class _Tables:
    """What the dumps have told so far."""

    links: list[rt.LinkMessage] = field(default_factory=list)
    addresses: defaultdict[int, list[InterfaceAddress]] = field(default_factory=lambda: defaultdict(list))
    neighbours: list[Neighbour] = field(default_factory=list)
    defaults: set[int] = field(default_factory=set)
    halves: set[int] = field(default_factory=set)
    skipped: list[SkippedSource] = field(default_factory=list)

    def take_links(self, messages: list[rt.Message]) -> None:
        for message in messages:
            self.read("links", self.take_link, message)

    def read(self, what: str, take: _Take, message: rt.Message) -> None:
        """Hand one message's body to ``take``; one that cannot be read is noted and left out."""
        try:
            take(message.body)
        except (ValueError, IndexError) as error:
            self.skipped.append(SkippedSource(what, f"a message that cannot be read: {error}"))

    def take_link(self, body: bytes) -> None:
        link = rt.parse_link(body)
        if link is not None:
            self.links.append(link)

    def take_address(self, body: bytes) -> None:
        found = rt.parse_address(body)
        if found is not None:
            self.addresses[found[0]].append(found[1])

    def take_neighbour(self, body: bytes) -> None:
        found = rt.parse_neighbour(body)
        if found is not None:
            self.neighbours.append(Neighbour(found.index, found.address))

    def take_route(self, body: bytes) -> None:
        if rt.route_bits(body) > 1:
            return
        route = rt.parse_route(body)
        if route is not None and rt.is_default(route):
            self.defaults.update(route.indices)
        if route is not None and rt.is_half(route):
            self.halves.update(route.indices)

    def interfaces(self) -> Interfaces:
        counts = Counter(one.index for one in self.neighbours)
        found = tuple(self._interface(link, counts[link.index]) for link in self.links)
        return Interfaces(found, tuple(self.skipped), "netlink")

    def _interface(self, link: rt.LinkMessage, neighbours: int) -> Interface:
        """A link that carries all addresses in two halves belongs to a VPN, whatever kind of device it is."""
        tunnel = link.index in self.halves and link.kind is not InterfaceKind.LOOPBACK
        return Interface(
            index=link.index,
            name=link.name,
            kind=InterfaceKind.TUNNEL if tunnel else link.kind,
            up=link.up,
            carrier=link.carrier,
            multicast=link.multicast,
            point_to_point=link.point_to_point,
            mtu=link.mtu,
            addresses=in_order(self.addresses[link.index]),
            gateway=tunnel or link.index in self.defaults,
            neighbours=neighbours,
        )
