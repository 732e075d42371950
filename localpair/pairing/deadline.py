"""When a hosting ends: at its timeout, unless persons still need time for a device that has claimed the offer."""

from __future__ import annotations

import asyncio

from localpair.limits import APPROVAL_S


class Deadline:
    """The limit of one attempt. Claims move it, and however many there are, never further than persons' time."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit, self._ends = limit, limit.when() or _now()
        self._latest = self._ends + 2 * APPROVAL_S

    def give_persons_time(self) -> None:
        """A device was nominated: persons, here and there, have the time they need."""
        self._extend(2 * APPROVAL_S)

    def take_back(self, grace: float) -> None:
        """The claim came to nothing; the device has ``grace`` seconds to come again."""
        self._extend(grace)

    def _extend(self, seconds: float) -> None:
        if not self._limit.expired():
            self._limit.reschedule(max(self._ends, min(_now() + seconds, self._latest)))


def _now() -> float:
    return asyncio.get_running_loop().time()
