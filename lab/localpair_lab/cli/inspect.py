"""Commands that look at scenarios and start nothing: list, validate, graph, explain, render."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from localpair_lab.cli.output import GREEN, counted, out, painted, talk
from localpair_lab.cli.selection import chosen, each, files, subnets
from localpair_lab.errors import LabError
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.loading.load import scenario_name, theme_of
from localpair_lab.loading.problems import Problem, ScenarioError, Where, written
from localpair_lab.loading.schema import FILE, schema_text
from localpair_lab.oracle.canary_probes import resolver_probes
from localpair_lab.oracle.consistency import disagreements, lost_gateways
from localpair_lab.oracle.judge import JudgedPair, judged_pairs, stage_of
from localpair_lab.oracle.words import grouped_ways, state_words, way_words
from localpair_lab.report.describe import story
from localpair_lab.report.graph import draw
from localpair_lab.report.mermaid import mermaid


def list_scenarios(options: argparse.Namespace) -> int:
    """One line for each scenario: name, cells, markers, summary."""
    theme = ""
    for path in files(options.scenarios):
        cells = planned(path)
        scenario = cells[0].scenario
        if options.marker and options.marker not in scenario.markers:
            continue
        if theme_of(path) != theme:
            theme = theme_of(path)
            out(theme)
        count = f"{len(cells)} cells" if len(cells) > 1 else ""
        out(f"  {scenario_name(path):<32} {count:>9}  {scenario.summary}")
        if options.long:
            out(f"  {'':<32} {'':>9}  {', '.join(scenario.markers)}")
            for reference in scenario.references:
                out(f"  {'':<32} {'':>9}  {reference}")
    return 0


def validate(options: argparse.Namespace) -> int:
    """Every problem of every file, and every expectation that the oracle says cannot come true."""
    if options.schema:
        FILE.write_text(schema_text(), encoding="utf-8")
        talk(f"wrote {FILE}")
    problems: list[Problem] = []
    notes: dict[str, None] = {}
    paths = files(options.scenarios)
    count = 0
    for path in paths:
        try:
            cells = planned(path)
        except ScenarioError as error:
            problems.extend(error.problems)
            continue
        count += len(cells)
        problems.extend(problem for cell in cells for problem in _impossible(path, cell))
        found = (f"{scenario_name(path)}: {said}" for cell in cells for said in lost_gateways(cell.plan))
        notes |= dict.fromkeys(found)
    for problem in sorted(set(problems)):
        out(problem.told(Path.cwd()))
    for note in notes if options.scenarios else ():
        talk(f"note: {note}")
    if problems:
        talk(f"{counted(len(set(problems)), 'problem')} in {counted(len(paths), 'file')}")
        return 1
    talk(painted(f"{counted(len(paths), 'file')}, {counted(count, 'cell')}: all good", GREEN))
    return 0


def _impossible(path: Path, cell: PlannedCell) -> Iterator[Problem]:
    for number, message in disagreements(cell.scenario, cell.plan):
        where: Where = ("expect", number)
        named = f" (cell {cell.cell.name})" if cell.cell.name else ""
        mark = cell.cell.place(where)
        yield Problem(path, mark.line, mark.column, written(where), f"cannot come true{named}: {message}")


def graph(options: argparse.Namespace) -> int:
    """A picture, to stdout or into a file."""
    cell = chosen(options.scenario, options.cell)
    if options.mermaid:
        text = mermaid(cell.plan, subnets(cell))
    else:
        text = draw(cell.plan, cell.title, cell.scenario.summary, subnets(cell))
    if options.output:
        try:
            Path(options.output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise LabError(
                f"{options.output} cannot be written: {error.strerror}", hint="name another file"
            ) from None
        talk(f"wrote {options.output}")
    else:
        sys.stdout.write(text)
    return 0


def explain(options: argparse.Namespace) -> int:
    """What the oracle says of each scenario: stages, ways, causes, in every state of the network."""
    for number, cell in enumerate(each(options.scenarios, options.cell)):
        if number:
            out()
        _explain(cell)
    return 0


def _explain(cell: PlannedCell) -> None:
    out(cell.title)
    out(f"  {cell.scenario.summary}")
    for line in story(cell.plan):
        out(f"  {line}")
    for node in cell.plan.nodes:
        if node.role == "device":
            stage = stage_of(node)
            gives = ", ".join(stage.addresses) or "what the peer sees"
            out(f"{node.name}: stage {stage.number} gives {gives}")
    for probe in resolver_probes(cell.plan):
        heard = {None: "perhaps it answers", True: "it answers", False: "no question gets there"}[
            probe.expected
        ]
        out(f"{probe.source.partition('/')[0]}: asks {probe.address} for names; {heard}")
    for pair in judged_pairs(cell.plan):
        _explain_pair(pair)


def _explain_pair(pair: JudgedPair) -> None:
    for number, judgement in enumerate(pair.states):
        out(f"{pair.host.node} and {pair.join.node}, {state_words(number)}:")
        if not judgement.possible:
            learnt = ", but no address is learnt" if judgement.open else ""
            out(f"  no way{learnt}: {', '.join(sorted(judgement.causes)) or '-'}")
        for twins in grouped_ways(judgement.ways):
            out(f"  {way_words(*twins)}")


def render(options: argparse.Namespace) -> int:
    """The Compose project of a scenario, as a folder that comes up with plain ``docker compose up``."""
    from localpair_lab.engines.compose.engine import write_project

    cell = chosen(options.scenario, options.cell)
    folder = Path(options.output or f"{cell.loaded.name}-compose")
    folder.mkdir(parents=True, exist_ok=True)
    file = write_project(cell.plan, folder)
    talk(f"wrote {file}")
    talk(f"hint: docker compose -f {file} up -d")
    return 0
