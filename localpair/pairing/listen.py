"""Listening: be there for the devices that are paired already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from localpair.choices.settings import Settings
from localpair.dataclass import dataclass
from localpair.errors import LocalpairError, Refusal, UnreachableError
from localpair.events import Paired, Peer
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import REVOCATION_S
from localpair.net.agent.agent import Agent
from localpair.net.agent.connection import PeerConnection
from localpair.net.agent.wanted import Wanted
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.pairing.approval import meet_again, remembered
from localpair.pairing.attempt import Pairing
from localpair.pairing.reconnect import SessionConnection
from localpair.protocol.handshake import Verified
from localpair.session import Session
from localpair.trace import TRACE
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore
from localpair.wire.beacon import Part

_PENDING = "?"  # marks the secret of a pair that its peer has not acknowledged yet


@dataclass(eq=False, slots=True)
class _ConnectedDevice:
    """One instance of a paired device, its session, and the connection that carries it.

    Until the two have ``met``, a ``successor`` waits: the device has lost the connection on which they were to meet.
    """

    device_id: str
    session: Session
    line: SessionConnection
    first: PeerConnection
    met: bool = False
    successor: PeerConnection | None = None

    def replace(self, connection: PeerConnection) -> bool:
        """Whether ``connection`` is the device's newer connection; then the one before it is given up."""
        if self.met:
            return self.line.offer(connection)
        latest = self.successor or self.first
        if not connection.supersedes(latest.since):
            return False
        latest.stream.abort()
        self.successor = connection
        return True


class Listening(Pairing):
    """One run of ``listen()``: any number of sessions with devices that are paired already."""

    def __init__(self, settings: Settings, store: TrustStore) -> None:
        super().__init__(settings, store)
        self._sessions: asyncio.Queue[Session | None] = asyncio.Queue()
        self._guests: dict[bytes, _ConnectedDevice] = {}
        self._error: BaseException | None = None

    async def sessions(self) -> AsyncIterator[Session]:
        """Each new session with a paired device. Raises what ends the listening."""
        while True:
            session = await self._sessions.get()
            if session is None:
                break
            yield session
        if self._error is not None:
            raise self._error

    async def explain(self, error: UnreachableError) -> LocalpairError:
        """Judge the run of a listener that waited for nothing: a `Judged` event, and ``error`` in its words."""
        return await self._judged(error)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, asyncio.CancelledError):
            self._error = error
        super()._fail(error)
        self._sessions.put_nowait(None)

    async def _run(self, group: asyncio.TaskGroup) -> None:
        identity, run = await self._begin_run()
        wanted = Wanted(
            Role.ISSUER, Part.LISTEN, identity, self._settings.name,
            gives=self._settings.gives, takes=self._settings.takes, port=self._settings.port, run=run,
        )  # fmt: skip
        self._hold_keys()
        agent = self._new_agent(wanted)
        await self._start(agent, group)
        self._emit(agent.ready())
        group.create_task(self._follow_store())
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._serve(agent, group)
        except TimeoutError:
            self._sessions.put_nowait(None)
        finally:
            for guest in list(self._guests.values()):  # each one is forgotten as it closes
                await guest.session.close()
        raise _OverError

    def _network_changed(self, interfaces: Interfaces) -> None:
        for guest in self._guests.values():
            guest.line.check(interfaces)

    async def _serve(self, agent: Agent, group: asyncio.TaskGroup) -> None:
        while True:
            connection = await agent.next_verified()
            group.create_task(self._welcome(agent, connection, group))

    async def _welcome(self, agent: Agent, connection: PeerConnection, group: asyncio.TaskGroup) -> None:
        """A resume goes to its session, a second path of a live session is turned away, the rest is new."""
        verified = connection.verified
        if verified is None:
            return
        record = self._record_of(verified)
        if record is None:
            agent.reject(connection, Refusal.REVOKED)
            return
        guest = self._guests.get(verified.instance)
        if guest is None:
            await self._begin(agent, connection, verified, record, group)
        elif guest.device_id != record.device_id or not guest.replace(connection):
            agent.reject(connection, None)

    async def _begin(
        self,
        agent: Agent,
        connection: PeerConnection,
        verified: Verified,
        record: DeviceRecord,
        group: asyncio.TaskGroup,
    ) -> None:
        peer = Peer(record.device_id, record.name)
        path = connection.path()
        line = SessionConnection(connection.stream, Role.ISSUER, self._emit, agent.clock)

        async def reconnect() -> FrameStream:
            agent.resume_dialing(verified.instance)
            agent.resume_announcing()
            try:
                return await line.replace()
            finally:
                agent.pause_dialing(verified.instance)

        session = Session(
            connection.stream, peer=peer, path=path, reconnect=reconnect, on_event=self._emit,
            peer_gives=verified.peer_gives, peer_takes=verified.peer_takes,
        )  # fmt: skip
        guest = _ConnectedDevice(record.device_id, session, line, connection)
        self._guests[verified.instance] = guest
        if not await self._has_met(connection, verified, record):
            self._guests.pop(verified.instance, None)
            if guest.successor is not None:
                group.create_task(self._welcome(agent, guest.successor, group))
            return
        guest.met = True
        if guest.successor is not None:
            line.offer(guest.successor)
        agent.pause_dialing(verified.instance)
        if TRACE.on:
            TRACE.nomination(path, peer.device_id)
        self._emit(Paired(peer, path, agent.ms_since_first_sign(connection)))
        self._sessions.put_nowait(session)
        group.create_task(self._forget_when_closed(agent, verified.instance, session))

    async def _has_met(self, connection: PeerConnection, verified: Verified, record: DeviceRecord) -> bool:
        """Whether the handshake came to its end, and the store has noted it; else the connection is given up."""
        try:
            await meet_again(connection, Role.ISSUER)
            if record.state is DeviceState.UNCONFIRMED or verified.secret.endswith(_PENDING):
                await asyncio.to_thread(self._store.confirm, record.device_id)
            await asyncio.to_thread(self._store.touch, record.device_id, remembered(connection))
        except (OSError, TimeoutError, LocalpairError):
            connection.stream.abort()
            return False
        return True

    async def _forget_when_closed(self, agent: Agent, instance: bytes, session: Session) -> None:
        await session.wait_closed()
        self._guests.pop(instance, None)
        agent.peer_ended(instance)

    def _record_of(self, verified: Verified) -> DeviceRecord | None:
        """The record that stands for this peer now: not revoked, and with the very key that it has proven."""
        record = self._store.find(verified.device_id)
        if record is None or record.state is DeviceState.REVOKED or record.public_key != verified.public_key:
            return None
        return record if verified.secret.rstrip(_PENDING) == record.device_id else None

    def _hold_keys(self) -> None:
        """Exchange the keys for those of the pairs that there are now. Revoked ones are told so."""
        pairs = {one.device_id: one for one in self._store.devices() if one.state is DeviceState.PAIRED}
        pairs |= {one.device_id + _PENDING: one for one in self._store.unconfirmed()}
        for name in self._keyring:
            if name not in pairs:
                self._keyring.drop(name)
        for name, record in pairs.items():
            self._keyring.put(name, _secret_of(record), record.heard)
        revoked = (one for one in self._store.devices() if one.state is DeviceState.REVOKED)
        self._keyring.revoke(map(_secret_of, revoked))

    async def _follow_store(self) -> None:
        """Pairs that come and go in other processes count at once: keys are exchanged, sessions ended."""
        generation = self._store.generation
        while True:
            await asyncio.sleep(REVOCATION_S)
            if self._store.generation == generation:
                continue
            generation = self._store.generation
            self._hold_keys()
            for instance, guest in list(self._guests.items()):
                if guest.device_id not in self._keyring:
                    self._guests.pop(instance, None)
                    await guest.session.close()


def _secret_of(record: DeviceRecord) -> SharedSecret:
    return SharedSecret(record.pair_key, Purpose.PAIR, record.role)


class _OverError(LocalpairError):
    """Ends the task group when the time to listen is over."""

    def __init__(self) -> None:
        super().__init__("listening is over")
