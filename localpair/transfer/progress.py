"""How far a batch is, told often enough for a person and seldom enough for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from localpair.events import Event, Progress
from localpair.limits import PROGRESS_S

_NAMED_FAILURES = 5


class Tally:
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


def failure_message(failures: Sequence[tuple[str, str]], what: str) -> str:
    """One sentence that names the first entries that failed and counts the others."""
    named = "; ".join(f"{name} ({reason})" for name, reason in failures[:_NAMED_FAILURES])
    more = len(failures) - _NAMED_FAILURES
    return f"{len(failures)} files {what}: {named}" + (f"; and {more} more" if more > 0 else "")
