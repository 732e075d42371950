"""The command that plays scenarios: run."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from localpair_lab.cli.output import GREEN, RED, out, painted, talk
from localpair_lab.cli.pages import play_name, run_pages
from localpair_lab.cli.selection import files
from localpair_lab.engines.base import Engine
from localpair_lab.engines.registry import engine_names, make_engine
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, other_product, planned
from localpair_lab.loading.products import load_product
from localpair_lab.paths import ARTIFACTS
from localpair_lab.report.failure import failure_report
from localpair_lab.run.runner import RunOptions, run_cell


def run(options: argparse.Namespace) -> int:
    """Play scenarios one after the other, without pytest."""
    product = load_product(options.product)
    cells = [cell for path in files(options.scenarios) for cell in planned(path, product)]
    cells = [cell for cell in cells if not options.cell or cell.cell.name == options.cell]
    if not cells:
        raise LabError(
            f"no scenario has a cell {options.cell!r}", hint="localpair-lab list shows what there is"
        )
    engines = engine_names(options.engine)
    pages = run_pages(options.html, cells, engines)
    bad = 0
    for name in engines:
        engine = make_engine(name, vars(options))
        for cell in cells:
            outcome = _play(cell, engine, options, pages.place(cell, name))
            pages.note(cell, outcome)
            bad += outcome.verdict in (Verdict.FAILED, Verdict.BROKEN)
    if page := pages.finish():
        talk(f"page: {page}")
    return 1 if bad else 0


def _play(cell: PlannedCell, engine: Engine, options: argparse.Namespace, page: Path | None) -> Outcome:
    """One play, told."""
    run_options = RunOptions(
        keep=options.keep or options.trace,  # what somebody wants to read
        pcap="always" if options.keep else "fail",
        trace=options.trace,
        page=page,
    )
    folder = ARTIFACTS / cell.theme / play_name(cell, engine.name)
    outcome = asyncio.run(run_cell(cell, engine, folder, run_options))
    word = painted(f"{outcome.verdict:<12}", GREEN if outcome.verdict is Verdict.PASSED else RED)
    product = other_product(cell.plan)
    played_by = f" by {product}" if product else ""
    out(f"{word} {cell.title} on {engine.name}{played_by}  {outcome.elapsed_s:.2f} s{_end_words(outcome)}")
    if cell.left_out:
        out(f"             left out   {', '.join(cell.left_out)}: {product} does not tell")
    if outcome.verdict is not Verdict.PASSED:
        out(failure_report(cell, outcome, Path.cwd()))
    elif outcome.folder is not None:
        out(f"             artifacts  {outcome.folder}")
    return outcome


def _end_words(outcome: Outcome) -> str:
    if outcome.paired_ms:
        return f"  paired in {outcome.paired_ms:.0f} ms, {outcome.path}"
    return f"  paired after {outcome.after_s:.2f} s" if outcome.came == "paired" else ""
