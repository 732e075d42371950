"""Receiving by ``host``, ``join`` and ``listen``: where, on which terms, and who is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli_fakes import PEER, TYPICAL, Api, Session
from cli_typing import RECEIVED, Typist, _json
from localpair import events
from localpair.choices.rules import Acceptance, DeviceRule
from localpair.choices.settings import ReceiveRequest
from localpair.choices.terms import Existing, NameConflict, Terms
from localpair.cli import main
from localpair.trust.store import DeviceRecord, TrustStore

SENT = events.Sent("a.txt", 5, "ab" * 32)


@pytest.mark.parametrize(
    ("inside", "landing", "why"),
    [
        (".", "localpair-received", "your home is here"),
        ("..", "localpair-received", "your home is here"),
        (".ssh", "localpair-received", "programs keep their settings here"),
        (".config/autostart", "localpair-received", "programs keep their settings here"),
        ("project", "localpair-received", ".git is here"),
        ("Downloads", "", ""),
        ("localpair-received", "", ""),
        ("new/in", "", ""),
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_what_comes_lies_in_a_folder_of_its_own_where_programs_look(
    inside: str, landing: str, why: str, allowed: bool, api: Api, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    home = tmp_path / "users" / "anna"
    for folder in ("project/.git", "Downloads/.Trash-1000", "Downloads/d"):
        (home / folder).mkdir(parents=True)
    for name in (".DS_Store", ".localized", "a.txt"):
        (home / "Downloads" / name).touch()
    monkeypatch.setenv("HOME", str(home))
    words = ["host", "--receive", str(home / inside), "--yes", *(["--allow-hidden"] if allowed else [])]
    assert main(words, api) == 0
    expected = home / inside if allowed else home / inside / landing
    assert api.pairing.session_.received_into == expected
    assert expected.is_dir()
    said = " ".join(capsys.readouterr().err.split())
    assert ("Storing in" in said) is bool(landing and not allowed)
    if landing and not allowed:
        assert f": {why}. `--allow-hidden` stores in" in said


def test_a_link_to_home_is_home(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "anna")
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    assert main(["host", "--receive", str(tmp_path / "link"), "--yes"], api) == 0
    assert (tmp_path / "anna" / "localpair-received").is_dir()


def test_the_terms_of_receiving_are_handed_on(api: Api, tmp_path: Path) -> None:
    words = ["--receive", str(tmp_path), "--max-files", "2", "--max-size", "1k", "--max-depth", "3", "--yes"]
    assert main(["host", *words], api) == 0
    assert api.pairing.session_.terms == Terms(2, 1000, 3)
    api.listened = [Session()]
    assert main(["listen", *words, "--once"], api) == 0
    assert api.listened[0].terms == Terms(2, 1000, 3)


# --- who is asked


@pytest.mark.parametrize(("typed", "stored"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
@pytest.mark.parametrize("command", ["host", "join", "listen"])
def test_the_person_who_takes_is_asked_with_sender_count_size_and_names(
    command: str, typed: str, stored: bool, api: Api, tmp_path: Path, terminal: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    typist = Typist(terminal, monkeypatch, typed)
    session = api.pairing.session_ = Session([RECEIVED])
    api.listened = [session]
    hostile = "a\x1b[2J\u202etxt"
    session.request = ReceiveRequest(replace(PEER, label="Anna\x1b[2J"), 3, 1_200_000, (hostile, "photos"), 1)
    words = [command, "--receive", str(tmp_path / "in"), *(["--once"] if command == "listen" else [])]
    assert main(words, api) == (0 if stored else 4)
    assert typist.asked == [f"Store in {tmp_path / 'in'}? [y/N]"]
    said = capsys.readouterr()
    assert (
        "Anna\\x1b[2J (3f2a-9c11-07de) wants to send 3 files, 1.2 MB: a\\x1b[2J\\u202etxt, photos and 1 more."
        in said.err
    )
    assert ("Received 1 file" in said.out) is stored
    assert ("error: not accepted" in said.err) is not stored


def test_what_is_not_counted_yet_is_asked_about_as_such(
    api: Api,
    tmp_path: Path,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Typist(terminal, monkeypatch, "y\n")
    api.pairing.session_.request = ReceiveRequest(PEER, None, None, (), 0)
    assert main(["host", "--receive", str(tmp_path), "--json"], api) == 0
    said = capsys.readouterr()
    assert "wants to send files; how many is not known yet." in said.err
    [asked] = [json.loads(line) for line in said.out.splitlines() if '"incoming"' in line]
    assert (asked["files"], asked["names"], asked["folder"]) == (None, [], str(tmp_path))


@pytest.mark.parametrize("command", ["host", "join", "listen"])
def test_without_a_terminal_receiving_needs_yes(
    command: str,
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    assert main([command, "--receive", str(tmp_path), "--json"], api) == 4
    assert api.calls == []
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["reason"] == "not-approved"
    assert "nobody can approve what is to be received: standard input is no terminal" in said.err
    assert (
        "hint: Add --yes to store whatever a paired device sends; `localpair devices rules` decides for one"
        in said.err
    )
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    session = api.pairing.session_ = Session([RECEIVED])
    api.listened = [session]
    once = ["--once"] if command == "listen" else []
    assert main([command, "--receive", str(tmp_path), "--yes", "--json", *once], api) == 0
    assert session.received_into == tmp_path
    assert not [line for line in capsys.readouterr().out.splitlines() if '"incoming"' in line]


def test_a_no_to_what_comes_is_no_reason_to_send_less(
    api: Api, file: Path, tmp_path: Path, terminal: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    Typist(terminal, monkeypatch, "n\n")
    session = api.pairing.session_ = Session([SENT])
    assert main(["host", "--send", str(file), "--receive", str(tmp_path / "in"), "--json"], api) == 4
    assert session.sent == [file]
    closed = next(line for line in _json(capsys) if line["event"] == "closed")
    assert closed["sent"] == {"files": 1, "bytes": 5}


def test_two_devices_are_asked_about_one_after_the_other(
    api: Api,
    tmp_path: Path,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typist = Typist(terminal, monkeypatch, "y\n", "n\n")
    api.listened = [Session([RECEIVED]), Session([RECEIVED])]
    assert main(["listen", "--receive", str(tmp_path), "--timeout", "0.5", "--json"], api) == 0
    assert len(typist.asked) == 2
    failures = [
        line["failure"] and line["failure"]["reason"] for line in _json(capsys) if line["event"] == "closed"
    ]
    assert sorted(map(str, failures)) == ["None", "not-approved"]


# --- names that are taken


def conflict(name: str) -> NameConflict:
    return NameConflict(Path("in") / name, 2_100_000, 1_700_000_000 * 10**9, 2_000_000, 2**64 - 1)


QUESTION = "Keep the old one, take the new one, or store both? [o/n/B]"


@pytest.mark.parametrize(
    ("typed", "resolved"),
    [
        (["o\n", "NEW\n", "\n"], [Existing.SKIP, Existing.REPLACE, Existing.RENAME]),
        (["maybe\n", "n\n", "b!\n"], [Existing.REPLACE, Existing.RENAME, Existing.RENAME]),
        (["o!\n"], [Existing.SKIP] * 3),
        (["n\n", "\x04"], [Existing.REPLACE, Existing.RENAME, Existing.RENAME]),
    ],
)
def test_a_person_says_what_becomes_of_each_file_whose_name_is_taken(
    typed: list[str], resolved: list[Existing], api: Api, tmp_path: Path, terminal: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    typist = Typist(terminal, monkeypatch, "y\n", *typed)
    api.pairing.session_.conflicts = [conflict(name) for name in ("a\x1b[2J", "b", "c")]
    assert main(["host", "--receive", str(tmp_path), "--existing", "ask"], api) == 0
    assert api.pairing.session_.resolved == resolved
    assert typist.asked[1:] == [QUESTION] * len(typed)
    said = " ".join(capsys.readouterr().err.split())
    assert "in/a\\x1b[2J is here already. The old one: 2.0 MB, 2554-07-2" in said
    assert "The new one: 2.1 MB, 2023-11-1" in said
    assert ("Please answer o, n or b" in said) is ("maybe\n" in typed)


def test_a_decision_for_all_holds_for_one_transfer(
    api: Api, tmp_path: Path, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist = Typist(terminal, monkeypatch, "y\n", "y\n", "n!\n", "o!\n")
    api.listened = [Session([RECEIVED]), Session([RECEIVED])]
    for session in api.listened:
        session.conflicts = [conflict("a"), conflict("b")]
    words = ["listen", "--receive", str(tmp_path), "--existing", "ask", "--timeout", "0.5"]
    assert main(words, api) == 0
    assert typist.asked.count(QUESTION) == 2
    assert sorted(map(str, api.listened[0].resolved + api.listened[1].resolved)) == (
        ["replace", "replace", "skip", "skip"]
    )


@pytest.mark.parametrize("command", ["host", "join", "listen"])
def test_who_cannot_be_asked_decides_beforehand(
    command: str,
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    paired: DeviceRecord,
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    # A rule answers the one question, and not the other one.
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(Acceptance.ALWAYS))
    assert main([command, "--receive", str(tmp_path / "in"), "--existing", "ask"], api) == 4
    said = capsys.readouterr().err
    assert "error: nobody can be asked about files that are there already" in said
    assert "hint: Decide beforehand, with --existing skip, replace or rename." in said
    assert main([command, "--receive", str(tmp_path / "in"), "--existing", "ask", "--yes"], api) == 2
    assert "error: --existing ask asks, and --yes says that nobody is asked" in capsys.readouterr().err
    assert api.calls == []


def test_what_was_left_out_is_counted(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = [events.Skipped("receive", name, 5, "existing") for name in ("a", "b")]
    links = [events.Skipped("send", f"link{number}", 0, "link") for number in range(7)]
    api.pairing.session_ = Session([RECEIVED, *left, *links])
    assert main(["host", "--receive", str(tmp_path), "--existing", "skip", "--yes"], api) == 0
    shown = capsys.readouterr().out
    assert "2 files not stored, since another one has the name:\n  a\n  b\n" in shown
    assert "7 links left out (--links):\n  link0\n" in shown
    assert "  link4\n  and 2 more\n" in shown
