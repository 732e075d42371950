"""Which scenarios a command means: files, folders, themes, or names.

``@theme/name`` and ``@theme`` are always the library's; without ``@`` a file or folder of that name comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from localpair_lab.cli.output import talk
from localpair_lab.errors import LabError
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.loading.load import find, scenario_name, theme_of
from localpair_lab.loading.problems import meant
from localpair_lab.paths import SCENARIOS

_MOST_NAMED = 8  # of the scenarios that a word means, in a hint


def files(words: Sequence[str]) -> list[Path]:
    """The files that the words mean; none given: all. Raises LabError for a word that means nothing."""
    if not words:
        return list(find(SCENARIOS))
    return [path for word in words for path in _files(word)]


def _files(word: str) -> list[Path]:
    library = word.removeprefix("@")
    if library == word and Path(word).exists():
        return _held(Path(word), word)
    for path in (SCENARIOS / library, SCENARIOS / f"{library}.yaml"):
        if path.exists() and path.resolve().is_relative_to(SCENARIOS):
            return _held(path, word)
    if word.endswith((".yaml", ".yml")) or word.startswith((".", "/")):
        raise LabError(f"there is no file {word!r}", hint="localpair-lab list shows the scenarios there are")
    word = library
    everything = list(find(SCENARIOS))
    named = [path for path in everything if scenario_name(path) == word]
    if named:
        return named
    names = [scenario_name(path) for path in everything] + [theme_of(path) for path in everything]
    close = meant(word, names)
    hint = f"did you mean {close}?" if close else "localpair-lab list shows what there is"
    raise LabError(f"there is no scenario {word!r}", hint=hint)


def _held(path: Path, word: str) -> list[Path]:
    """The scenarios of a file or folder. Raises LabError for none: playing nothing must not look like success."""
    found = list(find(path))
    if not found:
        raise LabError(f"there is no scenario in {word!r}", hint="scenario files end in .yaml")
    return found


def chosen(word: str, cell: str) -> PlannedCell:
    """The one cell that a command is about; the first where none is named. Raises LabError for a word that means
    several scenarios.
    """
    found = _files(word)
    if len(found) > 1:
        names = [f"{theme_of(path)}/{scenario_name(path)}" for path in found]
        told = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        raise LabError(
            f"{word!r} means {len(names)} scenarios, and this is about one", hint=f"there is {told}"
        )
    return _cell(planned(found[0]), cell)


def each(words: Sequence[str], cell: str) -> Iterator[PlannedCell]:
    """One cell of each scenario that the words mean: that one, or else the first. Raises LabError where a scenario
    has no such cell.
    """
    for path in files(words):
        yield _cell(planned(path), cell)


def _cell(cells: Sequence[PlannedCell], name: str) -> PlannedCell:
    names = [one.cell.name for one in cells]
    if not name:
        if len(cells) > 1:
            talk(f"note: {cells[0].title} is the first of {len(cells)} cells; --cell NAME chooses another")
        return cells[0]
    if name in names:
        return cells[names.index(name)]
    close = meant(name, names)
    hint = f"did you mean {close}?" if close else f"there is {', '.join(filter(None, names)) or 'one cell'}"
    raise LabError(f"{cells[0].loaded.name} has no cell {name!r}", hint=hint)


def subnets(cell: PlannedCell) -> dict[str, str]:
    """The subnets of each network as text, for pictures."""
    return {name: ", ".join(network.ip) for name, network in cell.scenario.networks.items()}
