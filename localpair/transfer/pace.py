"""A limit to the rate of what is carried, for one session or for several together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from localpair.errors import UsageError
from localpair.limits import CHUNK_BYTES, RATE_LEAST, RATE_PIECES, SMALL_FILE_BYTES
from localpair.protocol.transfer.allowance import Allowance


class Pace:
    """At most ``rate`` bytes of files a second each way, on average. Sessions that share it share the rate.

    Raises UsageError for a rate below RATE_LEAST.
    """

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if rate < RATE_LEAST:
            raise UsageError(
                f"a rate of {rate} bytes a second is too low", hint=f"At least {RATE_LEAST} are possible."
            )
        self._sent, self._received = Allowance(rate), Allowance(rate)
        self._clock, self._sleep = clock, sleep
        self.chunk = max(SMALL_FILE_BYTES, min(CHUNK_BYTES, rate // RATE_PIECES))  # read and sent at once

    async def sent(self, count: int) -> None:
        """So many bytes were sent: wait until more may be."""
        await self._wait(self._sent.spend(self._clock(), count))

    async def received(self, count: int) -> None:
        """So many bytes were taken from the connection: wait until more may be."""
        await self._wait(self._received.spend(self._clock(), count))

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)
