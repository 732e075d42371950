"""The summary: scenarios down, engines across, one word for each, and what went wrong in full below."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

BAD = ("failed", "broken", "passed unexpectedly")


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One cell on one engine. ``word`` is ``passed``, ``failed``, ``broken``, ``unsupported``, ``expected
    failure``, or ``passed unexpectedly``. ``came`` is what came of its main action, ``after_s`` after how long.
    ``product`` is what was played, where that is not localpair alone. ``page`` is the run's, from the suite's on;
    ``tried_again`` says what was broken at first.
    """

    theme: str
    scenario: str
    cell: str
    engine: str
    word: str
    reason: str = ""
    elapsed_s: float = 0.0
    own_cost_s: float = 0.0
    paired_ms: float = 0.0
    came: str = ""
    path: str = ""
    after_s: float = 0.0
    product: str = ""
    page: str = ""
    tried_again: str = ""


def summary_table(results: Iterable[SummaryRow]) -> Iterator[tuple[str, str]]:
    """The lines of the summary, each with ``good``, ``bad`` or ``plain`` for its colour."""
    everything = list(results)
    engines = sorted({result.engine for result in everything}, reverse=True)
    groups: dict[tuple[str, str], list[SummaryRow]] = defaultdict(list)
    for result in everything:
        groups[result.theme, result.scenario].append(result)
    width = max((len(scenario) for _, scenario in groups), default=0) + 4
    yield " " * width + "".join(f"{engine:<26}" for engine in engines).rstrip(), "plain"
    theme = ""
    for (group, scenario), cells in sorted(groups.items()):
        if group != theme:
            theme = group
            yield theme, "plain"
        words = [_word([cell for cell in cells if cell.engine == engine]) for engine in engines]
        line = f"  {scenario:<{width - 2}}" + "".join(f"{word:<26}" for word in words)
        yield line.rstrip(), "bad" if any(cell.word in BAD for cell in cells) else "good"


def _word(cells: list[SummaryRow]) -> str:
    """``passed 4 · 0.31 s`` or what stands out: ``FAILED 1 of 4``."""
    if not cells:
        return "-"
    for bad in BAD:
        count = sum(cell.word == bad for cell in cells)
        if count:
            return f"{bad.upper()} {count} of {len(cells)}"
    passed = [cell for cell in cells if cell.word == "passed"]
    if not passed:
        return cells[0].word if len({cell.word for cell in cells}) == 1 else "unsupported, in part"
    paired = [cell.paired_ms for cell in passed if cell.paired_ms]
    time = f"  {time_words(median(paired))}" if paired else ""
    some = f" of {len(cells)}" if len(passed) < len(cells) else ""
    return f"passed {len(passed)}{some}{time}"


def time_words(milliseconds: float) -> str:
    """As a person reads it."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def totals(results: Iterable[SummaryRow]) -> Iterator[str]:
    """One line for each engine: counts, and what the lab itself cost."""
    by_engine: dict[str, list[SummaryRow]] = defaultdict(list)
    for result in results:
        by_engine[result.engine].append(result)
    for engine, cells in sorted(by_engine.items(), reverse=True):
        counts: dict[str, int] = defaultdict(int)
        for cell in cells:
            counts[cell.word] += 1
        told = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        costs = [cell.own_cost_s for cell in cells if cell.word == "passed"]
        cost = f"; the lab's own cost {median(costs):.2f} s each (median)" if costs else ""
        yield f"{engine}: {told}{cost}"


def reasons(results: Iterable[SummaryRow]) -> Iterator[str]:
    """Why cells could not be played or were expected to fail, each reason once with how often."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for result in results:
        if result.word in ("unsupported", "expected failure", "broken") and result.reason:
            found[result.word, result.reason] += 1
    for (word, reason), count in sorted(found.items()):
        yield f"{word} ({count}): {reason}"
