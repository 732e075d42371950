"""``demo``: one scenario on the best engine there is, told as a story with a picture."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from localpair_lab.cli.output import GREEN, RED, out, painted, talk
from localpair_lab.cli.selection import chosen, subnets
from localpair_lab.engines.registry import engine_names, kinds, make_engine
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.paths import ARTIFACTS
from localpair_lab.plan.topology import Node
from localpair_lab.report.describe import machine_notes, network_notes
from localpair_lab.report.failure import PAGE, failure_report
from localpair_lab.report.graph import draw
from localpair_lab.report.narrative import Sentence, narrative
from localpair_lab.run.runner import RunOptions, run_cell

FOLDER = ARTIFACTS / "demo"


def demo(options: argparse.Namespace) -> int:
    """Play a scenario and tell what happened, with a picture."""
    cell = chosen(options.scenario, options.cell)
    name = engine_names(options.engine)[0]
    engine = make_engine(name, {"cold": True})
    out(painted(cell.scenario.summary, "1"))
    out()
    _network(cell)
    talk(f"building it with {kinds()[name].nodes_are} ...")
    outcome = asyncio.run(run_cell(cell, engine, FOLDER.resolve(), RunOptions(keep=True, pcap="always")))
    told = narrative(cell.plan, FOLDER)
    out()
    out("What happened")
    for sentence in told:
        out(f"  {sentence}")
    out()
    picture = _picture(cell, told)
    return _end(cell, outcome, picture)


def _network(cell: PlannedCell) -> None:
    prefixes = subnets(cell)
    for segment in cell.plan.segments:
        notes = network_notes(cell.plan, segment)
        out(f"  {segment.name}  {prefixes.get(segment.name, '')}  {painted(' · '.join(notes), RED)}".rstrip())
        for node in cell.plan.nodes:
            if any(interface.segment == segment.name for interface in node.interfaces):
                out(f"    {_machine(cell, node)}".rstrip())


def _machine(cell: PlannedCell, node: Node) -> str:
    addresses = ", ".join(
        f"{interface.name} {interface.addresses[0].partition('/')[0]}"
        for interface in node.interfaces
        if interface.addresses
    )
    notes = ", ".join(machine_notes(cell.plan, node))
    return f"{node.name:<10} {addresses:<44} {painted(notes, RED)}"


def _picture(cell: PlannedCell, told: Sequence[Sentence]) -> Path:
    path = FOLDER / "picture.svg"
    lines = [str(sentence) for sentence in told]
    text = draw(cell.plan, cell.title, cell.scenario.summary, subnets(cell), happened=lines)
    path.write_text(text, encoding="utf-8")
    return path


def _end(cell: PlannedCell, outcome: Outcome, picture: Path) -> int:
    if outcome.verdict is not Verdict.PASSED:
        out(failure_report(cell, outcome, Path.cwd()))
        return 1
    out(painted("Paired, as the oracle said they would be.", GREEN))
    if outcome.paired_ms:
        out(
            f"  took      {outcome.paired_ms:.0f} ms as localpair measures it; the start of Python comes on top"
        )
    out(f"  picture   {picture}")
    out(f"  timeline  {FOLDER / 'timeline.txt'}")
    out(f"  captures  {FOLDER / 'captures'}")
    out(f"  page      {FOLDER / PAGE}")
    return 0
