"""YAML -> Scenario: one file, all problems at once, each with its place and what its author may have meant.

loaded = load(Path("lab/scenarios/flow/flat.yaml"))      # raises ScenarioError
for cell in loaded.cells:
    cell.name, cell.scenario
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localpair_lab.loading.checks.conflicts import Conflict
from localpair_lab.loading.checks.programs import check_given_files
from localpair_lab.loading.checks.scenario import check
from localpair_lab.loading.matrix import cells
from localpair_lab.loading.messages import problem_message
from localpair_lab.loading.problems import Mark, Problem, ScenarioError, Where, written
from localpair_lab.loading.recovery import leave_out, once, original
from localpair_lab.loading.yaml_tree import Branch, data, follow, given_names, place, read_tree, value_place
from localpair_lab.model.scenario import Scenario

ROUNDS = 8  # of leaving out what cannot be read, to see the rest
_NAMING = (("networks",), ("routers",), ("devices",), ("decoys",), ("pair",), ("actions",), ("events",))
"""What gives names to things: without the whole of one no name is known to be wrong."""
FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class LoadedCell:
    """One cell of a file's matrix: its name (empty where there is no matrix) and its scenario."""

    name: str
    scenario: Scenario
    tree: Branch

    def place(self, where: Where) -> Mark:
        """The place in the file where ``where`` stands."""
        return value_place(self.tree, where)

    def line(self, where: Where) -> int:
        """The line of it."""
        return self.place(where).line


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario file that holds no problem. ``name`` is the file's own name without its suffix."""

    path: Path
    name: str
    lines: tuple[str, ...]
    cells: tuple[LoadedCell, ...]


def load(path: Path) -> Loaded:
    """Read the scenario file at ``path``. Raises ScenarioError with every problem found."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError([Problem(path, 1, 1, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ScenarioError([Problem(path, 1, 1, "", f"is no UTF-8 text: {error.reason}")]) from None
    return load_text(path, text)


def scenario_name(path: Path) -> str:
    """A file's name without ``.yaml`` or ``.lan.yaml``."""
    return path.stem.removesuffix(".lan")


def theme_of(path: Path) -> str:
    """The name of the folder that a file is in, however its path is written: never ``..``, and no path."""
    return path.parent.resolve().name


def load_text(path: Path, text: str) -> Loaded:
    """``load`` for a text in hand; ``path`` is for messages and gives the name."""
    tree, problems = read_tree(path, text)
    name = scenario_name(path)
    if FILE_NAME.fullmatch(name) is None:
        advice = "use lower-case letters, digits and '-', so that it can be an address on a command line"
        problems.append(Problem(path, 1, 1, "", f"the file's name {path.name!r} is unfit; {advice}"))

    def say(where: Where, message: str, intended: str) -> None:
        mark = place(tree, where)
        problems.append(Problem(path, mark.line, mark.column, written(where), message, intended))

    loaded = []
    for cell in cells(tree, say):
        scenario, found = _validate(path, cell.tree)
        problems.extend(found)
        if scenario is not None:
            loaded.append(LoadedCell(cell.name, scenario, cell.tree))
    if problems:
        raise ScenarioError(problems)
    return Loaded(path, name, tuple(text.splitlines()), tuple(loaded))


def _validate(path: Path, tree: Branch) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, if the tree is one, and every problem. What cannot be read is left out to check the
    rest.
    """
    content = data(tree)
    problems: list[Problem] = []
    removed: set[Where] = set()
    for _ in range(ROUNDS):
        try:
            scenario = Scenario.model_validate(content)
        except ValidationError as error:
            entries = error.errors()
            told = once(tree, entries, removed)
            problems.extend(_problem(path, tree, entry, removed) for entry in told)
            if not leave_out(content, entries, removed):
                return None, problems
        else:
            conflicts = _conflicts(scenario, path, tree, problems, removed)
            return scenario, problems + [_conflict(path, tree, conflict, removed) for conflict in conflicts]
    return None, problems


def _conflicts(
    scenario: Scenario, path: Path, tree: Branch, problems: list[Problem], removed: set[Where]
) -> Iterator[Conflict]:
    """Where parts were left out, only what is wrong whatever stood in them: names that are given nowhere."""
    if any(where in removed for where in _NAMING):
        return
    known = given_names(tree)
    for conflict in (*check(scenario), *check_given_files(scenario, path.parent)):
        if not problems or (conflict.name and conflict.name not in known):
            yield conflict


def _conflict(path: Path, tree: Branch, conflict: Conflict, removed: set[Where]) -> Problem:
    where = original(conflict.where, removed)
    mark = value_place(tree, where)
    return Problem(path, mark.line, mark.column, written(where), conflict.message, conflict.meant)


def _problem(path: Path, tree: Branch, entry: Any, removed: set[Where]) -> Problem:
    where = follow(tree, original(tuple(entry["loc"]), removed))[1]
    message, intended = problem_message(entry, tuple(entry["loc"]))
    if entry["type"] == "extra_forbidden":
        mark = place(tree, where)
        where = where[:-1]
    else:
        mark = value_place(tree, where)
    return Problem(path, mark.line, mark.column, written(where), message, intended)


def find(root: Path) -> Iterator[Path]:
    """Every scenario file under ``root`` (or ``root`` itself), in the order of their paths."""
    if root.is_file():
        yield root
        return
    yield from sorted(root.rglob("*.yaml"))
