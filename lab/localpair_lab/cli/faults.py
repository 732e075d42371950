"""``localpair-lab generate --faults N``: topologies with faults that are known, and whether localpair names them."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from localpair_lab.cli.output import GREEN, RED, out, painted, talk
from localpair_lab.faults.fault import VIEWS
from localpair_lab.faults.plays import FaultSeries, PlayedFault, play_faults
from localpair_lab.faults.table import is_good, table, totals
from localpair_lab.generate.pool import PATIENT_FOR_ONE

AT_REST = 2  # plays at once of those that are played again
QUIET_S = 15.0  # between two lines of progress


def generate_faults(options: argparse.Namespace) -> int:
    """Draw topologies with so many faults, play them, and hold what each view says against what was put in."""
    folder: Path = options.out
    series = FaultSeries(options.seed, options.faults, options.timeout)
    numbers = options.only or range(options.first, options.first + options.count)
    if options.write:
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            out(str(_written(series, number, folder)))
        return 0
    shutil.rmtree(folder / "plays", ignore_errors=True)
    jobs = options.jobs * PATIENT_FOR_ONE
    first = list(_shown(play_faults(series, numbers, jobs, folder / "plays"), len(numbers)))
    played = list(_confirmed(series, sorted(first, key=lambda one: one.number), options))
    for line in (*table(played), *totals(played)):
        out(line)
    good = is_good(played)
    word = "what was put in is what is told" if good else "too much is wrong, or not told"
    out(painted(word, GREEN if good else RED))
    return 0 if good else 1


def _confirmed(
    series: FaultSeries, played: Sequence[PlayedFault], options: argparse.Namespace
) -> Iterator[PlayedFault]:
    """The same; of those where a view was wrong or did not decide, what came of them while hardly anything else ran,
    which is told.
    """
    doubtful = [one.number for one in played if one.misses or one.fault]
    again = {one.number: one for one in play_faults(series, doubtful, AT_REST, options.out / "plays")}
    for one in played:
        later = again.get(one.number)
        if later is not None:
            _tell(series, later if later.misses else one, options, once=not later.misses)
        yield later or one


def _written(series: FaultSeries, number: int, folder: Path) -> Path:
    path = folder / f"faults-{series.faults}-{series.seed}-{number}.yaml"
    path.write_text(series.sample(number).text, encoding="utf-8")
    return path


def _shown(played: Iterable[PlayedFault], total: int) -> Iterator[PlayedFault]:
    """The same, with a calm line of progress."""
    started = told = time.monotonic()
    missed = 0
    for count, one in enumerate(played, start=1):
        missed += bool(one.misses)
        now = time.monotonic()
        if now - told > QUIET_S or count == total:
            talk(f"played {count} of {total}, {missed} to be looked at, {now - started:.0f} s")
            told = now
        yield one


def _tell(series: FaultSeries, played: PlayedFault, options: argparse.Namespace, *, once: bool) -> None:
    out(f"{played.sample.name}: {played.sample.title}{', and not when played again alone' if once else ''}")
    for view in VIEWS:
        if view in played.verdicts:
            mark = "*" if view in played.misses else " "
            out(f" {mark} {view:7} {played.grade(view) or 'paired'}: {played.verdicts[view]}")
    if played.fault:
        out(f"   {played.fault}")
    path = _written(series, played.number, options.out)
    out(
        f"   again: localpair-lab generate --faults {series.faults} --seed {series.seed} --only {played.number}"
    )
    out(f"   file:  {path}")
    sys.stdout.flush()
