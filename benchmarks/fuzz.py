"""Whether any input makes a parser fail, waste time or memory, or read something else than was written.

    python benchmarks/fuzz.py                                       # a few thousand inputs to each parser
    python benchmarks/fuzz.py --inputs 1000000 --seed 7 --parsers offer beacon
    python benchmarks/fuzz.py --list

Every parser of what a stranger can send is a subject: offers and answer codes as texts and under a right checksum,
beacons in the open and behind the seal, preambles, frames, each message of the handshake and of a session, names, and
the machines behind them (discovery, rendezvous, handshake, transfer); besides, what is read back from a disk, pictures
of an offer and the kernel's answers. Inputs are valid ones with bits flipped, parts cut, doubled and spliced, lengths
made huge, and noise; the same seed gives the same ones. A parser may read an input or refuse it with its documented
error. A fault is any other exception, a value that changes when it is written and read again, and an input that costs
more than its bound. Slow parsers get a part of the inputs: the table says how many. Exit code 1 where there is a fault.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from measuring import Report, parser, print_table, progress

from fuzz_machines import machine_subjects
from fuzz_wire import wire_subjects
from fuzzing import LIMIT_S, Outcome, chosen, fuzz

HEAD = ["", "inputs", "read", "refused", "faults", "a second", "slowest, ms", "its bytes", "memory, KiB"]


def row(outcome: Outcome) -> list[str]:
    """One parser, as the table shows it."""
    return [
        outcome.name,
        *(str(number) for number in (outcome.inputs, outcome.read, outcome.refused, len(outcome.faults))),
        f"{outcome.inputs / outcome.seconds:.0f}",
        f"{outcome.slowest_s * 1000:.2f}",
        str(outcome.slowest_size),
        str(outcome.memory >> 10),
    ]


def record(outcome: Outcome) -> dict[str, object]:
    """One parser, as the JSON line tells it."""
    return {
        "name": outcome.name,
        "inputs": outcome.inputs,
        "read": outcome.read,
        "refused": outcome.refused,
        "faults": outcome.faults,
        "slowest_ms": round(outcome.slowest_s * 1000, 3),
        "slowest_bytes": outcome.slowest_size,
        "memory_kib": outcome.memory >> 10,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print a table and a JSON line; 1 where a parser has a fault."""
    reader = parser(__doc__, 1, timed=False)
    reader.add_argument("--inputs", type=int, default=3000, metavar="N", help="to each parser (3000)")
    reader.add_argument("--seed", default="1", help="other inputs for another one (1)")
    reader.add_argument(
        "--parsers", nargs="+", default=[], metavar="WORD", help="those with a WORD in their names"
    )
    reader.add_argument("--show", action="store_true", help="tell of each parser as soon as it is done")
    reader.add_argument("--list", action="store_true", help="only print the names of the parsers")
    given = reader.parse_args(arguments)
    subjects = chosen([*wire_subjects(), *machine_subjects()], given.parsers)
    if given.list:
        print(*(one.name for one in subjects), sep="\n")
        return 0
    report, outcomes = Report("fuzz"), []
    for run in range(given.runs):
        for one in subjects:
            progress(one.name)
            outcomes.append(fuzz(one, max(1, round(given.inputs * one.share)), f"{given.seed}.{run}"))
            for fault in outcomes[-1].faults:
                print(f"  FAULT {fault}", flush=True)
            if given.show:
                print(json.dumps(record(outcomes[-1])), flush=True)
    progress("")
    print_table([HEAD, *map(row, outcomes)])
    report.add("slowest input of a parser", "ms", [one.slowest_s * 1000 for one in outcomes], LIMIT_S * 1000)
    report.add("memory for an input, at most", "KiB", [one.memory / 1024 for one in outcomes])
    report.add("inputs a second", "", [one.inputs / one.seconds for one in outcomes])
    report.facts = {"seed": given.seed, "parsers": [record(one) for one in outcomes]}
    return report.finish(given.check) or int(any(one.faults for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
