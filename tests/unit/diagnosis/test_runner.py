"""The series: every check has its time, its finding and its end, whatever the others do."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from diagnosing import SECRET, run, statuses
from localpair.diagnosis import (
    Check,
    CheckContext,
    CheckNotes,
    Finding,
    Report,
    diagnose,
)
from localpair.diagnosis.text import to_text
from localpair.errors import LocalError
from localpair.limits import DIAGNOSIS_LEAST_S


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the checks that block for ever, once the test is over."""
    event = threading.Event()
    yield event
    event.set()


def fine(_: CheckContext, notes: CheckNotes) -> None:
    notes.fact("number", 1)
    notes.say("all is well")


def raises(error: BaseException) -> Callable[[CheckContext, CheckNotes], None]:
    def probe(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("before", "kept")
        raise error

    return probe


# -- The series ----------------------------------------------------------------------------------------------


def test_checks_run_in_order_and_each_has_its_finding() -> None:
    order: list[str] = []

    async def second(_: CheckContext, notes: CheckNotes) -> None:
        await asyncio.sleep(0)
        order.append("b")
        notes.fail("the cable is out")
        notes.say("this is not the summary of a failed check")

    def third(_: CheckContext, notes: CheckNotes) -> None:
        order.append("c")
        notes.skip("no cable here")

    report = run(
        Check("a", lambda *_: order.append("a")), Check("b", second), Check("c", third), Check("d", fine)
    )
    assert order == ["a", "b", "c"]
    assert statuses(report) == ["ok", "failed", "skipped", "ok"]
    assert [finding.summary for finding in report.findings] == [
        "",
        "the cable is out",
        "no cable here",
        "all is well",
    ]
    assert report.finding("d").facts == {"number": 1}
    assert not report.ok
    assert not report.interrupted
    starts = [finding.started for finding in report.findings]
    assert starts == sorted(starts)
    with pytest.raises(KeyError):
        report.finding("z")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        OSError(errno.EACCES, SECRET, SECRET),
        SystemExit(3),
        KeyboardInterrupt(),
        MemoryError(),
        asyncio.CancelledError(),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_check_that_raises_is_kept_and_none_stops_the_others(error: BaseException) -> None:
    async def later(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("before", "kept")
        await asyncio.sleep(0)
        raise error

    report = run(
        *(Check(f"{number}", raises(error)) for number in range(3)),
        Check("async", later),
        Check("last", fine),
    )
    assert statuses(report) == ["error"] * 4 + ["ok"]
    for finding in report.findings[:-1]:
        assert finding.facts == {"before": "kept"}
        assert finding.error is not None
        assert finding.error["type"] == type(error).__name__
        assert "test_runner.py:" in finding.summary or "runner.py" in finding.summary
    assert SECRET not in report.to_json() + to_text(report)


def test_an_error_keeps_its_number_and_an_error_of_ours_its_words() -> None:
    report = run(
        Check("system", raises(PermissionError(errno.EPERM, "x"))),
        Check("ours", raises(LocalError("port 5 is taken", hint="take another"))),
        Check("odd", raises(OSError("no number at all"))),
    )
    system, ours, odd = (dict(finding.error or {}) for finding in report.findings)
    assert (system["errno"], system["number"], system["text"]) == ("EPERM", 1, os.strerror(1))
    assert (ours["text"], ours["hint"]) == ("port 5 is taken", "take another")
    assert statuses(report) == ["error", "failed", "error"], "an error of ours is what the check found"
    assert "errno" not in odd
    assert "no number" not in str(odd)


def test_every_check_that_hangs_costs_its_time_only(release: threading.Event) -> None:
    def blocks(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("got", "so far")
        notes.say("began")
        release.wait(60)
        notes.fact("late", True)

    async def sleeps(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("got", "so far")
        await asyncio.sleep(60)

    async def blocks_its_loop(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("got", "so far")
        release.wait(60)

    async def will_not_be_cancelled(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("got", "so far")
        while not release.is_set():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    probes = [blocks, sleeps, blocks_its_loop, will_not_be_cancelled]
    started = time.monotonic()
    report = run(*(Check(probe.__name__, probe, 0.05) for probe in probes), Check("last", fine), deadline=20)
    assert time.monotonic() - started < 10
    assert statuses(report) == ["timeout"] * 4 + ["ok"]
    for finding in report.findings[:-1]:
        assert finding.facts == {"got": "so far"}
        assert "no result within" in finding.summary
    assert report.findings[0].summary.endswith("began")
    release.set()
    assert "late" not in report.findings[0].facts


def test_a_cancelled_check_may_clean_up_before_the_next_one_starts() -> None:
    order: list[str] = []

    async def tidy(_: CheckContext, __: CheckNotes) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append("closed")

    report = run(Check("tidy", tidy, 0.01), Check("next", lambda *_: order.append("next")))
    assert order == ["closed", "next"]
    assert statuses(report) == ["timeout", "ok"]


def test_late_checks_get_less_time_and_are_never_left_out(release: threading.Event) -> None:
    allowances: list[float] = []

    def hangs(_: CheckContext, notes: CheckNotes) -> None:
        allowances.append(notes.left())
        release.wait(60)

    count = 4
    deadline = DIAGNOSIS_LEAST_S * count + 1.0
    started = time.monotonic()
    report = run(*(Check(f"{number}", hangs, 30.0) for number in range(count)), deadline=deadline)
    assert statuses(report) == ["timeout"] * count
    assert time.monotonic() - started < deadline + 3
    assert DIAGNOSIS_LEAST_S + 0.3 < allowances[0] <= deadline - DIAGNOSIS_LEAST_S * (count - 1)
    assert all(0 < allowance <= DIAGNOSIS_LEAST_S for allowance in allowances[1:])


def test_no_more_threads_is_an_error_of_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert statuses(run(Check("a", fine), Check("b", fine))) == ["error", "error"]


def test_a_listener_that_fails_does_not_stop_the_series(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def listen(finding: Finding) -> None:
        seen.append(finding.name)
        raise ValueError(SECRET)

    report = run(Check("a", fine), Check("b", fine), on_finding=listen)
    assert seen == ["a", "b"]
    assert report.ok
    assert SECRET not in caplog.text


def test_each_finding_is_logged_as_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "localpair.diagnosis")
    run(Check("a", fine), Check("b", raises(ValueError())), Check("c", lambda _, notes: notes.fail("broken")))
    logged = [(record.levelno, record.getMessage().split(":")[0]) for record in caplog.records]
    assert logged == [(logging.INFO, "a"), (logging.WARNING, "b"), (logging.WARNING, "c")]


# -- Interruption --------------------------------------------------------------------------------------------


def test_cancelling_in_the_middle_returns_what_was_found(release: threading.Event) -> None:
    reached = threading.Event()

    def hangs(_: CheckContext, notes: CheckNotes) -> None:
        notes.fact("got", "so far")
        reached.set()
        release.wait(60)

    async def main() -> tuple[Report, float]:
        series = asyncio.create_task(
            diagnose(checks=[Check("a", fine), Check("b", hangs, 30), Check("c", fine), Check("d", fine)])
        )
        await asyncio.to_thread(reached.wait, 10)
        started = time.monotonic()
        series.cancel()
        return await series, time.monotonic() - started

    report, took = asyncio.run(main())
    assert took < 2
    assert report.interrupted
    assert not report.ok
    assert statuses(report) == ["ok", "cut", "skipped", "skipped"]
    assert report.finding("b").facts == {"got": "so far"}
    assert "interrupted" in report.finding("c").summary
    assert json.loads(report.to_json())["interrupted"] is True
    assert "interrupted" in to_text(report)


def test_a_time_limit_around_it_is_answered_with_the_report(release: threading.Event) -> None:
    async def main() -> Report:
        async with asyncio.timeout(0.1):
            return await diagnose(
                checks=[Check("a", fine), Check("b", lambda *_: release.wait(60) and None, 30)]
            )

    assert statuses(asyncio.run(main())) == ["ok", "cut"]


INTERRUPTED = """
import asyncio, sys, threading, time
from localpair.diagnosis import Check, diagnose
def hangs(setting, notes):
    notes.fact("got", "so far")
    print("hanging", flush=True)
    time.sleep(60)
report = asyncio.run(diagnose(checks=[Check("a", lambda s, n: None), Check("b", hangs, 40), Check("c", hangs, 40)]))
print(report.to_json(indent=None), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c_ends_it_at_once_with_the_report() -> None:
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "hanging\n"
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    report = json.loads(process.communicate(timeout=30)[0])
    assert time.monotonic() - started < 2, "a check that blocks must not keep the process"
    assert [finding["status"] for finding in report["findings"]] == ["ok", "cut", "skipped"]
    assert report["findings"][1]["facts"] == {"got": "so far"}
