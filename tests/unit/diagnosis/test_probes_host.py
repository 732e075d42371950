"""The checks of the host: clock, environment, state."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from diagnosing import SECRET, diagnose_here, run
from localpair.diagnosis import (
    Check,
    CheckContext,
    Finding,
    Status,
    probes_host,
)
from localpair.diagnosis.text import to_text
from localpair.keys import DeviceIdentity, Role
from localpair.trust.store import DeviceRecord, TrustStore


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
    return run(Check("state", probes_host.state_on_disk), setting=CheckContext(folder=folder)).findings[0]


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
