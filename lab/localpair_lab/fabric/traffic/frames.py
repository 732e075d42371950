"""What a frame on the wire is, and whether a ``Match`` of the plan means it. Pure.

``FrameHeader`` is parsed once; ``Matcher`` is made once from a match's fields as a plain dictionary (the fabric
knows no plan). The words are those of ``plan.Match``.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypedDict

_IPV4: Final = 0x0800
_ARP: Final = 0x0806
_IPV6: Final = 0x86DD
_ETHERNET_BYTES: Final = 14
_PROTOCOLS: Final = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6"}
_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options (RFC 8200, 4)
_FRAGMENT: Final = 44
_UNREACHABLE_4: Final = 3  # the types of the ICMP messages
_UNREACHABLE_6: Final = 1
_NEIGHBOUR: Final = range(133, 138)
_LISTENER: Final = frozenset({130, 131, 132, 143})

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """One frame's header fields. ``length`` is the IP packet's; ports are 0 where there are none.

    ``hops`` is the hop limit. ``refusal``: a TCP reset, or ICMP that something is unreachable. ``first``: the
    first four bytes of a datagram's payload, or a segment's sequence number.
    """

    family: str = ""
    protocol: str = ""
    cast: str = ""
    source: bytes = b""
    destination: bytes = b""
    source_port: int = 0
    destination_port: int = 0
    length: int = 0
    syn: bool = False
    refusal: bool = False
    hops: int = 0
    first: bytes = b""


def parse(frame: bytes | memoryview) -> FrameHeader:
    """The frame's fields; what cannot be read stays empty."""
    if len(frame) < _ETHERNET_BYTES:
        return FrameHeader()
    kind = int.from_bytes(frame[12:14])
    body = bytes(frame[_ETHERNET_BYTES : _ETHERNET_BYTES + 128])
    to_everybody = bytes(frame[:6]) == b"\xff" * 6
    try:
        if kind == _IPV4:
            return _parse_ipv4(body, to_everybody)
        if kind == _IPV6:
            return _parse_ipv6(body)
    except (struct.error, IndexError):
        return FrameHeader()
    return FrameHeader(protocol="arp") if kind == _ARP else FrameHeader()


def _parse_ipv4(body: bytes, to_everybody: bool) -> FrameHeader:
    header = (body[0] & 0xF) * 4
    length, fragment = struct.unpack_from("!H2xH", body, 2)
    protocol = _PROTOCOLS.get(body[9], "other")
    first = not fragment & 0x1FFF
    transport = _transport(protocol, body[header:], _UNREACHABLE_4) if first else _NO_TRANSPORT
    if body[16] & 0xF0 == 0xE0:
        cast = "" if protocol == "igmp" else "multicast"
    else:
        cast = "broadcast" if to_everybody else "unicast"
    return FrameHeader(
        "ipv4", protocol, cast, body[12:16], body[16:20], **transport, length=length, hops=body[8]
    )  # fmt: skip


def _parse_ipv6(body: bytes) -> FrameHeader:
    length, following = struct.unpack_from("!HB", body, 4)
    offset = 40
    while following in _EXTENSIONS:
        following, offset = body[offset], offset + 8 + body[offset + 1] * 8
    if following == _FRAGMENT:
        following, offset = body[offset], offset + 8
    protocol = _PROTOCOLS.get(following, "other")
    if protocol == "icmp6":
        kind = body[offset]
        protocol = "nd" if kind in _NEIGHBOUR else "mld" if kind in _LISTENER else "icmp"
    transport = _transport(protocol, body[offset:], _UNREACHABLE_6)
    to_many = "" if protocol in {"nd", "mld"} else "multicast"
    cast = to_many if body[24] == 0xFF else "unicast"
    return FrameHeader(
        "ipv6", protocol, cast, body[8:24], body[24:40], **transport, length=length + 40, hops=body[7]
    )  # fmt: skip


class _Transport(TypedDict, total=False):
    source_port: int
    destination_port: int
    syn: bool
    refusal: bool
    first: bytes


_NO_TRANSPORT: Final = _Transport()


def _transport(protocol: str, body: bytes, unreachable: int) -> _Transport:
    if protocol == "icmp" and body:
        return _Transport(refusal=body[0] == unreachable)
    if protocol not in {"tcp", "udp"} or len(body) < 8:
        return _NO_TRANSPORT
    source, destination = struct.unpack_from("!HH", body)
    flags = body[13] if protocol == "tcp" and len(body) > 13 else 0
    first = body[4:8] if protocol == "tcp" else body[8:12]
    return _Transport(
        source_port=source,
        destination_port=destination,
        syn=flags & 0x12 == 0x02,
        refusal=bool(flags & 0x04),
        first=first,
    )


class Matcher:
    """A match, ready to be asked about packets."""

    def __init__(self, match: dict[str, Any]) -> None:
        self._family: str = match.get("family", "")
        self._cast: str = match.get("cast", "")
        self._protocol: str = match.get("protocol", "")
        self._sources = [ipaddress.ip_network(text) for text in match.get("sources", ())]
        self._destinations = [ipaddress.ip_network(text) for text in match.get("destinations", ())]
        self._source_ports: list[list[int]] = list(match.get("source_ports", ()))
        self._destination_ports: list[list[int]] = list(match.get("destination_ports", ()))
        self._larger_than: int = match.get("larger_than", 0)
        self._syn: bool = match.get("syn", False)

    def means(self, packet: FrameHeader) -> bool:
        """Whether every part of the match holds."""
        return (
            self._family in ("", packet.family)
            and self._cast in ("", packet.cast)
            and self._protocol_holds(packet)
            and _within(packet.source, self._sources)
            and _within(packet.destination, self._destinations)
            and _ranged(packet.source_port, self._source_ports)
            and _ranged(packet.destination_port, self._destination_ports)
            and packet.length >= self._larger_than + bool(self._larger_than)
            and (packet.syn or not self._syn)
        )

    def _protocol_holds(self, packet: FrameHeader) -> bool:
        if self._protocol == "icmp":
            return packet.protocol in {"icmp", "mld"}
        return self._protocol in ("", packet.protocol)


def _within(address: bytes, networks: list[_Network]) -> bool:
    if not networks:
        return True
    if not address:
        return False
    value = ipaddress.ip_address(address)
    return any(value.version == network.version and value in network for network in networks)


def _ranged(port: int, ranges: list[list[int]]) -> bool:
    return not ranges or any(low <= port <= high for low, high in ranges)
