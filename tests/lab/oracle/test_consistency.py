"""What an expectation may say of a network, as the oracle knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.oracle.consistency import disagreements

if TYPE_CHECKING:
    from conftest import CellOf

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
