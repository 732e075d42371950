"""A diagnosis ends in time and tells what it has, whatever is broken: checks that hang, a full disk, permissions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cli_fakes import Api
from localpair.cli import options
from localpair.cli.run import execute
from localpair.diagnosis import CHECKS, Check, CheckContext, CheckNotes, diagnose
from localpair.diagnosis.record import Finding, Report, Status
from localpair.limits import DIAGNOSIS_LEAST_S, DIAGNOSIS_S

REPORT = Report("id", "1", "2030-01-01", 5.0, (Finding("one", Status.OK, 0.0, 1.0, "all is well"),))


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("json", [False, True])
def test_a_full_disk_costs_the_copy_and_not_the_report(
    json: bool, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.report, api.findings = REPORT, list(REPORT.findings)
    assert execute(options.Diagnose(1.0, Path("/dev/full"), json), api) == 1
    said = capsys.readouterr()
    assert "all is well" in said.out
    assert "No space left on device" in said.err


def test_an_interruption_still_writes_the_copy(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.report = Report("id", "1", "2030-01-01", 5.0, REPORT.findings, interrupted=True)
    assert execute(options.Diagnose(1.0, tmp_path / "r.json"), api) == 0
    assert '"interrupted": true' in (tmp_path / "r.json").read_text()
    capsys.readouterr()


def test_a_folder_that_nobody_may_read_is_a_finding_and_no_end(tmp_path: Path) -> None:
    folder = tmp_path / "file" / "state"
    (tmp_path / "file").write_text("in the way")
    setting = CheckContext(folder=folder, discover=None)
    report = asyncio.run(
        diagnose(checks=[one for one in CHECKS if one.name in ("state", "interfaces")], setting=setting)
    )
    assert [one.name for one in report.findings] == ["state", "interfaces"]
    assert report.finding("interfaces").status is Status.OK
