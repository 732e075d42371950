"""From a run's outcome and record to its page's model. Pure but for the places of files, which are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localpair_lab.judge.expectations import split_address
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.loading.problems import nearby
from localpair_lab.oracle.judge import judged_pairs
from localpair_lab.oracle.tcp import Way
from localpair_lab.oracle.words import grouped_ways, state_words, way_words
from localpair_lab.report.failure import again, held_again
from localpair_lab.report.page.model import (
    CauseFound,
    FailedExpectation,
    OracleState,
    RunPage,
    SourceLine,
)
from localpair_lab.report.page.record import RunRecord
from localpair_lab.report.page.rows import MOST_PACKETS, json_event, timeline_rows

STANDS = "stands"
_MOST_WAYS = 8
_EVERY_FAILURE = 40


def run_page(cell: PlannedCell, outcome: Outcome, record: RunRecord, root: Path) -> RunPage:
    """The page of one run; ``root`` is the folder from which a person would play it again."""
    timeline = timeline_rows(cell.plan, record)
    failures = tuple(_failures(cell, outcome))
    return RunPage(
        title=cell.title,
        summary=cell.scenario.summary,
        references=tuple(cell.scenario.references),
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        facts=tuple(_facts(outcome)),
        reason=outcome.reason,
        hint=outcome.hint,
        failures=failures,
        causes=tuple(_causes(cell, record)),
        lanes=timeline.lanes,
        states=timeline.states,
        rows=timeline.rows,
        left_out=timeline.left_out,
        oracle=tuple(_oracle(cell, _taken(cell, record))),
        happened=tuple(_happened(cell, outcome, record)),
        source_name=nearby(cell.loaded.path, root),
        source=_source(cell, failures),
        command=again(cell, outcome.engine, root),
        prefixes={name: ", ".join(network.ip) for name, network in cell.scenario.networks.items()},
    )


def standing_page(cell: PlannedCell, engine: str, record: RunRecord, root: Path) -> RunPage:
    """The page of a network that stands, with what has come so far: nothing is played there, and nothing judged."""
    # The last ones are what a person waits for, and a page holds so many.
    latest = replace(record, frames=record.frames[-MOST_PACKETS:])
    page = run_page(cell, Outcome(Verdict.PASSED, engine), latest, root)
    earlier = len(record.frames) - len(latest.frames)
    left_out = (*((f"{earlier} earlier packets",) if earlier else ()), *page.left_out)
    facts = (("engine", engine), ("packets", f"{len(record.frames)} at all ports"))
    command = held_again(cell, engine, root)
    return replace(page, verdict=STANDS, facts=facts, command=command, happened=(), left_out=left_out)


def _facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield "engine", outcome.engine
    if outcome.came:
        yield "came of it", outcome.came
    if outcome.paired_ms:
        yield "paired after", f"{outcome.paired_ms:.0f} ms"
    if outcome.path:
        yield "path", outcome.path
    yield "whole run", f"{outcome.elapsed_s:.1f} s"


# --- What failed ---


def _failures(cell: PlannedCell, outcome: Outcome) -> Iterator[FailedExpectation]:
    told: set[tuple[str, ...]] = set()
    for failure in outcome.failures[:_EVERY_FAILURE]:
        line = cell.cell.line(failure.where) if failure.where else 0
        evidence = () if failure.evidence in told else failure.evidence
        told.add(failure.evidence)
        yield FailedExpectation(line, failure.wanted, failure.came, evidence)


def _source(cell: PlannedCell, failures: tuple[FailedExpectation, ...]) -> tuple[SourceLine, ...]:
    return tuple(
        SourceLine(number, line, tuple(failure.wanted for failure in failures if failure.line == number))
        for number, line in enumerate(cell.loaded.lines, start=1)
    )


# --- What devices concluded ---


def _events(record: RunRecord, *names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Who said it, and the fields."""
    for entry in record.entries:
        if entry.kind == "json" and entry.text.partition(" ")[0] in names:
            yield entry.who, json_event(entry.text)[1]


def _causes(cell: PlannedCell, record: RunRecord) -> Iterator[CauseFound]:
    """From events that hold causes: a list of them under ``causes``, or the event is one itself."""
    nodes = {action.id: action.node for action in cell.plan.actions}
    for who, fields in _events(record, "verdict", "cause"):
        found = fields.get("causes", [fields])
        for cause in found if isinstance(found, list) else ():
            if isinstance(cause, dict) and isinstance(cause.get("text"), str):
                yield _cause(nodes.get(who, who), cause)


def _cause(device: str, fields: dict[str, Any]) -> CauseFound:
    evidence = fields.get("evidence")
    lines = evidence if isinstance(evidence, list) else [evidence] if evidence else []
    certainty = str(fields.get("confidence") or "")
    return CauseFound(
        device, str(fields["text"]), str(fields.get("hint") or ""), certainty, tuple(map(str, lines))
    )


# --- What could be, and what was ---


@dataclass(frozen=True, slots=True)
class _TakenWay:
    """A path that devices paired on, as the oracle tells ways: who dialled, empty where both did at once."""

    dialler: str
    addresses: frozenset[str]


def _taken(cell: PlannedCell, record: RunRecord) -> set[_TakenWay]:
    nodes = {action.id: action.node for action in cell.plan.actions}
    found = set()
    for who, fields in _events(record, "paired"):
        if isinstance(path := fields.get("path"), dict):
            addresses = frozenset(split_address(str(path.get(end, "")))[0] for end in ("local", "remote"))
            dialler = {"out": nodes.get(who, who), "simultaneous": ""}.get(str(path.get("direction")))
            if dialler is not None:  # who was dialled says less than who dialled
                found.add(_TakenWay(dialler, addresses))
    return found


def _oracle(cell: PlannedCell, taken: set[_TakenWay]) -> Iterator[OracleState]:
    pair = next(judged_pairs(cell.plan), None)
    for number, judgement in enumerate(pair.states if pair is not None else ()):
        groups = grouped_ways(judgement.ways)
        ways = [(way_words(*twins), _is_taken(twins[0], taken)) for twins in groups]
        ways.sort(key=lambda way: not way[1])
        more = [(f"and {len(ways) - _MOST_WAYS} more", False)] if len(ways) > _MOST_WAYS else []
        causes = () if groups else tuple(sorted(judgement.causes)) or ("no address is learnt",)
        yield OracleState(state_words(number), (*ways[:_MOST_WAYS], *more), causes)


def _is_taken(way: Way, taken: set[_TakenWay]) -> bool:
    dialler = way.first if way.kind == "dial" else ""
    return _TakenWay(dialler, frozenset((way.opening.local, way.opening.remote))) in taken


def _happened(cell: PlannedCell, outcome: Outcome, record: RunRecord) -> Iterator[str]:
    actions = {action.id: action for action in cell.plan.actions}
    paths = dict(_events(record, "paired"))
    for name, end in outcome.ends:
        action = actions.get(name)
        told = f"{action.node} ({action.verb}): {end}" if action else f"{name}: {end}"
        path = paths.get(name, {}).get("path")
        if isinstance(path, dict):
            told += f", {path.get('local')} with {path.get('remote')}, {path.get('direction')}"
        yield told
