"""Plays generated faults, many side by side, each in a process of its own, and grades what every view says."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localpair.causes.judge import judge
from localpair.causes.records.reports import read_report
from localpair.causes.records.telling import believed, masked
from localpair.causes.vocabulary import Place, RunVerdict
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.faults.drawing import TIMEOUT, FaultSample, draw
from localpair_lab.faults.fault import HOST, JOIN, MERGED, VIEWS
from localpair_lab.faults.grading import Grade, Statement, ViewVerdict, grade
from localpair_lab.generate.sample import planned_text
from localpair_lab.rebuild.plays import PlayedScenario, play_cell


@dataclass(frozen=True, slots=True)
class FaultSeries:
    """What is drawn: ``faults`` in each topology, from a seed, with a time limit of both sides."""

    seed: int
    faults: int
    timeout: str = TIMEOUT

    def sample(self, number: int) -> FaultSample:
        """The sample of a number."""
        return draw(self.seed, number, self.faults, self.timeout)


@dataclass(frozen=True, slots=True)
class PlayedFault:
    """A sample, and what each view said. ``paired``: the faults kept nobody apart. ``fault`` is what kept the lab from
    playing it.
    """

    number: int
    sample: FaultSample
    verdicts: Mapping[str, ViewVerdict]
    paired: bool = False
    fault: str = ""

    def grade(self, view: str) -> Grade | None:
        """How good the view's verdict is; None where it has none to be judged."""
        if view not in self.verdicts:
            return None
        if self.paired:
            return Grade.WRONG if self.verdicts[view].statements else None
        return grade(self.verdicts[view], view, self.sample.causing, self.sample.others)

    def is_decided(self, view: str) -> bool:
        """Whether the view has a verdict, and facts that decide."""
        return not self.paired and view in self.verdicts and self.sample.is_decided(view)

    @property
    def misses(self) -> tuple[str, ...]:
        """The views that are wrong, or not right though their facts decide."""
        return tuple(view for view in VIEWS if self._misses(view))

    def _misses(self, view: str) -> bool:
        found = self.grade(view)
        return found is Grade.WRONG or (self.is_decided(view) and found is not Grade.RIGHT)


def play_number(series: FaultSeries, number: int, folder: Path) -> PlayedFault:
    """Draw and play one; what the lab itself did not manage is tried once more."""
    sample = series.sample(number)
    played = _played(sample, folder)
    if played.fault:
        played = _played(sample, folder)
    return _graded(number, sample, played)


def _played(sample: FaultSample, folder: Path) -> PlayedScenario:
    cell = planned_text(sample.name, sample.text)
    return asyncio.run(play_cell(cell, NamespaceEngine(), folder / sample.name))


def _graded(number: int, sample: FaultSample, played: PlayedScenario) -> PlayedFault:
    if played.fault:
        return PlayedFault(number, sample, {}, fault=played.fault)
    events = {action: json.loads(text.splitlines()[-1]) for action, text in played.reports}
    verdicts = {action: _said(fields, action, sample) for action, fields in events.items()}
    paired = all(one.exit == 0 for one in played.ends)
    if set(events) == {HOST, JOIN} and not paired:
        verdicts[MERGED] = _merged(dict(played.reports), sample)
    return PlayedFault(number, sample, verdicts, paired)


def _said(fields: Mapping[str, Any], role: str, sample: FaultSample) -> ViewVerdict:
    told = (
        Statement(tuple(one["causes"]), _device(one["device"], role, sample), one["confidence"])
        for one in fields.get("causes", ())
    )
    return ViewVerdict(tuple(told), tuple(one["note"] for one in fields.get("notes", ())))


def _merged(reports: Mapping[str, str], sample: FaultSample) -> ViewVerdict:
    """What ``localpair diagnose --merge`` says of the joiner's report and the host's."""
    mine, theirs = (read_report(reports[role]).facts for role in (JOIN, HOST))
    return _seen(judge(replace(masked(mine), tcp_port=0), believed(theirs)), JOIN, sample)


def _seen(verdict: RunVerdict, role: str, sample: FaultSample) -> ViewVerdict:
    told = (
        Statement(tuple(one.causes), _device(one.device, role, sample), one.confidence.value)
        for one in verdict.explanations
    )
    return ViewVerdict(tuple(told), tuple(one.note.value for one in verdict.notes))


def _device(place: str, role: str, sample: FaultSample) -> str:
    other = JOIN if role == HOST else HOST
    return {Place.HERE: sample.devices[role], Place.THERE: sample.devices[other]}.get(Place(place), "")


def play_faults(
    series: FaultSeries, numbers: Iterable[int], jobs: int, folder: Path
) -> Iterator[PlayedFault]:
    """Play those numbers, so many at once, in the order in which they end; they mostly wait."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["localpair_lab.faults.plays"])
    with ProcessPoolExecutor(jobs, context) as pool:
        started = [pool.submit(play_number, series, number, folder) for number in numbers]
        for future in as_completed(started):
            yield future.result()
