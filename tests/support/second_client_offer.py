"""The second client's offer: written from docs/protocol.md alone.

Imports nothing of localpair, on purpose: see second_client.py.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from second_client_files import ProtocolError, Reader, text

Address = IPv4Address | IPv6Address
METADATA = (IPv4Address("169.254.169.254"), IPv6Address("fd00:ec2::254"))


@dataclass(frozen=True)
class Offer:
    """What the issuer shows and the joiner reads."""

    flags: int
    key_hash: bytes
    secret: bytes
    port: int
    addresses: tuple[tuple[Address, int], ...]

    def text(self) -> str:
        head = struct.pack(
            ">BB16s16sHHH", 1, self.flags, self.key_hash, self.secret, self.port, self.port, 120
        )
        body = head + bytes([len(self.addresses)])
        for address, prefix in self.addresses:
            body += bytes([prefix + (64 if address.version == 6 else 0)]) + address.packed
        body += text("", 1) + struct.pack(">BBH", 2, 2, 0)  # it dials from no port
        return "LP:" + base64.b32encode(body + struct.pack(">I", zlib.crc32(body))).decode().rstrip("=")


def parse_offer(words: str) -> Offer:
    """The offer in ``words``: the longest run of letters behind ``LP:`` whose checksum is right."""
    begin = re.search(r"LP:((?:[\s>-]*[A-Z2-7]+)+)", words, re.IGNORECASE | re.ASCII)
    runs = re.split(r"[\s>-]+", begin[1].strip().upper()) if begin else []
    for count in range(len(runs), 0, -1):
        raw = _unspelled("".join(runs[:count]))
        if raw[-4:] == struct.pack(">I", zlib.crc32(raw[:-4])):
            return _offer(Reader(raw[:-4]))
    raise ProtocolError("no offer in this text")


def _unspelled(letters: str) -> bytes:
    try:
        return base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        return b""


def _offer(body: Reader) -> Offer:
    version, flags = body.number(1), body.number(1)
    key_hash, secret = body.take(16), body.take(16)
    port, udp_port, lifetime = body.number(2), body.number(2), body.number(2)
    addresses = tuple(_candidate(body) for _ in range(body.number(1)))
    body.text(1)
    while body.at < len(body.body):
        kind, value = body.number(1), body.take(body.number(1))
        if kind >= 128:
            raise ProtocolError(f"field {kind} of {len(value)} bytes is not known")
    if version != 1 or min(port, udp_port) < 1024 or not 0 < lifetime <= 300 or len(addresses) > 6:
        raise ProtocolError("an offer that this client cannot use")
    return Offer(flags, key_hash, secret, port, _called(addresses))


def _called(addresses: tuple[tuple[Address, int], ...]) -> tuple[tuple[Address, int], ...]:
    """Those that may be called, each once."""
    kept: dict[Address, int] = {}
    for address, prefix in addresses:
        if _is_called(address, prefix):
            kept.setdefault(address, prefix)
    return tuple(kept.items())


def _is_called(address: Address, prefix: int) -> bool:
    """Whether an offer may name this address: whoever made it is still a stranger."""
    if address.is_loopback or address.is_multicast or address.is_unspecified or address in METADATA:
        return False
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped is None
    subnet = IPv4Network((address, prefix), strict=False)
    ends = (subnet.network_address, subnet.broadcast_address) if prefix <= 30 else ()
    return address not in (*ends, IPv4Address("255.255.255.255"))


def _candidate(body: Reader) -> tuple[Address, int]:
    kind = body.number(1)
    if kind <= 32:
        return IPv4Address(body.take(4)), kind
    if 64 <= kind <= 192:
        return IPv6Address(body.take(16)), kind - 64
    raise ProtocolError("an address of no family")
