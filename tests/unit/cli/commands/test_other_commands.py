"""``discover``, ``addresses``, ``diagnose``, ``devices``, ``send`` and ``listen``."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    NEARBY,
    OWN,
    READY,
    Api,
    Session,
    Settings,
)
from localpair import events
from localpair.candidate import Evidence
from localpair.choices.selection import Selection
from localpair.cli import main
from localpair.diagnosis.record import Finding, Report, Status
from localpair.diagnosis.text import to_text
from localpair.errors import (
    TransferError,
)
from localpair.net.agent.gathering import AddressReport
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore

if TYPE_CHECKING:
    pass
from cli_typing import RECEIVED, _json


def test_discover_lists_who_is_near(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.heard = [READY, events.PeerFound(NEARBY), events.PeerFound(NEARBY, hears_us=True)]
    assert main(["discover"], api) == 0
    assert capsys.readouterr().out == "amber falcon, looks for an offer, at 192.168.1.7\n1 device heard.\n"
    assert main(["discover", "--json"], api) == 0
    lines = _json(capsys)
    assert [line["event"] for line in lines] == ["ready", "peer", "peer", "verdict", "done"]
    assert (lines[-2]["verdict"], lines[-2]["devices"]) == ("heard", 1)
    api.heard = []
    assert main(["discover", "--json", "--timeout", "0.1"], api) == 0
    assert (_json(capsys)[-2]["verdict"], api.heard) == ("nobody-heard", [])


def test_discover_tells_that_sealed_devices_are_near(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.heard = [READY, events.SealedHeard()]
    assert main(["discover"], api) == 0
    said = capsys.readouterr().out
    assert said.startswith("Somebody is near, but keeps to itself")
    assert "No device" not in said
    assert main(["discover", "--json"], api) == 0
    _, sealed, verdict, _ = _json(capsys)
    assert sealed.keys() == {"event", "t"}
    assert (verdict["verdict"], verdict["devices"], verdict["sealed"]) == ("only-sealed", 0, True)
    api.heard = [READY, events.PeerFound(NEARBY), events.SealedHeard()]
    assert main(["discover"], api) == 0
    assert "1 device heard. Others are near" in capsys.readouterr().out


def test_addresses_shows_every_try_and_the_best(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    tries = (
        events.AddressAttempt(1, None, None, "failed", "no route", 0.1),
        events.AddressAttempt(
            2, OWN.address, "eth0", "confirmed", "ok", 1.0, "private", Evidence.SELF_CONFIRMED
        ),
        events.AddressAttempt(2, ip_address("8.8.8.8"), "ppp0", "dropped", "global", 0.0, "global"),
    )
    api.report = AddressReport(tries, 2, (OWN,))
    assert main(["addresses"], api) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stage", "1", "-", "-", "failed", "no", "route"]
    assert len(lines) == 4
    assert lines[-1] == "Best: 192.168.1.20 on eth0 (private, self-confirmed)."
    assert main(["addresses", "--json"], api) == 0
    shown = _json(capsys)
    assert [line["event"] for line in shown] == ["address"] * 3 + ["verdict", "done"]
    assert (shown[-2]["verdict"], shown[-2]["stage"]) == ("found", 2)
    api.report = AddressReport(tries[:1], None, ())
    assert main(["addresses", "--json"], api) == 0
    assert _json(capsys)[-2]["verdict"] == "no-address"


def _report(*statuses: Status) -> Report:
    findings = tuple(Finding(f"check{n}", status, 0.0, 1.0, "said") for n, status in enumerate(statuses))
    return Report("id", "1", "2030-01-01", 5.0, findings)


def test_diagnose_shows_the_report_and_writes_it(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.report = _report(Status.OK, Status.FAILED, Status.SKIPPED)
    api.findings = api.report.findings
    assert main(["diagnose", "--json", "--output", str(tmp_path / "r.json")], api) == 0
    lines = _json(capsys)
    assert [line["event"] for line in lines] == ["check"] * 3 + ["verdict", "done"]
    assert (lines[-2]["verdict"], lines[-2]["faults"]) == ("faults", ["check1"])
    assert json.loads((tmp_path / "r.json").read_text()) == api.report.to_dict()
    assert main(["diagnose", "--output", str(tmp_path / "r.txt")], api) == 0
    said = capsys.readouterr()
    assert to_text(api.report) in said.out
    assert (tmp_path / "r.txt").read_text() == to_text(api.report)
    assert "Checked check1: failed" in said.err
    assert main(["diagnose", "--output", str(tmp_path / "missing" / "r.txt"), "--json"], api) == 2
    assert _json(capsys)[-1]["reason"] == "usage"
    assert api.diagnosed == 2, "what cannot be written is told before anything is measured"


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_redacted_report_shows_and_writes_no_address(
    form: list[str], api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding("interfaces", Status.OK, 0.0, 1.0, "192.168.1.77 is up", {"address": "192.168.1.77/24"})
    api.report, api.findings = Report("id", "1", "2030-01-01", 5.0, (finding,)), [finding]
    for name in ("r.json", "r.txt"):
        assert main(["diagnose", "--redact", "--output", str(tmp_path / name), *form], api) == 0
        written, said = (tmp_path / name).read_text(), capsys.readouterr()
        for text in (written, said.out, said.err):
            assert "192.168.1.77" not in text
        assert "192.168.1.x" in written
        assert "192.168.1.x" in said.out
        assert ("check" in [json.loads(line)["event"] for line in said.out.splitlines()]) if form else True


def test_devices_are_listed_renamed_revoked_and_forgotten(
    api: Api, paired: DeviceRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices"], api) == 0
    assert capsys.readouterr().out.startswith(f"Anna's laptop  {paired.device_id}  paired")
    assert main(["devices", "rename", paired.device_id[:6], "kitchen"], api) == 0
    assert "renamed to kitchen" in capsys.readouterr().err
    assert main(["devices", "list", "--json"], api) == 0
    (device, _) = _json(capsys)
    assert (device["name"], device["label"], device["state"]) == ("kitchen", "Anna's laptop", "paired")
    assert main(["devices", "revoke", "kitchen", "--json"], api) == 0
    assert _json(capsys)[0]["state"] == "revoked"
    assert TrustStore(api.home).get("kitchen").state is DeviceState.REVOKED
    assert main(["devices", "forget", "kitchen", "--json"], api) == 0
    assert TrustStore(api.home).devices() == ()
    capsys.readouterr()
    assert main(["devices", "forget", "kitchen", "--json"], api) == 2
    assert _json(capsys)[-1]["reason"] == "usage"


def test_no_devices_are_said_to_be_none(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices"], api) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "No device has been paired" in said.err


def test_send_reaches_the_device_that_is_meant(
    api: Api, paired: DeviceRecord, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", "Anna's laptop", str(file), "--timeout", "3", "--json"], api) == 0
    assert api.reached == paired.device_id
    assert api.pairing.session_.sent == [file]
    assert api.settings == Settings(timeout=3.0, gives=True)
    capsys.readouterr()
    assert main(["send", "Anna's laptop", str(file), "--exclude", "*.o"], api) == 0
    assert api.pairing.session_.selection == Selection(("*.o",))
    assert main(["send", "nobody", str(file), "--json"], api) == 2
    assert main(["send", "Anna's laptop", str(file.parent / "missing")], api) == 2


def test_a_dry_run_shows_what_would_be_sent_and_calls_nobody(
    api: Api, paired: DeviceRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    for name in (".rc", "a.txt", "b.o"):
        (folder / name).write_bytes(b"12345")
    (folder / "link").symlink_to("a.txt")
    words = ["send", "Anna's laptop", str(folder), "--exclude", "*.o", "--dry-run"]
    assert main([*words, "--json"], api) == 0
    *planned, plan, done = _json(capsys)
    assert [(Path(one["path"]).name, one["action"], one["name"], one["reason"]) for one in planned] == [
        ("d", "send", "d", ""), (".rc", "send", "d/_.rc", ""), ("a.txt", "send", "d/a.txt", ""),
        ("b.o", "skip", "", "excluded"), ("link", "skip", "", "link"),
    ]  # fmt: skip
    assert [one["renamed"] for one in planned] == [False, True, False, False, False]
    assert (plan["event"], plan["files"], plan["folders"], plan["bytes"]) == ("plan", 2, 1, 10)
    assert (plan["renamed"], plan["skipped"]) == (1, {"excluded": 1, "link": 1})
    assert done["event"] == "done"
    assert main(words, api) == 0
    shown = capsys.readouterr().out
    assert f"send  {folder}/.rc (5 bytes) as d/_.rc\n" in shown
    assert f"skip  {folder}/link (link)\n" in shown
    assert "Would send 2 files, 10 bytes, in 1 folder.\n1 under another name than here.\n" in shown
    assert "1 link left out (--links).\n" in shown
    assert api.reached == ""
    assert main([*words[:1], "nobody", *words[2:]], api) == 2


def test_listen_serves_until_the_time_is_up_and_one_failure_ends_alone(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.listened = [Session([RECEIVED], TransferError("broke")), Session([RECEIVED])]
    assert (
        main(["listen", "--receive", str(tmp_path / "in"), "--timeout", "0.2", "--yes", "--json"], api) == 0
    )
    lines = _json(capsys)
    assert sum(line["event"] == "paired" for line in lines) == 2
    closed = [line for line in lines if line["event"] == "closed"]
    assert sorted(str(line["failure"] and line["failure"]["reason"]) for line in closed) == [
        "None",
        "transfer",
    ]
    assert [session.received_into for session in api.listened] == [tmp_path / "in"] * 2


def test_listen_once_ends_with_the_first_device(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["listen", "--receive", str(tmp_path), "--once", "--yes", "--json"]
    api.listened = [Session([RECEIVED]), Session()]
    assert main(words, api) == 0
    assert [session.closed for session in api.listened] == [1, 0]
    api.listened = [Session([RECEIVED], TransferError("broke"))]
    assert main(words, api) == 5
    api.listened = []
    capsys.readouterr()
    assert main([*words, "--timeout", "0.1"], api) == 3
    assert _json(capsys)[-1]["reason"] == "unreachable"
