"""How far a batch is, told often enough for a person and seldom enough for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from localpair.events import Event, Progress
from localpair.limits import FAILURES_NAMED, PROGRESS_S


class ProgressMeter:
    """Counts one batch in one direction. ``total`` stays None until the sender has counted."""

    def __init__(self, direction: str, emit: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self.file = ""
        self.bytes = 0
        self.files = 0
        self.total: int | None = None
        self._direction = direction
        self._emit = emit
        self._clock = clock
        self._next = 0.0
        self._shown: Progress | None = None

    def show(self, *, last: bool = False) -> None:
        """Emit a `Progress` unless one was emitted within PROGRESS_S; the last one of a batch always comes."""
        now = self._clock()
        if now < self._next and not last:
            return
        self._next = now + PROGRESS_S
        total = self.bytes if last and self.total is None else self.total
        progress = Progress(self._direction, self.file, self.bytes, total, self.files)
        if progress != self._shown:
            self._shown = progress
            self._emit(progress)


class Failures:
    """Entries that did not make it: how many, and the first ones by name."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[str] = []

    def add(self, name: str, reason: str) -> None:
        """One more."""
        self.count += 1
        if self.count <= FAILURES_NAMED:
            self._first.append(f"{name} ({reason})")

    def message(self, what: str) -> str:
        """One sentence that names the first ones and counts the others."""
        more = self.count - len(self._first)
        files = "1 file" if self.count == 1 else f"{self.count} files"
        return f"{files} {what}: {'; '.join(self._first)}" + (f"; and {more} more" if more else "")
