"""The series: every check in turn, each within its own time, whatever the ones before it did.

A check runs in a thread and an event loop of its own, so that one that blocks, hangs or spoils its loop is given up
and costs its time alone. The series ends with a report in every case, also when it is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair._version import __version__
from localpair.dataclass import dataclass
from localpair.diagnosis.evidence import CheckNotes, failure
from localpair.diagnosis.record import Finding, Report, Status
from localpair.errors import LocalpairError
from localpair.limits import DIAGNOSIS_CHECK_S, DIAGNOSIS_LEAST_S

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import Clock
    from localpair.diagnosis.facts import Facts

log = logging.getLogger("localpair.diagnosis")
log.addHandler(
    logging.NullHandler()
)  # a fault that was found is no warning to print where nobody set logging up

_GRACE_S: Final = 0.2  # for a check that was told to stop to close its sockets before the next one starts

Probe: TypeAlias = Callable[["CheckContext", CheckNotes], "Awaitable[None] | None"]
OnFinding: TypeAlias = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name in the report, what it does (a function or a coroutine function), its time in seconds."""

    name: str
    probe: Probe
    deadline: float = DIAGNOSIS_CHECK_S


class CheckSeries:
    """Runs checks one after the other and keeps what they find.

    ``deadline`` bounds the whole: late checks get less time, and never less than DIAGNOSIS_LEAST_S.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        setting: CheckContext,
        *,
        deadline: float,
        on_finding: OnFinding | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._checks, self._setting, self._deadline = tuple(checks), setting, deadline
        self._on_finding, self._clock = on_finding, clock
        self._findings: list[Finding] = []
        self._interrupted = False
        self._began = clock()
        self._id, self._wall = secrets.token_hex(8), datetime.now(UTC)

    async def run(self) -> Report:
        """Run all checks. A cancellation ends the series and is answered with the report, not raised again."""
        self._began, self._wall = self._clock(), datetime.now(UTC)
        for position, check in enumerate(self._checks):
            run = _Run(check, self._setting, self._allowance(position, check), self._clock)
            try:
                finding = await run.result(self._began)
            except asyncio.CancelledError:
                self._interrupted = True
                self._keep(run.cut(self._began))
                break
            self._keep(finding)
        for check in self._checks[len(self._findings) :]:
            now = self._clock() - self._began
            self._keep(Finding(check.name, Status.SKIPPED, now, 0.0, "interrupted before its turn came"))
        return self.report()

    def report(self) -> Report:
        """What is known by now."""
        return Report(
            id=self._id,
            version=__version__,
            started=self._wall.isoformat(timespec="seconds"),
            ms=round((self._clock() - self._began) * 1000, 1),
            findings=tuple(self._findings),
            interrupted=self._interrupted,
        )

    def _allowance(self, position: int, check: Check) -> float:
        left = self._deadline - (self._clock() - self._began)
        reserved = DIAGNOSIS_LEAST_S * (len(self._checks) - position - 1)
        return max(DIAGNOSIS_LEAST_S, min(check.deadline, left - reserved))

    def _keep(self, finding: Finding) -> None:
        self._findings.append(finding)
        level = logging.INFO if finding.status in (Status.OK, Status.SKIPPED) else logging.WARNING
        log.log(level, "%s: %s: %s", finding.name, finding.status, finding.summary)
        log.debug("%s: facts: %s", finding.name, finding.facts)
        if self._on_finding is not None:
            try:
                self._on_finding(finding)
            except Exception as error:  # noqa: BLE001 - a listener's fault must not end the series
                log.warning("the listener for findings failed: %s", type(error).__name__)


class _Run:
    """One check under way, in its own thread."""

    def __init__(self, check: Check, setting: CheckContext, allowance: float, clock: Clock) -> None:
        self._check, self._setting, self._allowance, self._clock = check, setting, allowance, clock
        self._notes = CheckNotes(allowance)
        self._started = clock()
        self._stop: Callable[[], object] | None = None
        self._stopped = threading.Event()

    async def result(self, began: float) -> Finding:
        """Wait for the check, or give it up. Raises CancelledError only where the series itself is cancelled."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[BaseException | None] = loop.create_future()
        try:
            threading.Thread(
                target=self._work, args=(loop, done), name=f"check {self._check.name}", daemon=True
            ).start()
        except RuntimeError as exhausted:  # no more threads
            return self._broken(began, exhausted)
        await asyncio.wait({done}, timeout=self._allowance)
        if done.done():
            error = done.result()
            return self._ended(began) if error is None else self._broken(began, error)
        finding = self._given_up(began, Status.TIMEOUT, f"no result within {self._allowance:.2g} s")
        self._abandon()
        await asyncio.wait({done}, timeout=_GRACE_S)
        return finding

    def cut(self, began: float) -> Finding:
        """Give the check up because the series ends, keeping what it has noted."""
        self._abandon()
        return self._given_up(began, Status.CUT, "interrupted")

    def _work(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[BaseException | None]) -> None:
        error: BaseException | None = None
        try:
            result = self._check.probe(self._setting, self._notes)
            if inspect.isawaitable(result):
                asyncio.run(self._await(result))
        except BaseException as caught:  # noqa: BLE001 - the whole point: a check may do anything
            error = caught
        try:
            loop.call_soon_threadsafe(_settle, done, error)
        except RuntimeError:
            pass  # the series is over and its loop closed

    async def _await(self, result: Awaitable[None]) -> None:
        task = asyncio.ensure_future(result)
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._stopped.is_set():
            task.cancel()
        await task

    def _abandon(self) -> None:
        """Tell the check to stop. One that blocks does not hear it, and is left behind in its daemon thread."""
        self._stopped.set()
        if self._stop is not None:
            try:
                self._stop()
            except RuntimeError:
                pass  # its loop has just ended

    def _ended(self, began: float) -> Finding:
        taken = self._notes.close()
        return self._finding(began, taken.status, taken.summary, taken.facts)

    def _broken(self, began: float, error: BaseException) -> Finding:
        """The check raised: an error of ours is a fault it found, any other one is a fault of its own."""
        taken, facts = self._notes.close(), failure(error)
        if isinstance(error, LocalpairError):
            status, summary = Status.FAILED, error.message
        else:
            status = Status.ERROR
            summary = f"the check itself failed: {facts['type']} at {facts.get('where', 'its start')}"
        said = "; ".join(filter(None, (summary, taken.summary)))
        return self._finding(began, status, said, taken.facts, facts)

    def _given_up(self, began: float, status: Status, summary: str) -> Finding:
        taken = self._notes.close()
        return self._finding(began, status, "; ".join(filter(None, (summary, taken.summary))), taken.facts)

    def _finding(
        self, began: float, status: Status, summary: str, facts: Facts, error: Facts | None = None
    ) -> Finding:
        return Finding(
            name=self._check.name,
            status=status,
            started=round(self._started - began, 3),
            ms=round((self._clock() - self._started) * 1000, 1),
            summary=summary,
            facts=facts,
            error=error,
        )


def _settle(done: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not done.done():
        done.set_result(error)
