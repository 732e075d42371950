"""One generated topology as a scenario file: its text, its plan, and what the oracle expects of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from localpair_lab.generate.expected import WITHIN, Expected, expected
from localpair_lab.generate.random_source import Chance
from localpair_lab.generate.topology import content, make
from localpair_lab.generate.yaml_writer import as_text
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.loading.load import load_text
from localpair_lab.loading.products import load_product
from localpair_lab.oracle.packet import Delivery
from localpair_lab.plan.planner import make_plan


@dataclass(frozen=True, slots=True)
class Sample:
    """One topology. ``document`` is the file's content as data, ``features`` are words for what it holds."""

    name: str
    document: dict[str, Any]
    features: tuple[str, ...]
    expected: Expected

    @property
    def text(self) -> str:
        """The scenario file."""
        return as_text(self.document)


def draw(seed: int, number: int) -> Sample:
    """The ``number``-th topology of ``seed``: the same for the same two numbers."""
    return sample_of(Chance(Random(f"{seed}/{number}")), f"seed-{seed}-{number}")  # noqa: S311 - no secret


def sample_of(chance: Chance, name: str) -> Sample:
    """The topology that ``chance`` makes."""
    draft = make(chance)
    features = tuple(draft.features)
    summary = f"Generated as {name}, with {', '.join(features) or 'nothing special'}."
    return judged(name, {"lab": "1", "summary": summary, "markers": ["found"], **content(draft)}, features)


_NO_PATH = (
    "unreachable",
    "ended",
)  # a host whose time is up first says so, and the joiner fails with `ended`


def judged(name: str, document: dict[str, Any], features: tuple[str, ...] = ()) -> Sample:
    """The sample of a document, with the oracle's verdict as its expectation. Raises ScenarioError."""
    bare = {key: value for key, value in document.items() if key != "expect"}
    placeholder = [{"of": ["host", "join"], "within": WITHIN}]
    verdict = expected(planned_text(name, as_text(bare | {"expect": placeholder})).plan)
    return Sample(name, bare | {"expect": expectation(verdict)}, features, verdict)


def expectation(verdict: Expected) -> list[dict[str, Any]]:
    """What the file expects for a verdict of the oracle."""
    both: dict[str, Any] = {"of": ["host", "join"]}
    match verdict.answer:
        case Delivery.YES:
            return [both | {"outcome": "paired", "within": WITHIN}]
        case Delivery.NO:
            return [both | {"outcome": "failed", "exit": 3, "reason": list(_NO_PATH), "within": WITHIN}]
        case _:
            return [both | {"within": WITHIN}]


def planned_text(name: str, text: str) -> PlannedCell:
    """The only cell of a scenario text, planned. Raises ScenarioError with every problem."""
    path = Path(f"lab/artifacts/generated/{name}.yaml")
    loaded = load_text(path, text)
    cell = loaded.cells[0]
    return PlannedCell(
        loaded, cell, make_plan(cell.scenario, load_product(), name=loaded.name, source=str(path))
    )
