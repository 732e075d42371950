"""How soon the next bytes may go where their rate is limited."""

from __future__ import annotations

from localpair.limits import RATE_BURST_S


class Allowance:
    """A token bucket: ``rate`` bytes a second on average. Bytes that are on their way already make a debt that later
    ones wait for, and what was not used is kept for RATE_BURST_S.
    """

    __slots__ = ("_paid_at", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._paid_at = float("-inf")  # when everything so far has been waited for

    def spend(self, now: float, count: int) -> float:
        """``count`` bytes go: for how many seconds nothing more should."""
        self._paid_at = max(self._paid_at, now - RATE_BURST_S) + count / self._rate
        return max(0.0, self._paid_at - now)
