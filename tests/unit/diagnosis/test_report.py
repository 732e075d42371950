"""A report as JSON, as text, and with masks."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.address import normalise
from localpair.causes.judge import judge
from localpair.causes.records.codec import to_dict
from localpair.causes.records.reports import read_report
from localpair.causes.records.telling import masked
from localpair.diagnosis import (
    Finding,
    Report,
    Status,
)
from localpair.diagnosis.evidence import plain
from localpair.diagnosis.redaction import Redactor
from localpair.diagnosis.text import to_text
from localpair.net.host.routes import NOBODYS_ADDRESSES
from run_facts import ALICE, BOB, ROUTER, host, joiner


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
    if kept in NOBODYS_ADDRESSES:
        return
    assert str(address) not in masked


def test_a_lan_out_of_a_block_for_documentation_is_masked_like_any_other() -> None:
    plain = Redactor().text("asked the way to 192.0.2.1 and 2001:db8::1, heard 192.0.2.20 and 198.18.5.20")
    assert plain.startswith("asked the way to 192.0.2.1 and 2001:db8::1, heard 192.0.2.x")
    assert "20" not in plain.partition("heard")[2]
    facts: dict[str, Any] = {"address": "192.0.2.20/24", "gateway": "192.0.2.1"}
    assert "192.0.2.1" not in Redactor.of_this_host([facts]).text("the router is 192.0.2.1")


def test_names_of_people_and_hosts_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "anastasia"
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(platform, "node", lambda: "anas-laptop.example.org")
    report = report_of(folder=str(home / ".local"), note="on ANAS-LAPTOP by anastasia", other="banastasian")
    shown = dict(report.redact().findings[0].facts)
    assert str(shown["folder"]).startswith("~")
    assert shown["note"] == "on (host) by (user)"
    assert shown["other"] == "banastasian"


def test_masked_reports_of_one_meeting_keep_their_facts_under_the_same_pseudonyms() -> None:
    mine, theirs = joiner(), host()
    facts = {"run": to_dict(masked(mine)), "claimed": to_dict(masked(theirs))}
    finding = Finding("discovery", Status.FAILED, 0.0, 1.0, "not reached", facts)
    whole = Report("id", "1", "2024-01-01T00:00:00+00:00", 5.0, (finding,))
    shown = whole.redact(secret=b"an offer's secret")
    assert not [place for place in (ALICE, BOB, ROUTER) if place in shown.to_json()]
    mine_there, theirs_there = read_report(shown.to_json()).facts, read_report(shown.to_json()).claimed
    assert theirs_there is not None
    assert judge(mine_there, theirs_there).causes == judge(masked(mine), masked(theirs)).causes
    other = replace(whole, findings=(replace(finding, facts={"run": facts["claimed"], "claimed": None}),))
    assert read_report(other.redact(secret=b"an offer's secret").to_json()).facts == theirs_there
    assert whole.redact().run is None, "without an offer no key is shared, and nothing would fit together"
