"""The messages of Linux's routing socket as values: bytes in, values out, and no socket.

Numbers are in the host's byte order. Layouts: rtnetlink(7), netlink(7), the kernel's include/uapi/linux/
{netlink,rtnetlink,if_link,if_addr,neighbour}.h.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from localpair.address import IPAddress
from localpair.candidate import InterfaceAddress, InterfaceKind
from localpair.dataclass import dataclass
from localpair.net.host.naming import kind_of_name

ERROR, DONE, OVERRUN = 2, 3, 4
NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, GET_ADDRESS = 20, 22
NEW_ROUTE, GET_ROUTE = 24, 26
NEW_NEIGHBOUR, GET_NEIGHBOUR = 28, 30

REQUEST, DUMP, DUMP_INTERRUPTED = 0x01, 0x300, 0x10

_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port of the sender
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_LINK: Final = struct.Struct("=BxHiII")  # family, hardware type, index, flags, change
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, to, from, tos, table, protocol, scope, type, flags
_NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

_TYPE_MASK: Final = 0x3FFF
_ORDER: Final = sys.byteorder
_AF_UNSPEC, _AF_INET, _AF_INET6 = 0, 2, 10  # Linux's own numbers, whatever the host's socket module says

# include/uapi/linux/if.h
_UP, _LOOPBACK, _POINT_TO_POINT, _MULTICAST = 0x1, 0x8, 0x10, 0x1000
_RUNNING: Final = frozenset({0, 6})  # operational states (RFC 2863): unknown, up

# include/uapi/linux/if_addr.h
_TEMPORARY, _OPTIMISTIC, _DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x01, 0x04, 0x08, 0x20, 0x40

_KINDS: Final = {
    **dict.fromkeys(("veth", "netkit"), InterfaceKind.VETH),
    **dict.fromkeys(("bridge", "openvswitch"), InterfaceKind.BRIDGE),
    **dict.fromkeys(("macvlan", "macvtap", "ipvlan", "ipvtap", "vlan", "bond", "team"), InterfaceKind.ETHERNET),
    **dict.fromkeys(
        ("tun", "wireguard", "amneziawg", "ovpn", "ppp", "ipip", "sit", "gre", "gretap", "ip6gre", "ip6gretap",
         "ip6tnl", "vti", "vti6", "xfrm", "vxlan", "geneve", "l2tp"),
        InterfaceKind.TUNNEL,
    ),
}  # fmt: skip
# Hardware types (include/uapi/linux/if_arp.h) of links that name no kind.
_HARDWARE: Final = {
    1: InterfaceKind.ETHERNET,
    **dict.fromkeys((801, 802, 803), InterfaceKind.WIRELESS),
    **dict.fromkeys((512, 768, 769, 776, 778, 823, 0xFFFE), InterfaceKind.TUNNEL),
}
# include/uapi/linux/neighbour.h, NUD_
_INCOMPLETE, _REACHABLE, _FAILED, _NO_ARP, _PERMANENT = 0x01, 0x02, 0x20, 0x40, 0x80
_RESOLVED: Final = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # reachable, stale, delay, probe, permanent
_UNICAST: Final = 1
_LOCAL_TABLE: Final = 255
_DEAD: Final = 0x01 | 0x10  # the next hop is dead, or its link is down


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message: its type, flags, the request it answers, and what follows the header."""

    type: int
    flags: int
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """A network device. ``carrier`` is False also while the link is dormant or its lower device is down."""

    index: int
    name: str
    kind: InterfaceKind
    up: bool
    carrier: bool
    multicast: bool
    point_to_point: bool
    mtu: int
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class RouteMessage:
    """A unicast or local route. ``bits`` is the length of its destination's prefix; 0 is a default route."""

    family: int
    bits: int
    destination: IPAddress | None
    table: int
    type: int
    indices: tuple[int, ...]
    gateway: IPAddress | None
    source: IPAddress | None
    dead: bool


@dataclass(frozen=True, slots=True)
class NeighbourMessage:
    """An entry of the neighbour table whose neighbour has answered."""

    index: int
    address: IPAddress


@dataclass(frozen=True, slots=True)
class NeighbourEntry:
    """Any entry of the neighbour table: ``reachable`` has answered lately, ``resolved`` once, and ``silent`` was asked
    in vain, so far or for good.
    """

    index: int
    address: IPAddress
    reachable: bool
    resolved: bool
    silent: bool
    mac: str | None


def request(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    """One request of type ``kind``."""
    return _HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, sequence, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def dump_request(kind: int, sequence: int) -> bytes:
    """The request for a whole table; ``kind`` is one of the GET types."""
    bodies = {
        # 29: IFLA_EXT_MASK, 8: leave the statistics out
        GET_LINK: _LINK.pack(_AF_UNSPEC, 0, 0, 0, 0) + attribute(29, struct.pack("=I", 8)),
        GET_ADDRESS: _ADDRESS.pack(_AF_UNSPEC, 0, 0, 0, 0),
        GET_ROUTE: _ROUTE.pack(_AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0),
        GET_NEIGHBOUR: _NEIGHBOUR.pack(_AF_UNSPEC, 0, 0, 0, 0),
    }
    return request(kind, sequence, bodies[kind], DUMP)


def route_request(address: IPAddress, scope: int, sequence: int) -> bytes:
    """The question which route a packet to ``address`` takes (out of the interface ``scope``, unless 0)."""
    family = _AF_INET if address.version == 4 else _AF_INET6
    body = _ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0) + attribute(1, address.packed)
    if scope:
        body += attribute(4, struct.pack("=I", scope))
    return request(GET_ROUTE, sequence, body)


def messages(data: bytes) -> Iterator[Message]:
    """The messages in one datagram. A length that cannot be ends the walk: nothing after it has a known place."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        yield Message(kind, flags, sequence, data[offset + _HEADER.size : offset + length])
        offset += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Type to value; the last one of a type wins, and a length that cannot be ends the walk."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def error_number(body: bytes) -> int:
    """The errno of an ERROR or DONE message, 0 for an acknowledgement. ValueError for a short one."""
    (code,) = _unpack(struct.Struct("=i"), body)
    return -int(code)


def parse_link(body: bytes) -> LinkMessage | None:
    """A device, or None for a message that is about a bridge's port. ValueError for a malformed one."""
    family, hardware, index, flags, _ = _unpack(_LINK, body)
    if family != _AF_UNSPEC:
        return None
    found = attributes(body[_LINK.size :])
    name = found[3].rstrip(b"\0").decode(errors="replace") if 3 in found else f"#{index}"
    carrier = _number(found.get(33), 1) != 0 and _number(found.get(16), 0) in _RUNNING
    return LinkMessage(
        index=index,
        name=name,
        kind=_kind(found.get(18, b""), hardware, flags, name),
        up=bool(flags & _UP),
        carrier=carrier,
        multicast=bool(flags & _MULTICAST),
        point_to_point=bool(flags & _POINT_TO_POINT),
        mtu=_number(found.get(4), 1500),
        mac=_mac(found.get(1)),
    )


def parse_address(body: bytes) -> tuple[int, InterfaceAddress] | None:
    """An interface's index and one address of it; None for another family. ValueError for a malformed one."""
    family, prefix, flags, _, index = _unpack(_ADDRESS, body)
    if family not in (_AF_INET, _AF_INET6):
        return None
    found = attributes(body[_ADDRESS.size :])
    flags = _number(found.get(8), flags)
    remote = _address(family, found.get(1))
    local = _address(family, found.get(2)) or remote
    if local is None or prefix > local.max_prefixlen:
        raise ValueError("an address message without a usable address")
    waiting = flags & _TENTATIVE and not flags & _OPTIMISTIC
    details = InterfaceAddress(
        address=local,
        prefix=prefix,
        tentative=bool(waiting or flags & _DAD_FAILED),
        deprecated=bool(flags & _DEPRECATED),
        temporary=family == _AF_INET6 and bool(flags & _TEMPORARY),  # in IPv4 the same bit means "secondary"
        peer=remote if remote != local else None,
    )
    return index, details


def parse_route(body: bytes) -> RouteMessage | None:
    """A route, or None for another family. ValueError for a malformed one."""
    family, bits, _, _, table, _, _, kind, flags = _unpack(_ROUTE, body)
    if family not in (_AF_INET, _AF_INET6):
        return None
    found = attributes(body[_ROUTE.size :])
    indices = _next_hops(found[9]) if 9 in found else ()
    if 4 in found and not flags & _DEAD:
        indices = (_number(found[4], 0), *indices)
    return RouteMessage(
        family=family,
        bits=bits,
        destination=_address(family, found.get(1)),
        table=_number(found.get(15), table),
        type=kind,
        indices=indices,
        gateway=_gateway(family, found),
        source=_address(family, found.get(7)),
        dead=bool(flags & _DEAD),
    )


def route_bits(body: bytes) -> int:
    """Only the prefix length of a route: large tables are skimmed for their default routes."""
    return body[1] if len(body) > 1 else 255


def is_default(route: RouteMessage) -> bool:
    """Whether ``route`` carries everything, from whichever table."""
    return route.bits == 0 and route.type == _UNICAST and route.table != _LOCAL_TABLE


def is_half(route: RouteMessage) -> bool:
    """Whether ``route`` carries one half of all addresses, as full-tunnel VPNs set two to outdo the default."""
    return route.bits == 1 and route.type == _UNICAST and route.table != _LOCAL_TABLE


def parse_neighbour(body: bytes) -> NeighbourMessage | None:
    """A neighbour; None for those that have not answered (most of a table, after a sweep), for groups and for
    other families. ValueError for a malformed one.
    """
    family, index, state, _, kind = _unpack(_NEIGHBOUR, body)
    if not state & _RESOLVED or kind != _UNICAST:
        return None
    address = _address(family, attributes(body[_NEIGHBOUR.size :]).get(1))
    if address is None or address.is_multicast:
        return None
    return NeighbourMessage(index, address)


def parse_neighbour_entry(body: bytes) -> NeighbourEntry | None:
    """Any entry for one neighbour; None for groups, for links that need no questions, and for other families.
    ValueError for a malformed one.
    """
    family, index, state, _, kind = _unpack(_NEIGHBOUR, body)
    found = attributes(body[_NEIGHBOUR.size :])
    address = _address(family, found.get(1))
    if kind != _UNICAST or state & _NO_ARP or address is None or address.is_multicast:
        return None
    return NeighbourEntry(
        index,
        address,
        reachable=bool(state & (_REACHABLE | _PERMANENT)),
        resolved=bool(state & _RESOLVED),
        silent=bool(state & (_INCOMPLETE | _FAILED)),
        mac=_mac(found.get(2)),
    )


def _mac(value: bytes | None) -> str | None:
    """A hardware address in the usual letters; None where a link has none, such as a tunnel, or only zeros."""
    if value is None or not 6 <= len(value) <= 20 or not any(value):
        return None
    return ":".join(f"{byte:02x}" for byte in value)


def _kind(info: bytes, hardware: int, flags: int, name: str) -> InterfaceKind:
    if flags & _LOOPBACK:
        return InterfaceKind.LOOPBACK
    named = attributes(info).get(1, b"").rstrip(b"\0").decode(errors="replace")
    kind = _KINDS.get(named) if named else _HARDWARE.get(hardware)
    hint = kind_of_name(name)
    if kind in (InterfaceKind.VETH, InterfaceKind.ETHERNET, None) and hint is InterfaceKind.TUNNEL:
        return InterfaceKind.TUNNEL
    if kind is InterfaceKind.ETHERNET and hint is InterfaceKind.WIRELESS:
        return InterfaceKind.WIRELESS
    return kind or InterfaceKind.OTHER


def _unpack(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) < layout.size:
        raise ValueError(f"a message of {len(body)} bytes where at least {layout.size} are needed")
    return layout.unpack_from(body)


def _number(value: bytes | None, default: int) -> int:
    return int.from_bytes(value, _ORDER) if value else default


def _address(family: int, value: bytes | None) -> IPAddress | None:
    if family == _AF_INET and value is not None and len(value) == 4:
        return IPv4Address(value)
    if family == _AF_INET6 and value is not None and len(value) == 16:
        return IPv6Address(value)
    return None


def _gateway(family: int, found: dict[int, bytes]) -> IPAddress | None:
    """The next hop; an IPv4 route may have an IPv6 one (RFC 8950), which then comes with its own family."""
    if 18 in found and len(found[18]) > 2:
        return _address(int.from_bytes(found[18][:2], _ORDER), found[18][2:])
    return _address(family, found.get(5))


def _next_hops(data: bytes) -> tuple[int, ...]:
    """The interfaces of a route with several next hops, without the dead ones."""
    found: list[int] = []
    layout = struct.Struct("=HBBi")  # length, flags, weight, index
    offset = 0
    while offset + layout.size <= len(data):
        length, flags, _, index = layout.unpack_from(data, offset)
        if length < layout.size:
            break
        if not flags & _DEAD:
            found.append(index)
        offset += (length + 3) & ~3
    return tuple(found)
