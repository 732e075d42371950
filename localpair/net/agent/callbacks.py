"""Confirmations over TCP: calls to one's own listener, and beacons carried over TCP where UDP fails one way.

A peer that was discovered is called on its listener with a beacon of ours that names the address we called; it
learns our addresses and its own, answers with where it saw us from, and calls itself at the address we named.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass

from localpair.address import IPAddress, unscoped
from localpair.errors import LocalpairError, WireError
from localpair.keys import Role, certificate_fingerprint, random_bytes
from localpair.limits import IDENTIFY_S, SELF_CALL_S, SELF_CODE_BYTES
from localpair.net.agent.admission import CallAdmission
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.gathering import CallOutcome
from localpair.net.host.naming import describe
from localpair.net.transport.stream import Frame, FrameStream
from localpair.net.transport.tcp import Contexts, call, remote_address
from localpair.protocol.discovery_events import BeaconOpened, BeaconSource, Carrier
from localpair.wire.beacon import BeaconKind, Seen
from localpair.wire.messages import CallKind, CarriedBeacon, SelfAnswer, SelfCall, decode_message


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
                    return await self._ask(stream, SelfCall(code, plain))
                finally:
                    stream.abort()
        except (OSError, TimeoutError, LocalpairError) as error:
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
        return self.announcer.discovery.receive(
            message.datagram, source, Carrier.TCP, self.clock(), certificate
        )


async def _question(stream: FrameStream) -> Frame:
    """The one frame of whoever called: silence keeps no slot of the listener."""
    async with asyncio.timeout(IDENTIFY_S):
        return await stream.read()
