"""The listener: accepts connections within budgets and hands each on by what it is for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field

from localpair.address import normalise
from localpair.errors import LocalpairError
from localpair.keys import Role
from localpair.limits import HANDSHAKE_S, PREAUTH_CONNECTIONS, PREAUTH_PER_SOURCE
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import Contexts, accept, exchange_preambles, start_tls
from localpair.protocol.rate_limits import source_key
from localpair.wire.messages import CallKind, Preamble

_log = logging.getLogger("localpair.listener")
_GRACE_S = 1.0  # a connection this old may be given up for a new one while the listener is full
_PAUSE_S = 0.1  # after an accept that failed for want of descriptors

Handler = Callable[[FrameStream], Awaitable[None]]


@dataclass(eq=False, slots=True)
class _Guest:
    source: Hashable
    since: float
    task: asyncio.Task[None] | None = field(default=None)


class Listener:
    """Serves the listening sockets of a process.

    ``handlers`` take an encrypted stream each, by the kind of call. A connection counts as unauthenticated until
    its handler returns or calls ``admitted()``. ``met`` is True once somebody else has called.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        contexts: Contexts,
        role: Role,
        handlers: Mapping[CallKind, Handler],
    ) -> None:
        self._sockets, self._contexts, self._role, self._handlers = sockets, contexts, role, handlers
        self.met = False
        self._guests: list[_Guest] = []
        self._by_task: dict[asyncio.Task[None], _Guest] = {}

    async def run(self) -> None:
        """Accept until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self._sockets:
                group.create_task(self._accept(one, group))

    def admitted(self) -> None:
        """Called inside a handler: the peer is authenticated and no longer counts."""
        task = asyncio.current_task()
        guest = self._by_task.get(task) if task is not None else None
        if guest is not None and guest in self._guests:
            self._guests.remove(guest)

    async def _accept(self, listening: socket.socket, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                one, host = await accept(listening)
            except OSError as error:
                _log.warning("accept failed: %s", error.strerror)
                await asyncio.sleep(_PAUSE_S)
                continue
            guest = _Guest(source_key(normalise(host.partition("%")[0])), loop.time())
            if not self._make_room(guest):
                one.close()
                continue
            self._guests.append(guest)
            guest.task = group.create_task(self._serve(one, guest))
            self._by_task[guest.task] = guest

    def _make_room(self, guest: _Guest) -> bool:
        """Whether there is room for one more; a stalled guest is sent away for it, of the same source first."""
        same = [other for other in self._guests if other.source == guest.source]
        if len(same) < PREAUTH_PER_SOURCE and len(self._guests) < PREAUTH_CONNECTIONS:
            return True
        # A whole /64 counts as one source: there a stalled neighbour must not keep the others out.
        oldest = (same if len(same) >= PREAUTH_PER_SOURCE else self._guests)[0]
        if guest.since - oldest.since < _GRACE_S or oldest.task is None:
            return False
        self._guests.remove(oldest)
        oldest.task.cancel()
        return True

    async def _serve(self, one: socket.socket, guest: _Guest) -> None:
        try:
            stream, kind = await self._open(one)
            try:
                await self._handlers[kind](stream)
            except BaseException:
                stream.abort()
                raise
        except (OSError, TimeoutError, LocalpairError) as error:
            _log.debug("a connection ended early: %s", error)
        except Exception:  # noqa: BLE001 - our own fault, and still no caller may end the process
            _log.exception("a connection ended by a fault of this side")
        finally:
            if guest in self._guests:
                self._guests.remove(guest)
            if guest.task is not None:
                self._by_task.pop(guest.task, None)

    async def _open(self, one: socket.socket) -> tuple[FrameStream, CallKind]:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                peer = await exchange_preambles(one, Preamble(CallKind.PAIR, self._role, False))
                self.met = self.met or peer.kind is not CallKind.SELF
                pairing = peer.kind is CallKind.PAIR
                if pairing and peer.role is self._role:
                    raise LocalpairError(f"both sides are {self._role}")
                server_side = self._role is Role.ISSUER if pairing else True
                return await start_tls(one, self._contexts, server_side=server_side), peer.kind
        except BaseException:
            one.close()
            raise
