"""A translator between the families: IPv4 packets become IPv6 ones and back (RFC 7915), by a map of addresses (RFC
7757) and a prefix (RFC 6052).

It keeps no state: NAT64 is this and the kernel's own translation of ports behind it, as tayga does it. Fragments, and
what is neither TCP, UDP nor ICMP, are lost.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import channel

if TYPE_CHECKING:
    from collections.abc import Sequence

_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_CHECKSUM_AT: Final = {_TCP: 16, _UDP: 6}
_IPV4_BYTES, _IPV6_BYTES = 20, 40
_GROWTH: Final = _IPV6_BYTES - _IPV4_BYTES
_NOT_WHOLE: Final = 0x3FFF  # more fragments follow, or an offset
_WHOLE: Final = 0x4000
_ECHOES: Final = {8: 128, 0: 129}
_UNREACHABLE_4, _EXCEEDED_4 = 3, 11
_UNREACHABLE_6, _TOO_BIG_6, _EXCEEDED_6 = 1, 2, 3
_FRAGMENTATION_NEEDED: Final = 4
_CODES_TO_6: Final = {0: 0, 1: 0, 3: 4, 9: 1, 10: 1, 13: 1}  # RFC 7915, 4.2
_CODES_TO_4: Final = {0: 1, 1: 10, 2: 1, 3: 1, 4: 3}  # RFC 7915, 5.2
_QUOTED: Final = 8  # bytes of an error, ahead of the packet that it is about
_LARGEST: Final = 1 << 16
_WAITING: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class FamilyMap:
    """The map, in bytes."""

    prefix: bytes
    to_ipv6: dict[bytes, bytes]
    to_ipv4: dict[bytes, bytes]

    @classmethod
    def of(cls, prefix: str, pairs: Sequence[Sequence[str]]) -> FamilyMap:
        """The map of a step."""
        network = socket.inet_pton(socket.AF_INET6, prefix.partition("/")[0])
        known = {socket.inet_aton(ipv4): socket.inet_pton(socket.AF_INET6, ipv6) for ipv4, ipv6 in pairs}
        return cls(network[:12], known, {ipv6: ipv4 for ipv4, ipv6 in known.items()})

    def ipv6(self, address: bytes) -> bytes:
        """An IPv4 address as an IPv6 one."""
        return self.to_ipv6.get(address) or self.prefix + address

    def ipv4(self, address: bytes) -> bytes | None:
        """An IPv6 address as an IPv4 one, where it has any."""
        return self.to_ipv4.get(address) or (address[12:] if address[:12] == self.prefix else None)


def translated(packet: bytes, addresses: FamilyMap) -> bytes | None:
    """The packet in the other family; None where it cannot be translated."""
    try:
        if packet[0] >> 4 == 4:
            return _to_ipv6(packet, addresses)
        return _to_ipv4(packet, addresses) if packet[0] >> 4 == 6 else None
    except (IndexError, struct.error):
        return None


def _to_ipv6(packet: bytes, addresses: FamilyMap, *, quoted: bool = False) -> bytes | None:
    header = (packet[0] & 0xF) * 4
    length, flags = struct.unpack_from("!H2xH", packet, 2)
    protocol, hops = packet[9], packet[8]
    payload = packet[header : None if quoted else length]
    if flags & _NOT_WHOLE:
        return None
    new = addresses.ipv6(packet[12:16]) + addresses.ipv6(packet[16:20])
    if protocol != _ICMP:
        body = _moved(payload, protocol, packet[12:20], new)
    elif (body := _icmp_to_6(payload, addresses, quoted=quoted)) is not None:
        protocol = _ICMP6
        body = _with_checksum(body, 2, new + struct.pack("!II", len(body), _ICMP6))
    if body is None:
        return None
    size = length - header if quoted else len(body)
    return struct.pack("!IHBB", 6 << 28 | packet[1] << 20, size, protocol, hops) + new + body


def _to_ipv4(packet: bytes, addresses: FamilyMap, *, quoted: bool = False) -> bytes | None:
    first, length, protocol, hops = struct.unpack_from("!IHBB", packet)
    payload = packet[_IPV6_BYTES : None if quoted else _IPV6_BYTES + length]
    source, target = addresses.ipv4(packet[8:24]), addresses.ipv4(packet[24:40])
    if source is None and protocol == _ICMP6:
        # A router on the way has no address in the map: any of ours tells as much (RFC 6791).
        source = next(iter(addresses.to_ipv6), None)
    if source is None or target is None:
        return None
    new = source + target
    if protocol != _ICMP6:
        body = _moved(payload, protocol, packet[8:40], new)
    elif (body := _icmp_to_4(payload, addresses, quoted=quoted)) is not None:
        protocol = _ICMP
        body = _with_checksum(body, 2, b"")
    if body is None:
        return None
    total = (length if quoted else len(body)) + _IPV4_BYTES
    head = struct.pack("!BBHHHBBH", 0x45, first >> 20 & 0xFF, total, 0, _WHOLE, hops, protocol, 0) + new
    return _with_checksum(head, 10, b"") + body


def _moved(body: bytes, protocol: int, old: bytes, new: bytes) -> bytes | None:
    """TCP or UDP between other addresses: the checksum changes by the difference of both."""
    at = _CHECKSUM_AT.get(protocol)
    if at is None or len(body) < at + 2:
        return None if at is None else body
    before = int.from_bytes(body[at : at + 2])
    if protocol == _UDP and before == 0:  # none; IPv6 wants one
        found = _checksum(body, new + struct.pack("!II", len(body), protocol))
    else:
        found = 0xFFFF - _folded((0xFFFF - before) + (0xFFFF - _folded(_words(old))) + _words(new))
    return body[:at] + (found or 0xFFFF if protocol == _UDP else found).to_bytes(2) + body[at + 2 :]


def _icmp_to_6(body: bytes, addresses: FamilyMap, *, quoted: bool) -> bytes | None:
    kind, code = body[0], body[1]
    if kind in _ECHOES:
        return bytes((_ECHOES[kind], 0)) + body[2:]
    inner = None if quoted else _to_ipv6(body[_QUOTED:], addresses, quoted=True)
    if inner is None:
        return None
    if kind == _UNREACHABLE_4 and code == _FRAGMENTATION_NEEDED:
        return struct.pack("!BBHI", _TOO_BIG_6, 0, 0, int.from_bytes(body[6:8]) + _GROWTH) + inner
    if kind == _UNREACHABLE_4 and code in _CODES_TO_6:
        return struct.pack("!BBHI", _UNREACHABLE_6, _CODES_TO_6[code], 0, 0) + inner
    return struct.pack("!BBHI", _EXCEEDED_6, code, 0, 0) + inner if kind == _EXCEEDED_4 else None


def _icmp_to_4(body: bytes, addresses: FamilyMap, *, quoted: bool) -> bytes | None:
    kind, code = body[0], body[1]
    back = {ipv6: ipv4 for ipv4, ipv6 in _ECHOES.items()}
    if kind in back:
        return bytes((back[kind], 0)) + body[2:]
    inner = None if quoted else _to_ipv4(body[_QUOTED:], addresses, quoted=True)
    if inner is None:
        return None
    if kind == _TOO_BIG_6:
        mtu = min(int.from_bytes(body[4:8]) - _GROWTH, 0xFFFF)
        return struct.pack("!BBHHH", _UNREACHABLE_4, _FRAGMENTATION_NEEDED, 0, 0, mtu) + inner
    if kind == _UNREACHABLE_6 and code in _CODES_TO_4:
        refused = 3 if code == 4 else _CODES_TO_4[code]
        return struct.pack("!BBHI", _UNREACHABLE_4, refused, 0, 0) + inner
    return struct.pack("!BBHI", _EXCEEDED_4, code, 0, 0) + inner if kind == _EXCEEDED_6 else None


def _with_checksum(data: bytes, at: int, pseudo: bytes) -> bytes:
    blank = data[:at] + b"\0\0" + data[at + 2 :]
    return data[:at] + _checksum(blank, pseudo).to_bytes(2) + data[at + 2 :]


def _checksum(data: bytes, pseudo: bytes) -> int:
    return 0xFFFF - _folded(_words(pseudo + data))


def _words(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    return sum(struct.unpack(f"!{len(padded) // 2}H", padded))


def _folded(number: int) -> int:
    while number > 0xFFFF:
        number = (number & 0xFFFF) + (number >> 16)
    return number


def run(device: int, addresses: FamilyMap, control: socket.socket) -> None:
    """Translate what leaves by the tun ``device`` and give it back, until ``control`` closes. Its messages are answered
    as those to a wire are.
    """
    carried = 0
    while True:
        ready, _, _ = select.select([device, control.fileno()], [], [])
        if device in ready:
            carried += _carry(device, addresses)
        if control.fileno() in ready:
            try:
                channel.receive(control)
            except channel.ChannelClosedError:
                return
            for _ in range(_WAITING):
                if not _carry(device, addresses):
                    break
                carried += 1
            channel.send(control, {"ok": True, "carried": carried})


def _carry(device: int, addresses: FamilyMap) -> bool:
    try:
        packet = os.read(device, _LARGEST)
    except BlockingIOError:
        return False
    answer = translated(packet, addresses)
    if answer is not None:
        try:
            os.write(device, answer)
        except OSError:  # the device is down: the packet is lost
            pass
    return True
