"""DHCP as a home router and a laptop speak it: messages, a server that knows its clients, a client with one lease.

Pure: time is an argument, and nothing is sent here; ``leasing`` has the sockets. Sources: RFC 2131, RFC 2132.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface
from typing import Final

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
_BOOTP: Final = struct.Struct("!BBBBIHH4s4s4s4s16s192x4s")
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP: Final = struct.Struct("!HHHH")
_MAGIC: Final = b"\x63\x82\x53\x63"
_MASK, _REQUESTED, _SECONDS, _KIND, _SERVER, _END = 1, 50, 51, 53, 54, 255
_NOBODY: Final = "0.0.0.0"  # noqa: S104 - the address of a host that has none
_EVERYBODY: Final = "255.255.255.255"
_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """One message; ``address`` is the one that a server gives, ``held`` the one that a client has and renews,
    ``wanted`` the one that it asks for.
    """

    kind: int
    transaction: int
    mac: bytes
    address: str = _NOBODY
    held: str = _NOBODY
    wanted: str = ""
    server: str = ""
    length: int = 0
    seconds: float = 0.0


def packet(message: DhcpMessage, source: str, destination: str) -> bytes:
    """The message as an IPv4 packet."""
    reply = message.kind in (OFFER, ACK, NAK)
    body = _BOOTP.pack(
        2 if reply else 1, 1, 6, 0, message.transaction, 0, 0,
        _packed(message.held), _packed(message.address), _packed(_NOBODY), _packed(_NOBODY), message.mac, _MAGIC,
    )  # fmt: skip
    body += bytes((_KIND, 1, message.kind)) + _options(message) + bytes((_END,))
    ports = (SERVER_PORT, CLIENT_PORT) if reply else (CLIENT_PORT, SERVER_PORT)
    length = _UDP.size + len(body)
    head = [0x45, 0, _IP.size + length, 0, 0, 64, 17, 0, _packed(source), _packed(destination)]
    head[7] = _checksum(_IP.pack(*head))
    return _IP.pack(*head) + _UDP.pack(*ports, length, 0) + body  # a UDP checksum of 0 is none


def _options(message: DhcpMessage) -> bytes:
    found = b""
    if message.wanted:
        found += bytes((_REQUESTED, 4)) + _packed(message.wanted)
    if message.server:
        found += bytes((_SERVER, 4)) + _packed(message.server)
    if message.length:
        mask = (0xFFFFFFFF << (32 - message.length)) & 0xFFFFFFFF
        found += bytes((_MASK, 4)) + struct.pack("!I", mask)
    if message.seconds:
        found += bytes((_SECONDS, 4)) + struct.pack("!I", max(1, round(message.seconds)))
    return found


def parse(data: bytes, port: int) -> DhcpMessage | None:
    """The message in an IPv4 packet to that UDP port; None for any other packet."""
    head = (data[0] & 15) * 4 if data else 0
    if len(data) < head + _UDP.size + _BOOTP.size or data[9] != socket.IPPROTO_UDP:
        return None
    body = data[head + _UDP.size :]
    fields = _BOOTP.unpack_from(body)
    if _UDP.unpack_from(data, head)[1] != port or fields[12] != _MAGIC:
        return None
    options = dict(_read_options(body[_BOOTP.size :]))
    mask = struct.unpack("!I", options.get(_MASK, bytes(4)))[0]
    return DhcpMessage(
        kind=options.get(_KIND, b"\0")[0],
        transaction=fields[4],
        mac=fields[11][:6],
        address=_text(fields[8]),
        held=_text(fields[7]),
        wanted=_text(options[_REQUESTED]) if _REQUESTED in options else "",
        server=_text(options[_SERVER]) if _SERVER in options else "",
        length=mask.bit_count(),
        seconds=struct.unpack("!I", options.get(_SECONDS, bytes(4)))[0],
    )


def _read_options(body: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset + 2 <= len(body) and body[offset] != _END:
        length = body[offset + 1]
        found.append((body[offset], body[offset + 2 : offset + 2 + length]))
        offset += 2 + length
    return found


def _packed(address: str) -> bytes:
    return socket.inet_aton(address)


def _text(address: bytes) -> str:
    return socket.inet_ntoa(address)


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(head) // 2}H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


@dataclass(slots=True)
class LeaseTable:
    """A server: what it answers to whom. ``leases`` are addresses with their prefix length by hardware address."""

    address: str
    leases: dict[bytes, str]
    seconds: float

    def answer(self, asked: DhcpMessage) -> DhcpMessage | None:
        """The answer to a message; None: this client is none of the server's, or meant another one."""
        lease = self.leases.get(asked.mac)
        if lease is None or asked.server not in ("", self.address):
            return None
        own = ip_interface(lease)
        given = DhcpMessage(
            OFFER, asked.transaction, asked.mac, str(own.ip), server=self.address,
            length=own.network.prefixlen, seconds=self.seconds,
        )  # fmt: skip
        if asked.kind == DISCOVER:
            return given
        if asked.kind != REQUEST:
            return None
        if (asked.wanted or asked.held) == str(own.ip):
            return replace(given, kind=ACK)
        return DhcpMessage(NAK, asked.transaction, asked.mac, server=self.address)


@dataclass(slots=True)
class LeaseHolder:
    """A client: asks until it has an address, asks for the same one again after half of its time, and lets go of it
    when the time is up or the server says no.

    ``address`` has its prefix length, and is empty while there is none. ``wait_s`` is doubled with each question that
    nobody answers.
    """

    mac: bytes
    address: str = ""
    server: str = ""
    due: float = 0.0
    expires: float = 0.0
    seconds: float = 0.0
    wait_s: float = _FIRST_WAIT_S
    transaction: int = 1
    offered: DhcpMessage | None = field(default=None)

    def ask(self, now: float) -> DhcpMessage | None:
        """The question that is due now; where the lease has run out, the address is gone besides."""
        if self.address and now >= self.expires:
            self._let_go(now)
        if now < self.due:
            return None
        self.due = now + self.wait_s
        self.wait_s = min(2 * self.wait_s, _LONGEST_WAIT_S)
        self.offered = None
        if not self.address:
            self.transaction += 1
            return DhcpMessage(DISCOVER, self.transaction, self.mac)
        self.due = min(self.due, self.expires)
        return DhcpMessage(REQUEST, self.transaction, self.mac, held=self.address.partition("/")[0])

    def hear(self, said: DhcpMessage, now: float) -> DhcpMessage | None:
        """Take an answer; the next question, where it asks for one at once."""
        if said.mac != self.mac or said.transaction != self.transaction:
            return None
        if said.kind == OFFER and not self.address and self.offered is None:
            self.offered = said
            return DhcpMessage(REQUEST, self.transaction, self.mac, wanted=said.address, server=said.server)
        if said.kind == ACK:
            self.address, self.server = f"{said.address}/{said.length}", said.server
            self.seconds, self.wait_s = said.seconds, _FIRST_WAIT_S
            self.expires, self.due = now + said.seconds, now + said.seconds / 2
        elif said.kind == NAK and self.address:
            self._let_go(now)
            return self.ask(now)
        return None

    def _let_go(self, now: float) -> None:
        self.address, self.due, self.wait_s = "", now, _FIRST_WAIT_S


def destination(message: DhcpMessage, server: str) -> str:
    """Where a client's message goes: to the server that it has its address from, or to all."""
    return server if message.held != _NOBODY and server else _EVERYBODY


def source(message: DhcpMessage) -> str:
    """The address that a client sends from."""
    return message.held
