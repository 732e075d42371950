"""The dialer: runs the checklists over real connections, each dial up to a verified connection or a kept failure."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from localpair.address import IPAddress
from localpair.candidate import Candidate
from localpair.dataclass import dataclass
from localpair.errors import LocalpairError, RefusedError, SameRoleError
from localpair.events import Attempt, Direction, Flaw, Phase
from localpair.keys import Role
from localpair.limits import CANDIDATES, FAR_GIVES_WAY_S, GIVE_WAY_S
from localpair.net.agent.announcer import Clock
from localpair.net.agent.connection import ConnectionDeclinedError, PeerConnection
from localpair.net.agent.dials.check_lists import Checklists
from localpair.net.agent.dials.hole_punching import HolePuncher
from localpair.net.agent.flaws import flaw_of
from localpair.net.host.naming import describe
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import Contexts, Responder, connect, exchange_preambles, start_tls
from localpair.protocol.checklist import DialOutcome
from localpair.trace import TRACE
from localpair.wire.messages import CallKind, Preamble

_log = logging.getLogger("localpair.dialer")

# What a system says of itself: the ports or the card are not to be had now. Nobody has refused anything.
_OURS = frozenset({"EADDRNOTAVAIL", "EADDRINUSE", "ENXIO", "ENODEV"})

ConnectionMaker = Callable[[FrameStream, Candidate, Direction, str | None], PeerConnection]
ConnectionVerifier = Callable[[PeerConnection], Awaitable[None]]


@dataclass(slots=True)
class Trial:
    """One dial under way: how far it got, for the record of its failure."""

    candidate: Candidate
    started: float
    phase: Phase = Phase.CONNECT
    direction: Direction = Direction.OUT

    def reach(self, phase: Phase) -> None:
        """The dial has got as far as ``phase``."""
        self.phase = phase
        if TRACE.on:
            TRACE.dial(self.candidate, phase)


class Dialer:
    """Dials one candidate for its caller: ``make_connection`` starts the handshake on the stream, ``verify`` drives it
    until the peer is known. ``responder`` gives, for the name of a secret, what shows that this side holds it. ``met``
    says whether a connection that one side alone has opened stood elsewhere; ``is_far`` of a candidate whether it is
    dialled over a link on which it does not lie.
    """

    def __init__(
        self, contexts: Contexts, role: Role, clock: Clock, responder: Callable[[str], Responder],
        make_connection: ConnectionMaker, verify: ConnectionVerifier,
        on_attempt: Callable[[Attempt], None], met: Callable[[], bool], is_far: Callable[[Candidate], bool],
    ) -> None:  # fmt: skip
        self._contexts, self._role, self._clock, self._responder = contexts, role, clock, responder
        self._make_connection, self._verify, self._on_attempt = make_connection, verify, on_attempt
        self._met, self._met_here, self._is_far = met, False, is_far
        self._nearer: dict[asyncio.Task[Any], str] = {}  # dials whose connection stands, each with its secret

    async def dial(
        self, secret: str, candidate: Candidate, connected: socket.socket | None = None
    ) -> PeerConnection | DialOutcome:
        """A verified connection, or what the failure means for trying again. The failure itself has been reported.

        ``connected`` is a connection to the candidate that was opened in another way.
        """
        trial = Trial(candidate, self._clock())
        try:
            connection = await self._open(trial, secret, connected)
            trial.reach(Phase.HELLO)
            await self._give_way(connection, secret)
            await self._verify(connection)
        except (OSError, TimeoutError, LocalpairError) as error:
            return self._failed(trial, error)
        except Exception as error:  # noqa: BLE001 - our own fault, and still no host that is dialled may end the process
            _log.exception("a dial ended by a fault of this side")
            return self._failed(trial, error)
        finally:
            self._nearer.pop(_this_task(), None)
        return connection

    async def _give_way(self, connection: PeerConnection, secret: str) -> None:
        """Let another dial come first: a plain one, where this one would send files slowly
        (``localpair.net.transport.congestion``), and a nearer one, where this one goes over a link on which the peer's
        address does not lie. The peer cannot nominate it before we have said our first word.
        """
        both, plainly = connection.direction is Direction.SIMULTANEOUS, self._met_here or self._met()
        nearer = [task for task, name in self._nearer.items() if name == secret and task is not _this_task()]
        try:
            if both and plainly and connection.stream.misjudges:
                await asyncio.sleep(GIVE_WAY_S)
            elif nearer and self._is_far(connection.candidate):
                await asyncio.wait(nearer, timeout=FAR_GIVES_WAY_S)
        except BaseException:
            connection.stream.abort()
            raise

    def _failed(self, trial: Trial, error: BaseException) -> DialOutcome:
        lost = isinstance(error, ConnectionDeclinedError) and error.lost
        ms = (self._clock() - trial.started) * 1000
        name = errno_name(error)
        detail = "" if name else describe(error)
        outcome = "lost" if lost else "failed"
        flaw = Flaw.NONE if lost or name else flaw_of(error, trial.phase)
        self._on_attempt(
            Attempt(trial.candidate, trial.direction, trial.phase, outcome, ms, name, detail, flaw)
        )
        if isinstance(error, RefusedError) and not lost:
            return DialOutcome.HOPELESS
        if trial.phase is not Phase.CONNECT or not name or name in _OURS:
            return DialOutcome.FAILED
        return DialOutcome.UNANSWERED if name == "ETIMEDOUT" else DialOutcome.REFUSED

    async def _open(self, trial: Trial, secret: str, connected: socket.socket | None) -> PeerConnection:
        to = trial.candidate
        trial.reach(Phase.CONNECT)
        one = connected or await connect(
            to.address,
            to.port,
            to.scope,
            source_port=to.dial_from or None,
            bind_to=to.bind_to,
            local=to.local,
        )
        self._met_here = self._met_here or not to.dial_from
        if not self._is_far(to):
            self._nearer[_this_task()] = secret
        try:
            trial.reach(Phase.PREAMBLE)
            own = Preamble(CallKind.PAIR, self._role, True)
            peer = await exchange_preambles(one, own, self._responder(secret))
            if peer.role is self._role:
                raise SameRoleError(f"both sides are {self._role}")
            trial.direction = Direction.SIMULTANEOUS if peer.dialled else Direction.OUT
            trial.reach(Phase.TLS)
            stream = await start_tls(one, self._contexts, server_side=self._role is Role.ISSUER)
        except BaseException:
            one.close()
            raise
        trial.reach(Phase.PIN)
        try:
            return self._make_connection(stream, to, trial.direction, secret)
        except BaseException:
            stream.abort()
            raise


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
        # The same, where a dial between the fixed ports got no answer.
        self._silent: deque[tuple[str, IPAddress]] = deque(maxlen=CANDIDATES)

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
        elif result is DialOutcome.UNANSWERED and candidate.dial_from:
            self._silence((secret, candidate.address))
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

    def _silence(self, place: tuple[str, IPAddress]) -> None:
        """The first dial may have come before the other side's."""
        if place in self._silent:
            self._hole_puncher.unanswered(*place)
        else:
            self._silent.append(place)


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a dial runs in a task")
    return task


def errno_name(error: BaseException) -> str:
    """The symbolic errno of an error, or of what caused it; empty where there is none.

    A limit of our own counts as one of the system's.
    """
    if isinstance(error, ssl.SSLError):
        return ""
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, str(error.errno))
    return "ETIMEDOUT" if isinstance(error, TimeoutError) else ""
