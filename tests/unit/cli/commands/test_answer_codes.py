"""Answer codes: typed, read from a program, shown."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    ANSWER,
    OFFER,
    PAIRED,
    READY,
    TYPICAL,
    Api,
    Request,
)
from localpair.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
from cli_typing import Typist, _json

OFFERED = (READY, OFFER, PAIRED)


def test_host_takes_answer_codes_from_a_program(
    api: Api, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(b'hello\n\n{"event": "answer", "answer": "LA:X"}\r\n\xff\nla:cea4 bkac\n')
    api.pairing.stream, api.pairing.answers_wanted = OFFERED, 2
    assert main(["host", "--yes", "--json"], api) == 0
    assert api.pairing.answers == ['{"event": "answer", "answer": "LA:X"}', "la:cea4 bkac"], "no other line"
    wrong, right = (line for line in _json(capsys) if line["event"] == "answered")
    assert (wrong["accepted"], wrong["addresses"], wrong["message"]) == (False, [], "that is no answer code")
    assert wrong["hint"]
    assert (right["accepted"], right["message"], right["hint"]) == (True, None, None)
    assert [one["address"] for one in right["addresses"]] == ["192.168.1.7"]


@pytest.mark.parametrize("data", [b"", b"no answer\n", b"\0" * 50_000 + b"\nLB: x"])
def test_other_input_does_the_host_no_harm(
    data: bytes, api: Api, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(data)
    api.pairing.stream = OFFERED
    assert main(["host", "--yes"], api) == 0
    assert not api.pairing.answers
    assert "warning" not in capsys.readouterr().err


def test_host_takes_what_a_person_types_while_the_offer_is_shown(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip first, then the code, and then the question is answered by what is typed after it alone."""
    typist = Typist(terminal, monkeypatch, "y\n")
    os.write(terminal, b"\nCEA4-BKAD\nLA:CEA4-BKAC\n")
    api.pairing.stream, api.pairing.answers_wanted = OFFERED, 2
    api.pairing.request = Request(direction="none")
    assert main(["host"], api) == 0
    assert api.pairing.answers == ["CEA4-BKAD", "LA:CEA4-BKAC"]
    assert api.pairing.approved is True
    assert typist.asked == ["Pair with this device? [y/N]"]
    said = capsys.readouterr().err
    assert "warning: that is no answer code\nhint: Compare it.\n" in said
    assert "Calling the other device at 192.168.1.7" in said


def test_the_end_of_the_terminal_before_a_question_answers_nothing(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Typist(terminal, monkeypatch, "y\n")
    os.write(terminal, b"\x04LA:CEA4-BKAC\n")
    api.pairing.stream, api.pairing.answers_wanted = OFFERED, 1
    api.pairing.request = Request(direction="none")
    assert main(["host"], api) == 0
    assert api.pairing.approved is True


def test_a_fast_answer_to_a_question_is_not_older_than_it(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been read before the question's own line of code is over."""
    from localpair.cli.terminal.keyboard import Keyboard
    from localpair.cli.terminal.messages import Talk

    read, hand_over, ask = threading.Event(), Keyboard._hand_over, Talk.ask

    def note(keyboard: Keyboard, line: str | None) -> None:
        hand_over(keyboard, line)
        if line == "y":
            read.set()

    def answer(talk: Talk, question: str) -> None:
        ask(talk, question)
        os.write(terminal, b"y\n")
        assert read.wait(10)

    monkeypatch.setattr(Keyboard, "_hand_over", note)
    monkeypatch.setattr(Talk, "ask", answer)
    os.write(terminal, b"LA:CEA4-BKAC\n")
    api.pairing.stream, api.pairing.answers_wanted = OFFERED, 1
    api.pairing.request = Request(direction="none")
    assert main(["host"], api) == 0
    assert (api.pairing.approved, api.pairing.answers) == (True, ["LA:CEA4-BKAC"])


def test_nothing_is_read_before_there_is_an_offer(api: Api, terminal: int) -> None:
    os.write(terminal, b"LA:CEA4-BKAC\n")
    assert main(["host", "--yes"], api) == 0
    assert not api.pairing.answers


@pytest.mark.parametrize("qr", ["terminal", "none", "code.svg"])
def test_join_shows_its_answer_code(
    qr: str, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    monkeypatch.chdir(tmp_path)
    api.pairing.stream = (READY, ANSWER, replace(ANSWER, text="LA:CGFA-UQAD-BLDB-WEIP"), PAIRED)
    assert main(["join", "--qr", qr], api) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == ANSWER.text
    assert "LA:CGFA-UQAD-BLDB-WEIP\n" in out
    assert "No way there yet. If the offer is still shown, type this on the other device:" in err
    assert "addresses here have changed" in err
    assert (qr == "terminal") == ("▀" in out)
    assert (tmp_path / "code.svg").exists() == (qr == "code.svg")


def test_the_answer_code_is_an_event(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    api.pairing.stream = (READY, ANSWER, PAIRED)
    assert main(["join", "--json"], api) == 0
    shown = next(line for line in _json(capsys) if line["event"] == "answer")
    assert {**shown, "t": 0} == {"event": "answer", "t": 0, "answer": ANSWER.text, "expires_in": 100.0}
    assert api.settings.attended is False
