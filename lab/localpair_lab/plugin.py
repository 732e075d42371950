"""pytest's plugin: every scenario file is a file of tests, one item for each engine and cell of its matrix.

Public API of pytest only. The distribution names this module as an entry point, so that pytest loads it anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import Any

import pytest

from localpair_lab.engines.base import Engine, Running
from localpair_lab.engines.registry import WANTED, engine_names, worker_number
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import (
    Outcome,
    ScenarioBrokenError,
    ScenarioFailedError,
    Verdict,
    VerdictError,
)
from localpair_lab.loading.cases import PlannedCell, planned, scenario_names
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.model.scenario import MARKERS
from localpair_lab.paths import SCENARIOS
from localpair_lab.report.failure import tell
from localpair_lab.report.results_page import rows_of, write_table
from localpair_lab.report.summary import Result, grid, reasons, totals
from localpair_lab.run.pool import Played, Pool, Setting, Task, broken, default_jobs, perform
from localpair_lab.run.runner import unsupported

ENGINES = ("namespace", "compose")
PROPERTY = "lab"
_engines: dict[str, Engine] = {}
_NAMES = pytest.StashKey[list[str]]()
_TOLD_NAMES = "lab_engines"


# --- Options and markers ---


def pytest_addoption(parser: pytest.Parser) -> None:
    """The lab's options."""
    group = parser.getgroup("lab", "the lab of hostile networks")
    group.addoption(
        "--lab-engine", choices=WANTED, default="auto", help="what plays the scenarios (default: auto)"
    )
    group.addoption(
        "--lab-strict", action="store_true", help="a capability that is missing is an error, no skip"
    )
    group.addoption("--lab-keep", action="store_true", help="keep the artifacts of passed scenarios, too")
    group.addoption(
        "--lab-pause", choices=["on-fail"], help="stop before the network is taken down; needs -s"
    )
    group.addoption(
        "--lab-pcap", choices=["always", "fail", "never"], default="fail", help="which captures to keep"
    )
    group.addoption(
        "--lab-cells", choices=["all", "one"], default="all",
        help="one: of two engines, the second plays only the first cell of each matrix",
    )  # fmt: skip
    group.addoption(
        "--lab-cold",
        action="store_true",
        help="in namespaces too, every device starts an interpreter of its own",
    )
    group.addoption(
        "--lab-jobs", type=_jobs, default="auto", metavar="N",
        help="play N at once; auto: as many as the machine carries, and one under -n, --pdb and --lab-pause",
    )  # fmt: skip
    group.addoption("--lab-repeat", type=int, default=1, metavar="N", help="play everything N times")
    group.addoption("--lab-shard", metavar="I/N", help="play the I-th of N parts")
    group.addoption(
        "--lab-docker-host", action="append", default=[], metavar="URL", help="may be given several times"
    )
    group.addoption(
        "--lab-wiring", choices=["fabric", "docker"], default="fabric", help="who makes the networks"
    )
    group.addoption("--lab-table", metavar="FILE", help="bring the table of results in a page up to date")
    parser.addini(
        "lab_scenarios", type="paths", default=[], help="folders in which every .yaml file is a scenario"
    )
    group.addoption("--lab-artifacts", default="lab/artifacts", metavar="DIR", help="where artifacts go")


def _jobs(text: str) -> int:
    """0 for ``auto``."""
    if text == "auto":
        return 0
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a number, or auto")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Each marker of the scenarios, each engine, and each verdict's word."""
    if page := config.getoption("--lab-table"):
        try:
            rows_of(Path(page).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--lab-table {page}: {error}") from None
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    for engine in ENGINES:
        config.addinivalue_line("markers", f"{engine}: played by the {engine} engine")
    config.addinivalue_line("markers", "quarantined: not trusted until a date")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under xdist: each worker is told which engines play, and does not ask for them again."""
    node.workerinput[_TOLD_NAMES] = _names(node.config)


def _names(config: pytest.Config) -> list[str]:
    """The engines of this session. Whether Docker's answers costs two processes, so it is asked once."""
    if _NAMES not in config.stash:
        told = getattr(config, "workerinput", {}).get(_TOLD_NAMES)
        config.stash[_NAMES] = told or engine_names(config.getoption("--lab-engine"))
    return config.stash[_NAMES]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    """Every ``*.lan.yaml``, and every YAML file in the folders that the ini file names as ``lab_scenarios``."""
    if file_path.name.endswith(".lan.yaml") or _is_listed(parent.config, file_path):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


def _is_listed(config: pytest.Config, path: Path) -> bool:
    folders: list[Path] = config.getini("lab_scenarios")
    return path.suffix == ".yaml" and any(path.is_relative_to(folder) for folder in folders)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One engine after the other: plays in containers take so many tokens that all others would wait with them.
    ``--lab-shard i/n``: every n-th scenario, so that slow themes spread.
    """
    items.sort(key=lambda item: ENGINES.index(item.engine) if isinstance(item, ScenarioItem) else -1)
    shard = config.getoption("--lab-shard")
    if not shard:
        return
    part, _, parts = str(shard).partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise pytest.UsageError(f"--lab-shard {shard}: write it as 1/4")
    mine = [item for number, item in enumerate(items) if number % int(parts) == int(part) - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in mine])
    items[:] = mine


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Scenarios play side by side from the start on, the longest first; pytest comes to each in turn and waits for its
    outcome.
    """
    items = [item for item in getattr(session, "items", []) if isinstance(item, ScenarioItem)]
    jobs = min(_wanted_jobs(session.config), len(items))
    if jobs < 2 or session.config.getoption("collectonly"):
        return (yield)
    pool = Pool(jobs, _names(session.config))
    try:
        for number, item in enumerate(sorted(items, key=lambda item: -item.cell.plan.limit_s)):
            item.start(pool, number)
        return (yield)
    finally:
        pool.close()


def _wanted_jobs(config: pytest.Config) -> int:
    """Under xdist each worker plays alone: how many there are says how many play at once."""
    alone = hasattr(config, "workerinput") or config.getoption("usepdb") or config.getoption("--lab-pause")
    return int(config.getoption("--lab-jobs") or (1 if alone else default_jobs()))


# --- Collection ---


class ScenarioFile(pytest.File):
    """One scenario file. A file with problems is one failing item, so that the rest still runs."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each engine, cell and repetition."""
        try:
            cells = planned(self.path)
        except ScenarioError as error:
            yield UnreadableItem.from_parent(self, name="unreadable", error=error)
            return
        repeat = int(self.config.getoption("--lab-repeat"))
        sparing = self.config.getoption("--lab-cells") == "one"
        for place, engine in enumerate(_names(self.config)):
            for cell in cells[:1] if sparing and place else cells:
                for turn in range(1, repeat + 1):
                    yield ScenarioItem.from_parent(
                        self, name=_item_name(cell, engine, turn, repeat), cell=cell, engine=engine
                    )


def _item_name(cell: PlannedCell, engine: str, turn: int, repeat: int) -> str:
    parts = [engine, cell.cell.name, str(turn) if repeat > 1 else ""]
    return f"{cell.loaded.name}[{'-'.join(part for part in parts if part)}]"


class UnreadableItem(pytest.Item):
    """A scenario file with problems."""

    def __init__(self, *, error: ScenarioError, **rest: Any) -> None:
        super().__init__(**rest)
        self.error = error

    def runtest(self) -> None:
        """Fail with the problems."""
        raise self.error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """One problem a line, as editors and people can follow them."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The place of the first problem."""
        return self.path, self.error.problems[0].line - 1, f"{self.path.name} cannot be read"


class ScenarioItem(pytest.Item):
    """One cell of one scenario on one engine."""

    def __init__(self, *, cell: PlannedCell, engine: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.cell = cell
        self.engine = engine
        self.number = worker_number()
        self.ahead: Future[Played] | None = None
        scenario = cell.scenario
        for marker in (*scenario.markers, engine):
            self.add_marker(marker)
        if scenario.expected_failure is not None:
            reason = scenario.expected_failure.reason
            self.add_marker(pytest.mark.xfail(strict=True, reason=reason, raises=ScenarioFailedError))
        if scenario.quarantine is not None:
            reason = f"quarantined until {scenario.quarantine.until}: {scenario.quarantine.reason}"
            self.add_marker("quarantined")
            self.add_marker(pytest.mark.xfail(strict=False, reason=reason))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file, and the scenario in words."""
        return self.path, 0, f"{self.cell.title} on {self.engine}"

    def start(self, pool: Pool, number: int) -> None:
        """Have it played in the pool as the ``number``-th, unless that is sure to be in vain."""
        self.number = number
        if self._lacking() is None:
            self.ahead = pool.start(self._task())

    def runtest(self) -> None:
        """Play it, or wait until it is played; a fault of the lab's own is tried once more, and told in either case."""
        played = self._played()
        outcome = played.outcome
        if played.tried_again:
            self.user_properties.append(("lab_tried_again", played.tried_again))
        self._note(outcome)
        if outcome.verdict is Verdict.UNSUPPORTED and not self.config.getoption("--lab-strict"):
            pytest.skip(f"unsupported: {outcome.reason}")
        if outcome.verdict is Verdict.FAILED:
            raise ScenarioFailedError(outcome)
        if outcome.verdict is not Verdict.PASSED:
            raise ScenarioBrokenError(outcome)

    def _played(self) -> Played:
        task = self._task()
        try:
            if self.ahead is not None:
                return self.ahead.result()
            pause = _pause if self.config.getoption("--lab-pause") else None
            return self._lacking() or perform(task, _engine(task.setting), pause)
        except LabError as error:
            return broken(task.setting, error)
        except BrokenExecutor as error:
            return broken(task.setting, LabError(f"a process of the lab's is gone: {error}"))

    def _lacking(self) -> Played | None:
        """The verdict, where none but the engine needs to be asked."""
        setting = self._task().setting
        try:
            outcome = unsupported(self.cell, _engine(setting))
        except LabError as error:
            return broken(setting, error)
        return Played(outcome) if outcome else None

    def _task(self) -> Task:
        option = self.config.getoption
        hosts = option("--lab-docker-host")
        return Task(
            self.cell,
            Setting(
                self.engine,
                docker_host=hosts[self.number % len(hosts)] if hosts else "",
                wiring=option("--lab-wiring"),
                cold=_is_cold(self.config),
            ),
            self._folder(),
            _tokens(self.config),
            keep=option("--lab-keep"),
            pcap=option("--lab-pcap"),
        )

    def _folder(self) -> Path:
        name = self.name.replace("[", "-").replace("]", "")
        return _artifacts(self.config) / self.cell.theme / name

    def _note(self, outcome: Outcome) -> None:
        """Properties for JUnit and for the summary; they travel from workers with the report."""
        properties: dict[str, object] = {
            "lab_theme": self.cell.theme,
            "lab_scenario": self.cell.loaded.name,
            "lab_cell": self.cell.cell.name,
            "lab_engine": self.engine,
            "lab_verdict": outcome.verdict.value,
            "lab_reason": outcome.reason,
            "lab_elapsed_s": round(outcome.elapsed_s, 3),
            "lab_own_cost_s": round(outcome.own_cost_s, 3),
            "lab_paired_ms": outcome.paired_ms or 0,
            "lab_path": outcome.path,
            "lab_came": outcome.came,
            "lab_after_s": round(outcome.after_s, 3),
            "lab_references": " ".join(self.cell.scenario.references),
        }
        self.user_properties.extend(properties.items())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The lab's own words for its verdicts; pytest's for everything else."""
        if isinstance(excinfo.value, VerdictError):
            return tell(self.cell, excinfo.value.outcome, self.config.rootpath)
        return super().repr_failure(excinfo)


def _engine(setting: Setting) -> Engine:
    """This process's own. Raises LabError where it cannot be loaded."""
    name = f"{setting.engine} {setting.docker_host}".rstrip()
    if name not in _engines:
        _engines[name] = setting.make()
    return _engines[name]


def _is_cold(config: pytest.Config) -> bool:
    """A table's times are those of a person, who starts the program."""
    return bool(config.getoption("--lab-cold") or config.getoption("--lab-table"))


def _tokens(config: pytest.Config) -> Path:
    """The pool's folder: the same for all workers of a session."""
    return _artifacts(config) / ".tokens"


def _artifacts(config: pytest.Config) -> Path:
    return Path(config.invocation_params.dir, str(config.getoption("--lab-artifacts")))


async def _pause(running: Running, outcome: Outcome) -> None:
    """Wait for a person, with the network still there."""
    told = f"\nthe network stands; artifacts in {running.folder}\n"
    told += "".join(f"  {failure}\n" for failure in outcome.failures)
    sys.stderr.write(f"{told}press Enter to take it down ")
    sys.stderr.flush()
    await asyncio.to_thread(sys.stdin.readline)


# --- Reports ---


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """A fault of the lab's own has a letter of its own."""
    if report.when == "call" and report.failed and _property(report, "lab_verdict") == Verdict.BROKEN.value:
        return "failed", "B", ("BROKEN", {"red": True})
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a play took, also where pytest waited for the last of it only."""
    report = yield
    if report.when == "call" and isinstance(item, ScenarioItem):
        report.duration = _property(report, "lab_elapsed_s") or report.duration
    return report


def _property(report: pytest.TestReport, name: str) -> Any:
    return dict(getattr(report, "user_properties", ())).get(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The grid of scenarios and engines."""
    results = [result for reports in terminalreporter.stats.values() for result in _results(reports)]
    if not results:
        return
    terminalreporter.section("lab")
    for line, kind in grid(results):
        terminalreporter.write_line(line, green=kind == "good", red=kind == "bad")
    terminalreporter.write_line("")
    for line in (*reasons(results), *totals(results)):
        terminalreporter.write_line(line)
    if page := terminalreporter.config.getoption("--lab-table"):
        write_table(Path(page), results, scenario_names(SCENARIOS))


def _results(reports: list[Any]) -> Iterator[Result]:
    for report in reports:
        if getattr(report, "when", "") == "call" and _property(report, "lab_scenario"):
            yield Result(
                theme=_property(report, "lab_theme"),
                scenario=_property(report, "lab_scenario"),
                cell=_property(report, "lab_cell"),
                engine=_property(report, "lab_engine"),
                word=_word(report),
                reason=getattr(report, "wasxfail", "") or _property(report, "lab_reason"),
                elapsed_s=_property(report, "lab_elapsed_s"),
                own_cost_s=_property(report, "lab_own_cost_s"),
                paired_ms=_property(report, "lab_paired_ms"),
                came=_property(report, "lab_came"),
                path=_property(report, "lab_path"),
                after_s=_property(report, "lab_after_s"),
            )


def _word(report: Any) -> str:
    verdict = str(_property(report, "lab_verdict"))
    if report.skipped and hasattr(report, "wasxfail"):
        return "expected failure"
    if report.failed and verdict == "passed":
        return "passed unexpectedly"
    return verdict
