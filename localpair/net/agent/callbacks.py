"""Confirmations over TCP: calls to one's own listener, and beacons carried over TCP where UDP fails one way.

A peer that was discovered is called on its listener with a beacon of ours that names the address we called; it
learns our addresses and its own, answers with where it saw us from, and calls itself at the address we named.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Callable

from localpair.address import IPAddress, unscoped
from localpair.candidate import Candidate, Evidence
from localpair.dataclass import dataclass
from localpair.endpoint import scope_of
from localpair.errors import LocalpairError, WireError
from localpair.events import AddressAttempt, Event
from localpair.keys import Role, certificate_fingerprint, random_bytes
from localpair.limits import (
    CONFIRM_AFTER_S,
    IDENTIFY_S,
    PACKET_DIALS_TOTAL,
    PEERS,
    SELF_CALL_S,
    SELF_CODE_BYTES,
)
from localpair.net.agent.admission import CallAdmission
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.dials.dialer import errno_name
from localpair.net.agent.gathering import CallOutcome
from localpair.net.host.naming import describe
from localpair.net.transport.stream import Frame, FrameStream
from localpair.net.transport.tcp import Contexts, call, remote_address
from localpair.protocol.discovery_events import BeaconOpened, BeaconSource, Carrier, Heard
from localpair.protocol.rate_limits import PerSource
from localpair.wire.beacon import BeaconKind, Seen
from localpair.wire.messages import CallKind, CarriedBeacon, SelfAnswer, SelfCall, decode_message

_log = logging.getLogger("localpair.discovery")


@dataclass(frozen=True, slots=True)
class CallbackChecker:
    """Makes and answers confirmations for one process. ``pending`` holds the codes of calls to oneself."""

    contexts: Contexts
    admission: CallAdmission
    role: Role
    announcer: Announcer
    clock: Clock
    own_port: int
    pending: dict[bytes, IPAddress]

    async def call_self(self, address: IPAddress, scope: int, port: int) -> CallOutcome:
        """Call our own listener at one of our addresses with a random code. Never raises but for cancellation."""
        code, plain = random_bytes(SELF_CODE_BYTES), unscoped(address)
        self.pending[code] = plain
        try:
            async with asyncio.timeout(SELF_CALL_S):
                stream = await call(
                    self.contexts,
                    CallKind.SELF,
                    self.role,
                    plain,
                    port,
                    scope,
                    respond=self.admission.meet_own,
                )
                try:
                    outcome = await self._ask(stream, SelfCall(code, plain))
                finally:
                    stream.abort()
            self.announcer.recorder.self_call(plain, confirmed=True)
            return outcome
        except (OSError, TimeoutError, LocalpairError) as error:
            self.announcer.recorder.self_call(plain, confirmed=False, errno=errno_name(error))
            return CallOutcome(False, describe(error))
        finally:
            self.pending.pop(code, None)

    async def _ask(self, stream: FrameStream, question: SelfCall) -> CallOutcome:
        stream.write(question.TYPE, question.encode())
        frame = await stream.read()
        answer = decode_message(frame.type, frame.body)
        expected = hashlib.sha256(question.code).digest()
        if not isinstance(answer, SelfAnswer) or not hmac.compare_digest(answer.code_hash, expected):
            raise WireError("another program answered at our own address")
        return CallOutcome(True)

    async def answer_self(self, stream: FrameStream) -> None:
        """Serve a call to oneself: only a code of ours, at the address that it was made for, is answered."""
        frame = await _question(stream)
        message = decode_message(frame.type, frame.body)
        if not isinstance(message, SelfCall) or self.pending.get(message.code) != message.called:
            raise WireError("a call to oneself that this process did not make")
        answer = SelfAnswer(hashlib.sha256(message.code).digest())
        stream.write(answer.TYPE, answer.encode())
        await stream.close()

    async def confirm_to(self, address: IPAddress, port: int, scope: int, secret: str | None) -> None:
        """Tell a discovered peer over TCP who we are and at which of its addresses we reached it.

        Raises OSError, TimeoutError or LocalpairError where that did not work, or the secret has ended meanwhile.
        """
        meet = self.admission.responder(secret)
        stream = await call(self.contexts, CallKind.CONFIRM, self.role, address, port, scope, respond=meet)
        try:
            if secret is not None and secret not in self.announcer.discovery.keyring:
                raise WireError("the secret has ended")
            datagram = self.announcer.discovery.carried(
                BeaconKind.CONFIRM,
                secret,
                certificate_fingerprint(stream.certificate),
                called=unscoped(address),
            )
            await self._exchange(stream, datagram)
        finally:
            stream.abort()

    async def _exchange(self, stream: FrameStream, datagram: bytes) -> None:
        stream.write(CarriedBeacon.TYPE, datagram)
        async with asyncio.timeout(SELF_CALL_S):
            frame = await stream.read()
        self._hear(stream, frame.type, frame.body)

    async def answer_confirm(self, stream: FrameStream) -> None:
        """Serve a confirmation: hear the beacon, answer with one that says where the caller was seen.

        Whoever does not hold the secret gets no answer.
        """
        frame = await _question(stream)
        opened = self._hear(stream, frame.type, frame.body)
        if opened is not None:
            seen = Seen(remote_address(stream), stream.remote[1])
            certificate = certificate_fingerprint(stream.certificate)
            datagram = self.announcer.discovery.carried(
                BeaconKind.CONFIRMED, opened.secret, certificate, seen=seen
            )
            stream.write(CarriedBeacon.TYPE, datagram)
        await stream.close()

    def _hear(self, stream: FrameStream, kind: int, body: bytes) -> BeaconOpened | None:
        message = decode_message(kind, body)
        if not isinstance(message, CarriedBeacon):
            raise WireError("not a confirmation")
        source = BeaconSource(remote_address(stream), stream.remote[1])
        certificate = certificate_fingerprint(stream.certificate)
        opened = self.announcer.discovery.receive(
            message.datagram, source, Carrier.TCP, self.clock(), certificate
        )
        self.announcer.note_heard(opened, source, Carrier.TCP)
        return opened


@dataclass(frozen=True, slots=True)
class _Callback:
    """A confirmation that is due."""

    due: float
    secret: str | None
    address: IPAddress
    port: int
    scope: int


class CallbackSchedule:
    """Confirms every peer that was heard once, a little later, where it was seen."""

    def __init__(self, checker: CallbackChecker, announcer: Announcer, emit: Callable[[Event], None]) -> None:
        self._checker, self._announcer, self._emit = checker, announcer, emit
        self._budget = PerSource(total=PACKET_DIALS_TOTAL)
        self._calls: list[_Callback] = []
        self._called: OrderedDict[tuple[IPAddress, int], None] = OrderedDict()

    def plan(self, event: Heard) -> None:
        """Call the peer back where it was seen, and nowhere that it merely claims to be."""
        source = event.source
        key = (source.address, event.tcp_port)
        own = self._announcer.interfaces.is_own(source.address)
        probe = Candidate(source.address, event.tcp_port)
        now = self._checker.clock()
        if own or key in self._called or not self._announcer.interfaces.near.may_dial(probe):
            return
        if not self._budget.take(source.address, now):
            return
        self._called[key] = None
        while len(self._called) > PEERS:
            self._called.popitem(last=False)
        self._calls.append(_Callback(now + CONFIRM_AFTER_S, event.secret, *key, source.scope))

    def step(self, group: asyncio.TaskGroup) -> None:
        """Start the confirmations whose time has come."""
        now = self._checker.clock()
        due = [one for one in self._calls if one.due <= now]
        self._calls = [one for one in self._calls if one.due > now]
        for callback in due:
            if callback.secret is None or callback.secret in self._announcer.discovery.keyring:
                group.create_task(self._confirm(callback))

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        return min((one.due for one in self._calls), default=None)

    def clear(self) -> None:
        """Nobody needs to be confirmed any more."""
        self._calls.clear()

    async def confirm_own(self, address: IPAddress) -> None:
        """Call ourselves where a peer has called us, and tell what came of it."""
        started = self._checker.clock()
        owner = self._announcer.interfaces.owner(address)
        scope = scope_of(address, owner.index) if owner is not None else 0
        outcome = await self._checker.call_self(address, scope, self._checker.own_port)
        ms = (self._checker.clock() - started) * 1000
        message, reason = (
            ("confirmed", "the peer called us there, and so did we") if outcome.confirmed else ("failed", "")
        )
        self._emit(
            AddressAttempt(
                3, address, owner.name if owner else None, message, reason or outcome.reason, ms,
                cls=Candidate(address).cls, evidence=Evidence.DIALLED_OVER_TCP,
            )
        )  # fmt: skip

    async def _confirm(self, callback: _Callback) -> None:
        try:
            await self._checker.confirm_to(callback.address, callback.port, callback.scope, callback.secret)
        except (OSError, TimeoutError, LocalpairError) as error:
            _log.info("confirmation to %s failed: %s", callback.address, errno_name(error) or error)


async def _question(stream: FrameStream) -> Frame:
    """The one frame of whoever called: silence keeps no slot of the listener."""
    async with asyncio.timeout(IDENTIFY_S):
        return await stream.read()
