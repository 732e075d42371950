"""Standard input and output in place of files, and texts: what scripts get, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import localpair.cli.terminal.prompts
from cli_fakes import PEER, Api, Pairing, Session
from cli_typing import Typist, _json
from localpair.choices.rules import Acceptance, DeviceRule
from localpair.cli import main
from localpair.cli.piping import texts
from localpair.errors import TransferError
from localpair.trust.store import DeviceRecord, TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "the door code\tis\non the \x1b[2Jtable\u202e"


class _Unread(io.TextIOWrapper):
    """Standard output as a pipe that nobody reads."""

    def __init__(self) -> None:
        self.kept = _Broken()
        super().__init__(self.kept, "utf-8", write_through=True)


class _Broken(io.BytesIO):
    def write(self, _: Any) -> int:
        raise BrokenPipeError


def _taken(message: bytes) -> Any:
    return json.loads(message)["taken"]


# --- what is sent


def test_what_is_piped_in_is_sent_under_the_name_that_was_given(
    api: Api, paired: DeviceRecord, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(b"abc\0\xff")
    assert main(["send", "Anna's laptop", "-", "--as", "dump.sql", "--size", "5", "--json"], api) == 0
    assert api.pairing.session_.sent_bytes == {"dump.sql": b"abc\0\xff"}
    assert not api.pairing.session_.sent[0].exists(), "it is kept no longer than needed"
    assert _json(capsys)[-1]["event"] == "done"


def test_what_is_piped_in_is_kept_where_nobody_else_can_read_it(
    api: Api, paired: DeviceRecord, piped: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    send_files = Session.send_files

    async def look(session: Session, paths: Any, *more: Any) -> None:
        modes.append(stat.S_IMODE(paths[0].parent.stat().st_mode))
        await send_files(session, paths, *more)

    monkeypatch.setattr(Session, "send_files", look)
    piped(b"secret")
    assert main(["send", "Anna's laptop", "-"], api) == 0
    assert modes == [0o700]
    assert list(api.pairing.session_.sent_bytes) == ["standard-input"]


def test_another_size_than_was_given_sends_nothing(
    api: Api, paired: DeviceRecord, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(b"half of i")
    assert main(["send", "Anna's laptop", "-", "--size", "10", "--json"], api) == 1
    assert "9 and 10 bytes" in _json(capsys)[-1]["message"]
    assert api.calls == []


def test_host_sends_what_is_piped_in_and_takes_no_answer_code_from_it(
    api: Api, piped: Callable[[bytes], None], file: Path
) -> None:
    piped(b"LA:CEA4-BKAC-CR7X-U6N2\n")
    assert main(["host", "--yes", "--send", "-", "--send", str(file)], api) == 0
    assert api.pairing.session_.sent_bytes["standard-input"].startswith(b"LA:")
    assert api.pairing.answers == []


@pytest.mark.parametrize(
    "words",
    [
        "send kitchen",
        "send kitchen a.txt --as b.txt",
        "send kitchen - --text -",
        "send kitchen - --as a/b",
        "send kitchen - --as ..",
        "host --size 5",
        "join - --send -",
        "join --receive - --json",
        "listen --receive -",
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_tried(
    words: str, api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split(), api) == 2
    assert "hint:" in capsys.readouterr().err
    assert api.calls == []


# --- what is received


def _listen(api: Api, session: Session, *words: str) -> int:
    api.listened = [session]
    return main(["listen", "--once", "--yes", *words], api)


def test_what_comes_goes_to_standard_output_and_nothing_else(
    api: Api, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    session = Session()
    session.stores = {"dump.sql": b"abc\0\xff\n"}
    assert _listen(api, session, "--receive", "-") == 0
    assert capsysbinary.readouterr().out == b"abc\0\xff\n"
    assert session.terms is not None
    assert session.terms.files == 1
    assert session.received_into is not None
    assert not session.received_into.exists()


def test_nothing_goes_to_standard_output_where_the_transfer_fails(
    api: Api, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    session = Session(error=TransferError("another checksum"))
    session.stores = {"dump.sql": b"half"}
    assert _listen(api, session, "--receive", "-") == 5
    assert capsysbinary.readouterr().out == b""


def test_a_script_is_told_that_nothing_came(api: Api, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    session = Session()
    session.offers = False
    assert _listen(api, session, "--receive", "-") == 5
    assert _listen(api, Session(), "--receive", "-") == 5, "an empty folder is no file"
    assert capsysbinary.readouterr().out == b""


def test_a_reader_that_has_gone_is_told_by_the_exit_code(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()
    session.stores = {"a": b"abc"}
    monkeypatch.setattr(sys, "stdout", stream := _Unread())
    assert _listen(api, session, "--receive", "-") == 141
    monkeypatch.undo()
    stream.kept.close()


def test_what_may_be_anything_goes_to_no_terminal(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    assert main(["listen", "--once", "--yes", "--receive", "-"], api) == 2
    assert "standard output is a terminal" in capsys.readouterr().err


# --- texts


def _with_text(text: str = TEXT) -> Session:
    session = Session()
    session.incoming_messages = [b"for another program", texts.encoded(text)]
    session.offers = False
    return session


def _incoming(text: str = TEXT) -> Session:
    session = _with_text(text)
    session.incoming_messages = [texts.encoded(text)]
    return session


def test_a_text_is_sent_and_its_answer_decides(
    api: Api, paired: DeviceRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.session_.incoming_messages = [texts.answer()]
    assert main(["send", "Anna's laptop", "--text", TEXT], api) == 0
    assert texts.text_in(api.pairing.session_.outgoing_messages[0]) == TEXT
    api.pairing = Pairing()
    api.pairing.session_.incoming_messages = [texts.answer("it was refused there")]
    assert main(["send", "Anna's laptop", "--text", TEXT], api) == 5
    assert "it was refused there" in capsys.readouterr().err
    api.pairing = Pairing()
    api.pairing.session_.incoming_messages = [b"something else"]
    assert main(["send", "Anna's laptop", "--text", TEXT], api) == 5


def test_a_text_is_read_from_a_pipe(
    api: Api, paired: DeviceRecord, piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    api.pairing.session_.incoming_messages = [texts.answer()]
    piped("grüße\n".encode())
    assert main(["send", "Anna's laptop", "--text", "-"], api) == 0
    assert texts.text_in(api.pairing.session_.outgoing_messages[0]) == "grüße\n"
    for data in (b"\xff", b"x" * 65537):
        piped(data[:60000])
        if len(data) > 60000:  # more than a pipe holds
            continue
        assert main(["send", "Anna's laptop", "--text", "-"], api) == 2
    assert main(["send", "Anna's laptop", "--text", "x" * 65537], api) == 2


def test_a_text_is_shown_and_can_neither_move_nor_hide(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    session = _incoming()
    assert _listen(api, session) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1:] == ["the door code   is", "on the \\x1b[2Jtable\\u202e"]
    assert "A text of Anna's laptop (3f2a-9c11-07de):" in err
    assert [_taken(message) for message in session.outgoing_messages] == [True]


def test_a_program_gets_a_text_as_it_is(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert _listen(api, _incoming(), "--json") == 0
    (text,) = [line for line in _json(capsys) if line["event"] == "text"]
    assert (text["text"], text["peer"]["device_id"]) == (TEXT, PEER.device_id)


def test_a_text_goes_to_standard_output_where_that_was_asked_for(
    api: Api, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert _listen(api, _incoming(), "--receive", "-") == 0
    assert capsysbinary.readouterr().out == TEXT.encode()


@pytest.mark.parametrize(("typed", "taken"), [("y\n", True), ("n\n", False)])
def test_a_person_is_asked_about_a_text(
    typed: str,
    taken: bool,
    api: Api,
    terminal: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typist = Typist(terminal, monkeypatch, typed)
    session = _incoming()
    api.listened = [session]
    assert main(["listen", "--once"], api) == (0 if taken else 4)
    assert typist.asked == ["Show it? [y/N]"]
    assert ("door code" in capsys.readouterr().out) is taken
    assert [_taken(message) for message in session.outgoing_messages] == [taken]


def test_a_text_that_nobody_answers_to_is_refused(
    api: Api, terminal: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(localpair.cli.terminal.prompts, "APPROVAL_S", 0.05)
    typist = Typist(terminal, monkeypatch)
    session = _incoming()
    api.listened = [session]
    assert main(["listen", "--once"], api) == 4
    assert typist.asked == ["Show it? [y/N]"]
    assert "door code" not in capsys.readouterr().out
    assert [_taken(message) for message in session.outgoing_messages] == [False]


def test_a_rule_refuses_texts_too(api: Api, paired: DeviceRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    TrustStore(api.home).set_rule(paired.device_id, DeviceRule(accept=Acceptance.NEVER))
    session = _incoming()
    session.peer = type(PEER)(paired.device_id, "Anna")
    api.pairing.session_ = session
    monkeypatch.setenv("LOCALPAIR_OFFER", "")
    api.pairing.offer = None
    monkeypatch.delenv("LOCALPAIR_OFFER")
    assert main(["host", "--receive", str(api.home / "in"), "--yes"], api) == 4
    assert [_taken(message) for message in session.outgoing_messages] == [False]


def test_a_text_goes_into_the_clipboard_through_the_tool_that_is_there(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, clip = tmp_path / "bin" / "xclip", tmp_path / "clip"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" > {clip}.words\ncat > {clip}\n')
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert _listen(api, _incoming(), "--to-clipboard") == 0
    assert clip.read_text() == TEXT
    assert clip.with_suffix(".words").read_text() == "-selection clipboard\n"
    out, err = capsys.readouterr()
    assert "door code" not in out + err
    tool.write_text("#!/bin/sh\nexit 1\n")
    session = _incoming()
    assert _listen(api, session, "--to-clipboard") == 1
    assert [_taken(message) for message in session.outgoing_messages] == [False]


def test_without_a_clipboard_its_use_is_refused_beforehand(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["listen", "--yes", "--to-clipboard"], api) == 2
    assert "no clipboard" in capsys.readouterr().err


@pytest.mark.parametrize(
    "message",
    [
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"localpair-text": 1, "text": 5}',
        b'{"localpair-text": 1, "text": "\\ud800"}',
        texts.encoded("x" * 65537),
        texts.answer(),
    ],
)
def test_a_message_that_is_no_text_is_passed_over(message: bytes) -> None:
    assert texts.text_in(message) is None
