"""Machines that answer for names of hosts: what they answer, and whether the questions get there."""

from __future__ import annotations

import dataclasses
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from localpair_lab.decoy import name_answer, packed
from localpair_lab.errors import LabError
from localpair_lab.oracle.canary_probes import resolver_probes

from lab_canaries import play

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PlanOf

HOME = """
networks: {{lan: 192.168.1.0/24}}
routers:
  gw: {{on: {{lan: 192.168.1.1}}, names: {{bob.lan: 192.168.1.20}}{firewall}}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}, resolver: nameserver 192.168.1.1}}
  bob: {{on: {{lan: 192.168.1.20}}}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: paired}}]
"""
CLOSED = ", firewall: {in: {rules: [{do: drop, protocol: udp, port: 53}]}}"
A, AAAA = 1, 28
KNOWN = {"bob.lan": [packed("192.168.1.20"), packed("fd12::20")], "old.lan": [packed("192.168.1.9")]}


def _question(name: str, kind: int, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))
    return struct.pack("!HHHHHH", 7, flags, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "code", "address"),
    [
        ("bob.lan", A, 0, "192.168.1.20"),
        ("BOB.lan", AAAA, 0, "fd12::20"),
        ("old.lan", AAAA, 0, ""),
        ("carol.lan", A, 3, ""),
    ],
)
def test_a_name_is_answered(name: str, kind: int, code: int, address: str) -> None:
    answer = name_answer(_question(name, kind), KNOWN)
    identity, flags, _, count = struct.unpack_from("!HHHH", answer)
    assert (identity, flags & 0x800F, count) == (7, 0x8000 | code, 1 if address else 0)
    if address:
        assert answer.endswith(
            socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        )


def test_any_other_name_has_the_addresses_of_the_star() -> None:
    known = {**KNOWN, "*": [packed("192.168.1.1")]}
    assert name_answer(_question("carol.lan", A), known).endswith(packed("192.168.1.1"))
    assert name_answer(_question("bob.lan", A), known).endswith(packed("192.168.1.20"))


@pytest.mark.parametrize(
    "bad", [b"", b"\0" * 12, _question("bob.lan", A)[:-3], _question("bob.lan", A, 0x8180)]
)
def test_what_is_no_question_gets_no_answer(bad: bytes) -> None:
    assert name_answer(bad, KNOWN) == b""


@pytest.mark.netns
def test_the_canary_asks_and_notices_a_firewall_that_is_not_there(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(HOME.format(firewall=CLOSED))
    asked = list(resolver_probes(plan))
    assert [(one.source, one.target, one.port, one.expected) for one in asked] == [
        ("alice/eth0", "gw/eth0", 53, False)
    ]
    asked = [dataclasses.replace(one, id="question") for one in asked]
    play(plan, asked, tmp_path / "closed")
    with pytest.raises(LabError, match=r"udp from alice/eth0 to gw/eth0 .* arrived and should not"):
        play(plan_of(HOME.format(firewall="")), asked, tmp_path / "open")
