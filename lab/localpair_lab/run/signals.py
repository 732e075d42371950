"""Signals: the moments that have come, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from localpair_lab.plan.changes import When


class NeverError(Exception):
    """The moment waited for can no longer come."""


class Signals:
    """Moments by name. Times are ``time.monotonic()``; ``begin`` is when the network stood."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self._moments: dict[str, list[float]] = defaultdict(list)
        self._closed: dict[str, str] = {}
        self._changed = asyncio.Condition()

    def now(self) -> float:
        """Seconds since the network stood."""
        return time.monotonic() - self.begin

    async def post(self, moment: str, at: float | None = None) -> None:
        """``moment`` has happened."""
        async with self._changed:
            self._moments[moment].append(time.monotonic() if at is None else at)
            self._changed.notify_all()

    async def close(self, who: str, reason: str) -> None:
        """Nothing more will come of ``who``."""
        async with self._changed:
            self._closed[who] = reason
            self._changed.notify_all()

    async def wait(self, when: When) -> None:
        """Return when the moment has come. Raises NeverError when it cannot come any more."""
        came = self.begin
        if when.anchor:
            async with self._changed:
                await self._changed.wait_for(lambda: self._has(when) or self._is_lost(when))
                if not self._has(when):
                    reason = self._closed[when.anchor.partition(".")[0]]
                    raise NeverError(f"{when.anchor} never came: {reason}")
                came = self._moments[when.anchor][when.occurrence - 1]
        remaining = came + when.delay_s - time.monotonic()
        if remaining > 0:
            await asyncio.sleep(remaining)

    def _has(self, when: When) -> bool:
        return len(self._moments[when.anchor]) >= when.occurrence

    def _is_lost(self, when: When) -> bool:
        return when.anchor.partition(".")[0] in self._closed
