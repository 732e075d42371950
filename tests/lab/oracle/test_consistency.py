"""Expectations that no network can give, each told with what makes it so, and slips that may be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.loading.cases import planned
from localpair_lab.oracle.consistency import disagreements, lost_gateways

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CellOf
    from localpair_lab.loading.cases import PlannedCell

LAN = """lab: 1
summary: Two devices.
networks: {{lan: 192.168.1.0/24}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}{alice}}}
  bob: {{on: {{lan: 192.168.1.20}}{bob}}}
pair: {{host: bob, join: alice{pair}}}
expect: [{{of: host, {expect}}}]
"""
SHUT = ", firewall: {in: drop, out: drop}"


def _cell(folder: Path, **parts: str) -> PlannedCell:
    file = folder / "mine.lan.yaml"
    file.write_text(LAN.format(**{"alice": "", "bob": "", "pair": "", "expect": "outcome: paired"} | parts))
    return planned(file)[0]


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ("within: 1ms", "within 1ms, and no program says anything before 10ms"),
        ("offers: 10.9.9.9", "with 10.9.9.9 among the candidates, which bob never has"),
        ("offers_first: 192.168.1.10", "with 192.168.1.10 among the candidates, which bob never has"),
        ("path: {carrier: remembered}", "by remembered, and nothing there tells a new peer an address"),
        ("path: {carrier: [answer, remembered]}", "by answer or remembered, and nothing"),
    ],
)
def test_what_cannot_come_true_is_told(tmp_path: Path, expect: str, told: str) -> None:
    cell = _cell(tmp_path, expect=expect)
    assert [told in text for _, text in disagreements(cell.scenario, cell.plan)] == [True]


@pytest.mark.parametrize(
    "expect", ["within: 50ms", "offers: 192.168.1.20", "path: {carrier: [offer, remembered]}"]
)
def test_what_can_come_true_is_not(tmp_path: Path, expect: str) -> None:
    cell = _cell(tmp_path, expect=expect)
    assert list(disagreements(cell.scenario, cell.plan)) == []


def test_a_pair_that_is_to_fail_needs_an_end(tmp_path: Path) -> None:
    endless = _cell(tmp_path, alice=SHUT, bob=SHUT, expect="outcome: failed")
    ((_, told),) = disagreements(endless.scenario, endless.plan)
    assert "without an end, such as `timeout: 20s`" in told
    ended = _cell(tmp_path, alice=SHUT, bob=SHUT, expect="outcome: failed", pair=", timeout: 10s")
    assert list(disagreements(ended.scenario, ended.plan)) == []


def test_a_gateway_that_nobody_has_is_noted(tmp_path: Path) -> None:
    lost = _cell(tmp_path, alice=", gateway: 192.168.1.1", bob=", gateway: 192.168.1.10")
    assert [text.partition(";")[0] for text in lost_gateways(lost.plan)] == [
        "nobody has 192.168.1.1, which is a gateway of alice"
    ]


# --- A failure and the ways that are left ---

SCENE = """
networks: {{lan: {{ip: 192.168.1.0/24{drops}}}}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}}}
  bob: {{on: {{lan: 192.168.1.20}}}}
events:
  - {{id: out, at: host.offer, do: {change}, interface: bob}}
pair: {{host: bob, join: alice, join_at: {start}, timeout: 8s}}
expect: [{{of: [host, join], outcome: failed}}]
"""


@pytest.mark.parametrize(
    ("change", "start", "drops", "fits"),
    [
        ("cable-out", "out.done", "", True),
        ("cable-in", "out.done", "", False),
        ("cable-out", "host.offer", "", False),  # the joiner may have been quicker
        ("cable-in", "out.done", ", drops: {larger_than: 600B}", True),
    ],
    ids=["gone before", "still there", "gone perhaps", "large ones are lost"],
)
def test_a_failure_is_none_where_a_way_is_left_once_the_joiner_starts(
    cell_of: CellOf, change: str, start: str, drops: str, fits: bool
) -> None:
    cell = cell_of(SCENE.format(change=change, start=start, drops=drops))
    assert (not list(disagreements(cell.scenario, cell.plan))) is fits
