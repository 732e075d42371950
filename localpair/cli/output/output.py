"""Where everything goes that a run has to say: one of two sinks for results, and talk beside it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from localpair.cli.output.jsonl import JsonLines
from localpair.cli.terminal.messages import Talk
from localpair.cli.terminal.progress import Bars
from localpair.cli.terminal.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localpair.cli.output import results

_LOCK_S = 0.1  # a writer that hangs longer is blocked by whoever reads


class Sink(Protocol):
    """Takes items and the end of the run."""

    def show(self, item: results.Item) -> None: ...
    def show_all(self, items: Sequence[results.Item]) -> None: ...
    def done(self) -> None: ...
    def failed(self, failure: results.Failure) -> None: ...


class Output:
    """What commands write to. The run ends once: only the first ``done`` or ``failed`` counts.

    ``on_closed`` is called where standard output has lost its reader; nothing is written from then on.
    """

    def __init__(self, out: TextIO, err: TextIO, *, json: bool, listing: bool = False) -> None:
        self.json = json
        self.talk = Talk(err)
        self.on_closed: Callable[[], None] = lambda: None
        self._out = out
        self._bars = Bars(err)
        self.talk.pause = self._bars.pause
        self._sink: Sink = (
            JsonLines(out, time.monotonic) if json else Screen(out, self.talk, self._bars, listing=listing)
        )
        self._ended = False
        self._closed = False
        self._lock = threading.Lock()

    def show(self, item: results.Item) -> None:
        """Show one item."""
        self._guarded(lambda: self._sink.show(item))

    def show_all(self, items: Sequence[results.Item]) -> None:
        """Show several items of one kind: a table, or one event each."""
        self._guarded(lambda: self._sink.show_all(items))

    def draw(self, drawing: str) -> None:
        """Show a drawing to the person, beside the events where those go to standard output."""
        if not self.json and self.can_show(drawing):
            self._guarded(lambda: self._write(drawing + "\n"))
        else:
            self.talk.note(drawing)

    def can_show(self, drawing: str) -> bool:
        """Whether standard output knows the characters of ``drawing``."""
        try:
            drawing.encode(getattr(self._out, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def done(self) -> None:
        """End a run that did what was asked."""
        if self._end():
            self._guarded(self._sink.done)

    def failed(self, failure: results.Failure) -> None:
        """End any other run: events first, then the error and its hint for the person."""
        if not self._end():
            return
        self._guarded(lambda: self._sink.failed(failure))
        if failure.reason == "interrupted":
            self.talk.note("Interrupted.")
        elif not self._closed:
            self.talk.failure(failure)

    async def animate(self) -> None:
        """Draw progress until cancelled."""
        if self.json:
            await asyncio.Event().wait()
        await self._bars.run()

    def _end(self) -> bool:
        # A watchdog thread may come here while the loop hangs.
        first, self._ended = not self._ended, True
        return first

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _guarded(self, write: Callable[[], None]) -> None:
        if self._closed or not self._lock.acquire(timeout=_LOCK_S):
            return
        try:
            write()
        except (BrokenPipeError, ValueError) as error:
            if isinstance(error, ValueError) and not self._out.closed:
                raise
            self._closed = True
            self.on_closed()
        finally:
            self._lock.release()
