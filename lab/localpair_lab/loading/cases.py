"""Everything that can be played: each cell of each scenario file, planned, with a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from localpair_lab.loading.load import Loaded, LoadedCell, find, load, scenario_name, theme_of
from localpair_lab.loading.products import answerable, expects_something, load_product
from localpair_lab.model.adapters import Product
from localpair_lab.model.scenario import Scenario
from localpair_lab.paths import CLONE, OWN, SCENARIOS
from localpair_lab.plan.model import Plan
from localpair_lab.plan.planner import make_plan


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell of one file with its plan. ``title`` is ``theme/name`` and, where there is a matrix, the
    cell. ``left_out`` are the expectations that the program cannot answer.
    """

    loaded: Loaded
    cell: LoadedCell
    plan: Plan
    left_out: tuple[str, ...] = ()

    @property
    def scenario(self) -> Scenario:
        """The scenario of this cell."""
        return self.cell.scenario

    @property
    def theme(self) -> str:
        """The folder that the file is in."""
        return theme_of(self.loaded.path)

    @property
    def title(self) -> str:
        """``flow/flat [pre-all]``."""
        cell = f" [{self.cell.name}]" if self.cell.name else ""
        return f"{self.theme}/{self.loaded.name}{cell}"


def planned(path: Path, product: Product | None = None) -> list[PlannedCell]:
    """The cells of one file, for a program (localpair). Raises ScenarioError with every problem of the file."""
    loaded = load(path)
    return [_planned(loaded, cell, product or load_product()) for cell in loaded.cells]


def _planned(loaded: Loaded, cell: LoadedCell, product: Product) -> PlannedCell:
    scenario, left_out = answerable(cell.scenario, product)
    plan = make_plan(scenario, product, name=loaded.name, cell=cell.name, source=str(loaded.path))
    if left_out and not any(map(expects_something, scenario.expect)):
        reason = f"nothing is expected that {product.name} could tell: {', '.join(left_out)}"
        plan = replace(plan, unplayable=(*plan.unplayable, reason))
    return PlannedCell(loaded, replace(cell, scenario=scenario), plan, left_out)


def scenario_names(root: Path = SCENARIOS) -> list[str]:
    """``theme/name`` of every file under ``root``."""
    return [f"{theme_of(path)}/{scenario_name(path)}" for path in find(root)]


def other_product(plan: Plan) -> str:
    """The name of the program that plays, where it is not localpair."""
    return "" if plan.product == OWN else Path(plan.product).stem


def library_name(path: Path) -> str:
    """``@theme/name`` of a scenario of the installed library; empty in a clone, where its files are at hand."""
    inside = CLONE is None and path.is_relative_to(SCENARIOS)
    return f"@{path.relative_to(SCENARIOS).with_suffix('')}" if inside else ""


def all_cells(root: Path = SCENARIOS) -> Iterator[PlannedCell]:
    """Every cell under ``root``, file by file."""
    for path in find(root):
        yield from planned(path)
