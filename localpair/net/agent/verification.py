"""Verification: a stream becomes a peer connection, whose handshake runs until its peer is known; and refusals."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator

from localpair.address import IPAddress
from localpair.candidate import Candidate, Evidence, Origin
from localpair.causes.facts import Whose
from localpair.errors import PeerEndedError, Refusal, RefusedError, WireError
from localpair.events import Direction
from localpair.keys import Role, certificate_fingerprint, check_pin, random_bytes
from localpair.limits import CANDIDATES, FAREWELL_S, FRAME_PREAUTH_BYTES, HANDSHAKE_S
from localpair.names.labels import general_name
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.connection import ConnectionDeclinedError, PeerConnection
from localpair.net.agent.counts import AgentCounts
from localpair.net.agent.peers import PeerTable
from localpair.net.agent.wanted import Wanted
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import is_stranded, local_address, remote_address
from localpair.protocol.handshake import Handshake, LocalSide, Verified
from localpair.protocol.keyring import Keyring, StrangerError
from localpair.protocol.short_code import CODE_BYTES
from localpair.wire.beacon import Part
from localpair.wire.messages import NONCE_BYTES

_log = logging.getLogger("localpair.agent")


class PeerVerifier:
    """Verifies the peer of each connection, dialled or accepted, and counts the refusals.

    ``secret`` names the secret that a joiner means; ``pin`` is the issuer's key hash where the offer gave one.
    ``pair_at`` is the one address at which pairing is accepted, where one was agreed on (flow post). ``resuming`` is
    True while this side believes to have lost the connection that the issuer nominated.
    """

    def __init__(
        self, wanted: Wanted, keyring: Keyring, instance: bytes, counts: AgentCounts, peers: PeerTable,
        announcer: Announcer, clock: Clock,
    ) -> None:  # fmt: skip
        self.secret, self.pin = wanted.secret, wanted.pin
        self.pair_at: IPAddress | None = None
        self.resuming = False
        self._wanted, self._keyring, self._instance, self._counts = wanted, keyring, instance, counts
        self._peers, self._announcer, self._clock = peers, announcer, clock
        self._connections: set[PeerConnection] = set()
        self._to_ourselves: deque[object] = deque(
            maxlen=CANDIDATES
        )  # where a dial met this device's own identity

    async def accept(self, stream: FrameStream) -> PeerConnection:
        """The verified connection of a caller. Raises WireError where nobody may pair here now, and as ``verify``."""
        if self._wanted.role is Role.JOINER and self.secret not in self._keyring:
            raise WireError("there is no secret yet to pair by")
        if self.pair_at is not None and local_address(stream) != self.pair_at:
            raise WireError("pairing is accepted at the agreed address only")
        candidate = Candidate(
            remote_address(stream),
            stream.remote[1],
            origin=Origin.TCP_SOURCE,
            evidence=Evidence.DIALLED_OVER_TCP,
        )
        connection = self.make_connection(stream, candidate, Direction.IN, self.secret)
        await self.verify(connection)
        return connection

    def make_connection(
        self, stream: FrameStream, candidate: Candidate, direction: Direction, secret: str | None
    ) -> PeerConnection:
        """A connection at the beginning of its handshake. Raises RefusedError where the pinned key is another one."""
        wanted = self._wanted
        pin = self.pin if wanted.role is Role.JOINER else None
        if pin is not None:
            meant = None if secret is None or secret not in self._keyring else self._keyring[secret]
            check_pin(stream.certificate, pin, meant)
        stream.set_limit(FRAME_PREAUTH_BYTES)
        local = LocalSide(
            wanted.role, wanted.identity, wanted.label or general_name(), self._instance, random_bytes(NONCE_BYTES),
            random_bytes(CODE_BYTES), wanted.gives, wanted.takes,
            via="" if direction is Direction.IN else candidate.via, resumes=self.resuming,
        )  # fmt: skip
        means = secret if wanted.role is Role.JOINER else None
        fingerprint = certificate_fingerprint(stream.certificate)
        handshake = Handshake(local, self._keyring, fingerprint, remote_address(stream), means)
        return PeerConnection(stream, handshake, candidate, direction, pin is not None, self._clock())

    async def verify(self, connection: PeerConnection) -> None:
        """Drive a connection until its peer is verified. Answers of strangers are counted, and a joiner's refusals
        kept.
        """
        if self._wanted.looks:  # a path exists; the offer stays valid for the device that pairs
            connection.stream.abort()
            return
        self._connections = {*self.open_connections(), connection}
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                while not isinstance(await connection.next_event(), Verified):
                    pass
        except RefusedError as error:
            if not self._passes_over(connection, error):
                self._count_refusal(connection, error)
            await connection.stream.close()
            raise
        except PeerEndedError:
            self.note_ended(connection)
            await connection.stream.close()
            raise
        except StrangerError:
            self._counts.strangers += 1
            await connection.stream.close()
            raise
        except BaseException:
            connection.stream.abort()
            raise
        if connection.verified is not None:
            self._peers.met(connection.verified.instance)
        if connection.verified is not None and self._announcer.learn(
            connection.verified.called, 0, Evidence.AUTHENTICATED, Origin.TCP_SOURCE
        ):
            _log.debug("the peer reached us at %s", connection.verified.called)

    def note_ended(self, connection: PeerConnection) -> None:
        """The peer of a connection says on it that its run ends."""
        self._peers.note_ended(connection.handshake.proven_instance or b"")

    def open_connections(self) -> Iterator[PeerConnection]:
        """Those on which the peer speaks TLS, with the pinned key where one is known, verified or not."""
        return (connection for connection in self._connections if not connection.stream.is_closing())

    def met_ourselves(self, candidate: Candidate) -> bool:
        """Whether a dial to that place has met this device's own identity."""
        return candidate.key in self._to_ourselves

    def set_interfaces(self, interfaces: Interfaces) -> None:
        """The network changed: connections whose own end has lost its address are given up."""
        for connection in tuple(self.open_connections()):
            if is_stranded(connection.stream, interfaces):
                connection.stream.abort()  # its owner goes on with the next one
        if self.pair_at is not None and self.pair_at not in interfaces.own_addresses:
            self.pair_at = None  # the address that was agreed on is gone: any other may do

    def _passes_over(self, connection: PeerConnection, error: RefusedError) -> bool:
        """Between paired devices, another run of this very device holds the same secrets, and is nobody's news."""
        if error.reason is not Refusal.SELF or self._wanted.part not in {Part.SEND, Part.LISTEN}:
            return False
        instance = connection.handshake.proven_instance
        if instance is not None:
            self._to_ourselves.append(connection.candidate.key)
            self._peers.met_ourselves(instance)
        return True

    def _count_refusal(self, connection: PeerConnection, error: RefusedError) -> None:
        declined = isinstance(error, ConnectionDeclinedError)
        if isinstance(error, ConnectionDeclinedError) and error.lost:
            return
        by = Whose.THEIRS if declined else Whose.OURS
        self._announcer.recorder.refusal(error.reason, by, proven=connection.pinned or declined)
        if self._wanted.role is not Role.JOINER or self._counts.final.is_set():
            return
        self._counts.refusals.append(error)
        if connection.pinned or declined:
            self._counts.final.set()


class Farewells:
    """What peers are told whose connections are not wanted, beside all other work: nobody waits for a peer that does
    not read.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def refuse(
        self, connection: PeerConnection, reason: Refusal | None, then: Callable[[], None] | None
    ) -> None:
        """Tell the peer why its connection ends (None: another one won), end it, and call ``then``."""
        task = asyncio.create_task(connection.refuse(reason))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if then is not None:
            task.add_done_callback(lambda _: then())

    def say_ended(self, connections: Iterator[PeerConnection]) -> None:
        """This run ends before there is a pair: nobody on these is to wait for it."""
        for connection in list(connections):
            self.refuse(connection, Refusal.ENDED, None)

    async def end(self) -> None:
        """What was refused at the last moment is told so, too."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL_S)
        for task in self._tasks:
            task.cancel()
