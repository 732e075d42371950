"""From a verified connection to a recorded pair: nomination, the persons' approval, the commit on both sides."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from localpair.candidate import Candidate, Evidence, Origin
from localpair.choices.settings import ApprovalRequest, Approver
from localpair.dataclass import dataclass
from localpair.errors import Refusal, RefusedError, RemoteError
from localpair.events import CodeShown, Direction, Peer, PeerGone
from localpair.keys import HASH_BYTES, Purpose, Role, SharedSecret, random_bytes
from localpair.limits import ANSWER_S, APPROVAL_S, HANDSHAKE_S, LOWEST_DIALLED_PORT, RACE_S
from localpair.names.labels import better_label, clean_label
from localpair.net.agent.connection import PeerConnection
from localpair.protocol.handshake import (
    ApprovalNeeded,
    CommitNeeded,
    Complete,
    HandshakeEvent,
    Nominated,
    RecordPaired,
    RecordUnconfirmed,
    Verified,
)
from localpair.protocol.handshake_states import State
from localpair.trust.store import DeviceRecord, TrustStore

_log = logging.getLogger("localpair.pairing")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides have recorded: the peer, and the secret under which they will meet again.

    ``asked_ms`` is how long persons, here or there, took to agree.
    """

    connection: PeerConnection
    peer: Peer
    secret: SharedSecret
    asked_ms: float = 0.0


class SilentError(TimeoutError):
    """A nominated device has not said its next word in time, although its connection stands."""


class Agreement:
    """Concludes connections for one attempt. What was approved or committed once holds for the next connection of that
    device.
    """

    def __init__(self, store: TrustStore, role: Role, approve: Approver, *, gives: bool, takes: bool) -> None:
        self._store, self._role, self._approve = store, role, approve
        self._gives, self._takes = gives, takes
        self._approved: set[Peer] = set()  # each with the name that the person was shown
        self._missed: set[str] = set()  # who has gone while its person was asked, and was told to have
        self._pair_keys: dict[str, bytes] = {}
        self._asked_since = self._asked_until = 0.0
        self.on_recorded: Callable[[str, SharedSecret], None] = lambda *_: None
        self.on_nominated: Callable[[], None] = lambda: None
        self.on_answered: Callable[[], None] = lambda: None
        self.on_code: Callable[[CodeShown], None] = lambda _: None
        self.on_gone: Callable[[PeerGone], None] = lambda _: None

    async def conclude(self, connection: PeerConnection) -> Agreed:
        """Bring a verified connection to its end. The issuer nominates it; the joiner's has been nominated or will be.

        Raises RefusedError where a person or the peer says no, PeerEndedError where the peer's run ends, and
        ConnectionError where the connection ended; the same device may then try again. The issuer also raises
        SilentError where the joiner falls silent.
        """
        try:
            return await self._conclude(connection, self._known(connection))
        except asyncio.CancelledError:
            raise  # the run ends, and its agent says so on all that stand; or somebody has ended this one
        except BaseException:
            connection.stream.abort()
            raise

    async def _conclude(self, connection: PeerConnection, peer: Verified) -> Agreed:
        await self._refuse_revoked(connection, peer)
        if self._role is Role.ISSUER:
            connection.handshake.nominate()
        while True:
            event = await self._hear(connection)
            if isinstance(event, Complete):
                connection.flush()
                if (
                    peer.secret == peer.device_id
                ):  # it has proven the key that was recorded on the connection before
                    await _in_thread(lambda: self._store.confirm(peer.device_id))
                return self._agreed(connection, peer)
            await self._react(connection, peer, event)

    async def _hear(self, connection: PeerConnection) -> HandshakeEvent:
        """Whoever holds the offer's secret and then says nothing must not keep the offer from all others."""
        limit = asyncio.timeout(patience(connection) if self._role is Role.ISSUER else None)
        try:
            async with limit:
                return await connection.next_event()
        except TimeoutError:
            if not limit.expired():
                raise  # the system's: the connection has ended
            raise SilentError("the device that has claimed the offer says nothing") from None

    def committed(self) -> frozenset[str]:
        """The devices that a commit was sent to: nobody else may claim the offer any more."""
        return frozenset(self._pair_keys)

    async def _react(self, connection: PeerConnection, peer: Verified, event: HandshakeEvent) -> None:
        match event:
            case Nominated(code):
                self._nominated(connection, peer, code)
            case ApprovalNeeded(code):
                await self._ask(connection, peer, code)
            case CommitNeeded():
                self._asked_until = _now()
                self.on_answered()
                connection.handshake.commit(
                    self._pair_keys.setdefault(peer.device_id, random_bytes(HASH_BYTES))
                )
            case RecordUnconfirmed(pair_key):
                self._asked_until = self._asked_until or _now()
                await self._record(connection, peer, pair_key)
            case RecordPaired():
                await _in_thread(lambda: self._store.confirm(peer.device_id))
                connection.handshake.recorded()

    def _nominated(self, connection: PeerConnection, peer: Verified, code: str) -> None:
        self.on_nominated()
        if peer.secret == peer.device_id:
            return  # everybody was asked on the connection before
        self._asked_since, self._asked_until = _now(), 0.0
        shown = self._shown(peer)
        if not connection.handshake.must_approve or shown in self._approved:
            again = connection.handshake.must_approve
            doing = direction(self._gives, self._takes)
            self.on_code(CodeShown(shown, code, doing, connection.path(), again=again))

    async def _ask(self, connection: PeerConnection, peer: Verified, code: str) -> None:
        shown = self._shown(peer)
        if shown not in self._approved:
            request = ApprovalRequest(
                shown, code, direction(self._gives, self._takes), connection.path(),
                peer.peer_gives, peer.peer_takes,
            )  # fmt: skip
            agreed, lost = await self._answer_over(connection, request)
            if not agreed:
                await connection.refuse(Refusal.NOT_APPROVED)
                raise RefusedError(
                    Refusal.NOT_APPROVED,
                    "the pairing was not approved on this device",
                    hint="nothing was sent and nothing was recorded; `--yes` approves without asking",
                )
            self._approved.add(shown)
            if lost is not None:
                raise lost  # it will come again; what was agreed on is who it is, under which name
        connection.handshake.approve()

    async def _answer_over(
        self, connection: PeerConnection, request: ApprovalRequest
    ) -> tuple[bool, OSError | None]:
        """The person's answer, and how the connection ended meanwhile, if it did. Raises what the peer said no with:
        then there is nothing to ask any more.
        """
        asking = asyncio.create_task(self._answer(request))
        peers = asyncio.create_task(_next_event(connection))
        try:
            await asyncio.wait({asking, peers}, return_when=asyncio.FIRST_COMPLETED)
            lost = peers.result() if peers.done() else None
            if lost is not None and not asking.done():
                self._tell_gone(connection, request.peer)
            return await asking, lost
        finally:
            asking.cancel()
            peers.cancel()
            await asyncio.wait({asking, peers})  # only one task may read a connection

    def _tell_gone(self, connection: PeerConnection, peer: Peer) -> None:
        """Once for each device, and not where a newer connection of its has taken the place of this one."""
        if not connection.abandoned and peer.device_id not in self._missed:
            self._missed.add(peer.device_id)
            self.on_gone(PeerGone(peer))

    async def _answer(self, request: ApprovalRequest) -> bool:
        try:
            async with asyncio.timeout(APPROVAL_S):
                return await self._approve(request)
        except TimeoutError:
            _log.info("nobody answered the approval within %g s", APPROVAL_S)
            return False

    async def _record(self, connection: PeerConnection, peer: Verified, pair_key: bytes) -> None:
        record = DeviceRecord(
            device_id=peer.device_id,
            public_key=peer.public_key,
            pair_key=pair_key,
            role=self._role,
            label=peer.label,
            addresses=remembered(connection),
            last_seen=time.time(),
        )
        await _in_thread(lambda: self._store.record_unconfirmed(record))
        self._pair_keys[peer.device_id] = pair_key
        self.on_recorded(peer.device_id, SharedSecret(pair_key, Purpose.PAIR, self._role))
        connection.handshake.recorded()

    async def _refuse_revoked(self, connection: PeerConnection, peer: Verified) -> None:
        if await _in_thread(lambda: self._store.is_revoked(peer.device_id)):
            await connection.refuse(Refusal.REVOKED)
            raise RefusedError(
                Refusal.REVOKED,
                f"the device {peer.device_id} has been revoked here",
                hint="`localpair devices forget` makes it a stranger, which can pair again",
            )

    def _known(self, connection: PeerConnection) -> Verified:
        if connection.verified is None:
            raise RemoteError("a connection that is not verified cannot be concluded")
        return connection.verified

    def _agreed(self, connection: PeerConnection, peer: Verified) -> Agreed:
        secret = SharedSecret(self._pair_keys[peer.device_id], Purpose.PAIR, self._role)
        asked_ms = (self._asked_until - self._asked_since) * 1000
        return Agreed(connection, self._shown(peer), secret, asked_ms)

    def _shown(self, peer: Verified) -> Peer:
        """The peer as a person knows it: by the name it has here, else by its claim, which may hold anything."""
        label, known = clean_label(peer.label), self._store.find(peer.device_id)
        if known is not None:
            label = known.alias or better_label(label, known.label)
        return Peer(peer.device_id, label)


def owes_a_word(connection: PeerConnection) -> bool:
    """Whether a nominated joiner has yet to show that it is there at all, and asks no person first."""
    return connection.handshake.state is State.PEER_APPROVAL and not connection.peer_gives


def patience(connection: PeerConnection) -> float:
    """Seconds that a nominated joiner has for its next word. Whoever gives asks its person before it approves."""
    asks = connection.handshake.state in {State.APPROVAL, State.PEER_APPROVAL} and connection.peer_gives
    return ANSWER_S + APPROVAL_S if asks else ANSWER_S


def replaces(connection: PeerConnection, chosen: PeerConnection) -> bool:
    """Whether the chosen device comes again because it has lost the connection that this side still waits on."""
    return is_same_device(connection, chosen) and connection.supersedes(chosen.since + RACE_S)


def is_same_device(one: PeerConnection, other: PeerConnection) -> bool:
    """Whether both connections are verified, and lead to one device."""
    if one.verified is None or other.verified is None:
        return False
    return one.verified.device_id == other.verified.device_id


async def abandon(connection: PeerConnection, conclusion: asyncio.Task[Agreed]) -> None:
    """End the connection that is being concluded, and wait until its task has ended in whatever way."""
    connection.abandon()
    await asyncio.wait({conclusion})


async def _next_event(connection: PeerConnection) -> OSError | None:
    """Wait for what comes next on a connection, and leave it to whoever reads it then; how the connection ended, if
    so.
    """
    try:
        connection.put_back(await connection.next_event())
    except OSError as lost:
        return lost
    return None


async def meet_again(connection: PeerConnection, role: Role) -> None:
    """Conclude a connection between devices that are paired already: the issuer nominates, and that is all.

    Raises RefusedError, ConnectionError or TimeoutError.
    """
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            if role is Role.ISSUER:
                connection.handshake.nominate()
            while not isinstance(await connection.next_event(), Complete):
                pass
    except BaseException:
        connection.stream.abort()
        raise
    connection.flush()


def remembered(connection: PeerConnection) -> tuple[Candidate, ...]:
    """Where this peer can be dialled next time: an address that was dialled, never an ephemeral port."""
    candidate = connection.candidate
    if connection.direction is Direction.IN or candidate.port < LOWEST_DIALLED_PORT:
        return ()
    return (replace(candidate, origin=Origin.REMEMBERED, evidence=Evidence.ASSIGNED, via="remembered"),)


def _now() -> float:
    return asyncio.get_running_loop().time()


def direction(gives: bool, takes: bool) -> str:
    """What this side does with the session, in one word."""
    return {(True, True): "both", (True, False): "gives", (False, True): "takes"}.get((gives, takes), "none")


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """The store writes and syncs small files; the loop goes on meanwhile."""
    return await _shielded(asyncio.to_thread(work))


async def _shielded(work: Awaitable[_Result]) -> _Result:
    return await asyncio.shield(asyncio.ensure_future(work))
