"""Standard error: what a person is told beside the results. Colour says nothing that the words do not."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

from localpair.cli.terminal.text import printable, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from localpair.cli.output.results import RunFailure

_MESSAGE_CHARS = 4000  # an error may list every address that was tried
_CLEAR = "\r\x1b[2K"
_BOLD, _RED, _YELLOW, _CYAN, _RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[33m", "\x1b[36m", "\x1b[0m"


def debugging() -> bool:
    """Whether the person asked for a log and tracebacks."""
    return os.environ.get("LOCALPAIR_DEBUG", "") not in {"", "0"}


class Talk:
    """Writes sentences to a stream. A stream that is gone is no reason to fail.

    ``pause`` is called before each line and what it returns after it: a progress bar steps aside.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.pause: Callable[[], Callable[[], None]] = lambda: lambda: None
        self._coloured = _takes_colour(stream)
        # A question moves down where its line can be rewritten, so that it does not look asked twice.
        self._above = _CLEAR if stream.isatty() and os.environ.get("TERM") != "dumb" else "\n"
        self._question = ""  # whose answer is awaited
        self._resume: Callable[[], None] = lambda: None

    def note(self, text: str) -> None:
        """A line of talk; the caller has made names in it printable."""
        self._line(wrapped(text, self._stream))

    def warning(self, text: str) -> None:
        """Something that is not as it should be, while work goes on."""
        self._labelled("warning:", _YELLOW, text)

    def failure(self, failure: RunFailure) -> None:
        """An error, the evidence for it, and what to do about it."""
        self._labelled("error:", _RED, printable(failure.message, _MESSAGE_CHARS))
        if failure.why:
            self._labelled("why:", _CYAN, printable(failure.why, _MESSAGE_CHARS))
        if failure.hint:
            self.hint(failure.hint)

    def hint(self, text: str) -> None:
        """What to do about the error or the warning before."""
        self._labelled("hint:", _CYAN, printable(text, _MESSAGE_CHARS))

    def ask(self, question: str) -> None:
        """A question whose answer is typed behind it. What is said before ``answered`` stands above it."""
        if not self._question:
            self._resume = self.pause()
        self._question = question + " "
        self._write(self._question)

    def answered(self, *, typed: bool = True) -> None:
        """The question is over: its answer was ``typed``, and so the line has ended, or none is wanted any more."""
        if self._question and not typed:
            self._write("\n")
        if self._question:
            self._question = ""
            self._resume()

    def strong(self, text: str) -> str:
        """``text`` in bold where the stream shows that."""
        return self._paint(text, _BOLD)

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._coloured else text

    def _labelled(self, label: str, colour: str, text: str) -> None:
        shown = wrapped(f"{label} {text}", self._stream)  # before colours, which take no room
        self._line(self._paint(label, colour) + shown.removeprefix(label))

    def _line(self, text: str) -> None:
        resume = self.pause()
        above = self._above if self._question else ""
        self._write(f"{above}{text}\n{self._question}")
        resume()

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # closed, or nobody reads
            pass


def _takes_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    return sys.platform != "win32" or "WT_SESSION" in os.environ or "TERM" in os.environ


class _Warnings(logging.Handler):
    """Warnings of the library as one calm line each, tracebacks left out."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(logging.WARNING)
        self._talk = talk

    def emit(self, record: logging.LogRecord) -> None:
        """Write the first line of the message. What a diagnosis finds is shown by its command."""
        if not record.name.startswith("localpair.diagnosis"):
            self._talk.warning(printable(record.getMessage().partition("\n")[0], 500))


def route_logs(talk: Talk) -> logging.Handler:
    """Send the log where a person sees it: warnings as talk, or everything where ``LOCALPAIR_DEBUG`` is set."""
    root = logging.getLogger()
    if not debugging():
        handler: logging.Handler = _Warnings(talk)
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("%(relativeCreated)7d ms %(levelname)-7s %(name)s: %(message)s")
        )
        root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    return handler
