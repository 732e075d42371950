"""Ctrl-C and its kin: the run is cancelled, and ended by force where it does not end within half a second."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from localpair.cli.output.results import RunFailure
from localpair.limits import CANCEL_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_MARGIN_S: Final = 0.1  # of the half second, for the interpreter to end
CLOSED: Final = 13  # SIGPIPE, which Python ignores and Windows does not know
_HANG_UP: Final = getattr(signal, "SIGHUP", None)
_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class Interruption:
    """Cancels a task once when a signal comes. ``number`` is that signal's, None where none has come.

    A second signal, or half a second without an end, ends the process at once; ``on_stuck`` is called before, in
    another thread, and must not wait.
    """

    def __init__(self, on_stuck: Callable[[RunFailure], None]) -> None:
        self.number: int | None = None
        self._failure: RunFailure | None = None
        self._on_stuck = on_stuck
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchdog: threading.Timer | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if number != _HANG_UP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def attach(self) -> None:
        """Let the current task be the one to cancel."""
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self.number is not None and self._task is not None:
            self._task.cancel()

    def stop(self, number: int, failure: RunFailure | None = None) -> None:
        """Cancel the task as if signal ``number`` had come; ``failure`` is what to say about it."""
        if self.number is not None:
            return
        self.number, self._failure = number, failure
        self._watchdog = threading.Timer(CANCEL_S - _MARGIN_S, self._end_by_force)
        self._watchdog.daemon = True
        self._watchdog.start()
        if self._task is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)

    def failure(self) -> RunFailure | None:
        """What to say about the signal that came, if any."""
        if self.number is None:
            return None
        return self._failure or RunFailure("interrupted", "interrupted", None, 128 + self.number)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.number is None:
            self.stop(number)
        else:
            self._end_by_force()

    def _end_by_force(self) -> None:
        failure = self.failure()
        if failure is not None:
            self._on_stuck(failure)
            os._exit(failure.exit_code)
