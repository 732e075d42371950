"""Diagnosis: whatever a check does, the report comes, holds the evidence, and holds no secret."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.address import normalise
from localpair.candidate import Candidate, Evidence, Interface, Origin
from localpair.diagnosis import (
    CHECKS,
    Check,
    Finding,
    Notes,
    Report,
    Setting,
    Status,
    diagnose,
    probes_host,
    probes_links,
)
from localpair.diagnosis.evidence import outcome, plain, word
from localpair.diagnosis.policy_rules import rule_facts
from localpair.diagnosis.redaction import Redactor
from localpair.diagnosis.text import to_text
from localpair.errors import LocalError
from localpair.events import Event, NearbyPeer, OwnAddressSeen, PeerFound, SealedHeard
from localpair.keys import DeviceIdentity, Role
from localpair.limits import DIAGNOSIS_LEAST_S
from localpair.net.host.interfaces import Interfaces, Skipped
from localpair.net.host.policy_rules import parse_rule
from localpair.net.netcheck.port_holders import can_pair, port_holders, try_discovery_port, try_port
from localpair.net.netcheck.self_listener import Mirror
from localpair.net.netcheck.timed import Try, attempt
from localpair.net.transport.sockets import open_sockets
from localpair.net.transport.tcp import connect
from localpair.trust.store import DeviceRecord, TrustStore
from netns import Lan, find_tool, lan

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the checks that block for ever, once the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def run(*checks: Check, **options: Any) -> Report:
    return asyncio.run(diagnose(checks=checks, **options))


def fine(_: Setting, notes: Notes) -> None:
    notes.fact("number", 1)
    notes.say("all is well")


def raises(error: BaseException) -> Callable[[Setting, Notes], None]:
    def probe(_: Setting, notes: Notes) -> None:
        notes.fact("before", "kept")
        raise error

    return probe


def quiet(folder: Path) -> Setting:
    """All checks, without the seconds that looking for others takes."""
    return Setting(folder=folder, discover=None)


PATIENT = tuple(replace(check, deadline=30.0) for check in CHECKS)


def diagnose_here(folder: Path) -> Report:
    """Every check for real, in the namespace that this process has to itself, with time for a busy machine."""
    return asyncio.run(diagnose(checks=PATIENT, setting=quiet(folder), deadline=300.0))


def statuses(report: Report) -> list[str]:
    return [finding.status.value for finding in report.findings]


# --- The series ------------------------------------------------------------------------------------------------


def test_checks_run_in_order_and_each_has_its_finding() -> None:
    order: list[str] = []

    async def second(_: Setting, notes: Notes) -> None:
        await asyncio.sleep(0)
        order.append("b")
        notes.fail("the cable is out")
        notes.say("this is not the summary of a failed check")

    def third(_: Setting, notes: Notes) -> None:
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
    async def later(_: Setting, notes: Notes) -> None:
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
        assert "test_diagnosis.py:" in finding.summary or "runner.py" in finding.summary
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
    def blocks(_: Setting, notes: Notes) -> None:
        notes.fact("got", "so far")
        notes.say("began")
        release.wait(60)
        notes.fact("late", True)

    async def sleeps(_: Setting, notes: Notes) -> None:
        notes.fact("got", "so far")
        await asyncio.sleep(60)

    async def blocks_its_loop(_: Setting, notes: Notes) -> None:
        notes.fact("got", "so far")
        release.wait(60)

    async def will_not_be_cancelled(_: Setting, notes: Notes) -> None:
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

    async def tidy(_: Setting, __: Notes) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append("closed")

    report = run(Check("tidy", tidy, 0.01), Check("next", lambda *_: order.append("next")))
    assert order == ["closed", "next"]
    assert statuses(report) == ["timeout", "ok"]


def test_late_checks_get_less_time_and_are_never_left_out(release: threading.Event) -> None:
    allowances: list[float] = []

    def hangs(_: Setting, notes: Notes) -> None:
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


# --- Interruption ----------------------------------------------------------------------------------------------


def test_cancelling_in_the_middle_returns_what_was_found(release: threading.Event) -> None:
    reached = threading.Event()

    def hangs(_: Setting, notes: Notes) -> None:
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


# --- Notes and facts -------------------------------------------------------------------------------------------


def test_bytes_are_no_fact_since_a_secret_is_bytes() -> None:
    notes = Notes(1)
    for value in (b"x", bytearray(b"x"), [b"x"], {"a": b"x"}, object()):
        with pytest.raises(TypeError):
            notes.fact("secret", value)
    assert notes.close().facts == {}


def test_values_become_plain_json() -> None:
    value = {
        "a": IPv4Address("10.0.0.1"),
        "b": (Status.OK, float("inf")),
        "c": {3, 1},
        "d": Path("/x"),
        5: None,
    }
    assert plain(value) == {"a": "10.0.0.1", "b": ["ok", None], "c": [1, 3], "d": str(Path("/x")), "5": None}


def test_a_fact_noted_earlier_is_not_changed_by_a_later_one() -> None:
    notes = Notes(1)
    notes.add("rows", 1)
    notes.add("rows", 2)
    taken = notes.close()
    notes.add("rows", 3)
    notes.say("too late")
    assert taken.facts == {"rows": [1, 2]}
    assert notes.close().summary == ""


# --- The report ------------------------------------------------------------------------------------------------


def report_of(**facts: Any) -> Report:
    finding = Finding("check", Status.FAILED, 0.0, 1.0, "192.168.1.10 is out of order", plain(facts))  # type: ignore[arg-type]
    return Report("id", "1", "2024-01-01T00:00:00+00:00", 5.0, (finding,))


def test_the_json_form_holds_everything_and_is_ascii() -> None:
    text = report_of(name="Zoë \u202e", rows=[{"a": 1}]).to_json()
    assert text.isascii()
    decoded = json.loads(text)
    assert (decoded["format"], decoded["tool"], decoded["redacted"]) == (1, "localpair", False)
    (finding,) = decoded["findings"]
    assert set(finding) == {"name", "status", "started", "ms", "summary", "facts", "error"}
    assert finding["facts"] == {"name": "Zoë \u202e", "rows": [{"a": 1}]}


def test_the_text_form_is_for_people_and_harmless() -> None:
    report = report_of(
        label="\x1b[2Jgone\n\u202e", rows=[{"address": "10.0.0.1", "up": True}], empty=[], nothing=None
    )
    text = to_text(report)
    assert "FAILED" in text
    assert "address 10.0.0.1, up yes" in text
    assert "empty" not in text
    assert "nothing" not in text
    assert all(character == "\n" or character.isprintable() for character in text)
    assert "\u202e" not in text
    assert max(map(len, text.splitlines())) <= 80


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_any_facts_can_be_shown_and_masked(value: object) -> None:
    report = report_of(value=value)
    for shown in (
        to_text(report),
        report.to_json(),
        to_text(report, redact=True),
        report.to_json(redact=True),
    ):
        assert shown


def test_masking_hides_hosts_and_keeps_networks_and_identity() -> None:
    facts = {
        "own": "192.168.1.10/24",
        "wide": "10.89.169.124/16",
        "same": "192.168.1.10 and 10.89.169.124:46821",
        "gateway": "192.168.1.1",
        "subnet": "192.168.1.0/24",
        "v6": "fe80::5c:aff:fe00:1%eth0",
        "ula": "[fd12:3456:789a:1::77]:5",
        "public": ["2a00:1450:4001::200e", "93.184.216.34"],
        "mac": "02:fc:00:00:00:01",
        "card": "enx02fc00000001",
        "constant": "224.0.0.171 255.255.255.255 ::1 127.0.0.1 ff12::6c70:6169:7273",
        "label": "Ana's laptop",
        "mapped": "::ffff:192.168.1.10",
        "time": "2024-01-02T10:11:12+00:00",
        "version": "3.0.19",
    }
    masked = report_of(**facts).redact()
    shown = dict(masked.findings[0].facts)
    for secret in (
        "1.10",
        "169.124",
        "5c:aff",
        "::77",
        "1450",
        "93.184",
        "02:fc",
        "02fc",
        "Ana",
        '192.168.1.1"',
    ):
        assert secret not in masked.to_json(), secret
        assert secret not in to_text(masked), secret
    own, wide = str(shown["own"]).removesuffix("/24"), str(shown["wide"]).removesuffix("/16")
    assert own.startswith("192.168.1.x")
    assert wide.startswith("10.89.x.x")
    assert shown["same"] == f"{own} and {wide}:46821"
    assert shown["mapped"] == own
    assert masked.findings[0].summary == f"{own} is out of order"
    assert str(shown["mac"]).strip("()") in str(shown["card"])
    assert shown["subnet"] == facts["subnet"]
    assert shown["constant"] == facts["constant"]
    assert (shown["time"], shown["version"]) == (facts["time"], facts["version"])
    assert json.loads(masked.to_json())["redacted"] is True
    assert masked.to_dict(redact=True) == masked.to_dict()


@given(
    st.ip_addresses(),
    st.sampled_from(["{}", "at {}.", "[{}]:80", "({})", "{}: refused", "{}, {}", "'{}'", "{}/64"]),
)
def test_no_local_or_global_address_survives_masking(address: Any, around: str) -> None:
    text = around.format(address, address)
    masked = Redactor().text(text)
    kept = normalise(str(address))
    if int(address) % (2**64 if address.version == 6 else 2**8) == 0:
        return  # a network and no host
    if kept.is_multicast or kept.is_loopback or kept.is_unspecified or str(kept) == "255.255.255.255":
        return
    documentation = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"]
    if any(kept.version == net.version and kept in net for net in map(ip_network, documentation)):
        return
    assert str(address) not in masked


def test_names_of_people_and_hosts_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "anastasia"
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(platform, "node", lambda: "anas-laptop.example.org")
    report = report_of(folder=str(home / ".local"), note="on ANAS-LAPTOP by anastasia", other="banastasian")
    shown = dict(report.redact().findings[0].facts)
    assert str(shown["folder"]).startswith("~")
    assert shown["note"] == "on (host) by (user)"
    assert shown["other"] == "banastasian"


# --- The checks, where everything fails ------------------------------------------------------------------------


def test_the_series_holds_what_the_origin_lists() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    assert {
        "interfaces",
        "routes",
        "addresses",
        "ports",
        "self-call",
        "multicast",
        "broadcast",
        "discovery",
    } <= set(names)
    assert {"versions", "clock", "environment", "state", "kernel", "firewall"} <= set(names)


@pytest.mark.isolated
def test_a_host_that_refuses_every_socket_is_still_reported(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    real = socket.socket

    def refuse(family: int = -1, *arguments: Any, **options: Any) -> socket.socket:
        if family != getattr(socket, "AF_UNIX", None):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(family, *arguments, **options)

    async def main() -> Report:
        monkeypatch.setattr(socket, "socket", refuse)
        return await diagnose(checks=PATIENT, setting=quiet(folder), deadline=300.0)

    report = asyncio.run(main())
    assert [finding.name for finding in report.findings] == [check.name for check in CHECKS]
    assert "cut" not in statuses(report)
    for name in ("ports", "addresses", "self-call"):
        assert report.finding(name).status is Status.FAILED
    assert "no port can be opened" in report.finding("self-call").summary
    assert "EPERM" in str(report.finding("ports").facts)


@pytest.mark.isolated
def test_an_enumeration_that_breaks_spoils_no_other_check(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def broken() -> Interfaces:
        raise OSError(errno.EACCES, "denied")

    monkeypatch.setattr(probes_links, "read_interfaces", broken)
    report = diagnose_here(folder)
    assert report.finding("interfaces").status is Status.ERROR
    assert report.finding("interfaces").error is not None
    assert (report.finding("interfaces").error or {})["errno"] == "EACCES"
    assert report.finding("versions").status is Status.OK
    assert report.finding("self-call").status is Status.OK


def test_interfaces_that_could_not_be_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    partial = Interfaces(skipped=(Skipped("eth9", "no such device"),), source="portable")
    monkeypatch.setattr(probes_links, "read_interfaces", lambda: partial)
    (finding,) = run(Check("interfaces", probes_links.interfaces)).findings
    assert finding.status is Status.FAILED
    assert finding.facts["not_read"] == [{"name": "eth9", "reason": "no such device"}]


@pytest.mark.isolated
def test_no_name_is_ever_resolved(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    asked: list[str] = []
    for name in (
        "getaddrinfo",
        "gethostbyname",
        "gethostbyname_ex",
        "gethostbyaddr",
        "getnameinfo",
        "getfqdn",
    ):
        monkeypatch.setattr(socket, name, lambda *_, name=name, **__: asked.append(name))
    report = diagnose_here(folder)
    to_text(report, redact=True)
    assert asked == []
    assert "error" not in statuses(report)


# --- The checks of the host ------------------------------------------------------------------------------------


def test_proxies_are_named_and_their_values_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTPS_PROXY",
        "https_proxy",
        "No_Proxy",
        "LOCALPAIR_OFFER",
        "SSLKEYLOGFILE",
        "SSH_CONNECTION",
    ):
        monkeypatch.setenv(name, f"http://user:{SECRET}@192.168.1.99:8080")
    monkeypatch.setenv("ALL_PROXY", "")
    monkeypatch.delenv("LOCALPAIR_HOME", raising=False)
    (finding,) = run(Check("environment", probes_host.environment)).findings
    assert finding.facts["proxy_variables"] == ["https_proxy", "no_proxy"]
    assert finding.facts["variables"] == ["LOCALPAIR_OFFER", "SSLKEYLOGFILE", "SSH_CONNECTION"]
    assert "https_proxy" in finding.summary
    assert SECRET not in str(finding.to_dict())


@pytest.mark.parametrize(
    ("year", "status"), [(1970, Status.FAILED), (2025, Status.OK), (2137, Status.FAILED)]
)
def test_an_impossible_date_is_a_finding(year: int, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    class Frozen(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(year, 1, 1, tzinfo=tz)

    monkeypatch.setattr(probes_host, "datetime", Frozen)
    (finding,) = run(Check("clock", probes_host.clock)).findings
    assert finding.status is status


def state_finding(folder: Path) -> Finding:
    return run(Check("state", probes_host.state_on_disk), setting=Setting(folder=folder)).findings[0]


def pair(store: TrustStore) -> DeviceRecord:
    identity = DeviceIdentity.generate()
    store.record_unconfirmed(
        DeviceRecord(identity.device_id, identity.public, os.urandom(32), Role.ISSUER, label="Ana's laptop")
    )
    return store.confirm(identity.device_id)


def test_the_state_is_looked_at_and_not_touched(folder: Path) -> None:
    assert state_finding(folder).summary == "nothing is stored yet"
    assert not folder.exists()
    store = TrustStore(folder)
    secret, device = store.identity(), pair(store)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    finding = state_finding(folder)
    assert finding.status is Status.OK
    assert finding.facts["devices"] == {"paired": 1}
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    for hidden in (secret.hex(), device.pair_key.hex(), device.public_key.hex(), device.device_id, "Ana"):
        assert hidden not in str(finding.to_dict())


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_faults_of_the_state_are_found(folder: Path) -> None:
    store = TrustStore(folder)
    pair(store)
    store.identity()
    (folder / "trust.json").write_bytes((folder / "trust.json").read_bytes()[:-20])
    (folder / "device.key").write_bytes(b"short")
    (folder / "device.key").chmod(0o644)
    finding = state_finding(folder)
    assert finding.status is Status.FAILED
    for fault in (
        "trust.json is broken",
        "device.key can be read by others",
        "device.key does not hold a key",
    ):
        assert fault in finding.summary
    assert (folder / "trust.json").exists(), "a check moves nothing aside"


@pytest.mark.isolated
def test_no_planted_secret_reaches_a_report_or_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = TrustStore(folder)
    key, device = store.identity(), pair(store)
    for name in list(os.environ):
        if "PROXY" in name.upper():
            monkeypatch.delenv(name)
    for name in (
        "HTTP_PROXY",
        "LOCALPAIR_OFFER",
        "SSH_CONNECTION",
        "container",
        "KUBERNETES_SERVICE_HOST",
        "TOKEN",
    ):
        monkeypatch.setenv(name, f"{SECRET}-{name}")
    (folder / "trust.json").write_bytes((folder / "trust.json").read_bytes()[:-4])
    (folder / "trust.json.broken-1").write_text(SECRET)
    report = diagnose_here(folder)
    everything = report.to_json() + to_text(report) + report.to_json(redact=True) + repr(report) + caplog.text
    for secret in (key, device.pair_key):
        for form in (secret.hex(), repr(secret)[2:-1], secret.hex().upper()):
            assert form not in everything
    assert SECRET not in everything


# --- Discovery, injected ---------------------------------------------------------------------------------------


def nearby(instance: str, label: str = "") -> NearbyPeer:
    candidate = Candidate(
        ip_address("192.168.1.20"), 46821, origin=Origin.BEACON_SOURCE, evidence=Evidence.SEEN_OVER_UDP
    )
    return NearbyPeer(instance, "calm otter", "host", 46821, (candidate,), label)


def discovery_with(*events: Event, hang: bool = False) -> Finding:
    async def discover(_: float) -> AsyncIterator[Event]:
        for event in events:
            yield event
        if hang:
            await asyncio.sleep(60)

    check = next(check for check in CHECKS if check.name == "discovery")
    short = Check(check.name, check.probe, 1.0)
    return run(short, setting=Setting(discover=discover)).findings[0]


def test_discovery_counts_who_is_found_and_who_hears_us() -> None:
    finding = discovery_with(
        PeerFound(nearby("aa", "Ana's laptop")),
        PeerFound(nearby("bb")),
        PeerFound(nearby("aa", "Ana's laptop"), hears_us=True),
        PeerFound(nearby("aa", "Ana's laptop")),
        OwnAddressSeen(ip_address("192.168.1.10"), Evidence.SEEN_OVER_UDP, "192.168.1.20"),
    )
    assert finding.status is Status.OK
    assert finding.summary == "2 found, 1 of them told that they hear us"
    peers: Any = finding.facts["peers"]
    assert [(peer["instance"], peer["hears_us"]) for peer in peers] == [("aa", True), ("bb", False)]
    assert finding.facts["seen_at"] == [
        {"address": "192.168.1.10", "evidence": "seen-over-udp", "by": "192.168.1.20"}
    ]
    masked = Report("i", "1", "", 0, (finding,)).to_json(redact=True)
    assert "Ana" not in masked


def test_discovery_says_that_sealed_devices_are_near_and_nothing_else() -> None:
    finding = discovery_with(SealedHeard())
    assert finding.status is Status.OK
    assert "somebody is near, but keeps to itself" in finding.summary
    assert {name: value for name, value in finding.facts.items() if name != "seconds"} == {"sealed": True}
    assert "others are near" in discovery_with(SealedHeard(), PeerFound(nearby("aa"))).summary


@pytest.mark.parametrize("hang", [False, True])
def test_an_empty_network_is_no_fault(hang: bool) -> None:
    finding = discovery_with(hang=hang)
    assert finding.status is Status.OK
    assert "nobody was found" in finding.summary


def test_without_discovery_the_check_says_so() -> None:
    assert run(CHECKS[-1], setting=Setting(discover=None)).findings[0].status is Status.SKIPPED


# --- The kernel's settings -------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's settings")
@pytest.mark.parametrize(
    ("of_all", "own", "strict"), [(0, 1, True), (1, 0, True), (1, 2, False), (2, 1, False)]
)
def test_the_larger_reverse_path_filter_holds(
    of_all: int, own: int, strict: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("all", of_all), ("default", 1), ("eth7", own)):
        (tmp_path / "ipv4/conf" / name).mkdir(parents=True)
        (tmp_path / "ipv4/conf" / name / "rp_filter").write_text(f"{value}\n")
    (tmp_path / "bridge").mkdir()
    (tmp_path / "bridge/bridge-nf-call-iptables").write_text("1\n")
    monkeypatch.setattr(probes_links, "_KERNEL", tmp_path)
    monkeypatch.setattr(probes_links, "read_interfaces", lambda: Interfaces((Interface(7, "eth7"),)))
    (finding,) = run(Check("kernel", probes_links.kernel)).findings
    assert ("strict reverse path filter on eth7" in finding.summary) is strict
    assert "bridge-nf-call" in finding.summary
    assert "IPv6 is switched off" in finding.summary


# --- Calls to oneself ------------------------------------------------------------------------------------------


@pytest.mark.isolated
def test_a_call_is_confirmed_only_by_our_own_listener() -> None:
    async def parrot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    async def main() -> tuple[str, ...]:
        loopback = ip_address("127.0.0.1")
        async with Mirror() as mirror, await asyncio.start_server(parrot, "127.0.0.1", 0) as other:
            own = await mirror.call(loopback)
            echoed = await mirror.call(loopback, port=other.sockets[0].getsockname()[1])
            return word(own.error), word(echoed.error), word((await mirror.datagram(loopback)).error)

    assert asyncio.run(main()) == ("ok", "ECONNRESET", "ok")


@pytest.mark.isolated
def test_a_call_that_nobody_answers_says_so() -> None:
    async def main() -> tuple[str, str]:
        loopback = ip_address("127.0.0.1")
        with socket.socket() as silent, socket.socket() as closed:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            closed.bind(("127.0.0.1", 0))
            async with Mirror() as mirror:
                tries = [await mirror.call(loopback, port=one.getsockname()[1]) for one in (silent, closed)]
        return word(tries[0].error), word(tries[1].error)

    assert asyncio.run(main()) == ("ETIMEDOUT", "ECONNREFUSED")


@pytest.mark.isolated
def test_strangers_hear_nothing_and_do_not_keep_us_from_ourselves() -> None:
    async def main() -> None:
        async with Mirror() as mirror:
            strangers = [await connect(ip_address("127.0.0.1"), mirror.port) for _ in range(40)]
            loop = asyncio.get_running_loop()
            for stranger in strangers:
                with stranger:
                    try:
                        await loop.sock_sendall(stranger, b"let me in, please")
                        assert await loop.sock_recv(stranger, 100) == b""
                    except (ConnectionResetError, BrokenPipeError):
                        pass  # closed before what it said was read
            assert (await mirror.call(ip_address("127.0.0.1"))).ok

    asyncio.run(main())


# --- Ports -----------------------------------------------------------------------------------------------------


@pytest.mark.isolated
def test_a_number_that_somebody_has_in_one_family_is_no_pairing_port() -> None:
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        held.listen()
        port = held.getsockname()[1]
        taken = try_port(port)
        (holder,) = port_holders({port})
    assert {(one.kind, one.version) for one in taken if one.tried.refused} == {("tcp", 4)}
    assert not can_pair(taken)
    assert (holder.port, holder.process) == (port, os.getpid())
    assert can_pair(try_port(port)), "it was held for a moment only"


@pytest.mark.isolated
def test_the_discovery_port_is_shared_with_another_instance() -> None:
    assert not any(port.others for port in try_discovery_port())
    other = open_sockets()
    try:
        seen = try_discovery_port()
    finally:
        other.close()
    assert seen
    assert all(port.shared.ok and port.others for port in seen)


def test_where_no_socket_is_allowed_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    tried = try_port(46821)
    assert {word(one.tried.error) for one in tried} == {"EPERM"}
    assert not can_pair(tried)


def test_a_try_keeps_what_the_system_said() -> None:
    def fail() -> None:
        raise OSError(errno.EHOSTUNREACH, SECRET)

    refused = outcome(attempt(fail))
    assert (refused["outcome"], refused["errno"]) == ("failed", "EHOSTUNREACH")
    assert SECRET not in str(refused)
    assert outcome(Try(None, 1.23456)) == {"outcome": "ok", "ms": 1.235}
    assert word(OSError("no number at all")) == "failed"


# --- Policy rules ----------------------------------------------------------------------------------------------


def rule(*attributes: tuple[int, bytes], to: int = 0, flags: int = 0) -> bytes:
    header = struct.pack("=BBBBBBBBI", socket.AF_INET, to, 0, 0, 254, 0, 0, 1, flags)
    return header + b"".join(struct.pack("=HH", 4 + len(value), kind) + value for kind, value in attributes)


def test_a_policy_rule_is_read_with_what_restricts_it() -> None:
    read = parse_rule(
        rule(
            (6, struct.pack("=I", 5270)),
            (15, struct.pack("=I", 52)),
            (1, bytes([10, 0, 0, 0])),
            (10, struct.pack("=I", 0xCA6C)),
            to=8,
            flags=2,
        )
    )
    assert rule_facts(read) == {
        "family": 4,
        "priority": 5270,
        "table": 52,
        "not": True,
        "to": "10.0.0.0/8",
        "mark": "0xca6c",
    }
    assert not read.usual
    with pytest.raises(ValueError, match="cut off"):
        parse_rule(b"short")


def test_only_an_unrestricted_rule_of_every_host_is_usual() -> None:
    priority = (6, struct.pack("=I", 32766))
    usual = parse_rule(rule(priority))
    assert usual.usual
    assert rule_facts(usual) == {"family": 4, "priority": 32766, "table": "main"}
    assert parse_rule(rule(priority, (14, struct.pack("=I", 0xFFFFFFFF)))).usual
    suppressing = parse_rule(rule(priority, (14, struct.pack("=I", 0))))
    assert not suppressing.usual
    assert rule_facts(suppressing)["suppresses_prefixes_up_to"] == 0
    assert not parse_rule(rule(priority, (3, b"wg0\0"))).usual
    assert not parse_rule(rule(priority, flags=2)).usual
    for malformed in (rule(priority, (1, b"abc")), rule(priority, (1, bytes(4)), to=33)):
        with pytest.raises(ValueError, match=r"."):
            parse_rule(malformed)


# --- Real networks ---------------------------------------------------------------------------------------------

DIAGNOSE = """
import asyncio
from dataclasses import replace
from pathlib import Path
from localpair.candidate import Candidate
from localpair.diagnosis import CHECKS, Setting, diagnose, to_text
from ipaddress import ip_address
import json, sys
folder, wanted, peers = json.loads(sys.argv[1])
setting = Setting(folder=Path(folder), peers=tuple(Candidate(ip_address(text), 46821) for text in peers))
# Joining a group waits for every namespace that is being made or removed on the machine.
checks = [replace(check, deadline=30.0) for check in CHECKS if check.name in wanted]
report = asyncio.run(diagnose(checks=checks, setting=setting, deadline=100.0))
to_text(report)
print(report.to_json(indent=None))
"""


ALL = tuple(check.name for check in CHECKS)
QUICK = ALL[:-1]  # without the seconds that looking for others takes


def findings_in(
    host: Any, folder: Path, only: Sequence[str] = QUICK, peers: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    report = host.python(DIAGNOSE, json.dumps([str(folder), list(only), list(peers)]))
    return {finding["name"]: finding for finding in report["findings"]}


@pytest.mark.netns
def test_with_nothing_but_a_loopback_interface_every_check_has_its_say(folder: Path) -> None:
    report = diagnose_here(folder)
    assert [finding.name for finding in report.findings] == [check.name for check in CHECKS]
    by_name = {finding.name: finding.status.value for finding in report.findings}
    assert by_name["interfaces"] == "failed"
    assert by_name["addresses"] == "failed"
    assert by_name["multicast"] == by_name["broadcast"] == "skipped"
    assert by_name["ports"] == by_name["self-call"] == by_name["routes"] == "ok"
    assert not {"error", "timeout", "cut"} & set(by_name.values())


@pytest.mark.netns
def test_on_a_flat_lan_all_is_well(folder: Path) -> None:
    with lan(2, ipv6="fd12::/64", router=True) as network:
        found = findings_in(network.host(0), folder, peers=[network.host(1).address])
        assert {finding["status"] for finding in found.values()} == {"ok"}
        assert found["addresses"]["facts"]["candidates"][0]["address"] in ("192.168.1.10", "fd12::a")
        targets = found["multicast"]["facts"]["targets"]
        assert len(targets) == 3
        assert all(row["own_copy"] and row["join"] == row["send"] == "ok" for row in targets)
        (peer,) = found["routes"]["facts"]["peers"]
        assert (peer["source"], peer["interface"]) == ("192.168.1.10", "eth0")
        assert found["routes"]["facts"]["default_route_through"] == ["eth0"]


@pytest.mark.netns
def test_broken_interfaces_are_named_and_stop_nothing(folder: Path) -> None:
    with lan(1) as network:
        host = network.host(0)
        host.ip(
            "link add loose type veth peer name far",
            "addr add 172.17.0.1/16 dev loose",
            "link set loose up",
            "link add bare type bridge",
            "link set bare up",
            "link add down0 type bridge",
            "addr add 10.9.0.1/24 dev down0",
            "link set eth0 multicast off",
        )
        found = findings_in(host, folder)
        rows = {row["name"]: row for row in found["interfaces"]["facts"]["interfaces"]}
        assert {"loose", "bare", "down0", "eth0", "lo"} <= set(rows)
        assert (rows["loose"]["carrier"], rows["down0"]["up"]) == (False, False)
        assert (rows["loose"]["not_used"], rows["bare"]["not_used"]) == ("no carrier", "no address")
        assert rows["eth0"]["not_used"] == "multicast is off"
        assert found["interfaces"]["status"] == "ok"
        assert found["multicast"]["status"] == "skipped"
        assert not {"error", "timeout"} & {finding["status"] for finding in found.values()}


@pytest.mark.netns
def test_a_kill_switch_and_a_closed_firewall_leave_their_errno(folder: Path) -> None:
    find_tool("nft")
    with lan(1) as network:
        host = network.host(0)
        host.firewall()
        host.nft(
            "table inet out {\nchain o {\ntype filter hook output priority 0;\n"
            "ip daddr 239.0.0.0/8 drop\nip daddr 192.168.1.255 drop\n}\n}\n"
        )
        found = findings_in(host, folder, ["self-call", "multicast", "broadcast"])
        rows = {row["address"]: row for row in found["multicast"]["facts"]["targets"]}
        assert (rows["224.0.0.171"]["send"], rows["224.0.0.171"]["own_copy"]) == ("ok", False)
        assert rows["239.255.70.171"]["send"] == "EPERM"
        assert "239.255.70.171 on eth0: sending was refused (EPERM)" in found["multicast"]["summary"]
        assert found["broadcast"]["facts"]["targets"][0]["send"] == "EPERM"
        assert found["self-call"]["status"] == "ok", "a call to oneself does not meet the firewall"


@pytest.mark.netns
def test_a_tunnel_that_takes_the_lan_is_found(folder: Path) -> None:
    with lan(2) as network:
        host, away = network.host(0), network.namespace("vpn")
        network.cable(host, "tun0", away, "far0")
        host.ip(
            "addr add 10.8.0.6/24 dev tun0",
            "route add default via 10.8.0.1",
            "rule add pref 5270 lookup 52",
            "route add 192.168.1.0/24 dev tun0 table 52",
        )
        found = findings_in(host, folder, ["routes", "addresses"], [network.host(1).address])
        assert found["routes"]["status"] == "failed"
        assert "packets to 192.168.1.0/24 leave through tun0, not eth0" in found["routes"]["summary"]
        assert found["routes"]["facts"]["peers"][0]["interface"] == "tun0"
        assert {"family": 4, "priority": 5270, "table": 52} in found["routes"]["facts"]["policy_rules"]
        assert found["addresses"]["facts"]["stage"] == 2


@pytest.mark.netns
def test_taken_ports_are_told_with_their_holder(folder: Path) -> None:
    squat = "\n".join(
        [
            "import socket, sys",
            "held = []",
            "for kind, port in ((socket.SOCK_STREAM, 46821), (socket.SOCK_DGRAM, 46820)):",
            "    one = socket.socket(socket.AF_INET, kind); one.bind(('0.0.0.0', port)); held.append(one)",
            "held[0].listen()",
            "print('ready', flush=True)",
            "sys.stdin.read()",
        ]
    )
    with lan(1) as network:
        host = network.host(0)
        squatter = host.popen([sys.executable, "-c", squat], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert squatter.stdout.readline() == b"ready\n"
        found = findings_in(host, folder, ["ports", "multicast"])
        facts = found["ports"]["facts"]
        assert found["ports"]["status"] == "failed"
        assert [row["shared"] for row in facts["discovery"] if row["family"] == "IPv4"] == ["EADDRINUSE"]
        assert 46821 not in facts["pairing_ports_free"]
        refused = [
            (row["port"], row["kind"], row["family"], row["errno"]) for row in facts["pairing_ports_refused"]
        ]
        assert refused == [(46821, "tcp", 4, "EADDRINUSE")]
        assert any(holder.startswith("46820: ") for holder in facts["holders"])
        assert {row["join"] for row in found["multicast"]["facts"]["targets"]} == {"no socket"}


CAPTURE = """
import json, socket, sys, threading
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.settimeout(0.2)
print("ready", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
seen = set()
while not stop.is_set():
    try:
        frame = sniffer.recv(2000)
    except TimeoutError:
        continue
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800:
        seen.add((4, socket.inet_ntop(socket.AF_INET, frame[30:34]), frame[23], frame[22]))
    elif kind == 0x86DD:
        seen.add((6, socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[20], frame[21]))
    else:
        seen.add((kind, "", 0, 0))
print(json.dumps(sorted(seen)), flush=True)
"""


@pytest.mark.netns
def test_no_packet_leaves_but_to_the_groups_and_the_own_broadcast_address(folder: Path) -> None:
    with lan(2, ipv6="fd12::/64", router=True) as network:
        away = network.host(1)
        capture = away.popen(
            [sys.executable, "-c", CAPTURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert capture.stdout.readline() == "ready\n"
        found = findings_in(network.host(0), folder, ALL, [away.address, "10.99.0.1", "8.8.8.8"])
        assert found["multicast"]["status"] == found["discovery"]["status"] == "ok"
        capture.stdin.close()
        packets = json.loads(capture.stdout.readline())
    udp = {(address, hops) for _, address, protocol, hops in packets if protocol == socket.IPPROTO_UDP}
    assert {address for address, _ in udp} == {
        "224.0.0.171",
        "239.255.70.171",
        "ff12::6c70:6169:7273",
        "192.168.1.255",
    }
    assert {hops for address, hops in udp if address != "192.168.1.255"} == {1}
    assert not [packet for packet in packets if packet[2] == socket.IPPROTO_TCP]
    assert {kind for kind, *_ in packets} <= {4, 6}, "not even an ARP question"


BEACONS = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
print("ready", flush=True)
while True:
    one.sendto(b"LP" + bytes([1, 1]) + bytes(316), ("224.0.0.171", 46820))
    one.sendto(b"noise", ("224.0.0.171", 46820))
    time.sleep(0.1)
"""


@pytest.mark.netns
def test_foreign_beacons_are_counted_by_kind(folder: Path) -> None:
    with lan(2) as network:
        away = network.host(1)
        sender = away.popen([sys.executable, "-c", BEACONS, away.address], stdout=subprocess.PIPE)
        assert sender.stdout.readline() == b"ready\n"
        found = findings_in(network.host(0), folder, ["multicast"])
        heard = {(row["address"], row["kind"]): row for row in found["multicast"]["facts"]["heard"]}
        beacon = heard["192.168.1.20", "localpair beacon, version 1, mode 1"]
        assert beacon["packets"] > 1
        assert beacon["this_host"] is False
        assert ("192.168.1.20", "something else") in heard


DISCOVER = """
import asyncio
from localpair import discover
async def main():
    print("ready", flush=True)
    async for _ in discover(60):
        pass
asyncio.run(main())
"""


@pytest.mark.netns
def test_a_device_that_is_there_is_found_finds_us_and_says_where(folder: Path) -> None:
    with lan(2) as network:
        other = network.host(1).popen([sys.executable, "-c", DISCOVER], stdout=subprocess.PIPE)
        assert other.stdout.readline() == b"ready\n"
        discovery = findings_in(network.host(0), folder, ["discovery"])["discovery"]
        assert discovery["status"] == "ok"
        (peer,) = discovery["facts"]["peers"]
        assert peer["hears_us"]
        assert [row["address"] for row in peer["addresses"]] == ["192.168.1.20"]
        assert {(row["address"], row["by"]) for row in discovery["facts"]["seen_at"]} == {
            ("192.168.1.10", "192.168.1.20")
        }


@pytest.mark.netns
def test_addresses_still_under_duplicate_detection_are_left_out(folder: Path) -> None:
    with Lan(1, ipv6=True, dad=True) as network:
        host = network.host(0)
        host.sysctl(net__ipv6__conf__eth0__dad_transmits=100)
        host.ip("link set eth0 down", "link set eth0 up")
        found = findings_in(host, folder, ["interfaces", "addresses", "self-call", "multicast"])
        assert {finding["status"] for finding in found.values()} == {"ok"}
        (eth0,) = [row for row in found["interfaces"]["facts"]["interfaces"] if row["name"] == "eth0"]
        assert ["tentative"] in [row["state"] for row in eth0["addresses"]]
        assert ["duplicate" in row.get("skipped", "") for row in found["self-call"]["facts"]["calls"]].count(
            True
        ) == 1
        assert {row["address"] for row in found["multicast"]["facts"]["targets"]} == {
            "224.0.0.171",
            "239.255.70.171",
        }
