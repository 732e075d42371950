"""Everything that must hold, step by step: a step that fails ends no other one, and the end tells all of them.

Run by ``script/test``, in the environment that ``script/bootstrap`` makes. Steps that mostly compute run beside those
that mostly wait; what they say is shown when they have ended.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
PYTEST = (str(BIN / "python"), "-m", "pytest")
OTHER_PLATFORMS = ("darwin", "win32")
SKIPPED = 77  # a step's exit status: it could not be tried, and its last line says why
NOTHING_COLLECTED = 5
WORKERS_FOR_A_CORE = 4  # a test waits for three quarters of its time
MOST_NAMED = 12  # failures of one step in the summary
ROOM = 4 << 30  # bytes: transfers, environments made for a test, recorded packets, and some more
FAILURE = re.compile(r"(FAILED|ERROR) \S+")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Step:
    """One command. ``instead`` says why it is not run; ``beside`` lets it run while others do."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    beside: bool = False
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended: ``word`` is ``passed``, ``FAILED`` or ``skipped``; ``note`` is its own last word."""

    step: Step
    word: str
    seconds: float = 0.0
    note: str = ""
    failures: tuple[str, ...] = ()
    output: str = ""


# --- What there is to do ---


def steps(options: argparse.Namespace) -> list[Step]:
    """All steps, in the order in which they are told."""
    workers = os.environ.get("LOCALPAIR_TEST_WORKERS", str(WORKERS_FOR_A_CORE * cores()))
    # A worker that has nothing left takes over what waits for another one.
    pytest = (*PYTEST, "-n", workers, "--dist", "worksteal")
    return [
        Step("style", ("sh", "-c", f"{BIN}/ruff check . && {BIN}/ruff format --check ."), beside=True),
        Step("types", (str(BIN / "mypy"),), beside=True),
        *(_types_on(platform) for platform in OTHER_PLATFORMS),
        *_package(options, workers),
        Step("lab", (*pytest, "tests/lab")),
        *_scenarios(options),
        _topologies(options),
        _faults(options),
    ]


def _package(options: argparse.Namespace, workers: str) -> Iterator[Step]:
    """On the installed wheel, never on the tree beside it."""
    what = ("-n", workers, "--dist", "worksteal", "tests", "--ignore", "tests/lab")
    safe = {"PYTHONSAFEPATH": "1"}
    if not options.coverage:
        yield Step("package", (*PYTEST, *what), safe)
        return
    coverage = f"{BIN}/coverage"
    yield Step("package", (coverage, "run", "-m", "pytest", *what), safe)
    told = f"{coverage} combine -q && {coverage} report --skip-covered --sort=cover"
    yield Step("coverage", ("sh", "-c", told))


def _types_on(platform: str) -> Step:
    # What is guarded by platform is unreachable on the others.
    command = (str(BIN / "mypy"), "--platform", platform, "--no-warn-unreachable", "-p", "localpair")
    return Step(f"types on {platform}", command, beside=True)


def _scenarios(options: argparse.Namespace) -> Iterator[Step]:
    # Hypothesis takes half of a session's start, and no scenario needs it.
    lab = ("lab", "-p", "no:hypothesispytest")
    yield Step("namespaces", (*PYTEST, *lab, "--lab-engine=namespace"))
    cells = "one" if options.all else "theme"
    yield Step(
        "containers",
        (
            *PYTEST,
            *lab,
            "--lab-engine=compose",
            f"--lab-cells={os.environ.get('LOCALPAIR_TEST_CELLS', cells)}",
        ),
        instead=_no_containers(),
    )
    # Each file once: what plans claim is the same for all cells of a matrix nearly everywhere.
    few = () if options.all else ("--lab-cells=one",)
    yield Step("ordinary user", ("script/test-as-user", "-p", "no:hypothesispytest", *few))


def _no_containers() -> str:
    if os.environ.get("LOCALPAIR_NO_DOCKER"):
        return "LOCALPAIR_NO_DOCKER is set"
    asked = "import sys; from localpair_lab.engines.registry import kinds; sys.exit(not kinds()['compose'].answers())"
    answers = subprocess.run([BIN / "python", "-c", asked], cwd=ROOT, check=False).returncode == 0
    return "" if answers else "no Docker engine answers"


def _topologies(options: argparse.Namespace) -> Step:
    count = os.environ.get("LOCALPAIR_GENERATE_COUNT", "300" if options.all else "100")
    seed = os.environ.get("LOCALPAIR_GENERATE_SEED", "1")
    command = (str(BIN / "localpair-lab"), "generate", "--count", count, "--seed", seed)
    return Step(f"{count} topologies", command, instead="" if count != "0" else "LOCALPAIR_GENERATE_COUNT=0")


def _faults(options: argparse.Namespace) -> Step:
    count = os.environ.get("LOCALPAIR_FAULTS_COUNT", "300" if options.all else "60")
    seed = os.environ.get("LOCALPAIR_GENERATE_SEED", "1")
    command = (str(BIN / "localpair-lab"), "generate", "--faults", "1", "--count", count, "--seed", seed)
    return Step(f"{count} faults", command, instead="" if count != "0" else "LOCALPAIR_FAULTS_COUNT=0")


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- Running them ---


class Suite:
    """Runs steps and keeps their results."""

    def __init__(self, wanted: Iterable[Step]) -> None:
        self.steps = list(wanted)
        self.results: dict[str, Result] = {}
        self._untold: list[Result] = []

    def run(self) -> None:
        """All of them: those that may run beside others do, one after the other."""
        beside = threading.Thread(target=self._run_beside, daemon=True)
        beside.start()
        for step in self.steps:
            if not step.beside:
                heading(step.name)
                self.results[step.name] = run_step(step, live=True)
                self._tell_ended()
        beside.join()
        self._tell_ended()

    def _run_beside(self) -> None:
        for step in self.steps:
            if step.beside:
                result = run_step(step, live=False)
                self.results[step.name] = result
                self._untold.append(result)

    def _tell_ended(self) -> None:
        """What ended beside: a line, or all that it said if it failed."""
        while self._untold:
            result = self._untold.pop(0)
            heading(f"{result.step.name}: {result.word}")
            if result.word == "FAILED":
                write(result.output)

    def ordered(self) -> list[Result]:
        """The results in the order of the steps."""
        return [self.results[step.name] for step in self.steps if step.name in self.results]


def run_step(step: Step, *, live: bool) -> Result:
    """Run one step to its end; its output is shown as it comes where ``live``."""
    if step.instead:
        return Result(step, "skipped", note=step.instead)
    started = time.monotonic()
    colour = {"PY_COLORS": "1", "FORCE_COLOR": "1"} if live and sys.stdout.isatty() else {}
    process = subprocess.Popen(
        step.command,
        cwd=ROOT,
        env={**os.environ, **colour, **step.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = _read(process, live=live)
    return _judged(step, process.wait(), time.monotonic() - started, output)


def _read(process: subprocess.Popen[bytes], *, live: bool) -> str:
    if process.stdout is None:
        raise ValueError("its output is not a pipe")
    found = bytearray()
    while part := os.read(process.stdout.fileno(), 65536):
        found += part
        if live:
            sys.stdout.buffer.write(part)
            sys.stdout.flush()
    process.stdout.close()
    return found.decode(errors="replace")


def _judged(step: Step, status: int, seconds: float, output: str) -> Result:
    lines = [COLOUR.sub("", line).strip("= ") for line in output.splitlines() if line.strip()]
    note = lines[-1] if lines else ""
    failures = tuple(line for line in lines if FAILURE.match(line))
    word = {0: "passed", SKIPPED: "skipped"}.get(status, "FAILED")
    if word == "FAILED" and not failures:
        note = f"exit status {status}; {note}"
    return Result(step, word, seconds, note, failures, output)


# --- Telling ---


def write(text: str) -> None:
    """To stdout, at once: what comes next may be another program's."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def _write_all(lines: Iterable[str]) -> None:
    for line in lines:
        write(line)


def heading(text: str) -> None:
    """The line between two steps."""
    write(f"\n--- {text} ".ljust(80, "-"))


def told(results: Iterable[Result], seconds: float) -> Iterator[str]:
    """The summary: a line for each step, and under those that failed what did."""
    several = list(results)
    width = max((len(result.step.name) for result in several), default=0)
    for result in several:
        yield f"{result.step.name:<{width}}  {result.word:<7}  {duration(result.seconds):>9}  {result.note[:100]}"
        yield from (f"{'':<{width}}  {failure[:120]}" for failure in result.failures[:MOST_NAMED])
        if len(result.failures) > MOST_NAMED:
            yield f"{'':<{width}}  and {len(result.failures) - MOST_NAMED} more"
    bad = [result.step.name for result in several if result.word == "FAILED"]
    yield f"{'all' if not bad else ', '.join(bad)}: {'FAILED' if bad else 'passed'} in {duration(seconds)}"


def little_room() -> Iterator[str]:
    """A line for each place where the steps may come to find no room left: their failures would not say so."""
    for place in (Path(tempfile.gettempdir()), ROOT):
        free = shutil.disk_usage(place).free
        if free < ROOM:
            yield f"hint: {free >> 20} MiB are free in {place}: the steps want {ROOM >> 20}"


def duration(seconds: float) -> str:
    """``3 s`` or ``2 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def main(arguments: list[str]) -> int:
    """Run what the options ask for; 0 where nothing failed."""
    parser = argparse.ArgumentParser(prog="script/test", description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="everything on both engines, 300 topologies, 300 faults"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="tell what the package's tests cover, in branches"
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    suite = Suite(steps(options))
    _write_all(little_room())
    try:
        suite.run()
    except KeyboardInterrupt:
        write("\ninterrupted")
    heading("summary")
    _write_all(little_room())
    _write_all(told(suite.ordered(), time.monotonic() - started))
    complete = len(suite.results) == len(suite.steps)
    return 0 if complete and all(result.word != "FAILED" for result in suite.results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
