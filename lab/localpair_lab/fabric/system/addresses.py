"""Carries out the steps about addresses, routes and routing rules."""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import netlink
from localpair_lab.fabric.system.netlink import attribute, attributes, numeric

if TYPE_CHECKING:
    from localpair_lab.fabric import steps
    from localpair_lab.fabric.services import AnnounceAddress
    from localpair_lab.fabric.system.netlink import Channel
    from localpair_lab.fabric.system.places import Places

# linux/if_addr.h, linux/rtnetlink.h, linux/fib_rules.h
_ADDRESS: Final = struct.Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_TIMES = 1, 2, 4, 6
_WITHOUT_DETECTION: Final = 0x02
_TENTATIVE: Final = 0x40
_RTA_DESTINATION, _RTA_LINK, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_SOURCE, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_KINDS: Final = {"unicast": 1, "multicast": 5, "blackhole": 6, "unreachable": 7}
_SCOPE_LINK: Final = 253
_ON_LINK: Final = 4
_STATIC: Final = 4
_FRA_DESTINATION, _FRA_SOURCE, _FRA_PRIORITY, _FRA_MARK, _FRA_SUPPRESS, _FRA_TABLE = 1, 2, 6, 10, 14, 15
_TO_TABLE: Final = 1
_ARP, _IPV4 = 0x0806, 0x0800
_ARP_QUESTION, _ARP_ANSWER = 1, 2
_ALL_STATIONS: Final = b"\xff" * 6
_INVERT: Final = 2


def add_address(places: Places, step: steps.Address) -> None:
    """One address, with its subnet's broadcast address where it has one."""
    text, _, length = step.address.partition("/")
    family, local = numeric(text)
    far = numeric(step.peer.partition("/")[0])[1] if step.peer else local
    channel = places.channel(step.place)
    body = _ADDRESS.pack(family, int(length), _WITHOUT_DETECTION, 0, channel.index(step.link))
    body += attribute(_IFA_LOCAL, local) + attribute(_IFA_ADDRESS, far)
    if family == socket.AF_INET and int(length) < 31 and not step.peer:
        host_bits = (1 << (32 - int(length))) - 1
        body += attribute(_IFA_BROADCAST, struct.pack("!I", struct.unpack("!I", local)[0] | host_bits))
    if step.lifetime_s:
        body += attribute(_IFA_TIMES, struct.pack("=IIII", step.lifetime_s, step.lifetime_s, 0, 0))
    channel.call(netlink.NEW_ADDRESS, body, netlink.CREATE | netlink.REPLACE, what=step.text)


def delete_address(places: Places, step: steps.DeleteAddress) -> None:
    """One address; one that has gone already is no error."""
    text, _, length = step.address.partition("/")
    family, local = numeric(text)
    channel = places.channel(step.place)
    body = _ADDRESS.pack(family, int(length), 0, 0, channel.index(step.link)) + attribute(_IFA_LOCAL, local)
    try:
        channel.call(netlink.DELETE_ADDRESS, body, what=step.text)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise


def flush_addresses(places: Places, step: steps.FlushAddresses) -> None:
    """Every address of the link goes but fe80::/10."""
    channel = places.channel(step.place)
    flush_index(channel, channel.index(step.link))


def flush_index(channel: Channel, index: int) -> None:
    """The same for the link of that index."""
    for _, body in channel.dump(netlink.GET_ADDRESS, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family, length, _, _, owner = _ADDRESS.unpack_from(body)
        found = dict(attributes(body[_ADDRESS.size :]))
        local = found.get(_IFA_LOCAL, found[_IFA_ADDRESS])
        if owner != index or (family == socket.AF_INET6 and local[0] == 0xFE and local[1] & 0xC0 == 0x80):
            continue
        gone = _ADDRESS.pack(family, length, 0, 0, index) + attribute(_IFA_LOCAL, local)
        try:
            channel.call(netlink.DELETE_ADDRESS, gone, what=f"flush addresses of link {index}")
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # a secondary address goes with its primary one
                raise


def tentative(places: Places, place: str) -> set[str]:
    """The IPv6 addresses of a place that duplicate detection still holds back."""
    waiting = set()
    dump = places.channel(place).dump(netlink.GET_ADDRESS, _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, 0))
    for _, body in dump:
        if _ADDRESS.unpack_from(body)[2] & _TENTATIVE:
            found = dict(attributes(body[_ADDRESS.size :]))
            waiting.add(socket.inet_ntop(socket.AF_INET6, found[_IFA_ADDRESS]))
    return waiting


def announce_address(places: Places, step: AnnounceAddress) -> None:
    """Say twice, as a question and as an answer, whose the address is: some hosts mind only one of the two."""
    own, mac = socket.inet_aton(step.address), netlink.hardware(step.mac)
    with places.inside(step.place), socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as link:
        for kind, target in ((_ARP_QUESTION, bytes(6)), (_ARP_ANSWER, mac)):
            body = struct.pack("!HHBBH6s4s6s4s", 1, _IPV4, 6, 4, kind, mac, own, target, own)
            link.sendto(body, (step.link, _ARP, 0, 0, _ALL_STATIONS))


def assigned(places: Places, place: str) -> set[str]:
    """The IPv6 addresses of a place that can be used."""
    found = set()
    for _, body in places.channel(place).dump(
        netlink.GET_ADDRESS, _ADDRESS.pack(socket.AF_INET6, 0, 0, 0, 0)
    ):
        if not _ADDRESS.unpack_from(body)[2] & _TENTATIVE:
            parts = dict(attributes(body[_ADDRESS.size :]))
            found.add(socket.inet_ntop(socket.AF_INET6, parts[_IFA_ADDRESS]))
    return found


def add_route(places: Places, step: steps.AddRoute) -> None:
    """One route; a route of the same destination, metric and table is replaced."""
    prefix, _, length = step.destination.partition("/")
    family, destination = numeric(prefix)
    on_link_scope = _SCOPE_LINK if step.kind in {"unicast", "multicast"} and not step.via else 0
    body = struct.pack(
        "=BBBBBBBBI",
        family,
        int(length),
        0,
        0,
        step.table if step.table < 256 else 0,
        _STATIC,
        on_link_scope if family == socket.AF_INET else 0,
        _KINDS[step.kind],
        _ON_LINK if step.on_link else 0,
    )
    channel = places.channel(step.place)
    body += attribute(_RTA_DESTINATION, destination) if int(length) else b""
    body += attribute(_RTA_GATEWAY, numeric(step.via)[1]) if step.via else b""
    body += attribute(_RTA_LINK, channel.index(step.link)) if step.link else b""
    body += attribute(_RTA_PRIORITY, step.metric) if step.metric else b""
    body += attribute(_RTA_SOURCE, numeric(step.source)[1]) if step.source else b""
    body += attribute(_RTA_TABLE, step.table)
    channel.call(netlink.NEW_ROUTE, body, netlink.CREATE | netlink.REPLACE, what=step.text)


def add_rule(places: Places, step: steps.AddPolicyRule) -> None:
    """One routing rule."""
    family = socket.AF_INET6 if step.family == "ipv6" else socket.AF_INET
    source, source_length = _prefix(step.source)
    destination, destination_length = _prefix(step.destination)
    table = step.table if step.table < 256 else 0
    flags = _INVERT if step.not_mark else 0
    body = struct.pack(
        "=BBBBBBBBI", family, destination_length, source_length, 0, table, 0, 0, _TO_TABLE, flags
    )
    body += attribute(_FRA_DESTINATION, destination) if destination else b""
    body += attribute(_FRA_SOURCE, source) if source else b""
    body += attribute(_FRA_PRIORITY, step.priority) + attribute(_FRA_TABLE, step.table)
    body += attribute(_FRA_MARK, step.mark or step.not_mark) if step.mark or step.not_mark else b""
    body += attribute(_FRA_SUPPRESS, step.suppress_prefix_length) if step.suppress_prefix_length >= 0 else b""
    places.channel(step.place).call(
        netlink.NEW_RULE, body, netlink.CREATE | netlink.EXCLUSIVE, what=step.text
    )


def _prefix(text: str) -> tuple[bytes, int]:
    if not text:
        return b"", 0
    address, _, length = text.partition("/")
    packed = numeric(address)[1]
    return packed, int(length) if length else len(packed) * 8


def forget_neighbours(places: Places, place: str) -> int:
    """Empty a place's ARP and neighbour tables of all they learnt. Returns how many entries were known or asked for."""
    channel = places.channel(place)
    layout = struct.Struct("=BxxxiHBB")
    permanent, no_arp, failed, count = 0x80, 0x40, 0x20, 0
    for _, body in channel.dump(netlink.GET_NEIGHBOUR, layout.pack(0, 0, 0, 0, 0)):
        family, index, state, flags, _ = layout.unpack_from(body)
        found = dict(attributes(body[layout.size :]))
        if state & (permanent | no_arp) or 1 not in found:
            continue
        try:
            gone = layout.pack(family, index, state, flags, 0) + attribute(1, found[1])
            channel.call(netlink.DELETE_NEIGHBOUR, gone, what=f"forget a neighbour in {place}")
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        count += not state & failed
    return count
