"""A scenario played for what came of it: exit codes, verdicts, and the reports that the devices leave."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from localpair_lab.engines.base import Engine
from localpair_lab.errors import LabError
from localpair_lab.generate.sample import planned_text
from localpair_lab.judge.causes import explanations
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.run.player import play
from localpair_lab.run.runner import unsupported
from localpair_lab.timeline import ActionRecord, Record

Verdicts: TypeAlias = tuple[tuple[str, ...], ...]
"""The causes of each explanation, in order."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How one action ended: its exit code, and the causes that it named."""

    action: str
    exit: int | None
    verdict: Verdicts

    def __str__(self) -> str:
        named = "; ".join(" or ".join(causes) for causes in self.verdict) or "no cause"
        return f"{self.action} exit {self.exit}, {named}"


@dataclass(frozen=True, slots=True)
class PlayedScenario:
    """What came of a play. ``reports`` are the events of each action as text, and ``fault`` is what kept the lab from
    playing it.
    """

    ends: tuple[RunEnd, ...] = ()
    reports: tuple[tuple[str, str], ...] = ()
    signature: frozenset[str] = frozenset()
    fault: str = ""

    @property
    def failed(self) -> bool:
        """Whether any action ended otherwise than well."""
        return any(one.exit != 0 for one in self.ends)

    def __str__(self) -> str:
        return self.fault or ", ".join(map(str, self.ends))


async def play_cell(cell: PlannedCell, engine: Engine, folder: Path) -> PlayedScenario:
    """Play one cell. A fault of the lab's own, such as a machine that lacks something, is told and not raised."""
    lacking = unsupported(cell, engine)
    if lacking is not None:
        return PlayedScenario(fault=f"unsupported: {lacking.reason}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        running = await engine.up(cell.plan, folder)
        try:
            record = await play(cell.plan, running)
        finally:
            await running.down()
    except LabError as error:
        return PlayedScenario(fault=f"broken: {error.message}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _seen(record)


async def play_texts(
    texts: Sequence[str], engine: Engine, folder: Path, jobs: int, name: str = "rebuilt"
) -> list[PlayedScenario]:
    """Play texts side by side, so many at a time; they mostly wait."""
    turns = asyncio.Semaphore(jobs)

    async def one(number: int, text: str) -> PlayedScenario:
        async with turns:
            return await play_cell(planned_text(name, text), engine, folder / str(number))

    return list(await asyncio.gather(*(one(number, text) for number, text in enumerate(texts))))


def _seen(record: Record) -> PlayedScenario:
    acts = [one for one in record.actions.values() if one.is_product]
    return PlayedScenario(
        tuple(RunEnd(one.id, one.exit, tuple(told.causes for told in explanations(one))) for one in acts),
        tuple((one.id, _events(one)) for one in acts if one.first("verdict") is not None),
        frozenset(row for one in acts for row in _signature(one)),
    )


def _events(action: ActionRecord) -> str:
    """What a person would have saved of the run with ``--json``."""
    return "".join(
        json.dumps({"event": event.name, **event.fields}) + "\n"
        for event in action.seen
        if event.name == "verdict"
    )


def _signature(action: ActionRecord) -> Iterator[str]:
    """How dials ended: version of IP, how the address was known, phase, errno, and roughly when."""
    for event in action.events("verdict"):
        facts: dict[str, Any] = event.fields.get("facts") or {}
        for row in facts.get("attempts") or ():
            version = 6 if ":" in row["address"] else 4
            words = (
                row["origin"],
                row["phase"],
                row["outcome"],
                row.get("errno", ""),
                row.get("took", "late"),
            )
            yield " ".join((action.id, f"IPv{version}", *words))
