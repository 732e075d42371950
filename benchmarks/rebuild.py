"""How well a failure is rebuilt from what its devices report: the round trip of every scenario that fails.

    python benchmarks/rebuild.py                          # all cells of the library that are expected to fail
    python benchmarks/rebuild.py --only isolation/clients found/same-address-on-both
    python benchmarks/rebuild.py --generated 100 --seed 5 # topologies of that seed in which no pair comes about, too
    python benchmarks/rebuild.py --one                    # from the joiner's report alone

Each is played in namespaces, a scenario is built from the reports of both devices, and its first cell is played. Told
is every exit code and verdict that differs, and the share of ways in which dials ended that is the same. The last line
is JSON. A machine that is too busy makes differences of its own: those that differ are played again, alone.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.generate.sample import draw, planned_text
from localpair_lab.loading.cases import PlannedCell, all_cells
from localpair_lab.oracle.packet import Delivery
from localpair_lab.rebuild.roundtrip import RoundTrip, round_trip


def main(words: Sequence[str] | None = None) -> int:
    """Play, rebuild and play again; 0 whatever comes of it."""
    options = _parser().parse_args(words)
    cells = [*_of_library(options.only), *_generated(options.generated, options.seed)]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        made = asyncio.run(_all(cells, Path(place), options))
    for one in made:
        if one.differences:
            print(f"differs  {one.title}: {'; '.join(one.differences)}")
    told = _figures(made)
    for name, value in told.items():
        print(f"{name:<28} {value}")
    seconds = round(time.monotonic() - started)
    figures = [{"name": name, "value": value, "n": max(1, len(made))} for name, value in told.items()]
    print(json.dumps({"benchmark": "rebuild", "seconds": seconds, "figures": figures}))
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=None, metavar="NAME", help="theme/name, no others")
    parser.add_argument(
        "--generated", type=int, default=0, metavar="N", help="so many topologies that fail (0)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what those are drawn from (1)")
    parser.add_argument("--one", action="store_true", help="from the joiner's report alone")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="how many at once (4)")
    return parser


def _of_library(only: Sequence[str] | None) -> Iterator[PlannedCell]:
    """The cells in which the outcome that is expected of some action is a failure."""
    for cell in all_cells():
        named = f"{cell.theme}/{cell.loaded.name}"
        fails = any(one.outcome in ("failed", "refused") for one in cell.scenario.expect)
        if fails and (only is None or named in only):
            yield cell


def _generated(count: int, seed: int) -> Iterator[PlannedCell]:
    number = found = 0
    while found < count:
        sample = draw(seed, number)
        number += 1
        if sample.expected.answer is Delivery.NO:
            found += 1
            yield planned_text(sample.name, sample.text)


async def _all(cells: Sequence[PlannedCell], folder: Path, options: Namespace) -> list[RoundTrip]:
    engine, turns = NamespaceEngine(), asyncio.Semaphore(options.jobs)

    async def one(number: int, cell: PlannedCell) -> RoundTrip:
        async with turns:
            found = await round_trip(cell, engine, folder / str(number), alone=options.one)
            sys.stderr.write(f"{'differs' if found.differences else 'same':<8} {found.title}\n")
            return found

    first = await asyncio.gather(*(one(number, cell) for number, cell in enumerate(cells)))
    return [
        found
        if not found.differences
        else await round_trip(cell, engine, folder / "again", alone=options.one)
        for cell, found in zip(cells, first, strict=True)
    ]


def _figures(made: Sequence[RoundTrip]) -> dict[str, float]:
    rebuilt = [one for one in made if one.second is not None and not one.fault]
    same = [one for one in rebuilt if not one.differences]
    alike = [one.same_signature for one in rebuilt]
    longest = [len(one.scenario.text.splitlines()) for one in rebuilt if one.scenario is not None]
    return {
        "played": float(len(made)),
        "rebuilt": float(len(rebuilt)),
        "same ends and verdicts": float(len(same)),
        "same ways of dials, median": round(statistics.median(alike), 3) if alike else 0.0,
        "longest scenario, lines": float(max(longest, default=0)),
    }


if __name__ == "__main__":
    sys.exit(main())
