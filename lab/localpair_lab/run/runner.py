"""One cell on one engine, from the empty machine back to the empty machine: up, play, check, collect,
down.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from localpair_lab.engines.base import Engine, Running
from localpair_lab.errors import LabError
from localpair_lab.judge.expectations import check, main_action, outcome_of
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.plan.model import as_json
from localpair_lab.report.failure import PAGE
from localpair_lab.report.page.write import write_run_page
from localpair_lab.run.player import play
from localpair_lab.timeline import Record

STARVED_S = 1.0  # the lab's own delay beyond which a missed bound proves nothing
STARVED_SHARE = 0.9  # the same for the machine's: four plays at once on two cores keep below it

Pause = Callable[[Running, Outcome], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What becomes of a run's artifacts: kept always, or only when it did not pass. ``pause`` is called on
    failure, ``stands`` when the network does. ``trace``: the product's traces are part of the timeline. ``page``: where
    the run's page goes, also where its artifacts do not stay.
    """

    keep: bool = False
    pcap: str = "fail"
    trace: bool = False
    page: Path | None = None
    pause: Pause | None = None
    stands: Callable[[], None] | None = None


async def run_cell(cell: PlannedCell, engine: Engine, folder: Path, run_options: RunOptions) -> Outcome:
    """Play ``cell`` on ``engine`` with its artifacts in ``folder``; never raises for what a verdict can
    say.
    """
    return unsupported(cell, engine) or await carry_out(cell, engine, folder, run_options)


def unsupported(cell: PlannedCell, engine: Engine) -> Outcome | None:
    """The verdict where this machine lacks something for ``cell``; None where it can be played."""
    if cell.plan.unplayable:
        return Outcome(Verdict.UNSUPPORTED, engine.name, reason="; ".join(cell.plan.unplayable))
    missing = engine.supports(cell.plan)
    if not missing:
        return None
    reason = "; ".join(f"{entry.capability}: {entry.reason}" for entry in missing)
    hint = next((entry.mend for entry in missing if entry.mend), "")
    return Outcome(Verdict.UNSUPPORTED, engine.name, missing=tuple(missing), reason=reason, hint=hint)


async def carry_out(cell: PlannedCell, engine: Engine, folder: Path, run_options: RunOptions) -> Outcome:
    """``run_cell`` for a cell that this machine supports."""
    _prepare(cell, folder)
    started = time.monotonic()
    try:
        outcome = await _play(cell, engine, folder, run_options)
    except LabError as error:
        outcome = Outcome(Verdict.BROKEN, engine.name, folder, reason=error.message, hint=error.hint)
    elapsed = time.monotonic() - started
    outcome = replace(outcome, elapsed_s=elapsed, own_cost_s=max(0.0, elapsed - outcome.own_cost_s))
    places = [run_options.page, folder / PAGE if _stays(outcome, run_options) else None]
    write_run_page(cell, outcome, folder, [place for place in places if place is not None])
    return _tidied(outcome, run_options)


def _stays(outcome: Outcome, run_options: RunOptions) -> bool:
    """Whether the run's folder is kept."""
    return outcome.verdict is not Verdict.PASSED or run_options.keep or run_options.pcap == "always"


def _prepare(cell: PlannedCell, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(as_json(cell.plan), encoding="utf-8")


async def _play(cell: PlannedCell, engine: Engine, folder: Path, run_options: RunOptions) -> Outcome:
    running = await engine.up(cell.plan, folder)
    if run_options.stands is not None:
        run_options.stands()
    try:
        record = await play(cell.plan, running, trace=run_options.trace)
        await running.captured()
        outcome = judged(cell, engine.name, folder, record)
        if outcome.verdict is not Verdict.PASSED or run_options.keep:
            await running.collect()
        if outcome.verdict is Verdict.FAILED and run_options.pause is not None:
            await run_options.pause(running, outcome)
        return outcome
    finally:
        await running.down()


def judged(cell: PlannedCell, engine: str, folder: Path, record: Record) -> Outcome:
    """The verdict on a record. ``own_cost_s`` holds the time of the play itself until ``run_cell`` turns it
    round.
    """
    failures = check(cell.scenario, cell.plan, record, folder)
    paired = [event for action in record.actions.values() for event in action.events("paired")]
    path = paired[0].fields.get("path", {}) if paired else {}
    came, after_s = main_action(cell.plan, record)
    outcome = Outcome(
        Verdict.FAILED if failures else Verdict.PASSED,
        engine,
        folder,
        failures=failures,
        own_cost_s=record.elapsed_s,
        paired_ms=paired[0].fields.get("elapsed_ms") if paired else None,
        path=f"{path.get('direction', '')} {path.get('carrier', '')}".strip(),
        came=came,
        after_s=after_s,
        ends=tuple((action.id, outcome_of(action)) for action in record.actions.values()),
    )
    late = bool(failures) and all(failure.where[-1:] == ("within",) for failure in failures)
    busy = _too_busy(record)
    if late and busy:
        reason = f"the machine was too busy to tell: {busy}"
        return replace(outcome, verdict=Verdict.BROKEN, reason=reason, hint="run fewer workers at once")
    return outcome


def _too_busy(record: Record) -> str:
    """Why a missed bound proves nothing about the product; empty where it does."""
    if record.slowest_turn_s > STARVED_S:
        return f"the lab itself was {record.slowest_turn_s:.1f} s late"
    if record.pressure > STARVED_SHARE:
        return f"programs waited for a core for {record.pressure:.0%} of the time"
    return ""


def _tidied(outcome: Outcome, run_options: RunOptions) -> Outcome:
    folder = outcome.folder
    if folder is None:
        return outcome
    if run_options.pcap == "never" or (run_options.pcap == "fail" and outcome.verdict is Verdict.PASSED):
        shutil.rmtree(folder / "captures", ignore_errors=True)
    if not _stays(outcome, run_options):
        shutil.rmtree(folder, ignore_errors=True)
        return replace(outcome, folder=None)
    return outcome
