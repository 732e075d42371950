"""A verdict as a person reads it: the failing line of the scenario, what was wanted, what came, and what to
do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localpair_lab.judge.verdict import Failure, Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, library_name, other_product
from localpair_lab.loading.problems import nearby
from localpair_lab.oracle.judge import judged_pairs
from localpair_lab.oracle.words import grouped_ways, state_words, way_words
from localpair_lab.timeline import TIME_COLUMNS, last_lines

PAGE = "report.html"
"""The run's page, among its artifacts."""
TIMELINE_LINES = 14
BESIDE = ("helper  ", "trace  ")  # kinds of lines that are too many to be shown
AROUND = 1  # lines of the scenario above and below the failing one
WIDTH = 108


def failure_report(cell: PlannedCell, outcome: Outcome, root: Path) -> str:
    """The whole text for a cell that did not pass."""
    return "\n".join(_lines(cell, outcome, root)) + "\n"


def _lines(cell: PlannedCell, outcome: Outcome, root: Path) -> Iterator[str]:
    yield f"{cell.title} on {outcome.engine}: {outcome.verdict.upper()}"
    yield f"  {cell.scenario.summary}"
    if outcome.verdict is not Verdict.FAILED:
        yield ""
        yield f"  why    {outcome.reason}"
        if outcome.hint:
            yield f"  hint:  {outcome.hint}"
    line = 0
    said: set[tuple[str, ...]] = set()
    for failure in outcome.failures:
        yield ""
        if cell.cell.line(failure.where) != line:
            line = cell.cell.line(failure.where)
            yield f"  {nearby(cell.loaded.path, root)}:{line}"
            yield from _source(cell.loaded.lines, line)
        yield from _failure(failure, repeated=failure.evidence in said)
        said.add(failure.evidence)
    if outcome.failures:
        yield ""
        yield from _oracle(cell)
    yield from _timeline(outcome)
    yield ""
    yield from _next(cell, outcome, root)


def _failure(failure: Failure, *, repeated: bool) -> Iterator[str]:
    yield f"  wanted   {failure.wanted}"
    yield f"  instead  {failure.came}"
    if failure.evidence and not repeated:
        yield "  it said"
        for text in failure.evidence:
            yield f"    {_short(text)}"


def _source(lines: tuple[str, ...], line: int) -> Iterator[str]:
    for number in range(max(1, line - AROUND), min(len(lines), line + AROUND) + 1):
        pointer = ">" if number == line else " "
        yield f"  {pointer} {number:4} | {_short(lines[number - 1])}"


def _oracle(cell: PlannedCell) -> Iterator[str]:
    """What the topology allows, beside what happened."""
    pair = next(judged_pairs(cell.plan), None)
    for number, judgement in enumerate(pair.states if pair is not None else ()):
        state = state_words(number)
        if judgement.possible:
            ways = grouped_ways(judgement.ways)
            others = f" (the first of {len(ways)} ways)" if len(ways) > 1 else ""
            yield f"  oracle   {state}: {way_words(*ways[0])}{others}"
        else:
            causes = ", ".join(sorted(judgement.causes)) or "no address is learnt"
            yield f"  oracle   {state}, no way: {causes}"


def _timeline(outcome: Outcome) -> Iterator[str]:
    if outcome.folder is None or not (outcome.folder / "timeline.txt").exists():
        return
    lines = (outcome.folder / "timeline.txt").read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if not line[10:].startswith(BESIDE)]
    shown = last_lines(told, TIMELINE_LINES, TIME_COLUMNS)
    yield ""
    yield f"  timeline, the last {len(shown)} of {len(lines)} lines"
    for line in shown:
        yield f"    {_short(line)}"


def _next(cell: PlannedCell, outcome: Outcome, root: Path) -> Iterator[str]:
    if outcome.folder is not None:
        yield f"  artifacts  {nearby(outcome.folder, root)}"
        yield f"  page       {nearby(outcome.folder / PAGE, root)}"
    yield f"  again      {again(cell, outcome.engine, root)}"


def again(cell: PlannedCell, engine: str, root: Path) -> str:
    """The one command that plays this cell again."""
    played_by = f" --product {cell.plan.product}" if other_product(cell.plan) else ""
    return f"localpair-lab run {_named(cell, root)}{played_by} --engine {engine} --keep"


def held_again(cell: PlannedCell, engine: str, root: Path) -> str:
    """The one command that holds this cell's network again, to be looked at."""
    return f"localpair-lab up {_named(cell, root)} --engine {engine} --watch"


def _named(cell: PlannedCell, root: Path) -> str:
    """The words of a command that mean this cell."""
    chosen = f" --cell {cell.cell.name}" if cell.cell.name else ""
    return f"{library_name(cell.loaded.path) or nearby(cell.loaded.path, root)}{chosen}"


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
