"""A diagnosis ends in time and tells what it has, whatever is broken: checks that hang, permissions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from localpair.diagnosis import CHECKS, Check, CheckContext, CheckNotes, diagnose
from localpair.diagnosis.record import Status
from localpair.limits import DIAGNOSIS_LEAST_S, DIAGNOSIS_S


async def hangs(_: CheckContext, notes: CheckNotes) -> None:
    notes.fact("begun", True)
    await asyncio.Event().wait()


def test_checks_that_all_hang_cost_the_time_of_the_series_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a fiftieth of the real times: all of them hang, and each of the real checks has its own deadline."""
    scale = 50
    monkeypatch.setattr("localpair.diagnosis.runner.DIAGNOSIS_LEAST_S", DIAGNOSIS_LEAST_S / scale)
    monkeypatch.setattr("localpair.diagnosis.runner._GRACE_S", 0.2 / scale)
    checks = [Check(one.name, hangs, one.deadline / scale) for one in CHECKS]
    assert sum(one.deadline for one in CHECKS) > DIAGNOSIS_S, "else the bound of the series is never met"
    started = time.monotonic()
    report = asyncio.run(
        diagnose(checks=checks, setting=CheckContext(discover=None), deadline=DIAGNOSIS_S / scale)
    )
    took = (time.monotonic() - started) * scale
    assert [one.status for one in report.findings] == [Status.TIMEOUT] * len(CHECKS)
    assert all(one.facts["begun"] for one in report.findings)
    assert took < 2 * DIAGNOSIS_S, "starting threads costs as much at a fiftieth as in real time"


def test_the_time_that_checks_get_is_never_more_than_the_series_has() -> None:
    """By a clock that stands for the longest that each may take."""
    now, left = 0.0, []
    for place, one in enumerate(CHECKS):
        reserved = DIAGNOSIS_LEAST_S * (len(CHECKS) - place - 1)
        given = max(DIAGNOSIS_LEAST_S, min(one.deadline, DIAGNOSIS_S - now - reserved))
        left.append(given)
        now += given
    assert now <= DIAGNOSIS_S
    assert min(left) >= DIAGNOSIS_LEAST_S


def test_a_folder_that_nobody_may_read_is_a_finding_and_no_end(tmp_path: Path) -> None:
    folder = tmp_path / "file" / "state"
    (tmp_path / "file").write_text("in the way")
    setting = CheckContext(folder=folder, discover=None)
    report = asyncio.run(
        diagnose(checks=[one for one in CHECKS if one.name in ("state", "interfaces")], setting=setting)
    )
    assert [one.name for one in report.findings] == ["state", "interfaces"]
    assert report.finding("state").status is not Status.ERROR
    assert "interfaces" in report.finding("interfaces").facts
