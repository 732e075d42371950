"""The listener: accepts connections within budgets and hands each on by what it is for.

A connection waits until it has shown, before TLS, that a secret of ours is held at its other end. Then it has a place
among its like. Strangers have few places, and may do only so much in a second: TLS costs a hundred times what a
challenge costs. What is silent or slow loses its place to newcomers (``FairShare``). Where more call than can be
challenged, whoever calls seldom comes first, and there is always time left for this side's own dials.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Mapping

from localpair.address import IPAddress
from localpair.causes.facts import CallReach
from localpair.dataclass import dataclass
from localpair.endpoint import plain_address
from localpair.errors import LocalpairError, SameRoleError
from localpair.keys import Role
from localpair.limits import (
    KNOWN_CALLS,
    PREAUTH_CONNECTIONS,
    PREAUTH_PER_SOURCE,
    STRANGERS_REFILL_S,
    WAITING_CALLS,
)
from localpair.net.host.naming import describe
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import (
    ACCEPTED_AT_ONCE,
    Contexts,
    accept_some,
    hear_call,
    leave_nothing,
    start_tls,
)
from localpair.protocol.admission import Call
from localpair.protocol.rate_limits import Bucket, FairShare, source_key
from localpair.trace import TRACE
from localpair.wire.messages import CallKind

_log = logging.getLogger("localpair.listener")
_GRACE_S = 1.0  # a stranger's connection this old may be given up for a new one while the places are taken
_PAUSE_S = 0.1  # after an accept that failed, where nobody could make room
_BREATH_S = 0.005  # after a crowd was accepted or challenged: dials and datagrams have their turn as well
_CHALLENGED_AT_ONCE = 8
_EVICTED_AT_ONCE = 32  # where descriptors have run out

Handler = Callable[[FrameStream], Awaitable[None]]
CallReporter = Callable[[IPAddress, CallReach, "BaseException | None"], None]


@dataclass(eq=False, slots=True)
class _AcceptedCall:
    sock: socket.socket
    address: IPAddress
    since: float
    task: asyncio.Task[None] | None = None
    is_served: bool = False  # its task has begun, and closes the socket
    reach: CallReach = CallReach.ACCEPTED
    is_own: bool = False  # it says that it is a call of this process to itself


class Listener:
    """Serves the listening sockets of a process.

    ``knows`` tells whether a caller holds a secret of ours. ``handlers`` take an encrypted stream each, by the kind of
    call. A connection counts as unauthenticated until its handler returns or calls ``admitted()``. ``met`` is True once
    somebody else who holds a secret has called. ``on_ended`` is told of every call of others: where from, how far it
    came, and the error that ended it, None where its handler took it over.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        contexts: Contexts,
        role: Role,
        handlers: Mapping[CallKind, Handler],
        knows: Callable[[Call], bool],
        on_ended: CallReporter = lambda *_: None,
    ) -> None:
        self._sockets, self._contexts, self._role, self._handlers = sockets, contexts, role, handlers
        self._knows, self._on_ended = knows, on_ended
        self.met = False
        draw = random.SystemRandom().randrange
        self._waiting: FairShare[_AcceptedCall] = FairShare(WAITING_CALLS, draw)
        self._unheard: list[_AcceptedCall] = []  # of these, who was not challenged yet
        self._arrived = asyncio.Event()
        self._known: FairShare[_AcceptedCall] = FairShare(KNOWN_CALLS, draw)
        self._strangers: list[_AcceptedCall] = []
        self._patience = Bucket(PREAUTH_CONNECTIONS, STRANGERS_REFILL_S)
        self._by_task: dict[asyncio.Task[None], _AcceptedCall] = {}

    async def run(self) -> None:
        """Accept until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._challenge(group))
                for one in self._sockets:
                    group.create_task(self._accept(one))
        finally:
            for guest in self._unheard:
                guest.sock.close()

    def admitted(self) -> None:
        """Called inside a handler: the peer is authenticated and no longer counts."""
        task = asyncio.current_task()
        guest = self._by_task.get(task) if task is not None else None
        if guest is not None:
            guest.reach = CallReach.VERIFIED
            self._leave(guest)

    # -- accepting ----------------------------------------------------------------------------------------------

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                calls = await accept_some(listening)
            except OSError as error:
                await self._out_of_descriptors(error)
                continue
            for one, host in calls:
                guest = _AcceptedCall(one, plain_address(host), self._now())
                self._dismiss(self._waiting.admit(guest, guest.address))
                self._unheard.append(guest)
            self._arrived.set()
            if len(calls) == ACCEPTED_AT_ONCE:
                await asyncio.sleep(_BREATH_S)

    async def _challenge(self, group: asyncio.TaskGroup) -> None:
        """Begin to serve whoever has come and still has its place."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while True:
                unheard = [guest for guest in self._unheard if guest in self._waiting]
                chosen = self._waiting.seldom(unheard)[:_CHALLENGED_AT_ONCE]
                self._unheard = [guest for guest in unheard if guest not in chosen]
                for guest in chosen:
                    guest.task = group.create_task(self._serve(guest))
                    self._by_task[guest.task] = guest
                    guest.task.add_done_callback(self._served)
                if not self._unheard:
                    break
                await asyncio.sleep(_BREATH_S)

    async def _out_of_descriptors(self, error: OSError) -> None:
        """Those who wait and have shown nothing hold most of them."""
        nobody = not len(self._waiting)
        _log.log(logging.WARNING if nobody else logging.DEBUG, "accept failed: %s", error.strerror)
        for _ in range(_EVICTED_AT_ONCE):
            self._dismiss(self._waiting.evict())
        await asyncio.sleep(_PAUSE_S if nobody else _BREATH_S)

    def _dismiss(self, guest: _AcceptedCall | None) -> None:
        """End the connection of whoever has lost its place."""
        if guest is None:
            return
        leave_nothing(guest.sock)
        if guest.task is None:
            guest.sock.close()
        else:
            guest.task.cancel()

    def _served(self, task: asyncio.Task[None]) -> None:
        guest = self._by_task.pop(task)
        if not guest.is_served:  # it was cancelled before it began
            guest.sock.close()

    def _leave(self, guest: _AcceptedCall) -> None:
        self._waiting.leave(guest)
        self._known.leave(guest)
        if guest in self._strangers:
            self._strangers.remove(guest)

    # -- serving ------------------------------------------------------------------------------------------------

    async def _serve(self, guest: _AcceptedCall) -> None:
        guest.is_served = True
        try:
            stream, kind = await self._open(guest)
            try:
                await self._handlers[kind](stream)
            except BaseException:
                stream.abort()
                raise
            self._tell(guest, None)
        except (OSError, TimeoutError, LocalpairError) as error:
            _log.debug("a connection ended early: %s", error)
            if TRACE.on:
                TRACE.call(guest.address, "ended early", describe(error))
            self._tell(guest, error)
        except Exception:  # noqa: BLE001 - our own fault, and still no caller may end the process
            _log.exception("a connection ended by a fault of this side")
        finally:
            self._leave(guest)

    def _tell(self, guest: _AcceptedCall, error: BaseException | None) -> None:
        if not guest.is_own:
            self._on_ended(guest.address, guest.reach, error)

    async def _open(self, guest: _AcceptedCall) -> tuple[FrameStream, CallKind]:
        try:
            call = await hear_call(guest.sock, self._role)
            kind = call.preamble.kind
            guest.is_own = kind is CallKind.SELF
            if kind is CallKind.PAIR and call.preamble.role is self._role:
                raise SameRoleError(f"both sides are {self._role}")
            self._place(guest, call)
            if TRACE.on:
                TRACE.call(
                    guest.address, kind.name.lower(), "a peer" if guest in self._known else "a stranger"
                )
            server_side = self._role is Role.ISSUER or kind is not CallKind.PAIR
            stream = await start_tls(guest.sock, self._contexts, server_side=server_side)
            if guest.reach is CallReach.KNOWN:
                guest.reach = CallReach.ENCRYPTED
            return stream, kind
        except BaseException:
            guest.sock.close()
            raise

    def _place(self, guest: _AcceptedCall, call: Call) -> None:
        """Give the caller a place by what it has shown. Raises LocalpairError where there is none."""
        self._waiting.leave(guest)
        if self._knows(call):
            self.met = self.met or call.preamble.kind is not CallKind.SELF
            guest.reach = CallReach.KNOWN
            self._dismiss(self._known.admit(guest, guest.address))
            return
        guest.reach = CallReach.STRANGER
        if self._make_room(guest):
            self._strangers.append(guest)
        else:
            raise LocalpairError("there is no place for one more stranger")

    def _make_room(self, guest: _AcceptedCall) -> bool:
        """Whether there is room for one more stranger; a stalled one is sent away for it, of the same source first."""
        source = source_key(guest.address)
        same = [other for other in self._strangers if source_key(other.address) == source]
        if len(same) < PREAUTH_PER_SOURCE and len(self._strangers) < PREAUTH_CONNECTIONS:
            return self._patience.take(self._now())
        # A whole /64 counts as one source: there a stalled neighbour must not keep the others out.
        oldest = (same if len(same) >= PREAUTH_PER_SOURCE else self._strangers)[0]
        if guest.since - oldest.since < _GRACE_S or not self._patience.take(self._now()):
            return False
        self._strangers.remove(oldest)
        self._dismiss(oldest)
        return True

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
