"""``host``: what it asks for, says, refuses and ends with."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    OFFER,
    PAIRED,
    READY,
    TYPICAL,
    Api,
    Pairing,
    Session,
    Settings,
)
from localpair import events
from localpair.cli import main
from localpair.cli.output.output import Output
from localpair.cli.terminal import qr_output
from localpair.errors import (
    LocalError,
    Refusal,
    RefusedError,
    RemoteError,
    TransferError,
    UnreachableError,
)
from localpair.limits import OFFER_SHOWN_BYTES
from localpair.qr import read_image
from localpair.wire.offer_text import unwrap, wrap

if TYPE_CHECKING:
    pass
from cli_typing import RECEIVED, _json

LARGEST_SHOWN = wrap(bytes(OFFER_SHOWN_BYTES - 4))
SENT = events.Sent("a.txt", 5, "ab" * 32)


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


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("offer", [TYPICAL, LARGEST_SHOWN])
@pytest.mark.parametrize(("size", "is_beside"), [((80, 24), True), ((80, 40), False), ((60, 24), False)])
def test_all_of_an_offer_is_on_the_screen(
    size: tuple[int, int], is_beside: bool, offer: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qr_output, "_size", lambda: size)
    monkeypatch.setattr(sys, "stdout", out := _Terminal())
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    api.pairing.stream = (READY, replace(OFFER, text=offer))
    api.pairing.error = RefusedError(Refusal.CANCELLED, "the end")
    assert main(["host"], api) == 4
    lines = out.getvalue().splitlines()
    assert ("Read the code" in out.getvalue()) is is_beside
    assert ("Read the code" in err.getvalue()) is not is_beside
    assert all(len(line) <= size[0] or line == offer for line in lines)
    if is_beside:
        assert len(lines) < size[1], "the last line is for what is going on"
        start, end = out.getvalue().index("LP:"), out.getvalue().index(offer[-6:]) + 6
        assert wrap(unwrap(out.getvalue()[start:end])) == offer, "as it is copied, with the code beside it"
    else:
        assert lines[0] == offer


@pytest.mark.parametrize(("lines", "room"), [(26, 1), (27, 2), (30, 3)])
def test_what_is_going_on_pushes_nothing_of_the_offer_off_the_screen(
    lines: int, room: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qr_output, "_size", lambda: (80, lines))
    monkeypatch.setattr(sys, "stdout", out := _Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    output = Output(out, io.StringIO(), json=False)
    codes = qr_output.Codes(None, output)
    assert not codes.draw_with(TYPICAL, "x " * 60)  # two lines, two of text, 21 of the code
    codes.draw(TYPICAL)
    assert output.status.room == room


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
    assert main(["host", "--receive", str(tmp_path), "--yes", "--json"], api) == code
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
