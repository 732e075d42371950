"""The program of a router that advertises itself and its prefixes on one link. Source: RFC 4861, RFC 4862."""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import channel, netlink

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_HOSTS: Final = "ff02::1"
ALL_ROUTERS: Final = "ff02::2"
ROUTER_LIFETIME_S: Final = 1800
VALID_S: Final = 86400
PREFERRED_S: Final = 14400
DEPRECATED_VALID_S: Final = 7200  # hosts let nobody shorten it further (RFC 4862, 5.5.3)
_SOLICITATION, _ADVERTISEMENT = 133, 134
_ON_LINK_AND_AUTONOMOUS: Final = 0xC0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 10.0
_FILTER, _FILTER_WORDS = 1, 8  # ICMP6_FILTER, linux/icmpv6.h


@dataclass(frozen=True, slots=True)
class Announced:
    """What one router says: its MAC and its prefixes."""

    mac: str
    prefixes: Sequence[str]
    deprecated: Sequence[str] = ()

    def message(self) -> bytes:
        """The router advertisement; the kernel fills in its checksum."""
        head = struct.pack("!BBHBBHII", _ADVERTISEMENT, 0, 0, 64, 0, ROUTER_LIFETIME_S, 0, 0)
        link = struct.pack("!BB6s", 1, 1, netlink.hardware(self.mac))
        current = b"".join(_prefix(prefix, VALID_S, PREFERRED_S) for prefix in self.prefixes)
        return (
            head + link + current + b"".join(_prefix(one, DEPRECATED_VALID_S, 0) for one in self.deprecated)
        )


def _prefix(prefix: str, valid_s: int, preferred_s: int) -> bytes:
    address, _, length = prefix.partition("/")
    times = struct.pack("!III", valid_s, preferred_s, 0)
    return (
        bytes((3, 4, int(length), _ON_LINK_AND_AUTONOMOUS))
        + times
        + socket.inet_pton(socket.AF_INET6, address)
    )


def open_router(link: str, source: str) -> socket.socket:
    """A socket for router discovery on a link of the current namespace. Raises ``OSError``."""
    router = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    index = socket.if_nametoindex(link)
    passed = bytearray(b"\xff" * 4 * _FILTER_WORDS)
    passed[_SOLICITATION >> 3] &= ~(1 << (_SOLICITATION & 7)) & 0xFF
    router.setsockopt(socket.IPPROTO_ICMPV6, _FILTER, bytes(passed))
    router.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode() + b"\0")
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    member = socket.inet_pton(socket.AF_INET6, ALL_ROUTERS) + struct.pack("=I", index)
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    try:
        router.bind((source, 0, 0, index))
    except OSError:
        router.close()
        raise
    router.setblocking(False)
    return router


def run(router: socket.socket, announced: Announced, control: socket.socket) -> None:
    """Advertise until ``control`` closes: often at first and after each change, and to whoever asks."""
    pause, due = _FIRST_PAUSE_S, 0.0
    while True:
        now = time.monotonic()
        if now >= due:
            _send(router, announced)
            due, pause = now + pause, min(2 * pause, _LONGEST_PAUSE_S)
        ready, _, _ = select.select([router, control], [], [], max(0.0, due - time.monotonic()))
        if control in ready:
            try:
                message, _ = channel.receive(control)
            except channel.ChannelClosedError:
                return
            announced = Announced(announced.mac, message["prefixes"], message["deprecated"])
            pause, due = _FIRST_PAUSE_S, 0.0
            channel.send(control, {"ok": True})
        if router in ready and _is_asked(router):
            due = 0.0


def _is_asked(router: socket.socket) -> bool:
    try:
        return bool(router.recv(1500))
    except OSError:
        return False


def _send(router: socket.socket, announced: Announced) -> None:
    try:
        router.sendto(announced.message(), (ALL_HOSTS, 0))
    except OSError:  # the cable is out
        pass
