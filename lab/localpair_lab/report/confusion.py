"""The confusion table of ``docs/diagnosis.md``: what was wrong in each scenario that fails, and what the screens said.

What is accepted stands in the scenario's own expectations: every cause that it wants named, anywhere. A verdict is
*right* where each of its explanations names one of them and nothing else, *vague* where each names one of them
among others, and *wrong* where one of them names none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from localpair_lab.loading.cases import PlannedCell

BEGIN, END = "<!-- confusion: begin -->", "<!-- confusion: end -->"
HEAD: Final = (
    "| scenario | causes accepted | joiner's screen | host's screen | both reports |",
    "|---|---|---|---|---|",
)
GRADES: Final = ("right", "vague", "none", "wrong")

Explained: TypeAlias = Sequence[Sequence[str]]
"""The causes of each explanation of one verdict."""


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """One cell: the causes that are true in it, and the verdicts that were drawn; None where nobody drew one."""

    title: str
    truth: tuple[str, ...]
    joiner: Explained | None
    host: Explained | None
    both: Explained | None

    @property
    def screens(self) -> tuple[Explained | None, ...]:
        """The verdicts in the order of the columns."""
        return (self.joiner, self.host, self.both)


def expects_a_cause(cell: PlannedCell) -> bool:
    """Whether the cell has a fault that a verdict should name."""
    return bool(true_causes(cell))


def true_causes(cell: PlannedCell) -> tuple[str, ...]:
    """Every cause that the cell's expectations want named, in the order of writing."""
    found = [cause for one in cell.scenario.expect for cause in one.cause]
    both = [cause for one in cell.scenario.expect if one.merged is not None for cause in one.merged.cause]
    return tuple(dict.fromkeys([*both, *found]))


def grade(told: Explained | None, truth: Iterable[str]) -> str:
    """What a verdict is worth; empty where there is none to be had."""
    if told is None:
        return ""
    if not told:
        return "none"
    right = set(truth)
    if not all(right & set(causes) for causes in told):
        return "wrong"
    return "right" if all(set(causes) <= right for causes in told) else "vague"


def counts(rows: Iterable[ConfusionRow]) -> tuple[Counter[str], ...]:
    """How often each grade was given, for each column."""
    found = (Counter[str](), Counter[str](), Counter[str]())
    for row in rows:
        for counter, told in zip(found, row.screens, strict=True):
            counter[grade(told, row.truth)] += 1
    return found


def table(rows: Iterable[ConfusionRow]) -> str:
    """The table between its marks, with a line of sums."""
    ordered = sorted(rows, key=lambda row: row.title)
    sums = " | ".join(_sum(counter) for counter in counts(ordered))
    last = f"| {len(ordered)} | | {sums} |"
    return "\n".join([BEGIN, *HEAD, *map(_line, ordered), last, END])


def updated(text: str, rows: Iterable[ConfusionRow]) -> str:
    """``text`` with a fresh table in it. Raises ValueError where it has no place for one."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"there is no {BEGIN} ... {END} in it")
    return before + table(rows) + after


def titles(text: str) -> Iterator[str]:
    """The titles of the cells in a page's table."""
    inside = text.partition(BEGIN)[2].partition(END)[0]
    for line in inside.splitlines()[len(HEAD) + 1 : -1]:
        yield line.split("|")[1].strip()


def _line(row: ConfusionRow) -> str:
    cells = (_said(told, row.truth) for told in row.screens)
    return f"| {row.title} | {', '.join(row.truth)} | {' | '.join(cells)} |"


def _said(told: Explained | None, truth: Sequence[str]) -> str:
    """The grade; what was said as well, where it was more or other than what is true."""
    word = grade(told, truth)
    if word in ("vague", "wrong"):
        return f"{word}: {'; '.join(' or '.join(causes) for causes in dict.fromkeys(map(tuple, told or ())))}"
    return word


def _sum(counter: Counter[str]) -> str:
    return ", ".join(f"{counter[word]} {word}" for word in GRADES if counter[word])
