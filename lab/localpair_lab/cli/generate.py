"""``localpair-lab generate``: topologies that nobody thought of, played and held against the oracle."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from localpair_lab.cli.faults import generate_faults
from localpair_lab.cli.output import GREEN, RED, out, painted, talk
from localpair_lab.generate.pool import PlayedTopology, Players, differs, play_all, players
from localpair_lab.generate.report import WORDS, is_slow, slowest, summary
from localpair_lab.generate.sample import Sample, draw
from localpair_lab.generate.shrink import shrink
from localpair_lab.paths import ARTIFACTS

FOLDER = ARTIFACTS / "generated"
SLOW_AGAIN = 8  # of the slowest are timed again while nothing else runs
QUIET_S = 15.0  # between two lines of progress where no terminal shows it


def generate(options: argparse.Namespace) -> int:
    """Draw topologies from a seed, play them, and compare what came of each with what the oracle says."""
    if options.faults:
        return generate_faults(options)
    folder: Path = options.out
    numbers = options.only or range(options.first, options.first + options.count)
    samples = (draw(options.seed, number) for number in numbers)
    if options.write:
        return _write_all(samples, folder)
    shutil.rmtree(folder / "plays", ignore_errors=True)
    with players(options.jobs, folder / "plays") as pools:
        played = list(_shown(play_all(pools, samples), len(numbers)))
        for line in summary(played):
            out(line)
        sys.stdout.flush()
        for one in slowest(played)[:SLOW_AGAIN]:
            again = _again(pools, one)
            if is_slow(again):
                out(f"slow     {one.sample.name}  {again.outcome.paired_after_s:.2f} s, {again.outcome.path}")
        confirmed = sum(_confirm(pools, one, options) for one in played if one.disagreement)
    verdict = f"{confirmed} disagree" if confirmed else "the oracle and localpair agree"
    out(painted(verdict, RED if confirmed else GREEN))
    return 1 if confirmed else 0


def _confirm(pools: Players, played: PlayedTopology, options: argparse.Namespace) -> bool:
    """Whether it disagrees again while nothing else runs; told in either case."""
    again = _again(pools, played)
    if again.disagreement:
        _tell(_shrunk(pools, again) if options.shrink else again, options.out)
    elif played.disagreement:
        out(f"once     {played.sample.name}  {played.disagreement.kind}, and not when played again alone:")
        out(f"         {played.disagreement.text}")
    sys.stdout.flush()
    return again.disagreement is not None


def _write_all(samples: Iterable[Sample], folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        out(str(_written(sample, folder)))
    return 0


def _written(sample: Sample, folder: Path) -> Path:
    path = folder / f"{sample.name}.yaml"
    path.write_text(sample.text, encoding="utf-8")
    return path


# --- Playing ---


def _shown(played: Iterable[PlayedTopology], total: int) -> Iterator[PlayedTopology]:
    """The same, with a calm line of progress."""
    started = told = time.monotonic()
    differing, alive = 0, sys.stderr.isatty()
    for count, one in enumerate(played, start=1):
        differing += one.disagreement is not None
        now = time.monotonic()
        line = f"played {count} of {total}, {differing} disagree, {now - started:.0f} s"
        if alive:
            sys.stderr.write(f"\r{line} ")
            sys.stderr.flush()
        elif now - told > QUIET_S or count == total:
            talk(line)
            told = now
        yield one
    if alive:
        talk("")


def _again(pools: Players, played: PlayedTopology) -> PlayedTopology:
    """The same topology, played while nothing else runs."""
    return replace(played, outcome=pools.alone(played.sample))


def _shrunk(pools: Players, played: PlayedTopology) -> PlayedTopology:
    kind = played.disagreement.kind if played.disagreement else ""
    count = 0

    def still(samples: Iterable[Sample]) -> list[bool]:
        nonlocal count
        several = [
            replace(sample, name=f"{sample.name}-{n}") for n, sample in enumerate(samples, start=count)
        ]
        count += len(several)
        found = [
            differs(sample.expected.answer, outcome)
            for sample, outcome in zip(several, pools.together(several), strict=True)
        ]
        return [one is not None and one.kind == kind for one in found]

    talk(f"shrinking {played.sample.name} ({kind}) ...")
    smaller = PlayedTopology(shrink(played.sample, still), played.outcome)
    talk(f"shrunk after {count} plays")
    again = _again(pools, smaller)
    return again if again.disagreement else played


# --- Telling ---


def _tell(played: PlayedTopology, folder: Path) -> None:
    disagreement = played.disagreement
    if disagreement is None:
        return
    path = _written(played.sample, folder)
    expected = played.sample.expected
    out()
    out(painted(f"{played.sample.name}: {disagreement.kind}", RED))
    out(f"  oracle   {WORDS[expected.answer]}{': ' if expected.kinds else ''}{', '.join(expected.kinds)}")
    out(f"  play     {disagreement.text}")
    out(f"  file     {path}")
    if played.outcome.folder is not None:
        out(f"  evidence {played.outcome.folder}")
    out(f"  again    localpair-lab run {path} --engine namespace --keep")


def default_jobs() -> int:
    """Two plays for each core: each waits for most of its time."""
    return 2 * max(1, len(os.sched_getaffinity(0)))
