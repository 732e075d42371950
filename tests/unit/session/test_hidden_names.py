"""Names that are hidden, over a session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import localpair.transfer.batch
from file_trees import Tree, harvest, pair, plant, transfer
from localpair.choices.terms import Terms
from localpair.transfer.walk import SourceEntry
from localpair.wire.payload import Kind
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


@pytest.mark.parametrize(
    ("name", "stored", "said"),
    [
        ("con.", "con_", "not every system can store"),
        ("a:b", "a_b", "not every system can store"),
        ("x" * 252 + ".txt", "x" * 251 + ".txt", "not every system can store"),
        ("cafe\u0301", "caf\u00e9", "Unicode NFC"),
        ("caf\u00e9", "caf\u00e9", None),
    ],
)
def test_a_name_that_is_changed_is_told(
    name: str,
    stored: str,
    said: str | None,
    source: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The name comes from a sender whose file system stores it: here the walk says it."""

    def called(tops: Any, selection: Any) -> Iterator[SourceEntry]:
        (path, _) = tops[0]
        yield SourceEntry(path, (name,), Kind.FILE)

    monkeypatch.setattr(localpair.transfer.batch, "walk", called)

    async def main() -> None:
        async with pair() as (one, other):
            await transfer(one, other, [plant(source, {"x": b"good"})], target)

    run(main())
    assert harvest(target) == {stored: b"good"}
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == (said is not None)
    assert all(said in one and stored[:200] in one for one in warnings if said)
