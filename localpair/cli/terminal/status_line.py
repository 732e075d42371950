"""What is going on while one waits: a line at the bottom of a terminal, rewritten in place."""

from __future__ import annotations

import asyncio
import os
import textwrap
import time
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S: Final = 1.0
_NEWS_S: Final = 10.0  # something that has happened stands so long before the waiting is told again
_MOST_LINES: Final = 3
_MARGIN: Final = (
    3  # columns left free: a terminal shows Ctrl-C as two characters, which must not begin a line
)
_TIED: Final = "\0"  # a space at which no line is broken
_UP: Final = "\x1b[1A"
_CLEAR: Final = "\r\x1b[2K"


class StatusLine:
    """Draws on ``stream``, where that is a terminal. ``room``: how many lines it may take, so that the code above it
    stays on the screen; ``keeps_code`` says that there is one.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self.draws = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.room = _MOST_LINES
        self.keeps_code = False
        self._text = ""
        self._ends_at: float | None = None
        self._news, self._news_until = "", 0.0
        self._drawn = 0  # lines on the screen
        self._held = 0

    def show(self, text: str, left_s: float | None = None) -> None:
        """Show this from now on, with the seconds that are left; empty for nothing."""
        self._text = text
        self._ends_at = None if left_s is None else self._clock() + left_s
        self._redraw()

    def tell(self, text: str) -> None:
        """Show for a while what has happened."""
        self._news, self._news_until = text, self._clock() + _NEWS_S
        self._redraw()

    def end(self) -> None:
        """Take it away: the waiting is over."""
        self._text = self._news = ""
        self.keeps_code, self.room = False, _MOST_LINES
        self._erase()

    def pause(self) -> Callable[[], None]:
        """Make room for a line; what is returned puts this one back."""
        self._erase()
        self._held += 1
        return self._resume

    async def run(self) -> None:
        """Count the seconds down until cancelled."""
        while self.draws:
            await asyncio.sleep(_TICK_S)
            if self._ends_at is not None or self._news:
                self._redraw()

    def lines(self, columns: int) -> list[str]:
        """What is to be on the screen now."""
        now = self._clock()
        if self._news and now >= self._news_until:
            self._news = ""
        text = self._news or self._text
        if text and not self._news and self._ends_at is not None:
            text += f" ({max(0, round(self._ends_at - now))}{_TIED}s{_TIED}left)"
        wrapped = textwrap.wrap(text, max(20, columns - _MARGIN), break_on_hyphens=False)
        found = [line.replace(_TIED, " ") for line in wrapped]
        if len(found) > self.room:
            found = found[: self.room]
            found[-1] = found[-1][: max(1, columns - _MARGIN - 2)] + " …"
        return found

    def _resume(self) -> None:
        self._held = max(0, self._held - 1)
        self._redraw()

    def _redraw(self) -> None:
        if not self.draws or self._held:
            return
        wanted = self.lines(_columns(self._stream))
        self._write(self._erasure() + "\n".join(wanted))
        self._drawn = len(wanted)

    def _erase(self) -> None:
        if self._drawn:
            self._write(self._erasure())
            self._drawn = 0

    def _erasure(self) -> str:
        return (_CLEAR + _UP) * (self._drawn - 1) + _CLEAR if self._drawn else ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # closed, or nobody reads: it is no reason to fail
            self.draws = False


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
