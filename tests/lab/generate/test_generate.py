"""Generated topologies: valid, repeatable, of every kind; and a disagreement is found, shrunk and written down."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from localpair_lab.cli import generate as command
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.generate import sample as sampling
from localpair_lab.generate.expected import Expected, expected
from localpair_lab.generate.pool import differs, players
from localpair_lab.generate.random_source import Chance
from localpair_lab.generate.sample import Sample, draw, judged, planned_text
from localpair_lab.generate.shrink import shrink
from localpair_lab.generate.strategy import samples
from localpair_lab.generate.topology import make
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.oracle.consistency import disagreements
from localpair_lab.oracle.judge import judge
from localpair_lab.oracle.packet import Delivery
from localpair_lab.plan.model import Plan

import places

FEATURES = (
    "apart", "behind-nat", "broadcast-dropped", "container-bridge", "dead-gateway", "event-cable-out",
    "event-closes", "event-opens", "event-readdress", "event-roam", "event-unplug", "extra-addresses",
    "host-only", "host-only-default", "in-closed", "in-no-tcp", "in-no-udp", "in-our-ports", "in-own-zone",
    "in-reject", "in-stateless", "in-tcp-only", "in-udp-only", "ipv6-dual", "ipv6-link-local",
    "ipv6-only-ipv6", "ipv6-only-link-local", "ipv6-stripped", "isolation", "many-interfaces", "mask-0",
    "mask-16", "mask-2", "mask-25", "mask-28", "mask-32", "multicast-drop", "multicast-flooding",
    "multicast-from", "multicast-groups", "multicast-ipv4", "multicast-ipv6", "multicast-scoped",
    "multicast-to", "multicast-to-bridge", "nested-nat", "no-addresses-offered", "no-default-route",
    "odd-name", "one-way-arp", "out-all", "out-multicast", "out-no-udp", "overlay-only", "proxy-arp",
    "proxy-arp-pvlan", "router-closed", "router-filter", "router-nat", "router-one-way", "router-open",
    "router-publishes", "router-random-nat", "rp-filter-1", "rp-filter-2", "same-address", "same-mac",
    "same-prefix-twice", "snooping-pruned", "snooping-querier", "spare-interface", "special-block",
    "special-block-ipv6", "three-hops", "two-nics-one-subnet", "vpn-full", "vpn-policy", "vpn-stolen",
)  # fmt: skip


def drafts(count: int) -> list[set[str]]:
    return [set(make(Chance(Random(number))).features) for number in range(count)]


# --- What is drawn ---


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(samples())
def test_whatever_is_drawn_is_a_scenario_whose_expectation_the_oracle_shares(drawn: Sample) -> None:
    cell = planned_text(drawn.name, drawn.text)
    if drawn.expected.answer is Delivery.YES and not cell.plan.events:
        assert list(disagreements(cell.scenario, cell.plan)) == []


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(samples())
def test_an_open_path_is_open_whoever_made_the_offer(drawn: Sample) -> None:
    plan = planned_text(drawn.name, drawn.text).plan
    assert judge(plan, "alice", "bob").open == judge(plan, "bob", "alice").open


def test_two_numbers_make_one_topology_in_every_process() -> None:
    program = "from localpair_lab.generate.sample import draw; print(draw(5, 17).text, end='')"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True,
            cwd=places.ROOT, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert texts == {draw(5, 17).text}
    assert draw(5, 17).text != draw(5, 18).text != draw(6, 17).text


def test_every_kind_of_trouble_comes_up() -> None:
    counts = Counter(feature for features in drafts(3000) for feature in features)
    assert [feature for feature in FEATURES if counts[feature] < 6] == []


def test_troubles_that_people_have_together_come_together() -> None:
    pairs = (
        {"vpn-full", "container-bridge"}, {"vpn-stolen", "in-closed"}, {"host-only", "in-closed"},
        {"in-closed", "multicast-drop"}, {"isolation", "in-closed"}, {"router-nat", "in-closed"},
    )  # fmt: skip
    found = drafts(1500)
    assert [pair for pair in pairs if sum(pair <= features for features in found) < 3] == []


def test_about_two_thirds_have_a_path_and_chance_decides_hardly_any() -> None:
    answers = Counter(draw(3, number).expected.answer for number in range(150))
    assert 80 <= answers[Delivery.YES] <= 120
    assert answers[Delivery.MAYBE] <= 8


# --- What comes of a play ---


@pytest.mark.parametrize(
    ("answer", "verdict", "ends", "kind"),
    [
        (Delivery.YES, Verdict.PASSED, ("paired", "paired"), None),
        (Delivery.NO, Verdict.PASSED, ("failed", "failed"), None),
        (Delivery.YES, Verdict.FAILED, ("failed", "failed"), "not-paired"),
        (Delivery.NO, Verdict.FAILED, ("paired", "paired"), "paired"),
        (Delivery.YES, Verdict.FAILED, ("paired", "failed"), "one-sided"),
        (Delivery.MAYBE, Verdict.PASSED, ("failed", "paired"), "one-sided"),
        (Delivery.MAYBE, Verdict.PASSED, ("failed", "failed"), None),
        (Delivery.YES, Verdict.FAILED, ("paired", "paired"), "fault"),
        (Delivery.YES, Verdict.BROKEN, (), "broken"),
        (Delivery.YES, Verdict.UNSUPPORTED, (), None),
    ],
)
def test_how_a_play_can_disagree(
    answer: Delivery, verdict: Verdict, ends: tuple[str, ...], kind: str | None
) -> None:
    outcome = Outcome(verdict, "namespace", ends=tuple(zip(("host", "join"), ends, strict=False)))
    found = differs(answer, outcome)
    assert (found.kind if found else None) == kind


# --- Shrinking ---

CLUTTERED: dict[str, Any] = {
    "lab": "1",
    "summary": "A topology with one thing that matters, and much that does not.",
    "markers": ["found"],
    "networks": {
        "lan": {"ip": "192.168.1.0/24", "broadcast": "drop"},
        "vpn": {"kind": "tunnel", "ip": "10.8.0.0/24", "hub": "10.8.0.1"},
    },
    "devices": {
        "alice": {
            "interfaces": [
                {"network": "lan", "name": "eth0", "ip": "192.168.1.10"},
                {"network": "vpn", "name": "tun0", "ip": "10.8.0.10"},
            ],
            "routes": [{"to": "0.0.0.0/1", "via": "10.8.0.1", "on": "tun0"}],
        },
        "bob": {
            "interfaces": [
                {"bridge": "docker0", "ip": "172.17.0.1/16"},
                {"network": "lan", "name": "eth0", "ip": ["192.168.1.20", "192.168.1.21"]},
            ],
        },
    },
    "pair": {"host": "bob", "join": "alice", "timeout": "5s", "offer_addresses": "none"},
}


def with_bridge(document: dict[str, Any]) -> bool:
    return "docker0" in str(document["devices"])


def test_what_does_not_matter_is_left_out() -> None:
    def still(several: Any) -> list[bool]:
        return [with_bridge(one.document) for one in several]

    small = shrink(judged("cluttered", CLUTTERED), still).document
    assert set(small["networks"]) == {"lan"}
    assert small["devices"]["alice"] == {
        "interfaces": [{"network": "lan", "name": "eth0", "ip": "192.168.1.10"}]
    }
    assert with_bridge(small)
    assert "offer_addresses" not in small["pair"]
    assert "broadcast" not in small["networks"]["lan"]


def wrong_oracle(plan: Plan) -> Expected:
    """An oracle that thinks nobody pairs who has a container bridge."""
    bridged = any(entry.kind == "bridge" for node in plan.nodes for entry in node.interfaces)
    right = expected(plan)
    return replace(right, answer=Delivery.NO) if bridged else right


@pytest.mark.netns
@pytest.mark.skipif(bool(namespaces()["tunnel-device"]), reason="no tunnel device can be opened here")
def test_a_wrong_oracle_is_found_out_and_the_reason_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sampling, "expected", wrong_oracle)
    cluttered = judged("cluttered", CLUTTERED)
    with players(2, tmp_path) as pools:

        def still(several: Any) -> list[bool]:
            named = [replace(one, name=f"cluttered-{number}") for number, one in enumerate(several)]
            found = [
                differs(one.expected.answer, end)
                for one, end in zip(named, pools.together(named), strict=True)
            ]
            return [one is not None and one.kind == "paired" for one in found]

        assert still([cluttered]) == [True]
        small = shrink(cluttered, still)
    assert with_bridge(small.document)
    assert small.text.count("\n") < 20


@pytest.mark.netns
def test_the_command_tells_what_disagrees_and_how_to_play_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = {
        "lab": "1",
        "summary": "Two on one LAN.",
        "networks": {"lan": "192.168.1.0/24"},
        "devices": {"alice": {"on": {"lan": "192.168.1.10"}}, "bob": {"on": {"lan": "192.168.1.20"}}},
        "pair": {"host": "bob", "join": "alice", "timeout": "5s"},
    }
    monkeypatch.setattr(command, "draw", lambda seed, number: judged(f"seed-{seed}-{number}", flat))
    numbers = [4, 8]

    def options() -> argparse.Namespace:
        return argparse.Namespace(
            seed=2, only=numbers, faults=None, jobs=2, shrink=False, write=False, out=tmp_path
        )

    assert command.generate(options()) == 0
    assert "agreed 2" in capsys.readouterr().out
    monkeypatch.setattr(sampling, "expected", lambda plan: replace(expected(plan), answer=Delivery.NO))
    assert command.generate(options()) == 1
    told = capsys.readouterr().out
    for number in numbers:
        file = tmp_path / f"seed-2-{number}.yaml"
        assert file.exists()
        assert f"localpair-lab run {file}" in told


def test_nothing_is_offered_of_a_card_whose_cable_is_out() -> None:
    """Whether it is out when the offer is made, nobody can tell; and only an offered address leads to this host."""
    text = """
lab: 1
summary: The cable of the host is out for a while.
networks: {lan: {ip: 192.168.1.0/24, multicast: drop, broadcast: drop}}
devices:
  alice: {on: {lan: 192.168.1.10/32}, routes: [{to: default, on: eth0}], firewall: {in: drop}}
  bob: {on: {lan: 192.168.1.200/32}, routes: [{to: default, on: eth0}]}
events:
  - {id: gone, at: host.started, do: cable-out, interface: bob/eth0}
  - {id: back, at: gone.done + 1s, do: cable-in, interface: bob/eth0}
pair: {host: bob, join: alice, join_at: gone.done}
expect: [{of: [host, join], within: 20s}]
"""
    assert expected(planned_text("cable", text).plan).answer is Delivery.MAYBE
    assert (
        expected(planned_text("cable", text.replace("host.started", "host.offer")).plan).answer
        is Delivery.YES
    )
