"""Every command over a package that needs no network: what it asks for, says, refuses and ends with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pty
import sys
import threading
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli_fakes import (
    ANSWER,
    NEARBY,
    OFFER,
    OWN,
    PAIRED,
    PEER,
    READY,
    TYPICAL,
    Api,
    Pairing,
    Request,
    Session,
    Settings,
)
from localpair import events
from localpair.candidate import Evidence
from localpair.cli import main
from localpair.diagnosis.record import Finding, Report, Status
from localpair.diagnosis.text import to_text
from localpair.errors import (
    LocalError,
    Refusal,
    RefusedError,
    RemoteError,
    TransferError,
    UnreachableError,
)
from localpair.keys import DeviceIdentity, Role
from localpair.net.agent.gathering import AddressReport
from localpair.qr import read_image, write_image
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SENT = events.Sent("a.txt", 5, "ab" * 32)
RECEIVED = events.Received(Path("a.txt"), 5, "ab" * 32)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.delenv("LOCALPAIR_OFFER", raising=False)
    monkeypatch.delenv("LOCALPAIR_DEBUG", raising=False)
    return Api(tmp_path / "home")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    return path


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Lets standard input be a pipe that holds some bytes and ends."""
    with contextlib.ExitStack() as opened:

        def pipe(data: bytes) -> None:
            reading, writing = os.pipe()
            os.write(writing, data)
            os.close(writing)
            monkeypatch.setattr(sys, "stdin", opened.enter_context(os.fdopen(reading)))

        yield pipe
        _end_of_reading()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Lets standard input be a terminal; what is written to the descriptor is typed there."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
        os.close(master)
        _end_of_reading()


def _end_of_reading() -> None:
    """Wait for the threads that read standard input: its descriptor's number is about to be used again."""
    for thread in threading.enumerate():
        if thread.name == "keyboard":
            thread.join(10)
            assert not thread.is_alive()


class Typist:
    """Answers questions in the order in which they are asked, and keeps them."""

    def __init__(self, master: int, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        from localpair.cli.terminal.messages import Talk

        self.asked: list[str] = []
        left = list(answers)
        ask = Talk.ask

        def answer(talk: Talk, question: str) -> None:
            ask(talk, question)
            self.asked.append(question)
            if left:
                os.write(master, left.pop(0).encode())

        monkeypatch.setattr(Talk, "ask", answer)


def _json(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events; a run has one end, and it stands last."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [line["event"] for line in lines if line["event"] in {"done", "failed"}]
    assert ends == [lines[-1]["event"]]
    assert all(line["t"] > 0 for line in lines)
    return lines


# --- host -----------------------------------------------------------------------------------------------------


def test_host_pairs_and_says_so(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.pairing.stream = (READY, OFFER, PAIRED)
    assert main(["host", "--json"], api) == 0
    assert [line["event"] for line in _json(capsys)] == ["ready", "offer", "paired", "closed", "done"]
    assert api.settings == Settings()
    assert (api.pairing.session_.started, api.pairing.session_.closed) == (1, 1)
    assert api.calls == ["host", "closed"]


def test_host_hands_every_option_on(api: Api, file: Path, tmp_path: Path) -> None:
    words = f"host --flow post --offer-addresses none --name Kitchen --port 4000 --timeout 7 --send {file}"
    assert main([*words.split(), "--receive", str(tmp_path / "new" / "in"), "--yes", "--json"], api) == 0
    assert api.settings == Settings(
        "post", "none", "Kitchen", 4000, 7.0, gives=True, takes=True, announce_name=True
    )
    assert api.pairing.session_.sent == [file]
    assert api.pairing.session_.received_into == tmp_path / "new" / "in"
    assert (tmp_path / "new" / "in").is_dir()


def test_a_name_is_announced_to_all_in_the_post_flow_only(api: Api) -> None:
    assert main(["host", "--name", "Kitchen"], api) == 0
    assert api.settings.announce_name is False
    assert main(["host", "--flow", "post"], api) == 0
    assert api.settings.announce_name is False


def test_the_offer_is_told_as_text_and_the_code_where_it_is_wanted(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.stream = (READY, OFFER, PAIRED)
    assert main(["host"], api) == 0
    said = capsys.readouterr()
    assert TYPICAL in said.out.splitlines()
    assert "█" not in said.out
    assert main(["host", "--qr", "terminal"], api) == 0
    said = capsys.readouterr()
    assert "█▀▀▀" in said.out or "█ ▄▄▄▄▄ █" in said.out
    assert "\x1b" not in said.out
    assert said.out.index(TYPICAL) < said.out.index("█")  # the code is whole at the bottom of the screen
    assert main(["host", "--qr", "terminal", "--json"], api) == 0
    said = capsys.readouterr()
    assert "█" not in said.out
    assert "█" in said.err
    assert main(["host", "--qr", str(tmp_path / "offer.png")], api) == 0
    assert read_image(tmp_path / "offer.png") == TYPICAL


def test_a_code_that_cannot_be_written_ends_the_run(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing = Pairing((READY, OFFER), hang=True)
    assert main(["host", "--qr", str(tmp_path / "missing" / "offer.png"), "--json"], api) == 1
    assert _json(capsys)[-1]["reason"] == "local"


def test_a_transfer_is_told_file_by_file_and_summed_up(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.session_ = Session([events.Progress("send", "a.txt", 5, 5), SENT])
    assert main(["host", "--send", str(file), "--yes", "--json"], api) == 0
    lines = _json(capsys)
    assert [line["event"] for line in lines] == ["ready", "paired", "progress", "sent", "closed", "done"]
    assert lines[-2]["sent"] == {"files": 1, "bytes": 5}
    assert lines[-2]["failure"] is None
    assert main(["host", "--send", str(file), "--yes"], api) == 0
    assert "Sent 1 file, 5 bytes:\n  a.txt\n" in capsys.readouterr().out


def test_a_pair_that_the_stream_forgets_is_told_before_the_files(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing = Pairing((READY,), Session([SENT]))
    assert main(["host", "--send", str(file), "--yes", "--json"], api) == 0
    assert [line["event"] for line in _json(capsys)] == ["ready", "paired", "sent", "closed", "done"]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (LocalError("port taken"), 1, "local"),
        (UnreachableError("no path"), 3, "unreachable"),
        (RefusedError(Refusal.WRONG_SECRET, "no"), 4, "wrong-secret"),
        (RefusedError(Refusal.EXPIRED, "late"), 4, "expired"),
        (RemoteError("odd"), 4, "protocol"),
        (ValueError("surprise"), 1, "unexpected"),
        (ExceptionGroup("both", [ValueError("x"), UnreachableError("no path")]), 3, "unreachable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_pairing_that_fails_ends_with_its_exit_code(
    error: Exception, code: int, reason: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing = Pairing((READY,), error=error)
    assert main(["host", "--json"], api) == code
    last = _json(capsys)[-1]
    assert (last["reason"], last["exit_code"]) == (reason, code)
    assert "surprise" not in json.dumps(last)
    assert api.pairing.session_.closed == 0


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (TransferError("broke"), 5, "transfer"),
        (UnreachableError("gone"), 5, "transfer"),
        (RemoteError("odd"), 5, "transfer"),
        (ConnectionResetError(104, "reset"), 5, "transfer"),
        (LocalError("disk full"), 1, "local"),
        (RefusedError(Refusal.REVOKED, "no"), 4, "revoked"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_transfer_that_fails_is_told_with_what_had_arrived(
    error: Exception, code: int, reason: str, api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.session_ = Session([RECEIVED], error)
    assert main(["host", "--receive", str(tmp_path), "--json"], api) == code
    lines = _json(capsys)
    assert lines[-2]["event"] == "closed"
    assert lines[-2]["received"] == {"files": 1, "bytes": 5}
    assert lines[-2]["failure"]["reason"] in {reason, "unreachable", "protocol", "local"}
    assert (lines[-1]["reason"], lines[-1]["exit_code"]) == (reason, code)
    assert api.pairing.session_.closed == 1


@pytest.mark.parametrize("option", ["--send", "--receive"])
def test_paths_are_looked_at_before_anything_else(
    option: str, api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = file / "inside" if option == "--send" else file
    assert main(["host", option, str(wrong), "--yes", "--json"], api) == 2
    assert api.calls == []
    assert _json(capsys)[-1]["reason"] == "usage"


# --- approval -------------------------------------------------------------------------------------------------


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
    ("typed", "approved"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("yeah\n", False)]
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


# --- answer codes ---------------------------------------------------------------------------------------------

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


# --- flow post ------------------------------------------------------------------------------------------------

OTHERS = [
    NEARBY,
    replace(NEARBY, instance="c3", alias="blue wren", role="listen"),
    replace(NEARBY, instance="d4", alias="grey owl"),
]


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        (["2\n"], "grey owl"),
        (["1\n"], "amber falcon"),
        (["\n", "0\n", "3\n", "²\n", "x\n", " 2 \n"], "grey owl"),
    ],
)
def test_a_device_is_chosen_by_its_number(
    typed: list[str],
    chosen: str,
    api: Api,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typist = Typist(terminal, monkeypatch, *typed)
    api.pairing.nearby = OTHERS
    assert main(["host", "--flow", "post"], api) == 0
    assert [peer.alias for peer in api.pairing.chosen] == [chosen]
    assert len(typist.asked) == len(typed)
    said = capsys.readouterr().err
    assert "  1  amber falcon" in said
    assert "blue wren" not in said


def test_the_end_of_the_terminal_chooses_nothing(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Typist(terminal, monkeypatch, "\x04")
    api.pairing.nearby = OTHERS
    assert main(["host", "--flow", "post", "--json"], api) == 4
    assert _json(capsys)[-1]["reason"] == "cancelled"


def test_without_a_person_yes_takes_the_only_device(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.pairing.nearby = OTHERS[:2]
    assert main(["host", "--flow", "post", "--yes"], api) == 0
    assert api.pairing.chosen == [NEARBY]
    api.pairing = Pairing(nearby=OTHERS)
    assert main(["host", "--flow", "post", "--yes"], api) == 0
    assert api.pairing.chosen == [None]
    api.pairing = Pairing(nearby=OTHERS[:1])
    capsys.readouterr()
    assert main(["host", "--flow", "post", "--json"], api) == 4
    assert _json(capsys)[-1]["hint"].startswith("Add --yes")


# --- join -----------------------------------------------------------------------------------------------------


def test_join_takes_the_offer_from_the_environment_and_removes_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL.lower())
    assert main(["join"], api) == 0
    assert api.pairing.offer == TYPICAL
    assert "LOCALPAIR_OFFER" not in os.environ
    assert api.settings == Settings()


@pytest.mark.parametrize(
    "data",
    [
        f"{TYPICAL}\n",
        TYPICAL,
        f"hello\n\nhelp: me\n{TYPICAL}\r\nmore\n",
        json.dumps({"event": "ready", "x": "y" * 2000})
        + "\n"
        + json.dumps({"event": "offer", "offer": TYPICAL})
        + "\n",
        f"{TYPICAL[:-1]}\n{TYPICAL}\n",
    ],
)
def test_join_reads_the_first_readable_offer_of_standard_input(
    data: str, api: Api, piped: Callable[[bytes], None]
) -> None:
    piped(data.encode())
    assert main(["join", "-"], api) == 0
    assert api.pairing.offer == TYPICAL


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "holds no offer"),
        ("hello\n", "holds no offer"),
        (f"{TYPICAL[:-2]}\n", "damaged"),
        ("\xff" * 9, "no offer"),
    ],
)
def test_an_input_without_an_offer_says_so(
    data: str, says: str, api: Api, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(data.encode("latin-1"))
    assert main(["join", "-", "--json"], api) == 2
    last = _json(capsys)[-1]
    assert last["reason"] == "offer"
    assert says in last["message"]


def test_join_reads_a_picture(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(TYPICAL, tmp_path / "p.png")
    assert main(["join", "--image", str(tmp_path / "p.png")], api) == 0
    assert api.pairing.offer == TYPICAL
    assert main(["join", "--image", str(tmp_path / "missing.png"), "--json"], api) == 2
    capsys.readouterr()


def test_in_the_post_flow_a_picture_is_waited_for(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.png"
    looked = threading.Event()
    exists = Path.exists

    def look(self: Path) -> bool:
        found = exists(self)
        if self == path:
            looked.set()
        return found

    monkeypatch.setattr(Path, "exists", look)
    writer = threading.Thread(target=lambda: (looked.wait(10), write_image(TYPICAL, path)))
    writer.start()
    assert main(["join", "--flow", "post", "--image", str(path)], api) == 0
    writer.join()
    assert api.pairing.offer.text == TYPICAL


def test_a_picture_is_not_waited_for_without_end(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["join", "--flow", "post", "--image", str(tmp_path / "p.png"), "--timeout", "0.3", "--json"]
    assert main(words, api) == 2
    assert _json(capsys)[-1]["message"] == "no offer came within 0.3 s"


def test_an_offer_of_data_that_nobody_takes_is_pointed_out(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)  # whose issuer gives
    assert main(["join"], api) == 0
    assert "warning: the other device wants to send something" in capsys.readouterr().err
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    assert main(["join", "--receive", str(tmp_path)], api) == 0
    assert "warning" not in capsys.readouterr().err


def test_join_asks_for_the_offer(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typist = Typist(terminal, monkeypatch, f"{TYPICAL}\n")
    assert main(["join"], api) == 0
    assert api.pairing.offer == TYPICAL
    assert typist.asked == ["Offer:"]
    assert "works only once" in capsys.readouterr().err


def test_an_offer_in_several_lines_is_put_together(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [TYPICAL[i : i + 50] for i in range(0, len(TYPICAL), 50)]
    typist = Typist(terminal, monkeypatch, "\n".join(lines) + "\n")
    assert main(["join"], api) == 0
    assert api.pairing.offer == TYPICAL
    assert len(typist.asked) == 1


def test_the_prompt_asks_again(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typist = Typist(terminal, monkeypatch, "what\n", f"{TYPICAL}\n")
    assert main(["join"], api) == 0
    assert len(typist.asked) == 2
    assert "warning: the text is no offer" in capsys.readouterr().err


def test_the_prompt_gives_up(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Typist(terminal, monkeypatch, "what\n", f"{TYPICAL[:-3]}\n", "\n")
    assert main(["join", "--json"], api) == 2
    assert _json(capsys)[-1]["message"] == "the offer is empty"


def test_the_end_of_the_terminal_is_no_offer(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Typist(terminal, monkeypatch, "\x04")
    assert main(["join", "--json"], api) == 2
    assert _json(capsys)[-1]["message"] == "no offer was given"


def test_in_the_post_flow_the_offer_is_read_when_it_is_wanted(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    typist = Typist(terminal, monkeypatch, f"{TYPICAL}\n")
    asked_when_opened: list[int] = []
    api.pairing.stream = (READY,)
    session = api.pairing.session

    async def noted() -> Session:
        asked_when_opened.append(len(typist.asked))
        return await session()

    monkeypatch.setattr(api.pairing, "session", noted)
    assert main(["join", "--flow", "post"], api) == 0
    assert asked_when_opened == [0]
    assert api.pairing.offer.text == TYPICAL


def test_the_offer_comes_from_one_place(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALPAIR_OFFER", TYPICAL)
    assert main(["join", "-", "--image", "p.png", "--json"], api) == 2
    assert "- and --image and LOCALPAIR_OFFER" in _json(capsys)[-1]["message"]
    assert "LOCALPAIR_OFFER" not in os.environ
    assert main(["join", "--json"], api) == 2
    assert "no terminal" in _json(capsys)[-1]["message"]
    assert api.calls == []


def test_no_error_repeats_a_damaged_offer(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("LOCALPAIR_DEBUG", "1")
    for damaged in (TYPICAL[:-1], TYPICAL[:50] + "0" + TYPICAL[51:], TYPICAL[:50] + "é" + TYPICAL[51:]):
        monkeypatch.setenv("LOCALPAIR_OFFER", damaged)
        assert main(["join", "--json"], api) == 2
    said = capsys.readouterr()
    for text in (said.out, said.err, caplog.text):
        assert TYPICAL[3:40] not in text
        assert TYPICAL[60:90] not in text


# --- the other commands ---------------------------------------------------------------------------------------


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
    assert main(["diagnose", "--output", str(tmp_path / "missing" / "r.txt"), "--json"], api) == 1
    assert _json(capsys)[-1]["reason"] == "local"


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


@pytest.fixture
def paired(api: Api) -> DeviceRecord:
    identity = DeviceIdentity.generate()
    store = TrustStore(api.home)
    record = DeviceRecord(
        device_id=identity.device_id,
        public_key=identity.public,
        pair_key=b"k" * 32,
        role=Role.ISSUER,
        label="Anna's laptop",
    )
    store.record_unconfirmed(record)
    return store.confirm(record.device_id)


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
    assert main(["send", "nobody", str(file), "--json"], api) == 2
    assert main(["send", "Anna's laptop", str(file.parent / "missing")], api) == 2


def test_listen_serves_until_the_time_is_up_and_one_failure_ends_alone(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.listened = [Session([RECEIVED], TransferError("broke")), Session([RECEIVED])]
    assert main(["listen", "--receive", str(tmp_path / "in"), "--timeout", "0.2", "--json"], api) == 0
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
    words = ["listen", "--receive", str(tmp_path), "--once", "--json"]
    api.listened = [Session([RECEIVED]), Session()]
    assert main(words, api) == 0
    assert [session.closed for session in api.listened] == [1, 0]
    api.listened = [Session([RECEIVED], TransferError("broke"))]
    assert main(words, api) == 5
    api.listened = []
    capsys.readouterr()
    assert main([*words, "--timeout", "0.1"], api) == 3
    assert _json(capsys)[-1]["reason"] == "unreachable"


# --- logs and surprises ---------------------------------------------------------------------------------------


def test_warnings_of_the_library_are_calm_lines(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def noisy() -> Session:
        logging.getLogger("localpair.net").warning("eth0: %s\nTraceback", "odd\x1b[2J")
        logging.getLogger("localpair.net").info("chatter")
        return Session()

    monkeypatch.setattr(api.pairing, "session", noisy)
    assert main(["host"], api) == 0
    said = capsys.readouterr().err
    assert "warning: eth0: odd\\x1b[2J\n" in said
    assert "Traceback" not in said
    assert "chatter" not in said


def test_a_bug_shows_one_line_and_on_request_its_traceback(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.error = ZeroDivisionError("x")
    assert main(["host"], api) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "error: an unexpected ZeroDivisionError in cli_fakes.py" in said
    monkeypatch.setenv("LOCALPAIR_DEBUG", "1")
    root = logging.getLogger()
    level = root.level
    try:
        assert main(["host"], api) == 1
    finally:
        root.setLevel(level)
    assert "Traceback" in capsys.readouterr().err


def test_a_long_transfer_shows_a_bar_and_a_short_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import re

    from localpair.cli.terminal import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    async def show(stream: io.StringIO, patience: float) -> str:
        monkeypatch.setattr(progress, "_PATIENCE_S", patience)
        bars = progress.Bars(stream)
        running = asyncio.create_task(bars.run())
        bars.update(events.Progress("send", "a\x1b[2J.txt", 5_000_000, 10_000_000))
        if not patience:
            async with asyncio.timeout(20):
                while "MB" not in stream.getvalue():  # noqa: ASYNC110 - a terminal sends no events
                    await asyncio.sleep(0.01)
        bars.end()
        running.cancel()
        return stream.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    drawn = asyncio.run(show(Terminal(), 0.0))
    assert "Sending a\\x1b[2J.txt" in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "5.0/10.0 MB" in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert asyncio.run(show(io.StringIO(), 0.0)) == "Sending: 5.0 MB of 10.0 MB\n"
    assert asyncio.run(show(Terminal(), 60.0)) == ""
