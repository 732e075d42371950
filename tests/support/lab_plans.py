"""Small plans for the tests of the fabric and the engines."""

from __future__ import annotations

import dataclasses

from localpair_lab import plan as p

_SETTINGS = (
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv6.conf.all.disable_ipv6", "0"),
    ("net.ipv6.conf.default.disable_ipv6", "0"),
    ("net.ipv4.icmp_ratelimit", "0"),
)
ESTABLISHED = p.Rule(p.Match(state="established"), "accept")
LOOPBACK = p.Rule(p.Match(interface_in="lo"), "accept")
NEIGHBOURS = p.Rule(p.Match(protocol="nd"), "accept")
CLOSED = p.Chain("in", "drop", (LOOPBACK, ESTABLISHED, NEIGHBOURS))


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def link_local(number: int) -> str:
    return f"fe80::ff:fe00:{number:x}"


def ethernet(
    number: int, *addresses: str, name: str = "eth0", segment: str = "lan", **more: object
) -> p.NodeInterface:
    plain = p.NodeInterface(
        name, mac(number), segment=segment, addresses=addresses, link_local=f"{link_local(number)}/64"
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def device(name: str, *interfaces: p.NodeInterface, **more: object) -> p.Node:
    return dataclasses.replace(p.Node(name, "device", interfaces, sysctls=_SETTINGS), **more)  # type: ignore[arg-type]


def router(name: str, *interfaces: p.NodeInterface, **more: object) -> p.Node:
    forwarding = (*_SETTINGS[1:], ("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1"))
    return dataclasses.replace(p.Node(name, "router", interfaces, sysctls=forwarding), **more)  # type: ignore[arg-type]


def alice(**more: object) -> p.Node:
    return device("alice", ethernet(10, "192.168.1.10/24"), **more)


def bob(**more: object) -> p.Node:
    return device("bob", ethernet(11, "192.168.1.11/24"), **more)


def plan(*nodes: p.Node, segments: tuple[p.Segment, ...] = (p.Segment("lan"),), **more: object) -> p.Plan:
    plain = p.Plan("test", "cell", "tests/support/lab_plans.py", 7, segments, nodes or (alice(), bob()))
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]
