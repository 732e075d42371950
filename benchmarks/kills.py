"""Whether a device that is killed at any step of pairing or of a transfer leaves what the next meeting cannot mend.

    python benchmarks/kills.py                       # some kills of each kind; Linux with network namespaces
    python benchmarks/kills.py --kills 1000 --show

Four kinds in turn: a pairing of two strangers, a pairing of two devices that are a pair already, the receiver and the
sender of a transfer. In each, one side dies by SIGKILL right before a step: a frame that it sends or takes, or a call
that touches the disk. All steps are gone through, one after the other, on both sides; the other side ends at the same
time, by its person, or when its time is over. Then the two meet again. A fault is a side that says "paired" while the
two cannot meet, a pair that does not come about, a file of wrong bytes under its final name, at any time, and anything
that is left behind. The figure is how many kills there were at each step. Exit code 1 where there is a fault.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from measuring import BESIDE, Report, parser, print_table, progress

from kills import (
    ENDS,
    MANNERS,
    SIDES,
    Result,
    kill_commit,
    kill_transfer,
    make_pair,
    scratch,
    steps_of,
    steps_of_transfer,
)
from netns import Network, why_no_namespaces

_LIMIT_S = 36_000.0
_KINDS = {"pairing": SIDES, "again": SIDES, "transfer": ENDS}  # and who dies


def plan(kills: int, kinds: Sequence[str], pair: Path) -> Iterator[Callable[[], Result]]:
    """So many kills: each kind and side gets the same number, spread over all of its steps."""
    sides = [(kind, victim) for kind in kinds for victim in _KINDS[kind]]
    for kind, victim in sides:
        share = -(-kills // len(sides))
        if kind == "transfer":
            steps = _spread(len(steps_of_transfer(victim)), share)
            yield from (partial(kill_transfer, victim, step) for step in steps)
        else:
            yield from _commits(victim, pair if kind == "again" else None, share)


def _commits(victim: str, paired: Path | None, share: int) -> Iterator[Callable[[], Result]]:
    count = len(steps_of(victim, paired))
    for number, step in enumerate(_spread(count, share)):
        turn = number + number // count  # so that a step meets all manners
        manner, sender = MANNERS[turn % len(MANNERS)], SIDES[turn // len(MANNERS) % len(SIDES)]
        yield partial(kill_commit, victim, step, manner, paired, sender=sender)


def _spread(count: int, share: int) -> list[int]:
    """``share`` of ``count`` steps: all of them in turn, or as many as there can be, evenly."""
    return [number % count if share >= count else number * count // share for number in range(share)]


def inside(kills: int, kinds: Sequence[str]) -> int:
    """Run in a namespace: one JSON line for each kill, then one for the rest."""
    with scratch() as folder:
        make_pair(folder)
        for kill in plan(kills, kinds, folder):
            result = kill()
            print(json.dumps([result.what, result.step, result.end, result.faults]), flush=True)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, print a table and a JSON line; 1 where there is a fault."""
    reader = parser(__doc__, 1, timed=False)
    reader.add_argument("--kills", type=int, default=60, metavar="N", help="in all (60)")
    reader.add_argument(
        "--kinds", nargs="+", choices=_KINDS, default=list(_KINDS), help="what they are busy with"
    )
    reader.add_argument("--show", action="store_true", help="tell of each kill as it comes")
    given = reader.parse_args(arguments)
    if reason := why_no_namespaces():
        sys.exit(f"kills: {reason}")
    report, results = Report("kills"), []
    with Network() as network:
        command = [sys.executable, __file__, "inside", str(given.kills), *given.kinds]
        running = network.namespace("kills").popen(command, env={"PYTHONPATH": BESIDE}, stdout=-1, text=True)
        for line in running.stdout:
            results.append(Result(*json.loads(line)))
            progress(f"{len(results)} of {given.kills}")
            if given.show or results[-1].faults:
                print(f"  {results[-1]}", flush=True)
        code = running.wait(_LIMIT_S)
    progress("")
    return _told(report, results, given.check) or code


def _told(report: Report, results: list[Result], check: float | None) -> int:
    died = [one for one in results if one.step]
    steps = Counter((one.what, one.step) for one in died)
    ends = Counter((one.what, one.end) for one in results)
    print_table(
        [
            ["killed before", "kills"],
            *([f"{what}: {step}", str(n)] for (what, step), n in sorted(steps.items())),
        ]
    )
    print_table(
        [
            ["the next meeting", "times"],
            *([f"{what}: {end}", str(n)] for (what, end), n in sorted(ends.items())),
        ]
    )
    found = [fault for one in results for fault in one.faults]
    for fault in found:
        print(f"  FAULT {fault}")
    for what in dict.fromkeys(one.what for one in results):
        report.add(f"{what}: kills at a step", "", [n for (kind, _), n in steps.items() if kind == what])
    report.facts = {
        "tries": len(results),
        "kills": len(died),
        "faults": found,
        "steps": {f"{what}: {step}": n for (what, step), n in sorted(steps.items())},
        "ends": {f"{what}: {end}": n for (what, end), n in sorted(ends.items())},
    }
    return report.finish(check) or int(bool(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        os.environ.pop("LOCALPAIR_HOME", None)
        sys.exit(inside(int(sys.argv[2]), sys.argv[3:]))
    sys.exit(main())
