"""The next hop of a dial: which interface, which own address, and whether the neighbour there answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from localpair.address import unscoped
from localpair.candidate import Candidate
from localpair.causes.records.recorder import HopFacts
from localpair.net.host.routes import NoRoute
from localpair.net.host.routing import route_to
from localpair.net.host.state import NetworkState, read_state

if TYPE_CHECKING:
    from localpair.net.host.interfaces import Interfaces

_FRESH_S: Final = 0.3  # several dials end together, and a table after a sweep has a thousand rows


class HopReader:
    """Reads the state of next hops. Tables are read again after _FRESH_S; where the platform tells none, the state is
    unknown.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._state: NetworkState | None = None
        self._read_at = 0.0

    def hop(self, candidate: Candidate, interfaces: Interfaces) -> HopFacts:
        """That of a dial that has just ended."""
        index = candidate.scope or candidate.bind_to
        answer = route_to(candidate.address, interfaces, scope=index)
        if isinstance(answer, NoRoute):
            return HopFacts(index=index or None)
        leaves = index or answer.index
        state = self._now(interfaces).state_of(answer.gateway or candidate.address, leaves)
        return HopFacts(state, leaves or None, candidate.local or unscoped(answer.source))

    def _now(self, interfaces: Interfaces) -> NetworkState:
        now = self._clock()
        if not sys.platform.startswith("linux"):
            return NetworkState(interfaces)
        if self._state is None or now - self._read_at > _FRESH_S:
            self._state, self._read_at = read_state(interfaces), now
        return self._state
