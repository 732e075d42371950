"""Route netlink, as much as the fabric needs: links, bridge ports, addresses, routes, rules.

One ``Channel`` speaks to the kernel of one network namespace, synchronously. Messages are built by the
functions below and sent with ``call``; a refusal is an ``OSError`` that names the request.

Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_bridge.h.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST: Final = 0x1
ACK: Final = 0x4
DUMP: Final = 0x300
EXCLUSIVE: Final = 0x200
REPLACE: Final = 0x100
CREATE: Final = 0x400

NEW_LINK: Final = 16
DELETE_LINK: Final = 17
GET_LINK: Final = 18
SET_LINK: Final = 19
NEW_ADDRESS: Final = 20
DELETE_ADDRESS: Final = 21
GET_ADDRESS: Final = 22
NEW_ROUTE: Final = 24
NEW_NEIGHBOUR: Final = 28
DELETE_NEIGHBOUR: Final = 29
GET_NEIGHBOUR: Final = 30
NEW_RULE: Final = 32

FLAG_UP: Final = 0x1
FLAG_NO_ARP: Final = 0x80
FLAG_MULTICAST: Final = 0x1000

NESTED: Final = 0x8000
IFLA_ADDRESS: Final = 1
IFLA_NAME: Final = 3
IFLA_MTU: Final = 4
IFLA_LINK: Final = 5
IFLA_MASTER: Final = 10
IFLA_PROTINFO: Final = 12
IFLA_OPERSTATE: Final = 16
IFLA_LINKINFO: Final = 18
IFLA_GROUP: Final = 27
IFLA_NET_NS_FD: Final = 28
IFLA_GSO_MAX_SEGS: Final = 40

OPERATIONAL_UP: Final = 6

_ERROR: Final = 2
_DONE: Final = 3
_HEADER: Final = struct.Struct("=IHHII")
_LINK: Final = struct.Struct("=BxHiII")


def attribute(kind: int, value: bytes | str | int) -> bytes:
    """One attribute, padded: text gets its zero byte, a number is 32 bits of the host's order."""
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in ``body`` as (kind without its flags, value)."""
    offset = 0
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        yield kind & 0x3FFF, body[offset + 4 : offset + length]
        offset += max(4, (length + 3) & ~3)


def hardware(mac: str) -> bytes:
    """``02:00:00:00:00:01`` as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def numeric(address: str) -> tuple[int, bytes]:
    """(address family, bytes) of an address in text."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def link(*, family: int = 0, index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    """A link message's fixed part."""
    return _LINK.pack(family, 0, index, flags, change)


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as the kernel shows it. ``up`` is the administrator's wish, ``operational`` that traffic passes,
    ``far_end`` the index of a pair's other end in its own namespace.
    """

    index: int
    name: str
    up: bool
    operational: bool
    master: int
    mac: str
    far_end: int


class Channel:
    """A route netlink socket of the namespace in which it was made."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._sequence = 0
        self.aliases: dict[str, int] = {}

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def call(self, kind: int, body: bytes, flags: int = 0, *, what: str = "") -> None:
        """Send one request and wait for its acknowledgement. Raises ``OSError`` naming ``what``."""
        self._send(kind, body, ACK | flags)
        for answer, payload in self._messages():
            if answer == _ERROR:
                number = -struct.unpack_from("=i", payload)[0]
                if number:
                    raise OSError(number, f"{what or f'netlink request {kind}'}: {os.strerror(number)}")
                return

    def dump(self, kind: int, body: bytes) -> list[tuple[int, bytes]]:
        """Every message of a table as (type, body)."""
        self._send(kind, body, DUMP)
        found: list[tuple[int, bytes]] = []
        for answer, payload in self._messages():
            if answer == _DONE:
                break
            if answer == _ERROR:
                number = -struct.unpack_from("=i", payload)[0]
                raise OSError(number, f"netlink dump {kind}: {os.strerror(number)}")
            found.append((answer, payload))
        return found

    def index(self, name: str) -> int:
        """The kernel's index of the link called ``name`` (by us, in ``aliases``); ``OSError`` if there is
        none.
        """
        if name in self.aliases:
            return self.aliases[name]
        self._send(GET_LINK, link() + attribute(IFLA_NAME, name), 0)
        for answer, payload in self._messages():
            if answer == _ERROR:
                number = -struct.unpack_from("=i", payload)[0]
                raise OSError(number, f"link {name}: {os.strerror(number)}")
            return int(_LINK.unpack_from(payload)[2])
        raise AssertionError

    def links(self) -> list[LinkState]:
        """Every link of the namespace."""
        return [_link_state(payload) for _, payload in self.dump(GET_LINK, link())]

    def _send(self, kind: int, body: bytes, flags: int) -> None:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        while True:
            data = self._socket.recv(1 << 18)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
                if sequence == self._sequence:
                    yield kind, data[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3


def _link_state(payload: bytes) -> LinkState:
    _, _, index, flags, _ = _LINK.unpack_from(payload)
    found = dict(attributes(payload[_LINK.size :]))
    return LinkState(
        index=index,
        name=found[IFLA_NAME].rstrip(b"\0").decode(),
        up=bool(flags & FLAG_UP),
        operational=found.get(IFLA_OPERSTATE, b"\0")[0] == OPERATIONAL_UP,
        master=struct.unpack("=I", found[IFLA_MASTER])[0] if IFLA_MASTER in found else 0,
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        far_end=struct.unpack("=I", found[IFLA_LINK])[0] if IFLA_LINK in found else 0,
    )
