"""The lab's part of pytest's summary, and what it knows of each report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localpair_lab.loading.cases import scenario_names
from localpair_lab.paths import SCENARIOS
from localpair_lab.report.page.write import write_suite_page
from localpair_lab.report.results_page import write_table
from localpair_lab.report.summary import SummaryRow, reasons, summary_table, totals


def summarize(terminal: pytest.TerminalReporter, reports: Iterable[Any]) -> None:
    """Write the grid of scenarios and engines, then what it does not show; bring the page's table up to date."""
    results = list(_results(reports))
    terminal.section("lab")
    for line, kind in summary_table(results):
        terminal.write_line(line, green=kind == "good", red=kind == "bad")
    terminal.write_line("")
    for line in (*reasons(results), *totals(results)):
        terminal.write_line(line)
    if folder := terminal.config.getoption("--lab-html"):
        called = terminal.config.invocation_params
        command = shlex.join(["pytest", *map(str, called.args)])
        terminal.write_line(f"page: {write_suite_page(results, Path(called.dir, folder), command)}")
    if page := terminal.config.getoption("--lab-table"):
        write_table(Path(page), results, scenario_names(SCENARIOS))


def _results(reports: Iterable[Any]) -> Iterator[SummaryRow]:
    for report in reports:
        known = dict(getattr(report, "user_properties", ()))
        if getattr(report, "when", "") == "call" and "lab_scenario" in known:
            yield SummaryRow(
                theme=known["lab_theme"],
                scenario=known["lab_scenario"],
                cell=known["lab_cell"],
                engine=known["lab_engine"],
                word=_word(report, known["lab_verdict"]),
                reason=getattr(report, "wasxfail", "") or known["lab_reason"],
                elapsed_s=known["lab_elapsed_s"],
                own_cost_s=known["lab_own_cost_s"],
                paired_ms=known["lab_paired_ms"],
                came=known["lab_came"],
                path=known["lab_path"],
                after_s=known["lab_after_s"],
                product=known.get("lab_product", ""),
                page=known["lab_page"],
                tried_again=known.get("lab_tried_again", ""),
            )


def _word(report: Any, verdict: str) -> str:
    if report.skipped and hasattr(report, "wasxfail"):
        return "expected failure"
    if report.failed and verdict == "passed":
        return "passed unexpectedly"
    return verdict
