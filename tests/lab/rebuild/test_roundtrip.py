"""Failures are played, rebuilt from what their devices reported, and played again: they end in the same way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.paths import SCENARIOS
from localpair_lab.rebuild.roundtrip import RoundTrip, round_trip

CELLS = {
    "change/issuer-killed": "",
    "firewall/bridge-filter": "both",
    "firewall/kill-switch": "lan-of-join",
    "firewall/sends-refused": "join",
    "found/gateway-beyond-the-mask": "",
    "found/same-address-on-both": "",
    "found/same-hardware-address": "",
    "hostile/answered-in-the-peers-place": "tcp-garbage",
    "hostile/cloned-identity": "partners",
    "isolation/clients": "all-1",
    "isolation/some-ports": "kept-apart",
    "multicast/neighbour-discovery-lost": "ipv6",
    "routed/both-closed-vlans-answer": "all-false",
    "routed/vlans-one-way": "host",
}
UNLIKE = {
    "routed/vlans-one-way [host]",  # that a router lies between is in no report, and its first twin has none
}
AT_ONCE = 4
LEAST_ALIKE = 0.5  # of the ways in which dials end: how soon one is refused differs from run to run


def cell_of(title: str, name: str) -> PlannedCell:
    return next(one for one in planned(SCENARIOS / f"{title}.yaml") if one.cell.name == name)


async def round_trips(folder: Path) -> list[RoundTrip]:
    """All of them, some side by side; one that differs once more, alone: the machine may have been busy."""
    engine, turns = NamespaceEngine(), asyncio.Semaphore(AT_ONCE)
    cells = [cell_of(title, name) for title, name in CELLS.items()]

    async def one(number: int, cell: PlannedCell) -> RoundTrip:
        async with turns:
            return await round_trip(cell, engine, folder / str(number))

    found = await asyncio.gather(*(one(number, cell) for number, cell in enumerate(cells)))
    return [
        await round_trip(cell, engine, folder / "again") if made.differences else made
        for cell, made in zip(cells, found, strict=True)
    ]


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(any(namespaces().values()), reason="network namespaces cannot play everything here")
def test_a_dozen_failures_end_in_the_same_way_when_rebuilt_from_their_reports(tmp_path: Path) -> None:
    made = asyncio.run(round_trips(tmp_path))
    assert {one.title: one.differences for one in made if one.differences} == {}
    assert {one.title for one in made if one.same_signature < LEAST_ALIKE} <= UNLIKE
