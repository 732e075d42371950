"""Programs beside each other: the same scenarios, each played by several, as a table and as a page."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from localpair_lab.cli.output import out, talk
from localpair_lab.cli.selection import files
from localpair_lab.engines import registry
from localpair_lab.engines.capabilities import product_command
from localpair_lab.engines.namespace import device_programs
from localpair_lab.engines.registry import engine_names, make_engine
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, other_product, planned
from localpair_lab.loading.products import load_product, product_names
from localpair_lab.model.adapters import Product
from localpair_lab.oracle.judge import judged_pairs
from localpair_lab.paths import ARTIFACTS, OWN
from localpair_lab.report.comparison import (
    ComparedCell,
    ComparedProgram,
    ComparedRun,
    ComparedScenario,
    Comparison,
    Word,
    markdown,
)
from localpair_lab.report.failure import again
from localpair_lab.report.page.comparison_render import comparison_html
from localpair_lab.report.page.record import read_record
from localpair_lab.run.pool import PlayedCase, PlaySetting, Pool, Task, default_jobs, perform
from localpair_lab.run.runner import unsupported

VERSION_S = 20.0
Start = Callable[[Task], Callable[[], PlayedCase]]


def compare(options: argparse.Namespace) -> int:
    """Play scenarios with several programs, and write which pair, how fast, and with how many packets."""
    words = options.product or [OWN, *(name for name in product_names() if name != OWN)]
    products = [load_product(word) for word in words]
    engine = engine_names(options.engine)[0]
    paths = files(options.scenarios)[:: options.every]
    columns = [[cell for path in paths for cell in _cells(path, product, options)] for product in products]
    with _starting(options, engine) as start:
        played = [[_Cell(cell, engine, options.repeat, start) for cell in column] for column in columns]
        cells = [
            [cell.result(product.name) for cell in column]
            for product, column in zip(products, played, strict=True)
        ]
    comparison = Comparison(
        tuple(_program(product) for product in products),
        tuple(_scenarios(columns[0], cells)),
        engine, options.repeat, " ".join(["localpair-lab", *options.words]), f", {os.cpu_count()} cores",
    )  # fmt: skip
    _write(comparison, options)
    return 0


def _write(comparison: Comparison, options: argparse.Namespace) -> None:
    text = markdown(comparison)
    if options.output:
        Path(options.output).write_text(text, encoding="utf-8")
        talk(f"wrote {options.output}")
    else:
        out(text)
    if options.html:
        Path(options.html).write_text(comparison_html(comparison), encoding="utf-8")
        talk(f"page: {options.html}")


def _cells(path: Path, product: Product, options: argparse.Namespace) -> list[PlannedCell]:
    """Those that hold a pair; the first of a matrix stands for it unless all are wanted."""
    cells = [cell for cell in planned(path, product) if _pair_of(cell)]
    return cells if options.cells == "all" else cells[:1]


def _pair_of(cell: PlannedCell) -> bool:
    return any(action.verb == "join" for action in cell.plan.actions)


# --- Plays ---


@contextmanager
def _starting(options: argparse.Namespace, engine: str) -> Iterator[Start]:
    """How plays are started: side by side, or here and now where one at a time is wanted."""
    jobs = options.jobs or default_jobs()
    if jobs == 1:
        made = make_engine(engine, vars(options))
        yield lambda task: _now(perform(task, made))
        return
    pool = Pool(jobs, [engine])
    try:
        yield lambda task: _later(pool.start(task))
    finally:
        pool.close()


def _now(played: PlayedCase) -> Callable[[], PlayedCase]:
    return lambda: played


def _later(future: Future[PlayedCase]) -> Callable[[], PlayedCase]:
    return future.result


class _Cell:
    """A cell whose plays have been started."""

    def __init__(self, cell: PlannedCell, engine: str, repeat: int, start: Start) -> None:
        self._cell = cell
        self._engine = engine
        setting = PlaySetting(engine, registry.choices(engine, {}, 0))
        lacking = (
            unsupported(cell, setting.make()) if cell.plan.unplayable or cell.plan.product != OWN else None
        )
        if lacking is not None:
            self._plays = [_now(PlayedCase(lacking))]
        else:
            folders = [ARTIFACTS / "compare" / _place(cell, number) for number in range(repeat)]
            tokens = ARTIFACTS / ".tokens"
            self._plays = [start(Task(cell, setting, folder, tokens, pcap="always")) for folder in folders]

    def result(self, program: str) -> ComparedCell:
        """What came of them; waits until they are over."""
        runs = tuple(self._run(play) for play in self._plays)
        compared = ComparedCell(runs, again(self._cell, self._engine, Path.cwd()))
        talk(f"{self._cell.title}: {program}: {compared.told()}")
        for reason in dict.fromkeys(run.reason for run in runs if run.reason):
            talk(f"  {reason}")
        return compared

    def _run(self, play: Callable[[], PlayedCase]) -> ComparedRun:
        """One play's; a fault of the lab's own costs that play, and not all others."""
        try:
            outcome = play().outcome
        except Exception as error:  # noqa: BLE001 - whatever it was is told in the cell
            return ComparedRun("broken", reason=f"{type(error).__name__}: {error}")
        if outcome.verdict is Verdict.UNSUPPORTED or (outcome.verdict is Verdict.BROKEN and not outcome.ends):
            word: Word = "unsupported" if outcome.verdict is Verdict.UNSUPPORTED else "broken"
            return ComparedRun(word, reason=outcome.reason)
        run = ComparedRun(_word(self._cell, outcome), outcome.after_s, _sent(self._cell, outcome.folder))
        if outcome.folder is not None:
            shutil.rmtree(outcome.folder, ignore_errors=True)
        return run


def _place(cell: PlannedCell, number: int) -> Path:
    parts = (cell.loaded.name, other_product(cell.plan), cell.cell.name, str(number + 1))
    return Path(cell.theme, "-".join(filter(None, parts)))


def _word(cell: PlannedCell, outcome: Outcome) -> Word:
    """What a joiner alone believes is no pair: a host must have paired, too."""
    if outcome.came != "paired":
        return "not paired"
    hosts = [action.id for action in cell.plan.actions if action.verb == "host"]
    return "paired" if not hosts or any((name, "paired") in outcome.ends for name in hosts) else "one-sided"


def _sent(cell: PlannedCell, folder: Path | None) -> int:
    """The packets that came out of the devices' ports."""
    if folder is None:
        return 0
    devices = {node.name for node in cell.plan.nodes if node.role == "device"}
    frames = read_record(folder).frames
    return sum(frame.outbound and frame.name.partition("/")[0] in devices for frame in frames)


# --- Words about programs and scenarios ---


def _program(product: Product) -> ComparedProgram:
    adapter = product.adapter
    summary = " ".join(adapter.summary.split())
    return ComparedProgram(
        product.name, version_of(product), summary, adapter.meeting is not None, adapter.patience
    )


def version_of(product: Product) -> str:
    """What the program says that it is, started as a device would find it; empty where it says nothing."""
    words = [sys.executable if word == "python3" else word for word in product.adapter.version]
    if not words:
        return ""
    environment = {**os.environ, "PATH": device_programs.path(product_command()[0])}
    try:
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip()[:60].replace("|", " ") if lines else ""


def _scenarios(
    column: Sequence[PlannedCell], cells: Sequence[Sequence[ComparedCell]]
) -> Iterator[ComparedScenario]:
    for cell, row in zip(column, zip(*cells, strict=True), strict=True):
        yield ComparedScenario(cell.title, cell.scenario.summary, _has_way(cell), row)


def _has_way(cell: PlannedCell) -> bool:
    """Whether the oracle knows a way for the first pair, in some state of the network."""
    first = next(judged_pairs(cell.plan), None)
    return first is not None and any(judgement.possible for judgement in first.states)
