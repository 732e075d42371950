"""Writes pages: a run's from what it left, a suite's from its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from localpair_lab.judge.verdict import Outcome
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.report.page.build import run_page
from localpair_lab.report.page.record import read_record
from localpair_lab.report.page.render import run_html
from localpair_lab.report.page.suite import suite_page
from localpair_lab.report.page.suite_render import suite_html
from localpair_lab.report.summary import SummaryRow

INDEX = "index.html"


def write_run_page(cell: PlannedCell, outcome: Outcome, folder: Path, places: Sequence[Path]) -> None:
    """The page of a run whose artifacts are in ``folder``, at each of ``places``."""
    if not places:
        return
    html = run_html(run_page(cell, outcome, read_record(folder), Path.cwd()))
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(html, encoding="utf-8")


def write_suite_page(results: Iterable[SummaryRow], folder: Path, command: str) -> Path:
    """The page of a suite whose runs have theirs below ``folder``; where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / INDEX
    path.write_text(suite_html(suite_page(results, command)), encoding="utf-8")
    return path
