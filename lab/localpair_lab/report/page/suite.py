"""What a suite's page says: a grid of scenarios by engines and products, from the rows of its summary. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from localpair_lab.report.summary import BAD, SummaryRow


@dataclass(frozen=True, slots=True)
class Played:
    """All plays of one cell in one column. ``word`` is the worst that came of it. ``is_flaky``: not the same each
    time, or broken at first.
    """

    word: str
    runs: tuple[SummaryRow, ...]
    is_flaky: bool


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One cell of one scenario; ``played`` has an entry for each column, None where it was not played."""

    theme: str
    name: str
    cell: str
    played: tuple[Played | None, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """What came of it, once each."""
        return tuple(dict.fromkeys(one.word for one in self.played if one is not None))

    @property
    def is_flaky(self) -> bool:
        """Whether it is, in any column."""
        return any(one is not None and one.is_flaky for one in self.played)

    @property
    def longest_s(self) -> float:
        """Of all its plays."""
        return max(run.elapsed_s for one in self.played if one is not None for run in one.runs)


@dataclass(frozen=True, slots=True)
class SuiteColumn:
    """An engine, and a product where several were played, with what came of all its plays."""

    name: str
    counts: tuple[tuple[str, int], ...]
    median_paired_ms: float


@dataclass(frozen=True, slots=True)
class SuitePage:
    """The grid. ``command`` is what was called."""

    columns: tuple[SuiteColumn, ...]
    rows: tuple[SuiteRow, ...]
    words: tuple[tuple[str, int], ...]
    flaky: int
    played_s: float
    command: str


def suite_page(results: Iterable[SummaryRow], command: str) -> SuitePage:
    """The page for these plays."""
    everything = list(results)
    products = {result.product for result in everything}
    by_column: dict[str, list[SummaryRow]] = defaultdict(list)
    by_place: dict[tuple[str, str, str], dict[str, list[SummaryRow]]] = defaultdict(lambda: defaultdict(list))
    for result in everything:
        column = f"{result.product} on {result.engine}" if len(products) > 1 else result.engine
        by_column[column].append(result)
        by_place[result.theme, result.scenario, result.cell][column].append(result)
    columns = tuple(_column(name, runs) for name, runs in sorted(by_column.items(), reverse=True))
    rows = tuple(
        SuiteRow(
            *place, tuple(_played(runs[column.name]) if column.name in runs else None for column in columns)
        )
        for place, runs in sorted(by_place.items())
    )
    words = Counter(word for row in rows for word in row.words)
    return SuitePage(
        columns, rows, tuple(sorted(words.items())), sum(row.is_flaky for row in rows),
        sum(result.elapsed_s for result in everything), command,
    )  # fmt: skip


def _column(name: str, runs: list[SummaryRow]) -> SuiteColumn:
    paired = [run.paired_ms for run in runs if run.paired_ms]
    counts = Counter(run.word for run in runs)
    return SuiteColumn(name, tuple(sorted(counts.items())), median(paired) if paired else 0.0)


def _played(runs: list[SummaryRow]) -> Played:
    words = [run.word for run in runs]
    worst = next((bad for bad in BAD if bad in words), words[0])
    return Played(worst, tuple(runs), len(set(words)) > 1 or any(run.tried_again for run in runs))
