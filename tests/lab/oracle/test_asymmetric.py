"""Ways that differ in the two directions, as the oracle knows them."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.errors import LabError
from localpair_lab.oracle.canary_probes import probes
from localpair_lab.oracle.judge import judge
from localpair_lab.oracle.tcp import opens

from lab_canaries import play

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PlanOf

TWO_ROUTERS = """
networks: {{home: 192.168.1.0/24, things: 192.168.2.0/24}}
routers:
  one: {{on: {{home: 192.168.1.1, things: 192.168.2.1}}{one}}}
  two: {{on: {{home: 192.168.1.2, things: 192.168.2.2}}{two}}}
devices:
  alice: {{on: {{home: 192.168.1.10}}, gateway: 192.168.1.1}}
  bob: {{on: {{things: 192.168.2.20}}, gateway: 192.168.2.2}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: paired}}]
"""
STATEFUL = ", firewall: {through: {default: drop, rules: {do: accept, state: new}}}"
ALL = ", firewall: {through: {default: drop, rules: {do: accept}}}"
OPEN = (
    "import socket; s = socket.create_server(('', 46821)); print('ready', flush=True);"
    "s.accept()[0].recv(1); print('got')"
)
DIAL = (
    "import socket; s = socket.create_connection(('192.168.1.10', 46821), 3); print('connected', flush=True);"
    "s.send(b'x'); s.settimeout(1); s.recv(1)"
)


@pytest.mark.parametrize(
    ("one", "two", "possible"),
    [
        ("", "", True),
        ("", ALL, True),  # a firewall that lets everything through asks for no state
        ("", STATEFUL, False),
        (STATEFUL, "", False),
    ],
)
def test_a_firewall_that_sees_one_direction_stops_both(
    plan_of: PlanOf, one: str, two: str, possible: bool
) -> None:
    assert judge(plan_of(TWO_ROUTERS.format(one=one, two=two)), "bob", "alice").possible is possible


def test_the_reason_is_what_comes_after_the_first_segments(plan_of: PlanOf) -> None:
    plan = plan_of(TWO_ROUTERS.format(one="", two=STATEFUL))
    assert opens(plan, "bob", "alice", "192.168.1.10").reason == "later-firewall-through"
    assert opens(plan, "alice", "bob", "192.168.2.20").reason == "answer-firewall-through"


@pytest.mark.netns
def test_the_kernel_agrees(plan_of: PlanOf, tmp_path: Path) -> None:
    """Bob's call connects, and nothing that he sends arrives."""
    plan = plan_of(TWO_ROUTERS.format(one="", two=STATEFUL))

    async def run() -> None:
        engine = NamespaceEngine(product=["true"], prober=probes)
        up = await engine.up(plan, tmp_path)
        try:
            listener = await up.start("alice", [sys.executable, "-S", "-c", OPEN], {})
            heard = listener.lines()
            assert (await anext(heard)).text == "ready"
            caller = await up.start("bob", [sys.executable, "-S", "-c", DIAL], {})
            said = [line.text async for line in caller.lines()]
            assert "connected" in said
            assert "TimeoutError: timed out" in said
        finally:
            await up.down()

    asyncio.run(run())


@pytest.mark.netns
def test_the_canary_notices_a_firewall_that_is_not_there(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(TWO_ROUTERS.format(one="", two=STATEFUL))
    off = tuple(dataclasses.replace(node, chains=()) for node in plan.nodes)
    with pytest.raises(LabError, match=r"tcp from alice/eth0 to bob/eth0 .* arrived and should not"):
        play(dataclasses.replace(plan, nodes=off), list(probes(plan)), tmp_path)
