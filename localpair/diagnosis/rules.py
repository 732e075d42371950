"""The policy rules of Linux: which routing table a packet asks, and when. VPNs steer by them past the main table.

Asked of the routing socket, without privileges. Layout: the kernel's include/uapi/linux/fib_rules.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from localpair.limits import NETLINK_TIMEOUT_S
from localpair.net import rtmessages as rt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair.diagnosis.record import Facts, Json

_GET_RULE, _NEW_RULE = 34, 32
_HEADER: Final = struct.Struct(
    "=BBBBBBBBI"
)  # family, to, from, tos, table, reserved, reserved, action, flags
_TO, _FROM, _IN, _PRIORITY, _MARK, _SUPPRESS, _TABLE, _OUT = 1, 2, 3, 6, 10, 14, 15, 17
_TABLES: Final = {253: "default", 254: "main", 255: "local"}
_USUAL: Final = frozenset({0, 32766, 32767})  # the priorities of the three rules that every host has
_INVERTED: Final = 0x2
_RULES: Final = 256  # more than anybody has


def read_rules() -> list[Facts]:
    """All rules, IPv4 then IPv6, first asked first; empty off Linux. OSError where the kernel refuses."""
    if not sys.platform.startswith("linux"):
        return []
    return [rule for family in (socket.AF_INET, socket.AF_INET6) for rule in _dump(family)]


def is_usual(rule: Facts) -> bool:
    """Whether every host has this rule."""
    return rule["priority"] in _USUAL and set(rule) <= {"family", "priority", "table"}


def parse_rule(body: bytes) -> Facts:
    """One rule as facts; what does not restrict it is left out. ValueError for a malformed one."""
    if len(body) < _HEADER.size:
        raise ValueError("a rule that is cut off")
    family, to, source, _, table, _, _, _, flags = _HEADER.unpack_from(body)
    found = rt.attributes(body[_HEADER.size :])
    number = _number(found.get(_TABLE), table)
    facts: dict[str, Json] = {
        "family": 4 if family == socket.AF_INET else 6,
        "priority": _number(found.get(_PRIORITY), 0),
        "table": _TABLES.get(number, number),
    }
    if flags & _INVERTED:
        facts["not"] = True
    for name, bits, kind in (("to", to, _TO), ("from", source, _FROM)):
        if kind in found:
            facts[name] = f"{socket.inet_ntop(family, found[kind])}/{bits}"
    for name, kind in (("in", _IN), ("out", _OUT)):
        if kind in found:
            facts[name] = found[kind].rstrip(b"\0").decode(errors="replace")
    if _MARK in found:
        facts["mark"] = f"{_number(found[_MARK], 0):#x}"
    if _number(found.get(_SUPPRESS), 0xFFFFFFFF) != 0xFFFFFFFF:
        facts["suppresses_prefixes_up_to"] = _number(found[_SUPPRESS], 0)
    return facts


def _dump(family: int) -> Iterator[Facts]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asked:
        asked.settimeout(NETLINK_TIMEOUT_S)
        asked.bind((0, 0))
        asked.send(rt.request(_GET_RULE, 1, _HEADER.pack(family, *[0] * 8), rt.DUMP))
        count = 0
        while count < _RULES:
            data, sender = asked.recvfrom(65_536)
            for message in rt.messages(data) if sender[0] == 0 else ():
                if message.type != _NEW_RULE:
                    return
                yield parse_rule(message.body)
                count += 1


def _number(value: bytes | None, default: int) -> int:
    return int.from_bytes(value, sys.byteorder) if value else default
