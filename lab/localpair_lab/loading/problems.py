"""What is wrong with a scenario file, where, and what its author may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from localpair_lab.visible_text import printable

Step: TypeAlias = str | int
Where: TypeAlias = tuple[Step, ...]
"""A place in a scenario: keys and list positions from the top."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1 as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. ``meant`` is what the author may have meant, or empty."""

    file: Path
    line: int
    column: int
    where: str
    message: str
    meant: str = ""

    def __str__(self) -> str:
        return self.told()

    def told(self, root: Path = Path()) -> str:
        """The problem as a line that editors follow, its file as seen from the folder ``root``."""
        place = f"{nearby(self.file, root)}:{self.line}:{self.column}: "
        where = f"{self.where}: " if self.where else ""
        meant = f" (did you mean {self.meant}?)" if self.meant else ""
        return printable(f"{place}{where}{self.message}{meant}")


def nearby(path: Path, root: Path) -> str:
    """The path from ``root`` where it lies in there, else as it is."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


class ScenarioError(Exception):
    """A scenario file that cannot be played. ``problems`` holds all that was found, in the order of the
    file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def written(where: Where) -> str:
    """``devices.bob.on.lan`` or ``expect[0].of``."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that looks most like ``word``, or empty."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else ""
