"""What the lab's tests share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.plan.model import Plan

if TYPE_CHECKING:
    from pathlib import Path

PlanOf = Callable[[str], Plan]
CellOf = Callable[[str], PlannedCell]

FRAME = """
lab: 1
summary: A test.
"""


@pytest.fixture
def cell_of(tmp_path: Path) -> CellOf:
    """The first cell of a scenario given as text; ``lab`` and ``summary`` are added."""

    def make(text: str) -> PlannedCell:
        path = tmp_path / "scenarios" / "test" / "example.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FRAME + textwrap.dedent(text))
        return planned(path)[0]

    return make


@pytest.fixture
def plan_of(cell_of: CellOf) -> PlanOf:
    """The plan of the first cell of a scenario given as text."""
    return lambda text: cell_of(text).plan
