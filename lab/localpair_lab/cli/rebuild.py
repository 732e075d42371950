"""From a report to a small failing scenario: from-report and minimise."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localpair_lab.cli.output import counted, talk
from localpair_lab.cli.selection import chosen
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.errors import LabError
from localpair_lab.generate.yaml_writer import SCHEMA, as_text
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.loading.load import FILE_NAME, scenario_name
from localpair_lab.loading.reduction import Document
from localpair_lab.loading.yaml_tree import data
from localpair_lab.paths import SCENARIOS
from localpair_lab.rebuild.build import rebuilt
from localpair_lab.rebuild.evidence import read
from localpair_lab.rebuild.minimise import minimised
from localpair_lab.rebuild.plays import PlayedScenario, play_cell, play_texts


def from_report(options: argparse.Namespace) -> int:
    """Write a scenario that should fail as the reports of one or two devices say: codes, or files of
    `localpair diagnose --output` or of a run's --json.
    """
    if len(options.reports) > 2:
        raise LabError("these are more than two reports", hint="give those of one or two devices that met")
    path = Path(options.output)
    if not FILE_NAME.fullmatch(scenario_name(path)) or path.suffix != ".yaml":
        raise LabError(
            f"{path.name!r} is no name of a scenario", hint="lower-case letters, digits and '-', then .yaml"
        )
    made = rebuilt(read(options.reports), scenario_name(path))
    _write(path, made.text)
    talk(f"wrote {path}: {counted(max(1, len(made.twins)), 'cell')}")
    talk(f"hint: localpair-lab run {path}")
    return 0


def minimise(options: argparse.Namespace) -> int:
    """Leave out of a scenario what its failure does not need, and write what is left."""
    cell = chosen(options.scenario, options.cell)
    document = _document(cell)
    with tempfile.TemporaryDirectory() as place:
        trial = _Trial(Path(place), options.jobs)
        wanted = trial.first(cell)
        talk(f"it fails so: {wanted}")
        smaller = minimised(document, trial.still)
        text = as_text(smaller)
        if smaller != document and not trial.still([text])[0]:
            raise LabError(
                "it does not fail the same way each time",
                hint="play it a few times with `localpair-lab run`, and minimise it when nothing else runs",
            )
    talk(f"played {counted(trial.count, 'smaller scenario')}: {len(as_text(document).splitlines())} lines are now "
         f"{len(text.splitlines())}")  # fmt: skip
    text = _comments(cell) + text.removeprefix(SCHEMA)
    if options.output:
        _write(Path(options.output), text)
    else:
        sys.stdout.write(text)
    return 0


class _Trial:
    """Plays scenarios and compares what comes of them with what came of the first."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._folder = folder
        self._jobs = jobs
        self._engine = NamespaceEngine()
        self._wanted = PlayedScenario()
        self.count = 0

    def first(self, cell: PlannedCell) -> PlayedScenario:
        """What came of the whole scenario. Raises LabError where it does not fail."""
        self._wanted = asyncio.run(play_cell(cell, self._engine, self._folder / "first"))
        if self._wanted.fault:
            raise LabError(
                f"it cannot be played: {self._wanted.fault}", hint="localpair-lab doctor says more"
            )
        if not self._wanted.failed:
            raise LabError(
                "it does not fail: every action ends well", hint="--cell NAME chooses a cell that does"
            )
        return self._wanted

    def still(self, texts: Sequence[str]) -> list[bool]:
        """Whether each fails in the same way."""
        self.count += len(texts)
        if len(texts) > 1:
            talk(f"playing {len(texts)} smaller ones ...")
        played = asyncio.run(play_texts(texts, self._engine, self._folder, self._jobs, "minimised"))
        return [one.ends == self._wanted.ends for one in played]


def _document(cell: PlannedCell) -> Document:
    found = data(cell.cell.tree)
    if not isinstance(found, dict):
        raise LabError("this is no scenario", hint="localpair-lab validate says more")
    return found


def _comments(cell: PlannedCell) -> str:
    """The lines at the file's beginning that are for a person."""
    kept = []
    for line in cell.loaded.lines:
        if not line.startswith("#"):
            break
        kept.append(f"{line}\n")
    return "".join(kept)


def _write(path: Path, text: str) -> None:
    """Editors find the schema by its place beside the library, so that only there a file names it."""
    inside = path.resolve().is_relative_to(SCENARIOS)
    try:
        path.write_text(text if inside else text.removeprefix(SCHEMA), encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror}", hint="name another file") from None
