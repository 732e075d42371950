"""``join``: where it takes the offer from, and what it says of a bad one."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_fakes import (
    READY,
    TYPICAL,
    Api,
    Session,
    Settings,
)
from localpair.cli import main
from localpair.qr import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
from cli_typing import Typist, _json


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
    assert main(["join", "--receive", str(tmp_path), "--yes"], api) == 0
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
