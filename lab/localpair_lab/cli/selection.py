"""Which scenarios a command means: files, folders, themes, or names.

``@theme/name`` and ``@theme`` are always the library's; without ``@`` a file or folder of that name comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from localpair_lab.errors import LabError
from localpair_lab.loading.cases import PlannedCell, planned
from localpair_lab.loading.load import find, scenario_name, theme_of
from localpair_lab.loading.problems import meant
from localpair_lab.paths import SCENARIOS


def files(words: Sequence[str]) -> list[Path]:
    """The files that the words mean; none given: all. Raises LabError for a word that means nothing."""
    if not words:
        return list(find(SCENARIOS))
    return [path for word in words for path in _files(word)]


def _files(word: str) -> list[Path]:
    library = word.removeprefix("@")
    if library == word and Path(word).exists():
        return list(find(Path(word)))
    for path in (SCENARIOS / library, SCENARIOS / f"{library}.yaml"):
        if path.exists() and path.resolve().is_relative_to(SCENARIOS):
            return list(find(path))
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


def chosen(word: str, cell: str) -> PlannedCell:
    """The one cell that a command is about; the first where none is named."""
    found = [one for path in _files(word) for one in planned(path)]
    if not cell:
        return found[0]
    for one in found:
        if one.cell.name == cell:
            return one
    names = [one.cell.name for one in found]
    close = meant(cell, names)
    hint = (
        f"did you mean {close}?"
        if close
        else f"there is {', '.join(name for name in names if name) or 'one cell'}"
    )
    raise LabError(f"{found[0].loaded.name} has no cell {cell!r}", hint=hint)


def subnets(cell: PlannedCell) -> dict[str, str]:
    """The subnets of each network as text, for pictures."""
    return {name: ", ".join(network.ip) for name, network in cell.scenario.networks.items()}
