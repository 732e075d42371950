"""Trunks: several networks on one cable, told apart by tags, and the canary knows which of them arrive."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import threading
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.errors import LabError
from localpair_lab.fabric import steps
from localpair_lab.fabric.server.apply import Applier
from localpair_lab.fabric.system.places import Places
from localpair_lab.fabric.traffic import rest, trunk
from localpair_lab.oracle.canary_probes import probes
from localpair_lab.oracle.judge import judge

from lab_canaries import play

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PlanOf

STICK = """
networks: {{home: 192.168.1.0/24, things: 192.168.2.0/24}}
routers:
  gw:
    interfaces:
      - {{network: home, name: eth0, ip: 192.168.1.1}}
      - {{network: things, name: eth0.20, ip: 192.168.2.1}}
    trunk: {{carries: {{home: untagged, things: 20}}{switch}}}
devices:
  alice: {{on: {{home: 192.168.1.10}}, gateway: 192.168.1.1}}
  bob: {{on: {{things: 192.168.2.20}}, gateway: 192.168.2.1}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: paired}}]
"""
NETWORKS_OF_GW = [
    ("", ["home", "things"]),
    (", switch: {home: untagged}", ["home", "gw-eth0.20-alone"]),
    (", switch: {things: 20}", ["gw-eth0-alone", "things"]),
    (", switch: {home: 20, things: untagged}", ["things", "home"]),
]
BROADCAST = bytes.fromhex("ffffffffffff" + "020000000001" + "0800")


@pytest.mark.parametrize(("switch", "networks"), NETWORKS_OF_GW)
def test_a_switch_says_where_a_tag_leads(plan_of: PlanOf, switch: str, networks: list[str]) -> None:
    plan = plan_of(STICK.format(switch=switch))
    assert [one.segment for one in plan.node("gw").interfaces] == networks
    assert bool(judge(plan, "bob", "alice").ways) is (networks == ["home", "things"])


@pytest.mark.netns
@pytest.mark.parametrize("switch", [switch for switch, _ in NETWORKS_OF_GW])
def test_the_network_is_what_the_oracle_knows(plan_of: PlanOf, tmp_path: Path, switch: str) -> None:
    plan = plan_of(STICK.format(switch=switch))
    play(plan, list(probes(plan)), tmp_path)


@pytest.mark.netns
def test_the_canary_notices_a_switch_without_the_tag(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of(STICK.format(switch=""))
    deaf = tuple(
        dataclasses.replace(node, trunk=p.TrunkTags(node.trunk.tags, node.trunk.switch[:1]))
        if node.trunk
        else node
        for node in plan.nodes
    )
    with pytest.raises(LabError, match=r"from gw/eth0\.20 to bob/eth0 .* did not arrive"):
        play(dataclasses.replace(plan, nodes=deaf), list(probes(plan)), tmp_path)


def _links(places: Places, pairs: list[tuple[str, str]]) -> None:
    applier = Applier(places)
    for pair in pairs:
        applier.apply(steps.Veth(steps.FABRIC, pair[0], steps.FABRIC, pair[1]))
        for link in pair:
            applier.apply(steps.SetLinkState(steps.FABRIC, link, up=True))


@pytest.mark.netns
def test_frames_cross_the_cable_under_their_tags() -> None:
    places = Places()
    with contextlib.ExitStack() as stack:
        stack.callback(places.close)
        places.create(steps.FABRIC)
        _links(places, [("near", "far"), ("alice", "a"), ("bob", "b"), ("carol", "c"), ("dave", "d")])

        def opened(link: str) -> socket.socket:
            return stack.enter_context(trunk.open_cable(link))

        with places.inside(steps.FABRIC):
            near = trunk.TrunkEnd(opened("near"), {20: opened("a"), trunk.UNTAGGED: opened("b")})
            far = trunk.TrunkEnd(opened("far"), {20: opened("c"), 30: opened("d")})
            mouths, between = (opened("alice"), opened("bob")), opened("far")
            ears = {"carol": opened("carol"), "dave": opened("dave")}
        ours, theirs = (stack.enter_context(one) for one in socket.socketpair())
        worker = threading.Thread(target=trunk.run, args=(near, far, theirs), daemon=True)
        worker.start()
        for number, mouth in enumerate(mouths):
            mouth.send(bytes(10) + BROADCAST + bytes([0xA0 + number]) * 60)
        rest.wait([ours])
        assert _payloads(between) == {(0xA0, 20), (0xA1, trunk.UNTAGGED)}
        assert {name: _payloads(ear) for name, ear in ears.items()} == {"carol": {(0xA0, 0)}, "dave": set()}
        ours.close()
        worker.join()


def _payloads(ear: socket.socket) -> set[tuple[int, int]]:
    """What the test's own frames held, and under which tag they came; kernels send others."""
    return {(frame[-1], tag) for frame, tag in trunk.frames(ear, 99) if frame[-60:] == frame[-1:] * 60}


def test_a_tag_moves_the_place_of_the_checksum() -> None:
    head = struct.pack("=BBHHHH", 1, 0, 54, 0, 34, 16)
    under = trunk.tagged(head + BROADCAST + b"x" * 46, 20)
    assert struct.unpack("=BBHHHH", under[:10]) == (1, 0, 58, 0, 38, 16)
    assert under[10:] == BROADCAST[:12] + bytes.fromhex("81000014") + BROADCAST[12:] + b"x" * 46
