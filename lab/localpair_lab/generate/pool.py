"""Plays many scenario texts at once, each in a process of its own.

What is expected to pair keeps a core busy while it does, so few of those run side by side; what is expected to fail
mostly waits, so many of those do, afterwards.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.generate.sample import Sample, planned_text
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.oracle.packet import Delivery
from localpair_lab.run.runner import RunOptions, run_cell

PATIENT_FOR_ONE = 4  # plays that wait, for each play that works: their starts keep the cores busy


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The oracle and the play say different things. ``kind`` is a word, ``text`` a sentence."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class PlayedTopology:
    """A sample and what came of it."""

    sample: Sample
    outcome: Outcome

    @property
    def disagreement(self) -> Disagreement | None:
        """How the play differs from what the oracle says; None where it does not."""
        return differs(self.sample.expected.answer, self.outcome)


def differs(answer: Delivery, outcome: Outcome) -> Disagreement | None:
    """How an outcome differs from the oracle's answer."""
    first = str(outcome.failures[0]) if outcome.failures else outcome.reason
    paired = [end == "paired" for _, end in outcome.ends]
    match outcome.verdict:
        case Verdict.BROKEN:
            return Disagreement("broken", first)
        case Verdict.UNSUPPORTED:
            return None
        case _ if any(paired) and not all(paired):
            return Disagreement("one-sided", first or "one side is paired and the other is not")
        case Verdict.PASSED:
            return None
        case _ if answer is Delivery.YES and not any(paired):
            return Disagreement("not-paired", first)
        case _ if answer is Delivery.NO and any(paired):
            return Disagreement("paired", f"paired by {outcome.path}, and the oracle knows no way")
        case _:
            return Disagreement("fault", first)


def play_text(name: str, text: str, folder: Path) -> Outcome:
    """Play a scenario text in namespaces; its artifacts stay in ``folder`` where it did not pass.

    A fault of the lab's own is tried once more.
    """
    cell = planned_text(name, text)
    outcome = asyncio.run(run_cell(cell, NamespaceEngine(), folder, RunOptions()))
    if outcome.verdict is Verdict.BROKEN:
        outcome = asyncio.run(run_cell(cell, NamespaceEngine(), folder, RunOptions()))
    return outcome


class Players:
    """Two pools of processes. ``jobs`` plays that are expected to pair run at once, and more of the others."""

    def __init__(self, jobs: int, folder: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["localpair_lab.generate.pool"])
        self._folder = folder
        self._working = ProcessPoolExecutor(jobs, context)
        self._waiting = ProcessPoolExecutor(jobs * PATIENT_FOR_ONE, context)

    def start(self, sample: Sample) -> Future[Outcome]:
        """Play a sample as soon as a process is free."""
        pool = self._working if sample.expected.answer is Delivery.YES else self._waiting
        return self._submit(pool, sample)

    def together(self, samples: list[Sample]) -> list[Outcome]:
        """Play several that mostly wait."""
        return [future.result() for future in [self._submit(self._waiting, one) for one in samples]]

    def alone(self, sample: Sample) -> Outcome:
        """Play one while nothing else runs."""
        return self._submit(self._working, sample).result()

    def _submit(self, pool: ProcessPoolExecutor, sample: Sample) -> Future[Outcome]:
        return pool.submit(play_text, sample.name, sample.text, self._folder / sample.name)

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        for pool in (self._working, self._waiting):
            pool.shutdown(cancel_futures=True)


@contextmanager
def players(jobs: int, folder: Path) -> Iterator[Players]:
    """The pools, closed in the end."""
    found = Players(jobs, folder)
    try:
        yield found
    finally:
        found.close()


def play_all(pools: Players, samples: Iterable[Sample]) -> Iterator[PlayedTopology]:
    """Play them all, in the order in which they end; the first ones play while later ones are drawn.

    Those that are not sure to pair come when the others are over: a device that finds nobody asks its whole subnet,
    and the kernel's table of neighbours is one for all namespaces. Several such sweeps at once fill it.
    """
    patient = []
    started = {}
    for sample in samples:
        if sample.expected.answer is Delivery.YES:
            started[pools.start(sample)] = sample
        else:
            patient.append(sample)
    for future in as_completed(started):
        yield PlayedTopology(started[future], future.result())
    started = {pools.start(sample): sample for sample in patient}
    for future in as_completed(started):
        yield PlayedTopology(started[future], future.result())
