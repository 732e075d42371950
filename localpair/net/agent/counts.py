"""What an agent has counted, for an explanation of why nothing came of it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from localpair.errors import RefusedError
from localpair.events import Attempt

_KEPT_ATTEMPTS = 512  # the latest ones: an explanation needs no more


@dataclass(slots=True)
class AgentCounts:
    """What an agent has counted: attempts that failed, what was said to them, addresses that were never called.

    ``final`` is set once whoever has proven the pair's or the offer's key has refused: no other path will change its
    mind. Of all others it is known no more than that ``strangers`` have answered.
    """

    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_KEPT_ATTEMPTS))
    dropped: tuple[str, ...] = ()  # a sentence for each
    refusals: deque[RefusedError] = field(default_factory=lambda: deque(maxlen=1))
    final: asyncio.Event = field(default_factory=asyncio.Event)
    strangers: int = 0
