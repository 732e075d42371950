"""Plays every scenario that expects a cause, and writes what was said of each into the table of docs/diagnosis.md.

.venv/bin/python script/confusion.py                  every cell, in namespaces
.venv/bin/python script/confusion.py --timeouts       a sample of them with several patiences: is a hasty verdict
                                                       the same as a patient one, or vaguer?
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localpair_lab.engines.base import Engine
from localpair_lab.engines.registry import make_engine
from localpair_lab.judge.causes import merged
from localpair_lab.loading.cases import PlannedCell, all_cells, planned
from localpair_lab.paths import SCENARIOS
from localpair_lab.rebuild.plays import PlayedScenario, play_cell
from localpair_lab.report.confusion import (
    ConfusionRow,
    Explained,
    counts,
    expects_a_cause,
    grade,
    true_causes,
    updated,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "diagnosis.md"
PATIENCES = (2, 4, 6, 8, 12, 20)  # seconds
SAMPLE = (
    "firewall/kill-switch", "firewall/bridge-filter", "isolation/clients", "isolation/some-ports",
    "found/same-hardware-address",
    "hostile/captive-portal", "routed/vlans-one-way", "routed/nested-nat-host-inside", "faults/no-carrier",
    "faults/arp-one-way", "faults/vpn-default-route", "faults/reverse-path-filter",
)  # fmt: skip
_TIMEOUT = re.compile(r"(^pair: .*timeout: )\d+s", re.MULTILINE)
SCREENS = ("joiner", "host", "both")


def row_of(cell: PlannedCell, played: PlayedScenario) -> ConfusionRow:
    """What the devices said. Of several hosts or joiners, those count whose action has the usual name."""
    ends = {end.action: end.verdict for end in played.ends if end.exit is not None and end.exit >= 0}
    asks = {
        name for one in cell.scenario.expect if one.cause or one.not_cause or one.merged for name in one.of
    }
    joiner = next((name for name in ("join", "send") if name in ends and name in asks), None)
    host = next((name for name in ("host", "listen") if name in ends and name in asks), None)
    reports = {name: json.loads(text.splitlines()[-1]).get("facts") for name, text in played.reports}
    mine, theirs = reports.get(joiner or ""), reports.get(host or "")
    wants_both = any(one.merged is not None for one in cell.scenario.expect)
    both = [one.causes for one in merged(mine, theirs)] if mine and theirs and wants_both else None
    return ConfusionRow(
        cell.title,
        true_causes(cell),
        ends[joiner] if joiner is not None else None,
        ends[host] if host is not None else None,
        both,
    )


async def rows_of(
    cells: Sequence[PlannedCell], engine: Engine, folder: Path, jobs: int
) -> list[ConfusionRow]:
    """Play them side by side; those that the lab breaks are told, and left out."""
    turns = asyncio.Semaphore(jobs)

    async def one(number: int, cell: PlannedCell) -> ConfusionRow | None:
        async with turns:
            played = await play_cell(cell, engine, folder / str(number))
        if played.fault:
            print(f"left out: {cell.title}: {played.fault}", file=sys.stderr)
            return None
        return row_of(cell, played)

    found = await asyncio.gather(*(one(number, cell) for number, cell in enumerate(cells)))
    return [row for row in found if row is not None]


# --- Patience ---


def hasty(path: Path, seconds: int, folder: Path) -> list[PlannedCell]:
    """The cells of a scenario that expect a cause, with another time limit. Raises ValueError where it sets none."""
    text, changed = _TIMEOUT.subn(rf"\g<1>{seconds}s", path.read_text(encoding="utf-8"))
    if not changed:
        raise ValueError(f"{path} sets no timeout in its pair")
    copy = folder / str(seconds) / path.relative_to(SCENARIOS)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text, encoding="utf-8")
    return [cell for cell in planned(copy) if expects_a_cause(cell)]


def is_vaguer(told: Explained | None, patient: Explained | None) -> bool:
    """Whether a verdict says the same as a patient one, or less: each of its explanations leaves one of those open."""
    return not told or (
        any(set(causes) <= set(one) for one in told for causes in patient or ())
        and all(any(set(causes) <= set(one) for causes in patient or ()) for one in told)
    )


async def differing(names: Sequence[str], engine: Engine, folder: Path, jobs: int) -> list[str]:
    """Every verdict of a hasty run that says something else than the patient one."""
    found = {}
    for seconds in PATIENCES:
        cells = [cell for name in names for cell in hasty(SCENARIOS / f"{name}.yaml", seconds, folder)]
        rows = await rows_of(cells, engine, folder / "plays", jobs)
        found[seconds] = {row.title: row for row in rows}
    patient = found[PATIENCES[-1]]
    return [
        f"{title}, {screen}, {seconds} s: {told}, and with {PATIENCES[-1]} s {slow}"
        for seconds, rows in found.items()
        for title, row in rows.items()
        if title in patient
        for screen, told, slow in zip(SCREENS, row.screens, patient[title].screens, strict=True)
        if not is_vaguer(told, slow)
    ]


def main(words: Sequence[str]) -> int:
    """Write the table, or compare patiences; 1 where a verdict is wrong."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--jobs", type=int, default=6, help="so many plays at once")
    options.add_argument(
        "--timeouts", nargs="*", metavar="THEME/NAME", help="compare patiences (without names: of a sample)"
    )
    given = options.parse_args(words)
    engine = make_engine("namespace", {})
    with tempfile.TemporaryDirectory() as folder:
        if given.timeouts is not None:
            told = asyncio.run(differing(given.timeouts or SAMPLE, engine, Path(folder), given.jobs))
            print("\n".join(told) or "the same or vaguer, all of them")
            return 1 if told else 0
        cells = [cell for cell in all_cells() if expects_a_cause(cell)]
        rows = asyncio.run(rows_of(cells, engine, Path(folder), given.jobs))
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    for name, counter in zip(SCREENS, counts(rows), strict=True):
        print(name, dict(counter))
    wrong = [row.title for row in rows if "wrong" in [grade(told, row.truth) for told in row.screens]]
    print("wrong:", ", ".join(wrong) or "none")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
