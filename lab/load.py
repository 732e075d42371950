"""YAML -> Scenario: one file, all problems at once, each with its place and what its author may have meant.

loaded = load(Path("lab/scenarios/flow/flat.yaml"))      # raises ScenarioError
for cell in loaded.cells:
    cell.name, cell.scenario
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lab.check import Slip, check
from lab.fields import known_keys
from lab.matrix import cells
from lab.problems import Problem, ScenarioError, Where, meant, written
from lab.scenario import Scenario
from lab.tree import Branch, data, follow, given_names, place, read_tree, value_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 8  # of leaving out what cannot be read, to see the rest
FILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class LoadedCell:
    """One cell of a file's matrix: its name (empty where there is no matrix) and its scenario."""

    name: str
    scenario: Scenario
    tree: Branch

    def line(self, where: Where) -> int:
        """The line in the file where ``where`` stands."""
        return value_place(self.tree, where).line


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


def load_text(path: Path, text: str) -> Loaded:
    """``load`` for a text in hand; ``path`` is for messages and gives the name."""
    tree, problems = read_tree(path, text)
    if FILE_NAME.fullmatch(path.stem) is None:
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
    return Loaded(path, path.stem, tuple(text.splitlines()), tuple(loaded))


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
            problems.extend(_problem(path, tree, entry, removed) for entry in entries)
            if not _leave_out(content, entries, removed):
                return None, problems
        else:
            slips = _slips(scenario, tree, problems)
            return scenario, problems + [_slip(path, tree, slip, removed) for slip in slips]
    return None, problems


def _slips(scenario: Scenario, tree: Branch, problems: list[Problem]) -> Iterator[Slip]:
    """Where parts were left out, only what is wrong whatever stood in them: names that are given nowhere."""
    known = given_names(tree)
    for slip in check(scenario):
        if not problems or (slip.name and slip.name not in known):
            yield slip


def _slip(path: Path, tree: Branch, slip: Slip, removed: set[Where]) -> Problem:
    where = _original(slip.where, removed)
    mark = value_place(tree, where)
    return Problem(path, mark.line, mark.column, written(where), slip.message, slip.meant)


def _leave_out(content: Any, entries: Any, removed: set[Where]) -> bool:
    """Remove what could not be read from ``content`` and fill in what is missing at the top; False:
    hopeless.
    """
    spots = set()
    for entry in entries:
        where = tuple(entry["loc"])
        if entry["type"] == "missing" and len(where) == 1:
            content[where[0]] = _FILLERS[where[0]]
        else:
            spots.add(_spot(content, where))
    for spot in sorted(spots - {()}, key=_order, reverse=True):
        holder = content
        for step in spot[:-1]:
            holder = holder[step]
        del holder[spot[-1]]
    removed.update([_original(spot, removed) for spot in spots - {()}])
    return () not in spots


_FILLERS: dict[str, object] = {"lab": "1", "summary": "-", "networks": {}, "devices": {}, "expect": []}


def _spot(content: Any, where: Where) -> Where:
    """The part of ``where`` that ``content`` holds."""
    spot: Where = ()
    for step in where:
        held = (
            content.keys()
            if isinstance(content, dict)
            else range(len(content))
            if isinstance(content, list)
            else ()
        )
        if step in held:
            content = content[step]
            spot = (*spot, step)
    return spot


def _held(content: Any) -> Any:
    if isinstance(content, dict):
        return content.keys()
    return range(len(content)) if isinstance(content, list) else ()


def _original(where: Where, removed: set[Where]) -> Where:
    """``where`` as the file counts, before list items were removed."""
    spot: Where = ()
    for step in where:
        while isinstance(step, int) and any(_shifts(gone, (*spot, step)) for gone in removed):
            nth = sum(_shifts(gone, (*spot, step)) for gone in removed)
            shifted = where[len(spot)]
            if not isinstance(shifted, int) or shifted + nth == step:
                break
            step = shifted + nth
        spot = (*spot, step)
    return spot


def _shifts(gone: Where, spot: Where) -> bool:
    """Whether the removal of ``gone`` moved the item that stands at ``spot`` in the file."""
    if len(gone) != len(spot) or gone[:-1] != spot[:-1]:
        return False
    return isinstance(gone[-1], int) and isinstance(spot[-1], int) and gone[-1] <= spot[-1]


def _order(where: Where) -> tuple[tuple[int, str], ...]:
    return tuple((step, "") if isinstance(step, int) else (0, step) for step in where)


def _problem(path: Path, tree: Branch, entry: Any, removed: set[Where]) -> Problem:
    where = follow(tree, _original(tuple(entry["loc"]), removed))[1]
    message, intended = _say(entry, tuple(entry["loc"]))
    if entry["type"] == "extra_forbidden":
        mark = place(tree, where)
        where = where[:-1]
    else:
        mark = value_place(tree, where)
    return Problem(path, mark.line, mark.column, written(where), message, intended)


def _say(entry: Any, where: Where) -> tuple[str, str]:
    """A pydantic complaint in the lab's own words, and what may have been meant."""
    kind, context = entry["type"], entry.get("ctx") or {}
    if kind == "missing":
        return f"{where[-1]!r} is missing", ""
    if kind == "extra_forbidden":
        return _unknown_key(str(where[-1]), sorted(known_keys(Scenario, where[:-1])))
    if kind == "literal_error":
        return _unknown_word(str(entry["input"]), str(context["expected"]))
    if kind == "union_tag_invalid":
        return _unknown_word(str(context["tag"]), str(context["expected_tags"]))
    if kind == "union_tag_not_found":
        return "'do' is missing: it says what happens", ""
    if kind == "string_pattern_mismatch":
        return _unfit(str(entry["input"]), str(context["pattern"])), ""
    return _PLAIN.get(kind) or str(entry["msg"]).removeprefix("Value error, "), ""


_PLAIN = {
    "model_type": "a mapping is expected here",
    "model_attributes_type": "a mapping is expected here",
    "dict_type": "a mapping is expected here",
    "tuple_type": "a list is expected here",
    "string_type": "a plain word or text is expected here",
    "string_too_short": "there is no text here",
}


def _unknown_key(key: str, known: list[str]) -> tuple[str, str]:
    intended = meant(key, known)
    if intended:
        return f"unknown key {key!r}", intended
    return f"unknown key {key!r}; known here: {', '.join(known)}", ""


def _unknown_word(word: str, expected: str) -> tuple[str, str]:
    known = [found for found in re.findall(r"'([^']*)'", expected) if found]
    close = meant(word, known)
    return (
        (f"{word!r} is not known here", close)
        if close
        else (f"{word!r} is not one of {', '.join(known)}", "")
    )


def _unfit(text: str, pattern: str) -> str:
    for key, example in _PATTERNS:
        if key in pattern:
            return f"{text!r} is not understood; write it as {example}"
    return f"{text!r} is not understood"


_PATTERNS = (
    ("https?", "https://example.org/thread/1"),
    (r"\d{4}-", "2030-12-31"),
    ("[0-9a-f]{2}", "02:00:00:00:00:01"),
    ("(/", "device or device/interface, such as bob/eth0"),
)


def find(root: Path) -> Iterator[Path]:
    """Every scenario file under ``root`` (or ``root`` itself), in the order of their paths."""
    if root.is_file():
        yield root
        return
    yield from sorted(root.rglob("*.yaml"))
