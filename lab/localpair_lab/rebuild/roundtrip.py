"""The round trip: a scenario that fails is played, rebuilt from what its devices report, and played again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localpair_lab.engines.base import Engine
from localpair_lab.errors import LabError
from localpair_lab.generate.sample import planned_text
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.rebuild.build import Rebuilt, rebuilt
from localpair_lab.rebuild.evidence import JOIN, read
from localpair_lab.rebuild.plays import PlayedScenario, play_cell

_UNFIT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A scenario's cell, what came of it, the scenario that its reports make, and what came of that one. ``alone``: of
    the joiner's report, so that only its end counts.
    """

    title: str
    first: PlayedScenario
    scenario: Rebuilt | None = None
    second: PlayedScenario | None = None
    fault: str = ""
    alone: bool = False

    @property
    def differences(self) -> tuple[str, ...]:
        """Whatever is not the same the second time; empty where the round trip holds."""
        if self.fault:
            return (self.fault,)
        return tuple(self._differences())

    def _differences(self) -> Iterator[str]:
        if self.second is None or self.second.fault:
            yield "the rebuilt one was not played" if self.second is None else self.second.fault
            return
        again = {one.action: one for one in self.second.ends}
        for end in (
            self.first.ends if not self.alone else [one for one in self.first.ends if one.action == JOIN]
        ):
            other = again.get(end.action)
            if other is None or other.exit != end.exit:
                yield f"{end.action} ended with {end.exit}, and then with {other.exit if other else 'nothing'}"
            elif set(other.verdict) != set(end.verdict):
                yield f"{end}; and then {other}"

    @property
    def same_signature(self) -> float:
        """The share of ways in which dials ended that is the same, of all that were seen; 1 where nobody dialled."""
        if self.second is None:
            return 0.0
        both = self.first.signature | self.second.signature
        return len(self.first.signature & self.second.signature) / len(both) if both else 1.0


async def round_trip(cell: PlannedCell, engine: Engine, folder: Path, *, alone: bool = False) -> RoundTrip:
    """Play a cell, rebuild it from its reports (``alone``: from the joiner's), and play the first cell of that. What
    cannot be done is told.
    """
    first = await play_cell(cell, engine, folder / "first")
    if first.fault or not first.failed or not first.reports:
        return RoundTrip(cell.title, first, fault=first.fault or "it did not fail, or left no report")
    try:
        made = _rebuilt(cell, first, alone=alone)
        again = _first_cell(cell, made)
    except (LabError, ScenarioError) as error:
        return RoundTrip(cell.title, first, fault=f"no scenario: {error}")
    second = await play_cell(again, engine, folder / "second")
    return RoundTrip(cell.title, first, made, second, alone=alone)


def _rebuilt(cell: PlannedCell, first: PlayedScenario, *, alone: bool) -> Rebuilt:
    with tempfile.TemporaryDirectory() as place:
        files = []
        for action, text in sorted(first.reports, key=lambda one: one[0] != JOIN):
            path = Path(place) / f"{action}.json"
            path.write_text(text, encoding="utf-8")
            files.append(str(path))
        return rebuilt(read(files[: 1 if alone else 2]), _name(cell))


def _first_cell(cell: PlannedCell, made: Rebuilt) -> PlannedCell:
    return planned_text(_name(cell), made.text)


def _name(cell: PlannedCell) -> str:
    return _UNFIT.sub("-", f"{cell.loaded.name}-{cell.cell.name}".lower()).strip("-") or "rebuilt"
