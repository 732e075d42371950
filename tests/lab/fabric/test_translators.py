"""NAT64 and 464XLAT: packets become ones of the other family and back, and the oracle knows where they arrive."""

from __future__ import annotations

import dataclasses
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.errors import LabError
from localpair_lab.fabric.traffic.translation import FamilyMap, translated
from localpair_lab.oracle.canary_probes import probes
from localpair_lab.oracle.judge import judge

from lab_canaries import play

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PlanOf

MOBILE = """
networks: {{mobile: "fd12:64::/64", office: 192.168.50.0/24}}
routers:
  gw: {{on: {{mobile: "fd12:64::1", office: 192.168.50.1}}, nat64: {{from: mobile, out: office}}}}
devices:
  alice: {{on: {{mobile: "fd12:64::10"}}, gateway: "fd12:64::1"{clat}}}
  bob: {{on: {{office: 192.168.50.20}}, gateway: 192.168.50.1}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: paired}}]
"""
MAP = FamilyMap.of("64:ff9b::/96", [("192.0.0.4", "fd12:64::464:2")])
NEAR, FAR = socket.inet_aton("192.0.0.4"), socket.inet_aton("192.168.50.20")


def test_a_device_that_translates_reaches_ipv4_and_is_not_reached(plan_of: PlanOf) -> None:
    ways = judge(plan_of(MOBILE.format(clat=", clat: mobile")), "bob", "alice").ways
    assert {way.first for way in ways if way.kind == "dial"} == {"alice"}
    assert judge(plan_of(MOBILE.format(clat="")), "bob", "alice").ways == ()


@pytest.mark.netns
def test_the_canary_notices_a_router_that_translates_nobody(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(MOBILE.format(clat=", clat: mobile"))
    asked = list(probes(plan))
    assert [one.kind for one in asked if one.source == "alice/clat0" and one.expected] == ["udp", "tcp"] * 2
    play(plan, asked, tmp_path / "translated")
    with pytest.raises(LabError, match=r"udp from alice/clat0 to bob/eth0 .* did not arrive"):
        play(_without_pairs(plan), asked, tmp_path / "untranslated")


def _without_pairs(plan: p.Plan) -> p.Plan:
    gw = plan.node("gw")
    deaf = tuple(
        dataclasses.replace(one, mapped=p.AddressMap(one.mapped.prefix, ())) if one.mapped else one
        for one in gw.interfaces
    )
    nodes = tuple(dataclasses.replace(gw, interfaces=deaf) if one is gw else one for one in plan.nodes)
    return dataclasses.replace(plan, nodes=nodes)


def _sum(data: bytes) -> int:
    number = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return (number & 0xFFFF) + (number >> 16)


def _with_checksum(data: bytes, at: int, pseudo: bytes) -> bytes:
    return data[:at] + struct.pack("!H", 0xFFFF - _sum(pseudo + data)) + data[at + 2 :]


def _ipv4(
    protocol: int, body: bytes, *, source: bytes = NEAR, target: bytes = FAR, flags: int = 0x4000
) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, flags, 64, protocol, 0) + source + target
    return _with_checksum(head, 10, b"") + body


def _udp(payload: bytes, source: bytes, target: bytes, *, blank: bool = False) -> bytes:
    body = struct.pack("!HHHH", 46820, 46820, 8 + len(payload), 0) + payload
    return body if blank else _with_checksum(body, 6, source + target + struct.pack("!HH", 17, len(body)))


def _is_right(packet: bytes) -> bool:
    """Whether the transport's checksum holds, as its receiver reckons it."""
    if packet[0] >> 4 == 6:
        body = packet[40:]
        return _sum(packet[8:40] + struct.pack("!II", len(body), packet[6]) + body) == 0xFFFF
    pseudo = b"" if packet[9] == 1 else packet[12:20] + struct.pack("!HH", packet[9], len(packet) - 20)
    return _sum(packet[:20]) == 0xFFFF and _sum(pseudo + packet[20:]) == 0xFFFF


@pytest.mark.parametrize("blank", [False, True])
def test_a_datagram_goes_there_and_back(blank: bool) -> None:
    there = translated(_ipv4(17, _udp(b"hello!", NEAR, FAR, blank=blank)), MAP)
    assert there is not None
    ends = [socket.inet_ntop(socket.AF_INET6, there[at : at + 16]) for at in (8, 24)]
    assert ends == ["fd12:64::464:2", "64:ff9b::c0a8:3214"]
    assert _is_right(there)
    back = translated(there, MAP)
    assert back == _ipv4(17, _udp(b"hello!", NEAR, FAR))


def test_a_ping_and_what_is_told_of_a_closed_port_are_translated() -> None:
    ping = translated(_ipv4(1, _with_checksum(bytes([8, 0, 0, 0, 0, 7, 0, 1]), 2, b"")), MAP)
    assert ping is not None
    assert (ping[6], ping[40], _is_right(ping)) == (58, 128, True)
    sent = translated(_ipv4(17, _udp(b"anyone", NEAR, FAR)), MAP)
    assert sent is not None
    quoting = bytes([1, 4, 0, 0, 0, 0, 0, 0]) + sent
    refusal = struct.pack("!IHBB", 6 << 28, len(quoting), 58, 64) + sent[24:40] + sent[8:24] + quoting
    told = translated(refusal, MAP)
    assert told is not None
    assert (told[9], told[20:22], told[28 + 12 : 28 + 20], _is_right(told)) == (1, b"\3\3", NEAR + FAR, True)


@pytest.mark.parametrize(
    "packet",
    [
        _ipv4(17, _udp(b"a part", NEAR, FAR), flags=0x2000),
        _ipv4(47, b"no protocol that it knows"),
        struct.pack("!IHBB", 6 << 28, 8, 17, 64) + bytes(32) + bytes(8),
        b"",
        b"\x45",
    ],
)
def test_what_it_cannot_translate_is_lost(packet: bytes) -> None:
    assert translated(packet, MAP) is None
