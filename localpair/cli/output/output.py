"""Where everything goes that a run has to say: one of two sinks for results, and talk beside it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from localpair.cli.output.jsonl import JsonLines
from localpair.cli.output.results import RunFailure
from localpair.cli.terminal.messages import Talk
from localpair.cli.terminal.progress import Bars
from localpair.cli.terminal.screen import Screen
from localpair.cli.terminal.status_line import StatusLine
from localpair.cli.terminal.streams import READER_GONE, why_not_written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localpair.cli.output import results

_LOCK_S = 0.1  # a writer that hangs longer is blocked by whoever reads


class Sink(Protocol):
    """Takes items and the end of the run."""

    def show(self, item: results.Item) -> None: ...
    def show_all(self, items: Sequence[results.Item]) -> None: ...
    def done(self, exit_code: int = 0) -> None: ...
    def failed(self, failure: results.RunFailure) -> None: ...


class Output:
    """What commands write to. The run ends once: only the first ``done`` or ``failed`` counts.

    Nothing is written any more once standard output does not take it. Where it is ``needed``, ``lost`` says then how
    the run ends, and ``on_lost`` is called; where it is not, the run goes on.
    """

    def __init__(
        self, out: TextIO, err: TextIO, *, json: bool, listing: bool = False, needed: bool = True
    ) -> None:
        self.json = json
        self.talk = Talk(err)
        self.lost: RunFailure | None = None
        self.exit_code = 0  # of a run that does what was asked
        self.on_lost: Callable[[], None] = lambda: None
        self._needed = needed
        self._out = out
        self._bars = Bars(err)
        self.status = StatusLine(err)
        self.talk.pause = self._pause
        self._sink: Sink = (
            JsonLines(out, time.monotonic)
            if json
            else Screen(out, self.talk, self._bars, self.status, listing=listing)
        )
        self._ended = False
        self._closed = False
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether standard output takes what is shown."""
        return not self._closed

    def close(self, why: str = "is closed") -> None:
        """Standard output takes nothing, from now on or from the start."""
        self._closed = True
        if self._needed:
            hint = None if self.json else "Send it to a terminal, a file or another program."
            self.lost = RunFailure("local", f"standard output {why}", hint, 1)
            self.on_lost()

    def show(self, item: results.Item) -> None:
        """Show one item."""
        self._guarded(lambda: self._sink.show(item))

    def show_all(self, items: Sequence[results.Item]) -> None:
        """Show several items of one kind: a table, or one event each."""
        self._guarded(lambda: self._sink.show_all(items))

    def draw(self, drawing: str) -> None:
        """Show a drawing to the person, beside the events where those go to standard output."""
        if not self.json and self.can_show(drawing):
            resume = self._pause()
            self._guarded(lambda: self._write(drawing + "\n"))
            resume()
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
            self.status.end()
            self._guarded(lambda: self._sink.done(self.exit_code))

    def failed(self, failure: results.RunFailure) -> None:
        """End any other run: events first, then the error and its hint for the person."""
        if not self._end():
            return
        self.status.end()
        self._guarded(lambda: self._sink.failed(failure))
        if failure.reason == "interrupted":
            self.talk.note("Interrupted.")
        elif self.lost is None or self.lost.reason != "closed":
            self.talk.failure(failure)

    async def animate(self) -> None:
        """Draw progress until cancelled."""
        if self.json:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.status.run())
            group.create_task(self._bars.run())

    def _pause(self) -> Callable[[], None]:
        """What is drawn at the bottom steps aside."""
        resumes = (self._bars.pause(), self.status.pause())

        def resume() -> None:
            for one in resumes:
                one()

        return resume

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
        except (OSError, ValueError) as error:
            if isinstance(error, ValueError) and not self._out.closed:
                raise
            self._lose(error)
        finally:
            self._lock.release()

    def _lose(self, error: OSError | ValueError) -> None:
        """Whoever does not need it any more is told nothing but that a disk is full, or the like."""
        if isinstance(error, BrokenPipeError) or self._out.closed:
            self._closed = True
            if self._needed:
                self.lost = RunFailure("closed", "nobody reads standard output any more", None, READER_GONE)
                self.on_lost()
            return
        why = why_not_written(error)
        self.close(why)
        if not self._needed:
            self.talk.warning(f"standard output {why}; going on without it")
