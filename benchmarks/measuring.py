"""What the benchmarks share: figures and how they spread, aims, the machine, and one JSON line at the end.

A figure that has an aim is compared by its median. Processor time is given beside elapsed time where it can be: it
hardly changes when other programs want the same cores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

BESIDE = os.pathsep.join(
    [str(ROOT), str(ROOT / "benchmarks")]
)  # where a tool that calls itself finds everything

Result = TypeVar("Result")
FACTOR = 2.0  # what --check forgives: other programs on the machine easily cost as much
_LOOK_S = 0.2  # how long the cores are watched for calm ...
_CALM = 0.9  # ... and the part of it that they have to be idle
_TRIES = 4  # a run that was disturbed is repeated so often


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured ``len(values)`` times; ``aim`` is the most that its median should be."""

    name: str
    unit: str
    values: tuple[float, ...]
    aim: float | None = None

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def p99(self) -> float:
        """The least value that 99 of 100 do not exceed."""
        return sorted(self.values)[math.ceil(0.99 * len(self.values)) - 1]

    def row(self) -> list[str]:
        """The figure as the table shows it."""
        numbers = [shown(one) for one in (self.median, self.p99, min(self.values))]
        return [
            self.name,
            *numbers,
            "" if self.aim is None else f"< {self.aim:g}",
            self.unit,
            str(len(self.values)),
        ]

    def record(self) -> dict[str, Any]:
        """The figure as the JSON line tells it."""
        numbers = {"median": self.median, "p99": self.p99, "min": min(self.values), "max": max(self.values)}
        rounded = {key: float(f"{value:.4g}") for key, value in numbers.items()}
        return {"name": self.name, "unit": self.unit, "n": len(self.values), **rounded, "aim": self.aim}


@dataclass(slots=True)
class Report:
    """What one benchmark found."""

    benchmark: str
    figures: list[Figure] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    load: list[float] = field(default_factory=lambda: [load_average()])

    def add(self, name: str, unit: str, values: Sequence[float], aim: float | None = None) -> Figure:
        """Keep a figure; one without values is left out."""
        figure = Figure(name, unit, tuple(values), aim)
        if values:
            self.figures.append(figure)
        return figure

    def ratio(self, name: str, one: Figure, other: Figure) -> None:
        """Keep how many times the median of ``other`` the median of ``one`` is."""
        if one.values and other.values:
            self.ratios[name] = round(one.median / other.median, 2)

    def finish(self, check: float | None) -> int:
        """Print the table and the JSON line; 1 where ``check`` is given and an aim is missed by more than it."""
        self.load.append(load_average())
        print(f"\n{self.benchmark}: {machine()}, load {self.load[0]:.1f} to {self.load[1]:.1f}")
        if self.figures:
            head = ["", "median", "p99", "min", "aim", "unit", "n"]
            print_table([head, *(figure.row() for figure in self.figures)])
        for name, value in self.ratios.items():
            print(f"  {name}: {value:g}")
        missed = [one.name for one in self.figures if check and one.aim and one.median > one.aim * check]
        for name in missed:
            print(f"  missed by more than {check:g} times: {name}")
        print(json.dumps(self._record()), flush=True)
        return 1 if missed else 0

    def _record(self) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "machine": machine(),
            "load": self.load,
            "figures": [figure.record() for figure in self.figures],
            "ratios": self.ratios,
            **self.facts,
        }


def parser(text: str | None, runs: int, *, timed: bool = True) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes; ``timed`` where other programs on the machine disturb it."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--runs", type=_positive, default=runs, help=f"repetitions (default: {runs})")
    if timed:
        made.add_argument(
            "--calm", type=float, default=0.0, metavar="S",
            help="wait up to so many seconds for a moment in which nothing else wants the cores (Linux; default: 0)",
        )  # fmt: skip
    made.add_argument(
        "--check", type=float, nargs="?", const=FACTOR, metavar="FACTOR",
        help=f"exit with 1 where a median misses its aim by more than this factor (default: {FACTOR:g})",
    )  # fmt: skip
    return made


def undisturbed(run: Callable[[], Result], calm_s: float) -> Result:
    """What ``run`` gives, run while nothing else wants the cores: calm before it and calm after it.

    Waits up to ``calm_s`` seconds for each of a few tries, then takes what the last one gave. Where it is 0, the first.
    """
    result = _after_calm(run, calm_s)
    for _ in range(_TRIES if calm_s else 0):
        if calm():
            break
        result = _after_calm(run, calm_s)
    return result


def _after_calm(run: Callable[[], Result], calm_s: float) -> Result:
    deadline = time.monotonic() + calm_s
    while time.monotonic() < deadline and not calm():
        pass
    return run()


def idle_share(run: Callable[[], Result]) -> tuple[Result, float]:
    """What ``run`` gives, and the part of all cores' time that was left over meanwhile; 0 where nobody tells."""
    before, started = _idle_s(), time.monotonic()
    result = run()
    return result, (_idle_s() - before) / ((time.monotonic() - started) * (os.cpu_count() or 1))


def calm() -> bool:
    """Whether the cores have next to nothing to do just now."""
    before = _idle_s()
    time.sleep(_LOOK_S)
    return _idle_s() - before > _CALM * _LOOK_S * (os.cpu_count() or 1)


def _idle_s() -> float:
    """Seconds that all cores together have been idle since the system started; always 0 but on Linux."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=6)
    except OSError:
        return 0.0
    return (int(words[4]) + int(words[5])) / os.sysconf("SC_CLK_TCK")


def _positive(word: str) -> int:
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def machine() -> str:
    """What the figures depend on, in one line, without anything that names this host."""
    return f"{os.cpu_count()} cores, {system()}, {platform.machine()}, Python {platform.python_version()}"


def system() -> str:
    """The system's name and version."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.system()} {platform.release()}"
    return f"{release['NAME']} {release.get('VERSION_ID', '')}".strip()


def load_average() -> float:
    """Processes that wanted a core in the last minute; 0 where the system does not tell."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return 0.0


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns: the first one to the left, all others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *rest = (
            word.rjust(width) if column else word.ljust(width)
            for column, (word, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *rest]).rstrip())


def shown(value: float) -> str:
    """A number with the digits that mean something."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def progress(text: str) -> None:
    """Tell a person who watches how far it is; nothing where nobody does."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


@contextmanager
def installed() -> Iterator[dict[str, str]]:
    """The environment in which children find the package as an installation leaves it: its modules compiled.

    Without it a source tree that may not be written to is compiled again by every process.
    """
    with tempfile.TemporaryDirectory(prefix="localpair-bytecode-") as folder:
        yield {"PYTHONPATH": BESIDE, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}


@dataclass(frozen=True, slots=True)
class Ran:
    """One process from its start to its end, in milliseconds."""

    wall: float
    cpu: float


def run_process(argv: Sequence[str], environment: dict[str, str]) -> Ran:
    """Run a program that prints into nowhere. Raises SystemExit where it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(argv)}")
    return Ran((time.perf_counter() - started) * 1000, (usage.ru_utime + usage.ru_stime) * 1000)
