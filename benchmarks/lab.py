"""What the lab itself costs: everything of a play but the product's run, and how it grows with the number of devices.

    python benchmarks/lab.py                          # the smoke scenarios in namespaces; crowds of 2, 50 and 200
    python benchmarks/lab.py --engine both --marker flow
    python benchmarks/lab.py --runs 1 --marker all

* own cost: each cell of the scenarios with that marker is played once a run, as `pytest lab/` plays it, and the time of
  its actions is taken away. What is left are the network, its canary and captures (`up`), the verdict, and taking all
  of it down. Cells that did not pass are left out and named.
* crowd: so many devices on one bridge, without any action, in the namespace engine: the time until the network stands,
  its canary included, and until it is gone; the memory of the lab's processes (what no other process shares, and their
  part of what is shared), and how much less memory the machine has left, which holds the kernel's part.

The whole suite's time is pytest's own last line: `pytest lab/ -n auto --lab-engine=both`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from localpair_lab.engines.base import Engine
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.engines.registry import ALL, kinds, make_engine
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell, all_cells, planned
from localpair_lab.model.words.markers import MARKERS
from localpair_lab.run.runner import RunOptions, run_cell
from measuring import Figure, Report, parser, progress, undisturbed

AIM_MS = {"namespace": 400.0, "compose": 3000.0}
KIB = 1024
CROWD = """
lab: 1
summary: Many devices on one bridge.
networks: {{lan: 10.0.0.0/16}}
devices: {{{devices}}}
actions: [{{do: devices, on: d1}}]
expect: [{{of: devices, exit: 0}}]
"""


# --- one play's own cost


@dataclass(slots=True)
class Series:
    """The plays of one engine."""

    engine: Engine
    own_ms: list[float] = field(default_factory=list)
    whole_ms: list[float] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def play(self, cell: PlannedCell, folder: Path) -> None:
        """Play a cell once and keep what it cost."""
        outcome: Outcome = asyncio.run(run_cell(cell, self.engine, folder / "run", RunOptions()))
        if outcome.verdict is Verdict.PASSED:
            self.own_ms.append(outcome.own_cost_s * 1000)
            self.whole_ms.append(outcome.elapsed_s * 1000)
        else:
            self.others.append(f"{cell.title}: {outcome.verdict.value}")


def wanted(marker: str) -> list[PlannedCell]:
    """The cells of that marker that are expected to pass."""
    return [
        cell
        for cell in all_cells()
        if (marker == "all" or marker in cell.scenario.markers) and cell.scenario.expected_failure is None
    ]


def measure_cost(report: Report, engines: list[str], marker: str, runs: int, calm_s: float) -> None:
    """Play everything ``runs`` times on each engine in turn."""
    cells = wanted(marker)
    found = {name: Series(make_engine(name)) for name in engines}
    with tempfile.TemporaryDirectory(prefix="localpair-lab-") as folder:
        for number in range(runs):
            for cell in cells:
                for name, series in found.items():
                    progress(f"run {number + 1} of {runs}: {cell.title} on {name}")
                    undisturbed(partial(series.play, cell, Path(folder)), calm_s)
    progress("")
    for name, series in found.items():
        own = report.add(f"{name}: own cost of a play", "ms", series.own_ms, AIM_MS[name])
        report.ratio(f"{name}: own cost / whole play", own, Figure("", "ms", tuple(series.whole_ms)))
    report.facts["not passed"] = {name: series.others for name, series in found.items() if series.others}


# --- a crowd


def crowd(count: int, folder: Path) -> PlannedCell:
    """A plan of so many devices on one bridge."""
    devices = ", ".join(f"d{number}: {{on: {{lan: auto}}}}" for number in range(1, count + 1))
    path = folder / "scenarios" / "crowd.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(CROWD.format(devices=devices))
    return planned(path)[0]


@dataclass(frozen=True, slots=True)
class Stood:
    """What one crowd took."""

    up_ms: float
    down_ms: float
    processes_kib: float
    machine_kib: float


async def stand(cell: PlannedCell, folder: Path) -> Stood:
    """Let it stand for a moment and take it down. Raises LabError."""
    before, started = available_kib(), time.perf_counter()
    running = await NamespaceEngine().up(cell.plan, folder)
    up_s = time.perf_counter() - started
    try:
        held = sum(map(proportional_kib, descendants(os.getpid())))
        left = available_kib()
    finally:
        started = time.perf_counter()
        await running.down()
    return Stood(up_s * 1000, (time.perf_counter() - started) * 1000, held, before - left)


def descendants(pid: int) -> Iterator[int]:
    """Every process below this one."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for word in (task / "children").read_text().split():
            yield int(word)
            yield from descendants(int(word))


def proportional_kib(pid: int) -> float:
    """A process's memory: its own, and its part of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("Pss:"))


def available_kib() -> float:
    """What the machine has left."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def measure_crowds(report: Report, sizes: list[int], runs: int, calm_s: float) -> None:
    """Let each crowd stand ``runs`` times in turn."""
    found: dict[int, list[Stood]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory(prefix="localpair-lab-") as folder:
        cells = {size: crowd(size, Path(folder)) for size in sizes}
        for number in range(runs):
            for size, cell in cells.items():
                progress(f"run {number + 1} of {runs}: {size} devices")
                once = partial(stand, cell, Path(folder) / "run")
                found[size].append(undisturbed(lambda once=once: asyncio.run(once()), calm_s))  # type: ignore[misc]
    progress("")
    for size, stood in found.items():
        report.add(f"{size} devices: up", "ms", [one.up_ms for one in stood])
        report.add(f"{size} devices: up, for each", "ms", [one.up_ms / size for one in stood])
        report.add(f"{size} devices: down, for each", "ms", [one.down_ms / size for one in stood])
        report.add(f"{size} devices: memory of each", "KiB", [one.processes_kib / size for one in stood])
        report.add(
            f"{size} devices: machine's memory, for each", "KiB", [one.machine_kib / size for one in stood]
        )


def main() -> int:
    options_parser = parser(__doc__, runs=3)
    options_parser.add_argument("--engine", choices=[*kinds(), ALL], default="namespace")
    options_parser.add_argument(
        "--marker",
        choices=["all", "none", *MARKERS],
        default="smoke",
        help="which scenarios (default: smoke)",
    )
    options_parser.add_argument(
        "--devices", type=int, nargs="*", default=[2, 50, 200], metavar="N", help="sizes of the crowds"
    )
    options = options_parser.parse_args()
    engines = list(kinds()) if options.engine == ALL else [options.engine]
    if silent := [name for name in engines if not kinds()[name].answers()]:
        raise SystemExit(f"{silent[0]} does not answer; localpair-lab doctor says why")
    report = Report("lab")
    try:
        if options.marker != "none":
            measure_cost(report, engines, options.marker, options.runs, options.calm)
        measure_crowds(report, options.devices, options.runs, options.calm)
    except LabError as error:
        raise SystemExit(f"{error.message}\n{error.hint}".strip()) from None
    return report.finish(options.check)


if __name__ == "__main__":
    sys.exit(main())
