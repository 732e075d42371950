"""The line that is rewritten while one waits, on a terminal that a list of lines stands for."""

from __future__ import annotations

import io
import re

import pytest

from localpair.cli.terminal import status_line
from localpair.cli.terminal.messages import Talk
from localpair.cli.terminal.status_line import StatusLine


class Terminal(io.StringIO):
    """A stream that is a terminal, and what would stand on it."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        lines, row = [""], 0
        for piece in re.findall(r"\x1b\[2K|\x1b\[1A|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if piece == "\x1b[2K":
                lines[row] = ""
            elif piece == "\x1b[1A":
                row -= 1
            elif piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece != "\r":
                lines[row] += piece
        return lines


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.fixture
def status(terminal: Terminal, clock: list[float]) -> StatusLine:
    return StatusLine(terminal, lambda: clock[0])


def test_it_is_rewritten_in_place_and_counts_down(
    status: StatusLine, terminal: Terminal, clock: list[float]
) -> None:
    status.show("Trying 10.0.0.1.", 19.0)
    clock[0] += 4.0
    status.show("Your router answers.", 15.0)
    assert terminal.shown() == ["Your router answers. (15 s left)"]


def test_a_long_text_takes_its_lines_and_leaves_none_of_them(status: StatusLine, terminal: Terminal) -> None:
    status.show("word " * 30)
    assert len(terminal.shown()) == 2
    status.show("short")
    assert terminal.shown() == ["short", ""]
    status.end()
    assert terminal.shown() == ["", ""]


def test_beside_a_code_that_needs_the_screen_it_takes_one_line(
    status: StatusLine, terminal: Terminal
) -> None:
    status.room = 1
    status.show("word " * 30)
    (line,) = terminal.shown()
    assert line.endswith(" …")
    assert len(line) < 80


def test_what_happens_is_told_for_a_while_and_then_the_waiting_again(
    status: StatusLine, terminal: Terminal, clock: list[float]
) -> None:
    status.show("Nobody has reached this device yet.")
    status.tell("A device came.")
    assert terminal.shown() == ["A device came."]
    clock[0] += 11.0
    assert status.lines(80) == ["Nobody has reached this device yet."]


def test_talk_stands_above_it_and_a_question_alone(status: StatusLine, terminal: Terminal) -> None:
    talk = Talk(terminal)
    talk.pause = status.pause
    status.show("Waiting.")
    talk.note("Heard somebody.")
    assert terminal.shown() == ["Heard somebody.", "Waiting."]
    talk.ask("Agree? [y/N]")
    status.show("Still waiting.")
    talk.note("It has gone.")
    assert "Still waiting." not in terminal.shown()
    assert terminal.shown()[-1] == "Agree? [y/N] "
    talk.answered(typed=False)
    assert terminal.shown()[-1] == "Still waiting."


def test_where_there_is_no_terminal_nothing_is_drawn() -> None:
    stream = io.StringIO()
    status = status_line.StatusLine(stream)
    status.show("Waiting.")
    status.tell("News.")
    status.end()
    assert stream.getvalue() == ""
