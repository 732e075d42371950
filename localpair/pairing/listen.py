"""Listening: be there for the devices that are paired already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from localpair.errors import LocalpairError, Refusal
from localpair.events import Paired, Peer, Ready
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import REVOCATION_S
from localpair.net.agent.agent import Engine, Wanted
from localpair.net.agent.connection import Lane
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.pairing.approval import meet_again, remembered
from localpair.pairing.attempt import Pairing
from localpair.pairing.reconnect import Line
from localpair.protocol.handshake import Verified
from localpair.protocol.keyring import Keyring
from localpair.session import Session
from localpair.settings import Settings
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore
from localpair.wire.beacon import Part

_PENDING = "?"  # marks the secret of a pair that its peer has not acknowledged yet


@dataclass(eq=False, slots=True)
class _Guest:
    """One instance of a paired device, its session, and the connection that carries it.

    Until the two have ``met``, a ``successor`` waits: the device has lost the connection on which they were to meet.
    """

    device_id: str
    session: Session
    line: Line
    first: Lane
    met: bool = False
    successor: Lane | None = None

    def replace(self, lane: Lane) -> bool:
        """Whether ``lane`` is the device's newer connection; then the one before it is given up."""
        if self.met:
            return self.line.offer(lane)
        latest = self.successor or self.first
        if not lane.supersedes(latest.since):
            return False
        latest.stream.abort()
        self.successor = lane
        return True


class Listening(Pairing):
    """One run of ``listen()``: any number of sessions with devices that are paired already."""

    def __init__(self, settings: Settings, store: TrustStore) -> None:
        super().__init__(settings, store)
        self._sessions: asyncio.Queue[Session | None] = asyncio.Queue()
        self._guests: dict[bytes, _Guest] = {}
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
        keyring = Keyring()
        self._hold_keys(keyring)
        engine = Engine(wanted, keyring, on_event=self._emit)
        group.create_task(engine.run())
        group.create_task(self._keep_heard(engine))
        await engine.started.wait()
        self._emit(Ready(engine.sockets.tcp_port, engine.sockets.udp_port, engine.own_candidates()))
        engine.on_network = self._check_lines
        group.create_task(self._follow_store(engine))
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._serve(engine, group)
        except TimeoutError:
            self._sessions.put_nowait(None)
        finally:
            for guest in list(self._guests.values()):  # each one is forgotten as it closes
                await guest.session.close()
        raise _OverError

    def _check_lines(self, interfaces: Interfaces) -> None:
        for guest in self._guests.values():
            guest.line.check(interfaces)

    async def _serve(self, engine: Engine, group: asyncio.TaskGroup) -> None:
        while True:
            lane = await engine.verified.get()
            group.create_task(self._welcome(engine, lane, group))

    async def _welcome(self, engine: Engine, lane: Lane, group: asyncio.TaskGroup) -> None:
        """A resume goes to its session, a second path of a live session is turned away, the rest is new."""
        verified = lane.verified
        if verified is None:
            return
        record = self._record_of(verified)
        if record is None:
            engine.turn_away(lane, Refusal.REVOKED)
            return
        guest = self._guests.get(verified.instance)
        if guest is None:
            await self._begin(engine, lane, verified, record, group)
        elif guest.device_id != record.device_id or not guest.replace(lane):
            engine.turn_away(lane, None)

    async def _begin(
        self, engine: Engine, lane: Lane, verified: Verified, record: DeviceRecord, group: asyncio.TaskGroup
    ) -> None:
        peer = Peer(record.device_id, record.name)
        path = lane.path()
        line = Line(lane.stream, Role.ISSUER, self._emit, engine.clock)

        async def reconnect() -> FrameStream:
            engine.hearing.resume(verified.instance)
            engine.wake()
            try:
                return await line.replace()
            finally:
                engine.hearing.pause(verified.instance)

        session = Session(
            lane.stream, peer=peer, path=path, reconnect=reconnect, on_event=self._emit,
            peer_gives=verified.peer_gives, peer_takes=verified.peer_takes,
        )  # fmt: skip
        guest = _Guest(record.device_id, session, line, lane)
        self._guests[verified.instance] = guest
        try:
            await meet_again(lane, Role.ISSUER)
            if record.state is DeviceState.UNCONFIRMED or verified.secret.endswith(_PENDING):
                await asyncio.to_thread(self._store.confirm, record.device_id)
            await asyncio.to_thread(self._store.touch, record.device_id, remembered(lane))
        except (OSError, TimeoutError, LocalpairError):
            self._guests.pop(verified.instance, None)
            lane.stream.abort()
            if guest.successor is not None:
                group.create_task(self._welcome(engine, guest.successor, group))
            return
        guest.met = True
        if guest.successor is not None:
            line.offer(guest.successor)
        engine.hearing.pause(verified.instance)
        self._emit(Paired(peer, path, engine.ms_since_first_sign(lane)))
        self._sessions.put_nowait(session)
        group.create_task(self._forget_when_closed(engine, verified.instance, session))

    async def _forget_when_closed(self, engine: Engine, instance: bytes, session: Session) -> None:
        await session.wait_closed()
        self._guests.pop(instance, None)
        engine.hearing.ended(instance)

    def _record_of(self, verified: Verified) -> DeviceRecord | None:
        """The record that stands for this peer now: not revoked, and with the very key that it has proven."""
        record = self._store.find(verified.device_id)
        if record is None or record.state is DeviceState.REVOKED or record.public_key != verified.public_key:
            return None
        return record if verified.secret.rstrip(_PENDING) == record.device_id else None

    def _hold_keys(self, keyring: Keyring) -> None:
        """Exchange the keys for those of the pairs that there are now. Revoked ones are told so."""
        pairs = {one.device_id: one for one in self._store.devices() if one.state is DeviceState.PAIRED}
        pairs |= {one.device_id + _PENDING: one for one in self._store.unconfirmed()}
        for name in keyring:
            if name not in pairs:
                keyring.drop(name)
        for name, record in pairs.items():
            keyring.put(name, _secret_of(record), record.heard)
        revoked = (one for one in self._store.devices() if one.state is DeviceState.REVOKED)
        keyring.revoke(map(_secret_of, revoked))

    async def _follow_store(self, engine: Engine) -> None:
        """Pairs that come and go in other processes count at once: keys are exchanged, sessions ended."""
        generation = self._store.generation
        while True:
            await asyncio.sleep(REVOCATION_S)
            if self._store.generation == generation:
                continue
            generation = self._store.generation
            self._hold_keys(engine.keyring)
            for instance, guest in list(self._guests.items()):
                if guest.device_id not in engine.keyring:
                    self._guests.pop(instance, None)
                    await guest.session.close()


def _secret_of(record: DeviceRecord) -> SharedSecret:
    return SharedSecret(record.pair_key, Purpose.PAIR, record.role)


class _OverError(LocalpairError):
    """Ends the task group when the time to listen is over."""

    def __init__(self) -> None:
        super().__init__("listening is over")
