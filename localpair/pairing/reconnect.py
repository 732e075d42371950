"""Resuming: the same two processes find each other again when the connection of their session is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from localpair.candidate import Candidate
from localpair.errors import LocalpairError, Refusal, UnreachableError
from localpair.events import Direction, Event, Reconnected
from localpair.keys import Role
from localpair.limits import RESUME_S
from localpair.net.agent.agent import Engine
from localpair.net.agent.announcer import Clock
from localpair.net.agent.connection import Lane
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import is_stranded
from localpair.pairing.approval import Agreed, meet_again


class Line:
    """The connection of one session, and the lanes that may replace it.

    A lane that resumes replaces a connection that this side still believes in: its peer knows better.
    """

    def __init__(self, stream: FrameStream, role: Role, emit: Callable[[Event], None], clock: Clock) -> None:
        self.stream = stream
        self.broken = False
        self._role, self._emit, self._clock = role, emit, clock
        self._since = clock()
        self._lanes: asyncio.Queue[Lane] = asyncio.Queue()

    def offer(self, lane: Lane) -> bool:
        """Take a verified lane of the session's peer if it is wanted; False where it is one too many."""
        # An older one belongs to the search that found the present connection.
        if not self.broken and not lane.supersedes(self._since):
            return False
        self._lanes.put_nowait(lane)
        if not self.broken:
            self.stream.abort()
        return True

    def check(self, interfaces: Interfaces) -> None:
        """Give the connection up where our own end of it has lost its address: nothing can come any more."""
        if is_stranded(self.stream, interfaces):
            self.stream.abort()

    async def replace(self) -> FrameStream:
        """The next connection that both sides agree on. Raises UnreachableError after RESUME_S."""
        self.broken = True
        try:
            async with asyncio.timeout(RESUME_S):
                lane = await self._next()
        except TimeoutError:
            raise UnreachableError(
                "the connection broke and the other device did not come back",
                hint="if its network changed for good, send again: what has arrived is kept",
            ) from None
        finally:
            self.broken = False
            self._drop_rest()
        self.stream, self._since = lane.stream, self._clock()
        self._emit(Reconnected(lane.path()))
        return lane.stream

    async def _next(self) -> Lane:
        while True:
            lane = await self._lanes.get()
            try:
                await meet_again(lane, self._role)
                return lane
            except (OSError, TimeoutError, LocalpairError):
                lane.stream.abort()

    def _drop_rest(self) -> None:
        while not self._lanes.empty():
            self._lanes.get_nowait().stream.abort()


class Reconnector:
    """Finds the peer of one session again, with the engine that found it first."""

    def __init__(self, engine: Engine, role: Role, agreed: Agreed, emit: Callable[[Event], None]) -> None:
        self._engine, self._peer = engine, agreed.peer
        verified = agreed.lane.verified
        self._instance = verified.instance if verified is not None else b""
        self._known = agreed.lane.candidate
        self._dialled = agreed.lane.direction is not Direction.IN
        self._line = Line(agreed.lane.stream, role, emit, engine.clock)
        engine.rekey(agreed.peer.device_id, agreed.secret)
        engine.resuming = False
        self._rest()
        engine.on_network = self._line.check

    async def run(self) -> None:
        """Hand lanes of the peer to its line, and turn away all others, until cancelled."""
        while True:
            lane = await self._engine.verified.get()
            if lane.verified is None or lane.verified.device_id != self._peer.device_id:
                self._engine.turn_away(lane, Refusal.ALREADY_CLAIMED)
            elif not self._line.offer(lane):
                self._engine.turn_away(lane, None)

    async def reconnect(self) -> FrameStream:
        """A new connection to the same peer. Raises UnreachableError after RESUME_S."""
        engine = self._engine
        engine.resuming = True
        engine.hearing.resume(self._instance)
        engine.add(self._peer.device_id, self._candidates())
        engine.wake()
        try:
            return await self._line.replace()
        finally:
            engine.resuming = False
            self._rest()

    def _rest(self) -> None:
        """A session stands: announce nothing, and dial its peer only where it is heard anew."""
        self._engine.settle()
        self._engine.hearing.pause(self._instance)
        self._engine.rest()

    def _candidates(self) -> list[Candidate]:
        heard = [one for peer in self._engine.hearing.nearby.values() for one in peer.addresses]
        known = [self._known] if self._dialled else []
        return [replace(one, via=one.via or "remembered") for one in (*known, *heard)]
