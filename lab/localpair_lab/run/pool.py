"""The plays of a session side by side, each in a process of its own.

A play keeps a core busy while its network is made and its devices pair. One that has not ended after a few seconds
waits for something, mostly for its own limit, so it holds no token (``run.semaphore``) any more, and there are more
processes than tokens.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localpair_lab.engines import registry
from localpair_lab.engines.base import Engine
from localpair_lab.errors import LabError
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import PlannedCell
from localpair_lab.run.runner import Pause, RunOptions, carry_out
from localpair_lab.run.semaphore import claimed, pool_size, taken

WEIGHT_STANDING = 2
"""The most that it keeps once the network stands: from then on, all of it mostly waits."""
BUSY_S = 3.0
"""After so long it keeps none: what pairs has paired by then (measured: 9 of 10 within 2 s with 8 at once)."""
PROCESSES_FOR_A_TOKEN = 2


@dataclass(frozen=True, slots=True)
class PlaySetting:
    """Which engine plays, and what its options are (``registry.choices``)."""

    engine: str
    chosen: tuple[tuple[str, Any], ...] = ()

    @property
    def weight(self) -> int:
        """Tokens of the pool that a play takes at first."""
        return registry.weight(self.engine, self.chosen)

    def make(self) -> Engine:
        """The engine. Raises LabError where it cannot be loaded."""
        return registry.make_chosen(self.engine, self.chosen)


@dataclass(frozen=True, slots=True)
class Task:
    """One play: artifacts go into ``folder``, and are kept as ``keep`` and ``pcap`` say; ``tokens`` is the folder of
    the pool of tokens. ``trace``: the product's traces are part of the timeline. ``page``: where the run's page goes.
    """

    cell: PlannedCell
    setting: PlaySetting
    folder: Path
    tokens: Path
    keep: bool = False
    pcap: str = "fail"
    trace: bool = False
    page: Path | None = None


@dataclass(frozen=True, slots=True)
class PlayedCase:
    """What came of a task; ``tried_again`` says what was broken the first time."""

    outcome: Outcome
    tried_again: str = ""


def perform(task: Task, engine: Engine, pause: Pause | None = None) -> PlayedCase:
    """Play it here and now; a fault of the lab's own is tried once more."""
    outcome = _once(task, engine, pause)
    if outcome.verdict is not Verdict.BROKEN:
        return PlayedCase(outcome)
    return PlayedCase(_once(task, engine, pause), outcome.reason)


def _once(task: Task, engine: Engine, pause: Pause | None) -> Outcome:
    with taken(task.tokens, task.setting.weight, pool_size()) as held, claimed(task.folder) as folder:

        def stands() -> None:
            held.keep(WEIGHT_STANDING)
            asyncio.get_running_loop().call_later(BUSY_S, held.keep, 0)

        run_options = RunOptions(
            keep=task.keep, pcap=task.pcap, trace=task.trace, page=task.page, pause=pause, stands=stands
        )
        return asyncio.run(carry_out(task.cell, engine, folder, run_options))


def broken(setting: PlaySetting, error: LabError) -> PlayedCase:
    """The verdict where the engine itself is the fault."""
    return PlayedCase(Outcome(Verdict.BROKEN, setting.engine, reason=error.message, hint=error.hint))


def default_jobs() -> int:
    """As many as the machine carries."""
    return PROCESSES_FOR_A_TOKEN * pool_size()


class Pool:
    """Processes that play tasks in the order in which they come."""

    def __init__(self, jobs: int, engines: Sequence[str] = ()) -> None:
        context = multiprocessing.get_context("forkserver")
        modules = registry.modules(list(engines))
        # Each process runs its parent's main module, which is pytest's.
        context.set_forkserver_preload(["pytest", __name__, *modules])
        self._executor = ProcessPoolExecutor(jobs, context, initializer=_ignore_interrupts)

    def start(self, task: Task) -> Future[PlayedCase]:
        """Play it as soon as a process is free."""
        return self._executor.submit(_perform_there, task)

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        self._executor.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; those that wait for a task end with their parent's pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _perform_there(task: Task) -> PlayedCase:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a play takes its network down first
    try:
        return perform(task, _engine(task.setting))
    except LabError as error:
        return broken(task.setting, error)
    finally:
        _ignore_interrupts()


@functools.cache
def _engine(setting: PlaySetting) -> Engine:
    return setting.make()
