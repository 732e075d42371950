"""A frame in words: one line for the timeline, and its parts for who looks closer. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from localpair_lab.fabric.traffic.frames import FrameHeader, parse

_SHOWN_BYTES = 96
_ETHERNET = 14
_FLAGS = ((0x02, "SYN"), (0x10, "ACK"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"))
_SERVICES = {
    53: "DNS",
    67: "DHCP",
    68: "DHCP",
    1900: "SSDP",
    3702: "WS-Discovery",
    5353: "mDNS",
    5355: "LLMNR",
}
_TLS = {20: "TLS change of keys", 21: "TLS alert", 22: "TLS handshake", 23: "TLS data"}
_ICMP = {
    "ipv4": {0: "echo reply", 3: "unreachable", 5: "redirect", 8: "echo", 11: "time exceeded"},
    "ipv6": {1: "unreachable", 2: "packet too big", 3: "time exceeded", 128: "echo", 129: "echo reply"},
}
_NEIGHBOUR = {
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    137: "redirect",
}
_KERNELS = frozenset({"arp", "nd", "mld", "igmp"})


@dataclass(frozen=True, slots=True)
class Dissected:
    """``line`` tells it all in short, ``parts`` layer by layer, ``content`` is the begin of what it carries, in
    hexadecimal and as text. ``flow`` is equal for all packets of both directions of a conversation whose ``size`` is
    all that matters of them; else empty. ``is_kernels``: sent by kernels by themselves.
    """

    line: str
    parts: tuple[tuple[str, str], ...]
    content: str
    flow: tuple[str, ...]
    size: int
    is_kernels: bool
    is_refusal: bool


def dissected(frame: bytes) -> Dissected:
    """What can be read of it; everything is unverified."""
    header = parse(frame)
    body = _transport(frame, header)
    line, payload = _line(frame, header, body)
    ends = tuple(
        sorted((_end(header.source, header.source_port), _end(header.destination, header.destination_port)))
    )
    is_plain = header.protocol == "tcp" and len(body) > 13 and not body[13] & 0x07
    return Dissected(
        line,
        tuple(_parts(frame, header, body)),
        _hex(payload[:_SHOWN_BYTES]),
        ends if is_plain else (),
        header.length or max(0, len(frame) - _ETHERNET),
        header.protocol in _KERNELS or not header.protocol,
        header.refusal,
    )


def _end(address: bytes, port: int) -> str:
    if len(address) not in (4, 16):
        return ""  # there is none, or it was cut off
    told = str(ipaddress.ip_address(address))
    if not port:
        return told
    return f"[{told}]:{port}" if ":" in told else f"{told}:{port}"


def _transport(frame: bytes, header: FrameHeader) -> bytes:
    """From the transport's header on; nothing where there is none that is known."""
    body = frame[_ETHERNET:]
    if header.family == "ipv4" and body:
        return body[(body[0] & 0xF) * 4 :]
    if header.family == "ipv6":
        return body[40:] if len(body) > 6 and body[6] in (6, 17, 58) else body[48:]
    return body


def _line(frame: bytes, header: FrameHeader, body: bytes) -> tuple[str, bytes]:
    ends = f"{_end(header.source, header.source_port)} → {_end(header.destination, header.destination_port)}"
    match header.protocol:
        case "arp":
            return _arp(frame), b""
        case "tcp" if len(body) > 13:
            return _tcp(ends, header, body)
        case "udp":
            service = _SERVICES.get(header.destination_port) or _SERVICES.get(header.source_port)
            return f"{service or 'UDP'} {ends}, {max(0, _udp_size(body))} B", body[8:]
        case "nd" | "mld" | "icmp" | "igmp" if body:
            return f"{_control(header, body)} {ends}", body[4:]
        case "":
            return f"frame of type {frame[12:14].hex()}, {len(frame)} B", frame[_ETHERNET:]
        case _:
            return f"{header.protocol.upper()} {ends}, {header.length} B", body


def _udp_size(body: bytes) -> int:
    return int.from_bytes(body[4:6]) - 8 if len(body) >= 8 else 0


def _tcp(ends: str, header: FrameHeader, body: bytes) -> tuple[str, bytes]:
    names = [name for bit, name in _FLAGS if body[13] & bit and name != "PSH"]
    payload = body[(body[12] >> 4) * 4 :]
    size = header.length - (20 if header.family == "ipv4" else 40) - (body[12] >> 4) * 4
    kind = _TLS.get(payload[0], "") if len(payload) > 2 and payload[1] == 3 else ""
    flags = " ".join(names) if names != ["ACK"] or size <= 0 else ""
    told = ", ".join(part for part in (flags, kind, f"{size} B" if size > 0 else "") if part)
    return ", ".join(part for part in (f"TCP {ends}", told) if part), payload


def _control(header: FrameHeader, body: bytes) -> str:
    if header.protocol == "nd":
        return f"IPv6 {_NEIGHBOUR.get(body[0], 'neighbour discovery')}"
    if header.protocol == "icmp":
        return f"ICMP {_ICMP.get(header.family, {}).get(body[0], f'type {body[0]}')}"
    return {"mld": "MLD group membership", "igmp": "IGMP group membership"}[header.protocol]


def _arp(frame: bytes) -> str:
    if len(frame) < 42:
        return "ARP, cut off"
    asks, target = str(ipaddress.ip_address(frame[28:32])), str(ipaddress.ip_address(frame[38:42]))
    if int.from_bytes(frame[20:22]) == 1:
        return f"ARP who has {target}? asks {asks}"
    return f"ARP {asks} is at {_mac(frame[22:28])}"


def _mac(address: bytes) -> str:
    return address.hex(":")


def _parts(frame: bytes, header: FrameHeader, body: bytes) -> Iterator[tuple[str, str]]:
    if any(frame[:12]):
        yield "Ethernet", f"{_mac(frame[6:12])} → {_mac(frame[:6])}, type {frame[12:14].hex()}"
    if header.family:
        ends = f"{_end(header.source, 0)} → {_end(header.destination, 0)}"
        about = f"{header.cast or 'multicast'}, hop limit {header.hops}, {header.length} B"
        yield "IPv4" if header.family == "ipv4" else "IPv6", f"{ends}, {about}"
    if header.protocol == "tcp" and len(body) >= 16:
        source, destination, sequence, acknowledged = struct.unpack_from("!HHII", body)
        names = " ".join(name for bit, name in _FLAGS if body[13] & bit) or "no flags"
        numbers = f"sequence {sequence}, acknowledged {acknowledged}, window {int.from_bytes(body[14:16])}"
        yield "TCP", f"port {source} → {destination}, {names}, {numbers}"
    elif header.protocol == "udp" and len(body) >= 8:
        yield "UDP", f"port {header.source_port} → {header.destination_port}, {_udp_size(body)} B"
    elif header.protocol in ("icmp", "nd", "mld") and len(body) >= 2:
        yield "ICMP" if header.family == "ipv4" else "ICMPv6", f"type {body[0]}, code {body[1]}"


def _hex(data: bytes) -> str:
    """Offset, sixteen bytes, and those that are letters."""
    rows = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append(f"{at:04x}  {part.hex(' '):<47}  {letters}")
    return "\n".join(rows)
