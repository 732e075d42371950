"""What is shown: JSON with pinned names, lines that are harmless and calm."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import places
from cli_fakes import ATTEMPT, NEARBY, OFFER, PAIRED, PATH, PEER, READY
from localpair import events
from localpair.candidate import Evidence
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Confidence, Explanation, Place
from localpair.choices.rules import DeviceRule
from localpair.choices.selection import PlannedEntry
from localpair.choices.settings import ReceiveRequest
from localpair.choices.terms import NameConflict
from localpair.cli.output import results
from localpair.cli.output.failures import explain
from localpair.cli.output.json_fields import of_item
from localpair.cli.output.jsonl import JsonLines
from localpair.cli.output.output import Output
from localpair.cli.terminal.messages import Talk
from localpair.cli.terminal.screen import nearby
from localpair.cli.terminal.text import count, printable, seconds, size, table
from localpair.diagnosis.record import Finding, Status
from localpair.errors import (
    LocalError,
    OfferError,
    Refusal,
    RefusedError,
    RemoteError,
    StateError,
    TransferError,
    UnreachableError,
    UsageError,
    WireError,
)
from run_facts import joiner

DOCUMENT = places.DOCS / "cli.md"
SENT = events.Sent("a.txt", 5, "ab" * 32)
RECEIVED = events.Received(Path("in/a.txt"), 5, "ab" * 32)
STEADY = Explanation(
    (Cause.PEER_ABSENT,), Place.BETWEEN, Confidence.LIKELY, ("nobody answers",), "it is off", "wake it"
)
ITEMS: list[results.Item] = [
    READY,
    OFFER,
    events.AddressAttempt(
        1, ip_address("10.0.0.1"), "eth0", "confirmed", "ok", 1.5, "private", Evidence.ASSIGNED
    ),
    events.OwnAddressSeen(ip_address("10.0.0.1"), Evidence.SEEN_OVER_UDP, "10.0.0.2"),
    events.PeerFound(NEARBY, heard=True, hears_us=True),
    ATTEMPT,
    events.CallFailed(ip_address("10.0.0.2"), "stranger", "expired"),
    events.Judged(judge(joiner()), {"role": "join"}),
    PAIRED,
    results.About(PEER, events.Progress("send", "a.txt", 3, None, 1)),
    results.About(PEER, SENT),
    results.About(PEER, RECEIVED),
    results.About(PEER, events.Resumed("send", "a.txt", 5)),
    results.About(PEER, events.Unchanged("send", "a.txt", 5)),
    results.About(PEER, events.Skipped("send", "a.txt", 5, "existing")),
    results.Delivered(PEER),
    results.ServiceTold("would be installed", Path("unit"), "[Unit]", ("systemctl --user daemon-reload",)),
    results.ConflictAsked(NameConflict(Path("in/a.txt"), 5, 10**18, 7, 10**18)),
    results.ListedPart("film", 2, 5, "3f2a", "kitchen", Path("in"), 1.0, "kept"),
    events.Reconnected(PATH),
    results.TrustedDevice("3f2a", "kitchen", "Anna", "paired", 1.0, 0.0, DeviceRule()),
    results.Checked(Finding("interfaces", Status.OK, 0.0, 1.0, "3 up", {"count": 3})),
    results.ApprovalAsked(PEER, "483 920", "gives", PATH),
    results.TextReceived(PEER, "hello\n"),
    results.ReceiveAsked(ReceiveRequest(PEER, 3, 5, ("a.txt",), 2), Path("in")),
    events.CodeShown(PEER, "483 920", "gives", PATH, again=True),
    events.PeerGone(PEER),
    events.PeerEnded("ab" * 16, "amber-fox"),
    events.Waiting("Trying 10.0.0.1.", STEADY, 12.0),
    events.SealedHeard(),
    results.NetworkVerdict("heard", "1 device heard.", {"devices": 1, "sealed": True}),
    PlannedEntry(Path("d/.rc"), "send", bytes=4, name="d/_.rc", renamed=True),
    results.PlanMade(1, 2, 3, 4, 5, {"excluded": 6}),
    results.SessionClosed(
        PEER,
        results.Carried().and_one(SENT),
        results.Carried().and_one(RECEIVED),
        None,
        2,
        {"existing": results.NotCarried(3)},
    ),
]


def _names(fields: dict[str, Any], prefix: str = "") -> set[str]:
    """The names of all fields, those inside objects as ``sent.files``; what peers and paths hold stands apart."""
    names: set[str] = set()
    for name, value in fields.items():
        names.add(prefix + name)
        if isinstance(value, dict) and name not in {"peer", "path", "facts"}:
            names |= _names(value, f"{prefix}{name}.")
    return names


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_every_event_and_field_is_documented(item: results.Item) -> None:
    name, fields = of_item(item)
    section = DOCUMENT.read_text("utf-8").partition(f"#### `{name}`\n")[2].partition("\n#### ")[0]
    assert section, f"docs/cli.md has no section for {name}"
    documented = set(re.findall(r"`([a-z0-9_.]+)`", section))
    assert _names(fields) <= documented


def test_the_fields_that_scripts_rely_on() -> None:
    assert of_item(READY) == (
        "ready",
        {
            "ports": {"tcp": 46821, "udp": 46821},
            "addresses": [
                {
                    "address": "192.168.1.20",
                    "port": 46821,
                    "prefix": 24,
                    "interface": "eth0",
                    "class": "private",
                    "origin": "interface",
                    "evidence": "self-confirmed",
                    "reasons": [],
                }
            ],
            "called": "",
        },
    )
    assert of_item(PAIRED) == (
        "paired",
        {
            "peer": {"device_id": "3f2a-9c11-07de", "label": "Anna's laptop"},
            "path": {
                "local": "192.168.1.20:46821",
                "remote": "192.168.1.7:46821",
                "direction": "out",
                "carrier": "multicast",
            },
            "elapsed_ms": 212.5,
        },
    )
    assert of_item(ATTEMPT)[1]["candidate"] == "192.168.1.7:46821"
    assert of_item(RECEIVED) == ("received", {"path": "in/a.txt", "bytes": 5, "sha256": "ab" * 32})


def _json_lines(items: list[results.Item], times: list[float]) -> list[dict[str, Any]]:
    stream, clock = io.StringIO(), iter(times)
    lines = JsonLines(stream, lambda: next(clock))
    for item in items:
        lines.show(item)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_an_object_with_its_event_and_time() -> None:
    shown = _json_lines([READY, PAIRED], [1.5, 2.25])
    assert [(line["event"], line["t"]) for line in shown] == [("ready", 1.5), ("paired", 2.25)]


def test_progress_is_thinned_out_and_the_end_of_a_file_is_kept() -> None:
    items = [events.Progress("send", "a", done, 10) for done in range(11)]
    shown = _json_lines(list(items), [step / 1000 for step in range(1000, 1030)])
    assert [line["bytes"] for line in shown] == [0, 10]
    items = [events.Progress("send", str(number), 1, 1) for number in range(1000)]
    shown = _json_lines(list(items), [number / 1000 for number in range(3000)])
    assert len(shown) <= 12


@given(st.text(), st.text())
def test_names_of_strangers_cannot_break_a_line(label: str, file: str) -> None:
    stream = io.StringIO()
    lines = JsonLines(stream, lambda: 0.0)
    lines.show(replace(PAIRED, peer=events.Peer("id", label)))
    lines.show(events.Sent(file, 1, ""))
    first, second = stream.getvalue().splitlines()
    assert json.loads(first)["peer"]["label"] == label
    assert json.loads(second)["path"] == file
    assert stream.getvalue().isascii()


HOSTILE = "\x1b[2J\x9b\r\b\u202egpj.exe\u2066\u200b\ud800\udcff\x00end"


@given(st.text() | st.just(HOSTILE))
def test_printable_text_neither_moves_nor_hides_nor_turns(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 200
    shown.encode("utf-8")  # lone surrogates would raise
    assert not any(character in shown for character in "\x1b\x9b\r\n\b\u202e\u2066\u200b\x00")


def test_printable_text_keeps_what_is_harmless() -> None:
    assert printable("Büro 3, 会議室 🖨") == "Büro 3, 会議室 🖨"
    assert printable("a\x1bb\udcffc\u202ed") == "a\\x1bb\\xffc\\u202ed"
    assert printable("x" * 300) == "x" * 199 + "…"


def test_sizes_times_and_tables() -> None:
    assert [size(n) for n in (0, 1, 999, 1000, 999_949, 999_950, 1_234_567, 10**15)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1.0 kB",
        "999.9 kB",
        "1.0 MB",
        "1.2 MB",
        "1000.0 TB",
    ]
    assert seconds(212.5) == "0.21 s"
    assert (count(1, "file"), count(2, "file")) == ("1 file", "2 files")
    assert table([("a", "bb", ""), ("ccc", "d", "e")]) == ["  a    bb", "  ccc  d   e"]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def _shown(item: results.Item, **options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    Output(out, err, json=False, **options).show(item)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "item",
    [
        replace(PAIRED, peer=events.Peer("id", HOSTILE)),
        events.PeerFound(replace(NEARBY, label=HOSTILE, alias=HOSTILE)),
        results.SessionClosed(
            PEER, results.Carried(1, 1, (HOSTILE,)), results.Carried(1, 1, ("x" + HOSTILE[:-4],))
        ),
        results.NetworkVerdict("x", HOSTILE),
        results.Delivered(events.Peer("id", HOSTILE), results.RunFailure("local", HOSTILE, None, 1)),
        results.About(
            events.Peer("id", HOSTILE),
            results.SessionClosed(PEER, results.Carried(1, 1, (HOSTILE,))),
            named=True,
        ),
    ],
    ids=lambda item: type(item).__name__,
)
def test_hostile_names_reach_no_terminal(item: results.Item) -> None:
    text = "".join(_shown(item))
    assert "end" in text or "gpj" in text
    assert not re.search(r"[^\n -~°-￿]|[\u202a-\u202e\u2066-\u2069\u200b]", text)
    text.encode("utf-8")


def test_the_pair_is_told_in_one_line() -> None:
    out, err = _shown(PAIRED)
    assert out == (
        "Paired with Anna's laptop (3f2a-9c11-07de) in 0.21 s, over 192.168.1.7:46821 (multicast).\n"
    )
    assert err == ""


def test_a_device_without_a_name_is_called_by_its_id() -> None:
    out, _ = _shown(replace(PAIRED, peer=events.Peer("3f2a-9c11-07de", "")))
    assert out.startswith("Paired with 3f2a-9c11-07de in ")


def test_nearby_devices_are_talk_while_pairing_and_the_result_of_discover() -> None:
    found = events.PeerFound(NEARBY)
    assert _shown(found) == ("", "Heard a device that looks for an offer, at 192.168.1.7.\n")
    assert _shown(found, listing=True) == ("amber falcon, looks for an offer, at 192.168.1.7\n", "")
    named = events.PeerFound(replace(NEARBY, label="kitchen", role="host"))
    assert _shown(named) == ("", "Heard kitchen, which makes an offer, at 192.168.1.7.\n")
    assert _shown(named, listing=True) == ("kitchen, makes an offer, at 192.168.1.7\n", "")


def test_an_address_that_is_heard_on_several_interfaces_is_listed_once() -> None:
    (own,) = NEARBY.addresses
    others = (replace(own, interface="eth1"), replace(own, address=ip_address("192.168.1.8")))
    assert nearby(replace(NEARBY, addresses=(own, *others))).endswith(", at 192.168.1.7, 192.168.1.8")


def test_a_device_says_what_others_are_shown_for_it() -> None:
    assert _shown(replace(READY, called="calm\x1botter"))[1].splitlines()[1:] == [
        "Other devices are shown this one as calm\\x1botter."
    ]
    assert len(_shown(READY)[1].splitlines()) == 1


def test_many_files_are_counted() -> None:
    many = results.Carried()
    for number in range(10_000):
        many = many.and_one(events.Sent(f"{number}.txt", 1000, ""))
    out, _ = _shown(results.SessionClosed(PEER, sent=many))
    lines = out.splitlines()
    assert lines[0] == "Sent 10000 files, 10.0 MB:"
    assert lines[-1] == "  and 9980 more"
    assert len(lines) == 22


def test_a_run_ends_once() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, json=True)
    output.failed(explain(UsageError("first", hint="h")))
    output.done()
    output.failed(explain(UsageError("second")))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["failed"]
    assert err.getvalue() == "error: first\nhint: h\n"


def test_nothing_is_written_once_the_reader_is_gone() -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    closed: list[bool] = []
    err = io.StringIO()
    output = Output(Broken(), err, json=True)
    output.on_lost = lambda: closed.append(True)
    output.show(READY)
    output.show(PAIRED)
    output.done()
    assert closed == [True]
    assert err.getvalue() == ""


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals_and_says_nothing(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    err = Terminal()
    Output(io.StringIO(), err, json=False).failed(explain(LocalError("x", hint="y")))
    assert ("\x1b[" in err.getvalue()) is coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", err.getvalue()) == "error: x\nhint: y\n"


def _failing(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001
        return raised


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (LocalError("x"), "local", 1),
        (StateError("x"), "state", 1),
        (UsageError("x"), "usage", 2),
        (OfferError("x"), "offer", 2),
        (UnreachableError("x"), "unreachable", 3),
        *((RefusedError(reason, "x"), str(reason), 4) for reason in Refusal),
        (RemoteError("x"), "protocol", 4),
        (WireError("x"), "protocol", 4),
        (TransferError("x"), "transfer", 5),
        (ExceptionGroup("g", [ValueError("y"), ExceptionGroup("h", [TransferError("x")])]), "transfer", 5),
    ],
)
def test_every_error_has_its_word_and_its_exit_code(error: Exception, reason: str, code: int) -> None:
    failure = explain(_failing(error))
    assert (failure.reason, failure.exit_code, failure.message) == (reason, code, "x")


def test_an_unexpected_error_tells_its_place_and_not_its_message() -> None:
    failure = explain(_failing(ValueError("the secret is 1234")))
    assert (failure.reason, failure.exit_code) == ("unexpected", 1)
    assert re.fullmatch(r"an unexpected ValueError in test_output.py, line \d+", failure.message)
    assert "LOCALPAIR_DEBUG=1" in str(failure.hint)


def test_an_error_of_the_system_tells_the_file() -> None:
    failure = explain(_failing(PermissionError(13, "Permission denied", "/x")))
    assert (failure.reason, failure.exit_code, failure.message) == ("local", 1, "Permission denied: /x")


class _Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


def test_long_sentences_break_between_words_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((40, 24)))
    sentence = "Paired with Anna's laptop (3f2a-9c11-07de) in 0.21 s, over 192.168.1.7:46821 (multicast)."
    for wide in (sentence, "LP:" + "A" * 100):
        for narrow in (io.StringIO(), _Terminal()):
            Talk(narrow).note(wide)
            said = narrow.getvalue().splitlines()
            assert " ".join(said) == wide
            assert (len(said) > 1) is (narrow.isatty() and " " in wide)
            assert len(said) == 1 or max(map(len, said)) <= 40
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    coloured = _Terminal()
    Talk(coloured).failure(results.RunFailure("local", "a sentence that is as wide as it", None, 1))
    assert coloured.getvalue().count("\n") == 1, "colours take no room: 39 columns of 40"
    screen = _Terminal()
    Output(screen, io.StringIO(), json=False).show(PAIRED)
    assert len(screen.getvalue().splitlines()) == 3


def test_what_is_said_while_a_question_is_open_stands_above_it() -> None:
    stream = io.StringIO()
    talk = Talk(stream)
    talk.ask("Offer:")
    talk.note("Heard somebody.")
    assert stream.getvalue() == "Offer: \nHeard somebody.\nOffer: "
    talk.answered()
    talk.note("Thanks.")
    assert stream.getvalue().endswith("\nOffer: Thanks.\n"), "the person has ended the line"
    talk.ask("Which one?")
    talk.answered(typed=False)
    talk.note("Others are near.")
    assert stream.getvalue().endswith("Which one? \nOthers are near.\n")


def test_a_question_moves_down_on_a_terminal_and_does_not_look_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = _Terminal()
    talk = Talk(stream)
    talk.ask("Offer:")
    talk.note("Heard somebody.")
    assert stream.getvalue() == "Offer: \r\x1b[2KHeard somebody.\nOffer: "
