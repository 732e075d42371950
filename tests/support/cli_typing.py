"""A person at a keyboard, for tests of the command line."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localpair import events

if TYPE_CHECKING:
    pass


RECEIVED = events.Received(Path("a.txt"), 5, "ab" * 32)


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
