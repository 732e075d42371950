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
from localpair.net.agent.agent import Agent
from localpair.net.agent.announcer import Clock
from localpair.net.agent.connection import PeerConnection
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import is_stranded
from localpair.pairing.approval import Agreed, meet_again


class SessionConnection:
    """The connection of one session, and the connections that may replace it.

    A connection that resumes replaces a connection that this side still believes in: its peer knows better.
    """

    def __init__(self, stream: FrameStream, role: Role, emit: Callable[[Event], None], clock: Clock) -> None:
        self.stream = stream
        self.broken = False
        self._role, self._emit, self._clock = role, emit, clock
        self._since = clock()
        self._connections: asyncio.Queue[PeerConnection] = asyncio.Queue()

    def offer(self, connection: PeerConnection) -> bool:
        """Take a verified connection of the session's peer if it is wanted; False where it is one too many."""
        # An older one belongs to the search that found the present connection.
        if not self.broken and not connection.supersedes(self._since):
            return False
        self._connections.put_nowait(connection)
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
                connection = await self._next()
        except TimeoutError:
            raise UnreachableError(
                "the connection broke and the other device did not come back",
                hint="if its network changed for good, send again: what has arrived is kept",
            ) from None
        finally:
            self.broken = False
            self._drop_others()
        self.stream, self._since = connection.stream, self._clock()
        self._emit(Reconnected(connection.path()))
        return connection.stream

    async def _next(self) -> PeerConnection:
        while True:
            connection = await self._connections.get()
            try:
                await meet_again(connection, self._role)
                return connection
            except (OSError, TimeoutError, LocalpairError):
                connection.stream.abort()

    def _drop_others(self) -> None:
        while not self._connections.empty():
            self._connections.get_nowait().stream.abort()


class Reconnector:
    """Finds the peer of one session again, with the agent that found it first."""

    def __init__(self, agent: Agent, role: Role, agreed: Agreed, emit: Callable[[Event], None]) -> None:
        self._agent, self._peer = agent, agreed.peer
        verified = agreed.connection.verified
        self._instance = verified.instance if verified is not None else b""
        self._known = agreed.connection.candidate
        self._dialled = agreed.connection.direction is not Direction.IN
        self._line = SessionConnection(agreed.connection.stream, role, emit, agent.clock)
        agent.rekey(agreed.peer.device_id, agreed.secret)
        agent.begin_session(self._instance)

    async def run(self) -> None:
        """Hand connections of the peer to its line, and turn away all others, until cancelled."""
        while True:
            connection = await self._agent.next_verified()
            if connection.verified is None or connection.verified.device_id != self._peer.device_id:
                self._agent.reject(connection, Refusal.ALREADY_CLAIMED)
            elif not self._line.offer(connection):
                self._agent.reject(connection, None)

    async def reconnect(self) -> FrameStream:
        """A new connection to the same peer. Raises UnreachableError after RESUME_S."""
        self._agent.resume_session(self._instance, self._peer.device_id, self._candidates())
        try:
            return await self._line.replace()
        finally:
            self._agent.begin_session(self._instance)

    def check(self, interfaces: Interfaces) -> None:
        """The network changed: give the session's connection up where its own end is gone."""
        self._line.check(interfaces)

    def _candidates(self) -> list[Candidate]:
        heard = [one for peer in self._agent.nearby() for one in peer.addresses]
        known = [self._known] if self._dialled else []
        return [replace(one, via=one.via or "remembered") for one in (*known, *heard)]
