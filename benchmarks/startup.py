"""How long `localpair` takes before it does anything, and which imports cost most on the way to `join`.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 50 --modules 20 --check

Every command is run in turn with a bare `python -c pass`, so that all see the same weather. `script` starts the way
an installed `localpair` does, `-m` as `python -m localpair`. The modules are compiled before, as an installation
leaves them. The breakdown comes from `python -X importtime`, the least of several runs for each module; what stands
under a module is counted where it is imported first. Nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import Any

from measuring import Ran, Report, installed, parser, print_table, progress, run_process, undisturbed

SCRIPT = "import re, sys; from localpair.cli import main; sys.exit(main())"
JOIN_PATH = (
    "import localpair, localpair.cli.run, localpair.cli.arguments, localpair.cli.commands.join\n"
    "localpair.join, localpair.Settings, localpair.TrustStore\n"
)
DATACLASSES = """
import dataclasses, json, time
original, count, spent = dataclasses.dataclass, 0, 0.0
def timed(cls=None, /, **options):
    def apply(target):
        global count, spent
        started = time.perf_counter()
        made = original(target, **options)
        count, spent = count + 1, spent + time.perf_counter() - started
        return made
    return apply if cls is None else apply(cls)
dataclasses.dataclass = timed
{path}
print(json.dumps([count, spent * 1000]))
"""
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import asyncio, ssl'": ["-c", "import asyncio, ssl"],
    "localpair --version (script)": ["-c", SCRIPT, "--version"],
    "localpair --version (-m)": ["-m", "localpair", "--version"],
    "localpair --help (script)": ["-c", SCRIPT, "--help"],
    "localpair join --help (script)": ["-c", SCRIPT, "join", "--help"],
    "imports of join": ["-c", JOIN_PATH],
    "imports of join, no collector": ["-c", f"import gc; gc.disable()\n{JOIN_PATH}"],
}
AIMS = {"localpair --version (script)": 80.0}
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")
_IMPORT_RUNS = 5


def measure(report: Report, runs: int, calm_s: float, environment: dict[str, str]) -> None:
    """Run every command ``runs`` times, in turn."""
    found: dict[str, list[Ran]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        progress(f"run {number} of {runs}")
        for name, words in COMMANDS.items():
            ran = undisturbed(partial(run_process, [sys.executable, *words], environment), calm_s)
            if number:  # the first one compiles
                found[name].append(ran)
    progress("")
    bare = None
    for name, times in found.items():
        figure = report.add(name, "ms", [one.wall for one in times], AIMS.get(name))
        bare = bare or figure
        report.ratio(f"{name} / bare", figure, bare)
    report.facts["cpu_ms"] = {
        name: round(sorted(one.cpu for one in times)[len(times) // 2], 1) for name, times in found.items()
    }


def imports_once(environment: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Microseconds of each module on the path of ``join``: its own, and with what it imports first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", JOIN_PATH], env={**os.environ, **environment},
        stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    matches = filter(None, map(_LINE.match, done.stderr.splitlines()))
    return {match[4]: (int(match[1]), int(match[2])) for match in matches}


def break_down(report: Report, modules: int, environment: dict[str, str]) -> None:
    """Tell which packages and modules cost most."""
    every = [imports_once(environment) for _ in range(_IMPORT_RUNS)]
    own = {name: min(one[name][0] for one in every if name in one) / 1000 for name in every[0]}
    whole = {name: min(one[name][1] for one in every if name in one) / 1000 for name in every[0]}
    packages: Counter[str] = Counter()
    for name, cost in own.items():
        packages[name.partition(".")[0]] += cost  # type: ignore[assignment]
    print(f"\nimports of join: {len(own)} modules, {sum(own.values()):.0f} ms")
    print_costs("package", dict(packages), own, modules // 2)
    print_costs("module, alone", own, None, modules)
    print_costs("module, with what it imports first", whole, None, modules)
    count, spent = dataclass_cost(environment)
    print(f"\n  {count} dataclasses are made on the way: {spent:.0f} ms of it")
    report.facts["imports"] = {
        "modules": len(own),
        "ms": round(sum(own.values()), 1),
        "dataclasses": count,
        "dataclasses_ms": round(spent, 1),
        "packages_ms": {name: round(cost, 1) for name, cost in packages.most_common(modules // 2)},
        "modules_ms": {name: round(cost, 1) for name, cost in Counter(own).most_common(modules)},
    }


def print_costs(title: str, costs: dict[str, float], inside: dict[str, float] | None, count: int) -> None:
    """Print the dearest of ``costs``, with the number of modules ``inside`` each where that is given."""
    rows = [[title, "ms", "modules" if inside else ""]]
    for name, cost in sorted(costs.items(), key=lambda item: -item[1])[:count]:
        members = sum(one.partition(".")[0] == name for one in inside) if inside else ""
        rows.append([name, f"{cost:.1f}", str(members)])
    print()
    print_table(rows)


def dataclass_cost(environment: dict[str, str]) -> tuple[int, float]:
    """How many dataclasses the path of ``join`` makes, and in how many milliseconds (the least of several runs)."""
    costs: list[Any] = []
    for _ in range(_IMPORT_RUNS):
        done = subprocess.run(
            [sys.executable, "-c", DATACLASSES.format(path=JOIN_PATH)], env={**os.environ, **environment},
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        costs.append(json.loads(done.stdout))
    return costs[0][0], min(cost[1] for cost in costs)


def main() -> int:
    options_parser = parser(__doc__, runs=30)
    options_parser.add_argument("--modules", type=int, default=16, help="lines of the breakdown; 0: none")
    options = options_parser.parse_args()
    report = Report("startup")
    with installed() as environment:
        measure(report, options.runs, options.calm, environment)
        if options.modules:
            break_down(report, options.modules, environment)
    return report.finish(options.check)


if __name__ == "__main__":
    sys.exit(main())
