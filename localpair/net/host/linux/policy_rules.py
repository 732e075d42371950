"""The policy rules of Linux: which routing table a packet asks, and when. VPNs steer by them past the main table.

Asked of the routing socket, without privileges. Layout: the kernel's include/uapi/linux/fib_rules.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final, TypeAlias

from localpair.dataclass import dataclass
from localpair.limits import NETLINK_TIMEOUT_S
from localpair.net.host.linux import rtnetlink as rt

Selector: TypeAlias = IPv4Interface | IPv6Interface

_AF_NETLINK: Final = 16  # the socket module names it on Linux only
_AF_INET, _AF_INET6 = 2, 10  # Linux's numbers: a message is read the same way everywhere
_GET_RULE, _NEW_RULE = 34, 32
# family, to, from, tos, table, reserved, reserved, action, flags
_HEADER: Final = struct.Struct("=BBBBBBBBI")
_TO, _FROM, _IN, _PRIORITY, _MARK, _SUPPRESS, _TABLE, _OUT = 1, 2, 3, 6, 10, 14, 15, 17
_USUAL: Final = frozenset({0, 32766, 32767})  # the priorities of the three rules that every host has
_INVERTED: Final = 0x2
_NOTHING_SUPPRESSED: Final = 0xFFFFFFFF
_RECEIVE_BYTES: Final = 1 << 16
_RULES: Final = 256  # more than anybody has


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """Packets that fit ask ``table``; lower priorities are asked first. What is None does not restrict it.

    ``version`` is 4 or 6; ``inverted`` asks for packets that do not fit; ``suppressed`` is the longest prefix of
    ``table`` that does not count (0: its default route).
    """

    version: int
    priority: int
    table: int
    inverted: bool = False
    to: Selector | None = None
    source: Selector | None = None
    incoming: str | None = None
    outgoing: str | None = None
    mark: int | None = None
    suppressed: int | None = None

    @property
    def usual(self) -> bool:
        """Whether every host has this rule."""
        restricted = (self.to, self.source, self.incoming, self.outgoing, self.mark, self.suppressed)
        return self.priority in _USUAL and not self.inverted and restricted == (None,) * len(restricted)


def read_rules() -> tuple[PolicyRule, ...]:
    """All rules, IPv4 then IPv6, first asked first; empty off Linux.

    OSError where the kernel refuses the question, ValueError for a rule that cannot be read.
    """
    families = (_AF_INET, _AF_INET6) if sys.platform.startswith("linux") else ()
    return tuple(rule for family in families for rule in _dump(family))


def parse_rule(body: bytes) -> PolicyRule:
    """One rule. ValueError for a malformed one."""
    if len(body) < _HEADER.size:
        raise ValueError("a rule that is cut off")
    family, to, source, _, table, _, _, _, flags = _HEADER.unpack_from(body)
    found = rt.attributes(body[_HEADER.size :])
    suppressed = _number(found.get(_SUPPRESS))
    return PolicyRule(
        version=4 if family == _AF_INET else 6,
        priority=_number(found.get(_PRIORITY)) or 0,
        table=_number(found.get(_TABLE)) or table,
        inverted=bool(flags & _INVERTED),
        to=_selector(family, found.get(_TO), to),
        source=_selector(family, found.get(_FROM), source),
        incoming=_name(found.get(_IN)),
        outgoing=_name(found.get(_OUT)),
        mark=_number(found.get(_MARK)),
        suppressed=None if suppressed == _NOTHING_SUPPRESSED else suppressed,
    )


def _dump(family: int) -> Iterator[PolicyRule]:
    with socket.socket(_AF_NETLINK, socket.SOCK_RAW, 0) as asked:
        asked.settimeout(NETLINK_TIMEOUT_S)
        asked.bind((0, 0))
        asked.send(rt.request(_GET_RULE, 1, _HEADER.pack(family, *[0] * 8), rt.DUMP))
        count = 0
        while count < _RULES:
            data, sender = asked.recvfrom(_RECEIVE_BYTES)
            for message in rt.messages(data) if sender[0] == 0 else ():  # 0 is the kernel
                if message.type != _NEW_RULE:
                    return  # done, or a family that this kernel has no rules for
                yield parse_rule(message.body)
                count += 1


def _selector(family: int, packed: bytes | None, bits: int) -> Selector | None:
    if packed is None:
        return None
    return IPv4Interface((packed, bits)) if family == _AF_INET else IPv6Interface((packed, bits))


def _name(value: bytes | None) -> str | None:
    return None if value is None else value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None) -> int | None:
    return int.from_bytes(value, sys.byteorder) if value else None
