"""The table of ``docs/reachability.md``: every scenario, what came of it, by which path, how fast.

    pytest lab/ -n auto --lab-engine=namespace --lab-table=docs/reachability.md

Rows of scenarios that were played are replaced, rows of others are kept, and rows of scenarios that are gone go. So a
new scenario needs nothing but its own run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from localpair_lab.report.summary import SummaryRow

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = ("| scenario | outcome | path | time |", "|---|---|---|---|")
_ROW = re.compile(r"\| \[(?P<name>[^\]]+)\]")
_WORDS = {"failed": "no pair", "done": "done", "refused": "refused", "interrupted": "ended by hand"}


def rows_of(text: str) -> dict[str, str]:
    """The rows between the marks, by scenario (``theme/name``). Raises ValueError where there are no marks."""
    _, begin, rest = text.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"there is no {BEGIN} ... {END} in it")
    found = ((_ROW.match(line), line) for line in inside.splitlines())
    return {match["name"]: line for match, line in found if match is not None}


def updated(text: str, results: Iterable[SummaryRow], names: Iterable[str]) -> str:
    """``text`` with fresh rows for what was played; ``names`` are the scenarios that there are."""
    old, new = rows_of(text), fresh_rows(results)
    rows = [new.get(name) or old.get(name) for name in sorted(names)]
    table = "\n".join([BEGIN, *HEAD, *(row for row in rows if row), END])
    before, _, rest = text.partition(BEGIN)
    return before + table + rest.partition(END)[2]


def fresh_rows(results: Iterable[SummaryRow]) -> dict[str, str]:
    """A row for each scenario, its cells and engines together."""
    groups: dict[str, list[SummaryRow]] = defaultdict(list)
    for result in results:
        groups[f"{result.theme}/{result.scenario}"].append(result)
    return {name: _row(name, cells) for name, cells in groups.items()}


def _row(name: str, cells: list[SummaryRow]) -> str:
    link = f"[{name}](../lab/scenarios/{name}.yaml)"
    paths = _listed({cell.path for cell in cells if cell.path})
    times = [cell.after_s for cell in cells if cell.after_s]
    return f"| {link} | {_listed(set(_outcomes(cells)))} | {paths} | {_span(times)} |"


def _outcomes(cells: Iterable[SummaryRow]) -> Iterator[str]:
    for cell in cells:
        if cell.word == "passed":
            yield _WORDS.get(cell.came, cell.came)
        elif cell.word == "expected failure":
            yield f"not yet: {cell.reason}"
        else:
            yield cell.word


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words, key=lambda word: (len(word) > 30, word)))


def _span(times: list[float]) -> str:
    """The shortest and the longest time, rounded; machines differ more than that."""
    if not times:
        return ""
    least, most = _rounded(min(times)), _rounded(max(times))
    return f"{least} s" if least == most else f"{least} to {most} s"


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 3 else f"{max(0.1, seconds):.1f}"


def write_table(path: Path, results: Iterable[SummaryRow], names: Iterable[str]) -> None:
    """Bring the file up to date. Raises ValueError where it has no table, OSError where it cannot be written."""
    path.write_text(updated(path.read_text(encoding="utf-8"), results, names), encoding="utf-8")
