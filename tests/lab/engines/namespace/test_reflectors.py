"""A router's reflector: mDNS crosses, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.engines.namespace.engine import NamespaceEngine

import lab_plans as plans

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.netns

HEAR = """
import socket, sys
group, port, own = sys.argv[1], int(sys.argv[2]), socket.inet_aton(sys.argv[3])
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("", port))
ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + own)
print("ready", flush=True)
ear.settimeout(2)
try:
    print("heard from", ear.recvfrom(99)[1][0])
except OSError:
    print("nothing")
"""
SHOUT = """
import socket, sys
mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[3]))
mouth.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
"""
MDNS, OWN = ("224.0.0.251", "5353"), ("239.255.70.171", "46820")


@pytest.mark.parametrize(
    ("kind", "group", "heard"),
    [("mdns-reflector", MDNS, True), ("mdns-reflector", OWN, False), ("", MDNS, False), ("relay", OWN, True)],
)
def test_what_a_reflector_repeats(tmp_path: Path, kind: str, group: tuple[str, str], heard: bool) -> None:
    near = plans.ethernet(12, "192.168.1.1/24", name="lan0")
    far = plans.ethernet(13, "10.0.0.1/24", name="wan0", segment="wan")
    programs = (p.Program(kind, ("@decoy", kind)),) if kind else ()
    router = plans.router("gate", near, far, programs=programs)
    bob = plans.device("bob", plans.ethernet(11, "10.0.0.11/24", segment="wan"))
    plan = plans.plan(router, plans.alice(), bob, segments=(p.Segment("lan"), p.Segment("wan")))

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=lambda _: [])
        up = await engine.up(plan, tmp_path)
        try:
            for program in programs:
                helper = await up.start("gate", program.argv, {})
                assert (await anext(helper.lines())).text == "ready"
            ear = await up.start("bob", [sys.executable, "-S", "-c", HEAR, *group, "10.0.0.11"], {})
            said = ear.lines()
            assert (await anext(said)).text == "ready"
            mouth = await up.start("alice", [sys.executable, "-S", "-c", SHOUT, *group, "192.168.1.10"], {})
            await mouth.wait()
            assert (await anext(said)).text == ("heard from 10.0.0.1" if heard else "nothing")
        finally:
            await up.down()

    asyncio.run(run())
