"""What an agent has counted and seen, for an explanation of why nothing came of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import field

from localpair.address import IPAddress
from localpair.dataclass import dataclass
from localpair.errors import RefusedError
from localpair.events import Attempt
from localpair.wire.beacon import Part

_KEPT_ATTEMPTS = 512  # the latest ones: an explanation needs no more


@dataclass(slots=True)
class AgentCounts:
    """What an agent has counted: attempts that failed, what was said to them, addresses that were never called.

    ``final`` is set once a device that has proven the pair's or the offer's key has refused: no other path will change
    its mind. Of all others it is known no more than that ``strangers`` have answered.
    """

    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_KEPT_ATTEMPTS))
    dropped: tuple[str, ...] = ()  # a sentence for each
    refusals: deque[RefusedError] = field(default_factory=lambda: deque(maxlen=1))
    final: asyncio.Event = field(default_factory=asyncio.Event)
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """What an agent knows of its search so far.

    ``heard``: whether any peer is heard now. ``held_back`` holds the addresses that are not dialled as the network is
    now, each with the reason, and ``dropped`` a sentence for each that is never called. ``refused_sends`` names the
    errors with which this host refused to send. ``refusal`` is what a holder of the secret or of the offer's key said.
    """

    part: Part
    attempts: tuple[Attempt, ...] = ()
    heard: bool = False
    held_back: Mapping[IPAddress, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    refused_sends: frozenset[str] = frozenset()
    strangers: int = 0
    refusal: RefusedError | None = None
