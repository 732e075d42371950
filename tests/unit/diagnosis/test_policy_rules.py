"""Policy rules: what restricts them, and which are usual."""

from __future__ import annotations

import socket
import struct

import pytest

from localpair.diagnosis.policy_rules import rule_facts
from localpair.net.host.linux.policy_rules import parse_rule


def rule(*attributes: tuple[int, bytes], to: int = 0, flags: int = 0) -> bytes:
    header = struct.pack("=BBBBBBBBI", socket.AF_INET, to, 0, 0, 254, 0, 0, 1, flags)
    return header + b"".join(struct.pack("=HH", 4 + len(value), kind) + value for kind, value in attributes)


def test_a_policy_rule_is_read_with_what_restricts_it() -> None:
    read = parse_rule(
        rule(
            (6, struct.pack("=I", 5270)),
            (15, struct.pack("=I", 52)),
            (1, bytes([10, 0, 0, 0])),
            (10, struct.pack("=I", 0xCA6C)),
            to=8,
            flags=2,
        )
    )
    assert rule_facts(read) == {
        "family": 4,
        "priority": 5270,
        "table": 52,
        "not": True,
        "to": "10.0.0.0/8",
        "mark": "0xca6c",
    }
    assert not read.usual
    with pytest.raises(ValueError, match="cut off"):
        parse_rule(b"short")


def test_only_an_unrestricted_rule_of_every_host_is_usual() -> None:
    priority = (6, struct.pack("=I", 32766))
    usual = parse_rule(rule(priority))
    assert usual.usual
    assert rule_facts(usual) == {"family": 4, "priority": 32766, "table": "main"}
    assert parse_rule(rule(priority, (14, struct.pack("=I", 0xFFFFFFFF)))).usual
    suppressing = parse_rule(rule(priority, (14, struct.pack("=I", 0))))
    assert not suppressing.usual
    assert rule_facts(suppressing)["suppresses_prefixes_up_to"] == 0
    assert not parse_rule(rule(priority, (3, b"wg0\0"))).usual
    assert not parse_rule(rule(priority, flags=2)).usual
    for malformed in (rule(priority, (1, b"abc")), rule(priority, (1, bytes(4)), to=33)):
        with pytest.raises(ValueError, match=r"."):
            parse_rule(malformed)
