"""Programs beside each other: the same scenarios, each played by several, as a table."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localpair_lab.cli.output import out, talk
from localpair_lab.cli.selection import files
from localpair_lab.engines.base import Engine
from localpair_lab.engines.registry import engine_names, make_engine
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, other_product, planned
from localpair_lab.loading.products import load_product
from localpair_lab.model.adapters import Product
from localpair_lab.paths import ARTIFACTS, OWN
from localpair_lab.run.runner import RunOptions, run_cell

CHANGED = "(changes)"


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One scenario's cell with one program, played several times. ``hosts`` are the actions of which one must have
    paired, too: what a joiner alone believes is no pair.
    """

    title: str
    outcomes: tuple[Outcome, ...]
    hosts: tuple[str, ...] = ()

    def words(self) -> str:
        """``paired 0.41 s``, ``not paired``, ``unsupported``; and whether the runs differ."""
        said = [self._said(outcome) for outcome in self.outcomes]
        if len(set(said)) > 1:
            counts = [f"{word} {said.count(word)} of {len(said)}" for word in dict.fromkeys(said)]
            return f"{', '.join(counts)} {CHANGED}"
        if said[0] != "paired":
            return said[0]
        return f"paired {statistics.median(outcome.after_s for outcome in self.outcomes):.2f} s"

    def _said(self, outcome: Outcome) -> str:
        if outcome.verdict in (Verdict.UNSUPPORTED, Verdict.BROKEN):
            return str(outcome.verdict)
        hosted = not self.hosts or any((name, "paired") in outcome.ends for name in self.hosts)
        if outcome.came != "paired":
            return "not paired"
        return "paired" if hosted else "one-sided"


def compare(options: argparse.Namespace) -> int:
    """Play scenarios with several programs, and write a table of which pair, and how fast."""
    products = [load_product(word) for word in (options.product or [OWN])]
    name = engine_names(options.engine)[0]
    engine = make_engine(name, vars(options))
    paths = files(options.scenarios)
    columns = [list(_column(engine, paths, product, options.repeat)) for product in products]
    text = "\n".join(_table(products, columns)) + "\n"
    if options.output:
        Path(options.output).write_text(text, encoding="utf-8")
        talk(f"wrote {options.output}")
    else:
        out(text)
    return 0


def _column(engine: Engine, paths: Sequence[Path], product: Product, repeat: int) -> Iterator[ComparedCell]:
    for cell in (cell for path in paths for cell in planned(path, product)):
        outcomes = tuple(_play(engine, cell) for _ in range(repeat))
        hosts = tuple(action.id for action in cell.plan.actions if action.verb == "host")
        compared = ComparedCell(cell.title, outcomes, hosts)
        talk(f"{cell.title}: {product.name}: {compared.words()}")
        if outcomes[0].verdict in (Verdict.UNSUPPORTED, Verdict.BROKEN):
            talk(f"  {outcomes[0].reason}")
        yield compared


def _play(engine: Engine, cell: PlannedCell) -> Outcome:
    parts = (cell.loaded.name, engine.name, other_product(cell.plan), cell.cell.name)
    folder = ARTIFACTS / "compare" / cell.theme / "-".join(filter(None, parts))
    return asyncio.run(run_cell(cell, engine, folder, RunOptions(pcap="never")))


def _table(products: Sequence[Product], columns: Sequence[Sequence[ComparedCell]]) -> Iterator[str]:
    """Markdown, a row for each cell and a column for each program."""
    yield f"| scenario | {' | '.join(product.name for product in products)} |"
    yield f"|---{'|---' * len(products)}|"
    for row in zip(*columns, strict=True):
        yield f"| {row[0].title} | {' | '.join(cell.words() for cell in row)} |"
    yield ""
    for product in products:
        yield f"- {product.name}: {' '.join(product.adapter.summary.split())}"
