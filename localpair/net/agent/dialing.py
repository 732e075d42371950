"""The dials under way: starts what the checklists have due, and says what became of it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

from localpair.address import IPAddress
from localpair.candidate import Candidate
from localpair.limits import CANDIDATES
from localpair.net.agent.check_lists import Checklists
from localpair.net.agent.connection import PeerConnection
from localpair.net.agent.dialer import Dialer
from localpair.net.agent.hole_punching import HolePuncher
from localpair.protocol.checklist import DialOutcome


class DialRunner:
    """Runs dials beside each other. ``take`` gets each connection whose peer is verified; ``changed`` is called when
    another dial may be due.
    """

    def __init__(
        self, checklists: Checklists, dialer: Dialer, hole_puncher: HolePuncher,
        take: Callable[[PeerConnection], None], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._checklists, self._dialer, self._hole_puncher = checklists, dialer, hole_puncher
        self._take, self._changed = take, changed
        self._tasks: set[asyncio.Task[bool]] = set()
        # By secret: where a peer's listener was refused to us.
        self._refused: deque[tuple[str, IPAddress]] = deque(maxlen=CANDIDATES)

    def start_due(self, group: asyncio.TaskGroup) -> None:
        """Start what is due now."""
        for secret, candidate in self._checklists.due():
            task = group.create_task(self.dial(secret, candidate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def dial(self, secret: str, candidate: Candidate, connected: socket.socket | None = None) -> bool:
        """Whether a connection came of it."""
        result = await self._dialer.dial(secret, candidate, connected)
        if isinstance(result, PeerConnection):
            self._take(result)
            return True
        self._checklists.ended(secret, candidate, result)
        if result is DialOutcome.REFUSED:
            self._refusal(secret, candidate)
        self._changed()
        return False

    def stop(self) -> None:
        """End every dial but the one that asks for it."""
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()

    def _refusal(self, secret: str, candidate: Candidate) -> None:
        """A closed dial port alone means nothing: nobody listens there."""
        place = (secret, candidate.address)
        if not candidate.dial_from and place not in self._refused:
            self._refused.append(place)
        elif candidate.dial_from and place in self._refused:
            self._hole_puncher.refused(*place)
