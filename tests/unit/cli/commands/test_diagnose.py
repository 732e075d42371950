"""``localpair diagnose``: where the offer comes from, and where the report goes although something is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli_fakes import TYPICAL, Api
from localpair.cli import main
from localpair.cli.options.diagnose import Diagnose
from localpair.cli.run import execute
from localpair.diagnosis.record import Finding, Report, Status
from localpair.wire.offer import Offer

REPORT = Report("id", "1", "2030-01-01", 5.0, (Finding("one", Status.OK, 0.0, 1.0, "all is well"),))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("json", [False, True])
def test_a_full_disk_costs_the_copy_and_not_the_report(
    json: bool, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.report, api.findings = REPORT, list(REPORT.findings)
    assert execute(Diagnose(1.0, Path("/dev/full"), json=json), api) == 1
    said = capsys.readouterr()
    assert "all is well" in said.out
    assert "No space left on device" in said.err


def test_an_interruption_still_writes_the_copy(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.report = Report("id", "1", "2030-01-01", 5.0, REPORT.findings, interrupted=True)
    assert execute(Diagnose(1.0, tmp_path / "r.json"), api) == 0
    assert '"interrupted": true' in (tmp_path / "r.json").read_text()
    capsys.readouterr()


def test_it_tests_towards_the_offer_that_it_is_given(
    api: Api,
    piped: Callable[[bytes], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.report = REPORT
    assert main(["diagnose"], api) == 0
    assert api.towards is None
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    assert main(["diagnose"], api) == 0
    assert api.towards == Offer.parse(TYPICAL)
    piped(f"the offer: {TYPICAL}\n".encode())
    api.towards = None
    assert main(["diagnose", "-"], api) == 0
    assert api.towards == Offer.parse(TYPICAL)
    said = capsys.readouterr()
    assert TYPICAL not in said.out + said.err


def test_an_offer_on_the_command_line_and_two_offers_are_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", TYPICAL], api) == 2
    assert main(["diagnose", "--merge", TYPICAL], api) == 2
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    assert main(["diagnose", "-"], api) == 2
    assert api.diagnosed == 0
    assert TYPICAL not in capsys.readouterr().err
