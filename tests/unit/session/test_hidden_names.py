"""Names that are hidden, over a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from file_trees import Tree, harvest, pair, plant, transfer
from localpair.choices.terms import Terms
from streams import run

HIDDEN: Tree = {
    "d": None,
    "d/.bash_profile": b"evil",
    "d/.ssh": None,
    "d/.ssh/authorized_keys": b"evil",
    "d/.config": None,
    "d/.config/autostart": None,
    "d/.config/autostart/evil.desktop": b"evil",
    "d/plain": b"good",
}


def test_hidden_names_arrive_under_names_that_show_them(
    source: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            await transfer(one, other, [plant(source, HIDDEN)], target)

    run(main())
    assert harvest(target) == {
        "d": None,
        "d/_.bash_profile": b"evil",
        "d/_.ssh": None,
        "d/_.ssh/_authorized_keys": b"evil",
        "d/_.config": None,
        "d/_.config/autostart": None,
        "d/_.config/autostart/evil.desktop_": b"evil",
        "d/plain": b"good",
    }
    [said] = [record.getMessage() for record in caplog.records if "underscore" in record.getMessage()]
    assert "--allow-hidden" in said
    assert "_.bash_profile" in said


def test_hidden_names_that_were_allowed_arrive_as_they_are(
    source: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sending = one.send_files([plant(source, HIDDEN)])
            await asyncio.gather(other.receive_files(target, Terms(allow_hidden=True)), sending)

    run(main())
    assert harvest(target) == HIDDEN
    assert not [record for record in caplog.records if "underscore" in record.getMessage()]
