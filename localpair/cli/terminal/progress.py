"""A progress bar for what takes longer than a second; plain lines where standard error is no terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Final, TextIO

from localpair.cli.terminal.text import printable, size
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as Display
    from rich.progress import Task, TaskID
    from rich.text import Text

    from localpair.events import Progress

_PATIENCE_S: Final = 1.0  # what ends sooner needs no bar
_FRAME_S: Final = 0.1
_LINE_S: Final = 5.0  # between two lines where no bar can be drawn
_STALL_S: Final = 3.0  # without a byte: what a rate would say is not true any more
_VERBS: Final = {"send": "Sending", "receive": "Receiving"}
_TOWARDS: Final = {"send": "to", "receive": "from"}
_NAME_CHARS: Final = 14  # of a device, beside a bar


@dataclass(frozen=True, slots=True)
class _Line:
    """What one bar is about. ``name``: of the device, empty where it needs none."""

    device: str
    direction: str
    name: str

    def words(self, chars: int) -> str:
        verb = _VERBS.get(self.direction, self.direction)
        if not self.name:
            return verb
        return f"{verb} {_TOWARDS.get(self.direction, '')} {printable(self.name, chars)}"


class Bars:
    """One bar for each device and direction. ``run`` is a task that sleeps until there is something to show."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._latest: dict[_Line, Progress] = {}
        self._moved: dict[_Line, float] = {}  # when the last byte came
        self._begun = asyncio.Event()
        self._display: Display | None = None
        self._bars: dict[_Line, TaskID] = {}
        self._paused = 0

    def update(self, item: Progress, device: str = "", name: str = "") -> None:
        """Take note of progress; drawing is left to ``run``. ``name`` is shown, where several devices are at work."""
        line = _Line(device, item.direction, name)
        before = self._latest.get(line)
        if before is None or before.bytes != item.bytes:
            self._moved[line] = self._clock()
        self._latest[line] = item
        self._begun.set()

    def end(self, device: str | None = None) -> None:
        """Remove the bars of one device, or all: the work is over."""
        gone = [one for one in self._latest if device in {None, one.device}]
        for line in gone:
            del self._latest[line]
        if self._latest:
            for line in gone:
                if line in self._bars and self._display is not None:
                    self._display.remove_task(self._bars.pop(line))
            return
        self._begun.clear()
        if self._display is not None:
            with contextlib.suppress(OSError, ValueError):
                self._display.stop()
            self._forget()

    def pause(self) -> Callable[[], None]:
        """Make room for a line or a question; what is returned, called once, puts the bars back after the last one."""
        self._paused += 1
        if self._display is not None and self._paused == 1:
            try:
                self._display.stop()
            except (OSError, ValueError):
                self._forget()
        return self._resume

    def _resume(self) -> None:
        self._paused -= 1
        if self._display is not None and not self._paused:
            try:
                _forget_lines(self._display)
                self._display.start()
            except (OSError, ValueError):
                self._forget()

    async def run(self) -> None:
        """Draw until cancelled, or until the stream takes nothing more."""
        draws = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        while True:
            await self._begun.wait()
            await asyncio.sleep(_PATIENCE_S)
            try:
                if draws and self._latest:
                    await self._draw()
                elif self._latest:
                    await self._tell()
            except (OSError, ValueError):  # closed, or nobody reads: it is no reason to fail
                self._forget()
                return

    def _forget(self) -> None:
        self._display = None
        self._bars.clear()

    async def _draw(self) -> None:
        # The import takes a tenth of a second, which the transfer should not wait for.
        display = await asyncio.to_thread(_make_display, self._stream)
        if not self._latest:
            return
        self._display = display
        if not self._paused:
            display.start()
        while self._latest:
            for line, item in self._latest.items():
                self._draw_one(display, line, item)
            if not self._paused:
                display.refresh()
            await asyncio.sleep(_FRAME_S)

    def _draw_one(self, display: Display, line: _Line, item: Progress) -> None:
        if line not in self._bars:
            self._bars[line] = display.add_task("", total=item.total)
        said = f"{line.words(_NAME_CHARS)} {printable(item.file, 20 if line.name else 40)}"
        display.update(
            self._bars[line],
            description=said,
            total=item.total,
            completed=item.bytes,
            stalled=self._stalled(line, item),
        )

    async def _tell(self) -> None:
        while self._latest:
            for line, item in self._latest.items():
                of = f" of {size(item.total)}" if item.total is not None else ""
                stalled = self._stalled(line, item)
                more = f", {stalled}" if stalled else ""
                self._stream.write(f"{line.words(40)}: {size(item.bytes)}{of}{more}\n")
            self._stream.flush()
            await asyncio.sleep(_LINE_S)

    def _stalled(self, line: _Line, item: Progress) -> str:
        """For how long no byte has come, if that is long; empty otherwise, and where none is left to come."""
        still = self._clock() - self._moved[line]
        return "" if still < _STALL_S or item.bytes == item.total else f"stalled for {still:.0f} s"


def _forget_lines(display: Display) -> None:
    """It is drawn below what was written meanwhile: a display that starts again would erase as many lines above it as
    it has had.
    """
    display.live._live_render._shape = None  # noqa: SLF001 - there is no other way to tell it


def _make_display(stream: TextIO) -> Display:
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Speed(progress.TransferSpeedColumn):
        """The rate, or for how long nothing has come."""

        def render(self, task: Task) -> Text:
            stalled = task.fields.get("stalled")
            return Text(stalled, style="progress.remaining") if stalled else super().render(task)

    class Remaining(progress.TimeRemainingColumn):
        """The time that is left, unless nothing comes."""

        def render(self, task: Task) -> Text:
            return Text() if task.fields.get("stalled") else super().render(task)

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        Speed(),
        Remaining(),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
