"""The plays of generated faults in numbers: each fault, and how good what was said of it is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from localpair_lab.faults.fault import VIEWS
from localpair_lab.faults.grading import Grade
from localpair_lab.faults.plays import PlayedFault

LEAST_RIGHT = 0.99  # of what can be decided
MOST_WRONG = 0.01  # of everything
GRADES = tuple(Grade)
HEAD = "rt  va  no  wr"
NAME = 34


def table(played: Sequence[PlayedFault]) -> Iterator[str]:
    """A line for each fault, or for each two, and one for all: in each view how many are right, vague, none, wrong."""
    yield f"{'':{NAME}}plays  " + "   ".join(f"{view:<{len(HEAD)}}" for view in VIEWS)
    yield f"{'':{NAME}}       " + "   ".join(HEAD for _ in VIEWS)
    groups: defaultdict[str, list[PlayedFault]] = defaultdict(list)
    for one in played:
        for name in {fault.name for fault in (*one.sample.causing, *one.sample.others)}:
            groups[name].append(one)
    for name in sorted(groups):
        yield _line(name, groups[name])
    yield _line("all", played)


def _line(name: str, played: Sequence[PlayedFault]) -> str:
    cells = []
    for view in VIEWS:
        counts = Counter(one.grade(view) for one in played)
        cells.append("  ".join(f"{counts[grade] or '.':>2}" for grade in GRADES))
    return f"{name:{NAME}}{len(played):>5}  " + "   ".join(cells)


def totals(played: Sequence[PlayedFault]) -> Iterator[str]:
    """For each view: how much of what can be decided is right, and how much of all is wrong."""
    for view in VIEWS:
        right, decided, wrong, every = counts(played, view)
        yield (
            f"{view:7} right {_share(right, decided)} of what its facts decide, "
            f"wrong {_share(wrong, every)} of all"
        )
    paired = sum(one.paired for one in played)
    broken = sum(bool(one.fault) for one in played)
    if paired or broken:
        yield f"not judged: {paired} paired all the same, {broken} could not be played"


def counts(played: Sequence[PlayedFault], view: str) -> tuple[int, int, int, int]:
    """How many are right of how many that can be decided, and how many wrong of how many."""
    decided = [one for one in played if one.is_decided(view)]
    graded = [one for one in (one.grade(view) for one in played) if one is not None]
    right = sum(one.grade(view) is Grade.RIGHT for one in decided)
    return right, len(decided), graded.count(Grade.WRONG), len(graded)


def is_good(played: Sequence[PlayedFault]) -> bool:
    """Whether every view keeps both bounds."""
    found = [counts(played, view) for view in VIEWS]
    return all(
        right >= LEAST_RIGHT * decided and wrong <= MOST_WRONG * every
        for right, decided, wrong, every in found
    )


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")
