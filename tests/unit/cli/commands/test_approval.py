"""The person is asked before data is given or a pair is made."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    OFFER,
    PAIRED,
    PEER,
    READY,
    Api,
    Request,
)
from localpair import events
from localpair.cli import main

if TYPE_CHECKING:
    pass
from cli_typing import Typist, _json


def test_without_a_terminal_giving_data_needs_yes(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", "--send", str(file)], api) == 4
    assert api.calls == []
    assert "hint: Add --yes" in capsys.readouterr().err
    api.pairing.request = Request()
    assert main(["host", "--send", str(file), "--yes", "--json"], api) == 0
    assert api.pairing.approved is True
    asked = next(line for line in _json(capsys) if line["event"] == "approval")
    assert (asked["code"], asked["direction"]) == ("483 920", "gives")


@pytest.mark.parametrize(
    ("typed", "approved"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)]
)
def test_the_person_who_gives_is_asked(
    typed: str,
    approved: bool,
    api: Api,
    file: Path,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typist = Typist(terminal, monkeypatch, typed)
    api.pairing.request = Request(peer=replace(PEER, label="Anna\x1b[2J\u202e"))
    assert main(["host", "--send", str(file)], api) == 0
    assert api.pairing.approved is approved
    assert typist.asked == ["Send to this device? [y/N]"]
    said = capsys.readouterr().err
    assert "The other device is Anna\\x1b[2J\\u202e (3f2a-9c11-07de), at 192.168.1.7:46821." in said
    assert "Code: 483 920" in said
    assert "It will receive what you send." in said


def test_the_person_is_told_beforehand_where_nothing_can_be_sent(
    api: Api, file: Path, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typist = Typist(terminal, monkeypatch, "n\n")
    api.pairing.request = Request(peer_takes=False)
    assert main(["host", "--send", str(file)], api) == 0
    assert typist.asked == ["Pair with this device? [y/N]"]
    said = capsys.readouterr().err.partition("Pair with this device?")[0]
    assert "warning: nothing can be sent: the other device was started without --receive." in said
    assert "It will receive what you send." not in said


def test_a_program_is_told_beforehand_where_nothing_can_be_sent(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.request = Request(peer_takes=False)
    assert main(["host", "--send", str(file), "--yes", "--json"], api) == 0
    assert next(line for line in _json(capsys) if line["event"] == "approval")["peer_takes"] is False


def test_a_slip_of_the_finger_is_asked_about_again(
    api: Api, file: Path, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typist = Typist(terminal, monkeypatch, "maybe\n", "yy\n", "y\n")
    api.pairing.request = Request()
    assert main(["host", "--send", str(file)], api) == 0
    assert api.pairing.approved is True
    assert typist.asked == ["Send to this device? [y/N]"] * 3
    assert "Please answer y or n; Enter alone means no." in capsys.readouterr().err


def test_what_is_given_twice_is_sent_once(
    api: Api, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    link = file.with_name("under-another-name")
    link.symlink_to(file)
    assert main(["host", "--yes", "--send", str(file), "--send", file.name, "--send", str(link)], api) == 0
    assert api.pairing.session_.sent == [file, link]
    assert f"{file.name} was given twice; it is sent once." in capsys.readouterr().err


def test_what_was_typed_before_the_question_is_no_answer(
    api: Api, file: Path, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.write(terminal, b"y\n")
    Typist(terminal, monkeypatch, "n\n")
    api.pairing.request = Request()
    assert main(["host", "--send", str(file)], api) == 0
    assert api.pairing.approved is False


@pytest.mark.parametrize("direction", ["takes", "none"])
def test_a_pair_without_data_is_asked_for_too(
    direction: str, api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist = Typist(terminal, monkeypatch, "y\n")
    api.pairing.request = Request(direction=direction)
    assert main(["host"], api) == 0
    assert api.pairing.approved is True
    assert typist.asked == ["Pair with this device? [y/N]"]


def test_the_person_sees_that_a_device_has_gone_and_the_code_with_which_it_comes_back(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    back = events.CodeShown(PAIRED.peer, "304 311", "gives", PAIRED.path, again=True)
    api.pairing.stream = (READY, OFFER, events.PeerGone(PAIRED.peer), back, PAIRED)
    assert main(["host", "--qr", "none"], api) == 0
    said = capsys.readouterr().err
    assert "has gone. Waiting for it to come back." in said
    assert "is here again." in said
    assert "Code: 304 311" in said
    assert "is being asked" not in said


def test_without_a_person_a_pair_is_not_approved(api: Api) -> None:
    api.pairing.request = Request(direction="none")
    main(["host"], api)
    assert api.pairing.approved is False
    main(["host", "--yes"], api)
    assert api.pairing.approved is True
