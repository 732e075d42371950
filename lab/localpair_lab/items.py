"""pytest's items: a file of them for each scenario file, one for each engine and cell of its matrix.

Loaded by ``plugin`` when the first scenario file is met, since sessions without one should not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localpair_lab.engines import registry
from localpair_lab.engines.base import Engine, Running
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import (
    Outcome,
    ScenarioBrokenError,
    ScenarioFailedError,
    Verdict,
    VerdictError,
)
from localpair_lab.loading.cases import PlannedCell, other_product, planned
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.loading.products import load_product
from localpair_lab.report.failure import failure_report
from localpair_lab.run.pause import hold
from localpair_lab.run.pool import PlayedCase, PlaySetting, Pool, Task, broken, default_jobs, perform
from localpair_lab.run.runner import unsupported
from localpair_lab.visible_text import lines

TOLD_NAMES = "lab_engines"
_NAMES = pytest.StashKey[list[str]]()
_engines: dict[PlaySetting, Engine] = {}


def names(config: pytest.Config) -> list[str]:
    """The engines of this session. Whether Docker's answers costs two processes, so it is asked once."""
    if _NAMES not in config.stash:
        told = getattr(config, "workerinput", {}).get(TOLD_NAMES)
        config.stash[_NAMES] = told or registry.engine_names(config.getoption("--lab-engine"))
    return config.stash[_NAMES]


# --- Which, and in which order ---


def arrange(items: list[pytest.Item], config: pytest.Config) -> list[pytest.Item]:
    """One engine after the other: plays in containers take so many tokens that all others would wait with them."""
    turns = {name: turn for turn, name in enumerate(registry.kinds())}
    ordered = sorted(items, key=lambda item: turns[item.engine] if isinstance(item, ScenarioItem) else -1)
    if config.getoption("--lab-cells") != "theme":
        return ordered
    last = [item for item in ordered if isinstance(item, ScenarioItem) and item.engine == names(config)[-1]]
    chosen = set(_one_of_each_theme(last))
    return [item for item in ordered if item not in last or item in chosen]


def _one_of_each_theme(items: Sequence[ScenarioItem]) -> Iterator[ScenarioItem]:
    """The first that is marked as a quick look, else the first."""
    for theme in dict.fromkeys(item.cell.theme for item in items):
        mine = [item for item in items if item.cell.theme == theme]
        yield next((item for item in mine if "smoke" in item.cell.scenario.markers), mine[0])


@contextmanager
def played_ahead(session: pytest.Session) -> Iterator[None]:
    """The session's scenarios play side by side from now on, the longest first."""
    items = [item for item in session.items if isinstance(item, ScenarioItem)]
    jobs = min(_wanted_jobs(session.config), len(items))
    if jobs < 2:
        yield
        return
    pool = Pool(jobs, names(session.config))
    try:
        for number, item in enumerate(sorted(items, key=lambda item: -item.cell.plan.limit_s)):
            item.start(pool, number)
        yield
    finally:
        pool.close()


def _wanted_jobs(config: pytest.Config) -> int:
    """Under xdist each worker plays alone: how many there are says how many play at once."""
    alone = hasattr(config, "workerinput") or config.getoption("usepdb") or config.getoption("--lab-pause")
    return int(config.getoption("--lab-jobs") or (1 if alone else default_jobs()))


# --- Items ---


class ScenarioFile(pytest.File):
    """One scenario file. A file with problems is one failing item, so that the rest still runs."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each engine, cell and repetition."""
        try:
            cells = planned(self.path, load_product(self.config.getoption("--lab-product")))
        except LabError as error:
            hint = f"\nhint: {error.hint}" if error.hint else ""
            raise pytest.UsageError(f"--lab-product: {error.message}{hint}") from None
        except ScenarioError as error:
            yield UnreadableItem.from_parent(self, name="unreadable", error=error)
            return
        repeat = int(self.config.getoption("--lab-repeat"))
        sparing = self.config.getoption("--lab-cells") != "all"
        for engine in names(self.config):
            for cell in cells[:1] if sparing and engine == names(self.config)[-1] else cells:
                for turn in range(1, repeat + 1):
                    yield ScenarioItem.from_parent(
                        self, name=_item_name(cell, engine, turn, repeat), cell=cell, engine=engine
                    )


def _item_name(cell: PlannedCell, engine: str, turn: int, repeat: int) -> str:
    parts = [engine, other_product(cell.plan), cell.cell.name, str(turn) if repeat > 1 else ""]
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
        self.number = registry.worker_number()
        self.ahead: Future[PlayedCase] | None = None
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

    def _played(self) -> PlayedCase:
        task = self._task()
        try:
            if self.ahead is not None:
                return self.ahead.result()
            pause = self._pause if self.config.getoption("--lab-pause") else None
            return self._lacking() or perform(task, _engine(task.setting), pause)
        except LabError as error:
            return broken(task.setting, error)
        except BrokenExecutor as error:
            return broken(task.setting, LabError(f"a process of the lab's is gone: {error}"))

    async def _pause(self, running: Running, outcome: Outcome) -> None:
        def interrupted() -> None:
            self.session.shouldfail = "Ctrl-C, while a failed network stood"

        await hold(self.cell, running, outcome, interrupted)

    def _lacking(self) -> PlayedCase | None:
        """The verdict, where none but the engine needs to be asked."""
        setting = self._task().setting
        try:
            outcome = unsupported(self.cell, _engine(setting))
        except LabError as error:
            return broken(setting, error)
        return PlayedCase(outcome) if outcome else None

    def _task(self) -> Task:
        option = self.config.getoption
        chosen = registry.choices(self.engine, _told(self.config), self.number)
        return Task(
            self.cell,
            PlaySetting(self.engine, chosen),
            self._folder(),
            _semaphore(self.config),
            keep=option("--lab-keep"),
            pcap=option("--lab-pcap"),
            trace=option("--lab-trace"),
            page=_pages(self.config, self._page()),
        )

    def _folder(self) -> Path:
        return _artifacts(self.config) / self._place()

    def _place(self) -> Path:
        """Of what belongs to this play, in a folder that holds such of all."""
        return Path(self.cell.theme, self.name.replace("[", "-").replace("]", ""))

    def _page(self) -> Path:
        place = self._place()
        return place.with_name(f"{place.name}.html")

    def _note(self, outcome: Outcome) -> None:
        """Properties for JUnit and for the summary; they travel from workers with the report."""
        properties: dict[str, object] = {
            "lab_theme": self.cell.theme,
            "lab_scenario": self.cell.loaded.name,
            "lab_cell": self.cell.cell.name,
            "lab_engine": self.engine,
            "lab_product": other_product(self.cell.plan),
            "lab_verdict": outcome.verdict.value,
            "lab_reason": outcome.reason,
            "lab_elapsed_s": round(outcome.elapsed_s, 3),
            "lab_own_cost_s": round(outcome.own_cost_s, 3),
            "lab_paired_ms": outcome.paired_ms or 0,
            "lab_path": outcome.path,
            "lab_came": outcome.came,
            "lab_after_s": round(outcome.after_s, 3),
            "lab_references": " ".join(self.cell.scenario.references),
            "lab_page": self._page().as_posix() if self._is_on_a_page(outcome) else "",
        }
        self.user_properties.extend(properties.items())

    def _is_on_a_page(self, outcome: Outcome) -> bool:
        """Whether there was a run that a page could tell of, and somebody wants pages."""
        return bool(self.config.getoption("--lab-html")) and outcome.verdict is not Verdict.UNSUPPORTED

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The lab's own words for its verdicts; pytest's for everything else."""
        if isinstance(excinfo.value, VerdictError):
            return lines(failure_report(self.cell, excinfo.value.outcome, self.config.rootpath))
        return super().repr_failure(excinfo)


def _engine(setting: PlaySetting) -> Engine:
    """This process's own. Raises LabError where it cannot be loaded."""
    if setting not in _engines:
        _engines[setting] = setting.make()
    return _engines[setting]


def _told(config: pytest.Config) -> dict[str, Any]:
    """The options of all engines. A table's times are those of a person, who starts the program."""
    told = {option.key: config.getoption(f"--lab-{option.name}") for option in registry.options()}
    return told | ({"cold": True} if config.getoption("--lab-table") else {})


def _semaphore(config: pytest.Config) -> Path:
    """The pool's folder: the same for all workers of a session."""
    return _artifacts(config) / ".tokens"


def _artifacts(config: pytest.Config) -> Path:
    return Path(config.invocation_params.dir, str(config.getoption("--lab-artifacts")))


def _pages(config: pytest.Config, place: Path) -> Path | None:
    """A place in the folder of pages; None where nobody wants any."""
    folder = config.getoption("--lab-html")
    return Path(config.invocation_params.dir, str(folder), place) if folder else None
