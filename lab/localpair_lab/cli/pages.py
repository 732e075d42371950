"""Where the pages of ``run --html`` go: a file for one play, a folder with a page that leads to them for several."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, other_product
from localpair_lab.report.page.write import write_suite_page
from localpair_lab.report.summary import SummaryRow


@dataclass(slots=True)
class RunPages:
    """``target`` ends in ``.html`` where it is one page; None: nobody wants pages."""

    target: Path | None
    rows: list[SummaryRow] = field(default_factory=list)

    def place(self, cell: PlannedCell, engine: str) -> Path | None:
        """Where the page of this play goes."""
        if self.target is None or self._is_file:
            return self.target
        return self.target / _place(cell, engine)

    def note(self, cell: PlannedCell, outcome: Outcome) -> None:
        """For the page that leads to all."""
        has_page = outcome.verdict is not Verdict.UNSUPPORTED
        page = _place(cell, outcome.engine).as_posix() if has_page else ""
        self.rows.append(
            SummaryRow(
                cell.theme, cell.loaded.name, cell.cell.name, outcome.engine, outcome.verdict.value,
                outcome.reason, outcome.elapsed_s, outcome.own_cost_s, outcome.paired_ms or 0.0, outcome.came,
                outcome.path, outcome.after_s, page=page,
            )
        )  # fmt: skip

    def finish(self) -> Path | None:
        """Write the page that leads to all; the one that a person opens, if there is any."""
        if self.target is None or self._is_file:
            return self.target if self.target is not None and self.target.exists() else None
        return write_suite_page(self.rows, self.target, shlex.join(["localpair-lab", *sys.argv[1:]]))

    @property
    def _is_file(self) -> bool:
        return self.target is not None and self.target.suffix == ".html"


def run_pages(target: str, cells: Sequence[PlannedCell], engines: Sequence[str]) -> RunPages:
    """The pages for these plays. Raises LabError where one file would have to hold several."""
    if target.endswith(".html") and len(cells) * len(engines) > 1:
        raise LabError(
            f"{target} holds one run, and there are {len(cells) * len(engines)}", hint="name a folder"
        )
    return RunPages(Path(target) if target else None)


def _place(cell: PlannedCell, engine: str) -> Path:
    return Path(cell.theme, f"{play_name(cell, engine)}.html")


def play_name(cell: PlannedCell, engine: str) -> str:
    """What a play's files are called."""
    return "-".join(filter(None, (cell.loaded.name, engine, other_product(cell.plan), cell.cell.name)))
