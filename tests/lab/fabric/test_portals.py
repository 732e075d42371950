"""Captive portals: connections for others end at the router, and the canary knows it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.errors import LabError
from localpair_lab.oracle.canary_probes import probes
from localpair_lab.oracle.judge import judge

from lab_canaries import play

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PlanOf

GUESTS = """
networks: {{left: 10.1.0.0/24, right: 10.2.0.0/24}}
routers:
  gw: {{on: {{left: 10.1.0.1, right: 10.2.0.1}}{portal}}}
devices:
  alice: {{on: {{left: 10.1.0.9}}, gateway: 10.1.0.1}}
  bob: {{on: {{right: 10.2.0.9}}, gateway: 10.2.0.1}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: paired}}]
"""


@pytest.mark.parametrize(
    ("portal", "ways"),
    [("", {"alice", "bob"}), (", portal: left", {"bob"}), (", portal: [left, right]", set())],
)
def test_a_portal_takes_what_comes_from_its_network(plan_of: PlanOf, portal: str, ways: set[str]) -> None:
    found = judge(plan_of(GUESTS.format(portal=portal)), "bob", "alice")
    assert {way.first for way in found.ways if way.kind == "dial"} == ways


@pytest.mark.netns
def test_the_canary_knows_a_portal_and_notices_a_missing_one(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(GUESTS.format(portal=", portal: [left, right]"))
    asked = list(probes(plan))
    assert {one.kind for one in asked if one.expected is False} == {"tcp"}
    play(plan, asked, tmp_path / "caught")
    off = tuple(dataclasses.replace(node, caught=()) for node in plan.nodes)
    with pytest.raises(LabError, match=r"tcp from alice/eth0 to bob/eth0 .* arrived and should not"):
        play(_with(plan, off), asked, tmp_path / "free")


def _with(plan: p.Plan, nodes: tuple[p.Node, ...]) -> p.Plan:
    return dataclasses.replace(plan, nodes=nodes)
