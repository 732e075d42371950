"""Meeting a paired device again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from localpair.choices.settings import Settings
from localpair.errors import Refusal, RefusedError
from localpair.events import Peer
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import ATTEMPT_S, DISCOVERY_PORT, PAIRING_PORTS
from localpair.net.agent.agent import Agent
from localpair.net.agent.connection import PeerConnection
from localpair.net.agent.wanted import Wanted
from localpair.pairing.approval import Agreed, meet_again
from localpair.pairing.seek import Seeking
from localpair.trust.store import DeviceRecord, DeviceState, TrustStore
from localpair.wire.beacon import Part


class Reaching(Seeking):
    """One run of ``reach()``: meet a paired device again."""

    def __init__(self, device_id: str, settings: Settings, store: TrustStore) -> None:
        super().__init__(settings, store)
        self._device_id = device_id

    async def _run(self, group: asyncio.TaskGroup) -> None:
        record = await asyncio.to_thread(self._store.get, self._device_id)
        if record.state is DeviceState.REVOKED:
            raise RefusedError(
                Refusal.REVOKED,
                f"the device {record.name} has been revoked here",
                hint="`localpair devices forget` makes it a stranger, which can pair again",
            )
        identity, run = await self._begin_run()
        wanted = Wanted(
            Role.JOINER, Part.SEND, identity, self._settings.name,
            gives=self._settings.gives, takes=self._settings.takes, secret=record.device_id,
            port=self._settings.port, run=run,
        )  # fmt: skip
        records = await asyncio.to_thread(self._keys_of, record)
        self._keyring.put(record.device_id, _secret(records[0]), records[0].heard)
        agent = self._new_agent(wanted)
        await self._start(agent, group)
        self._emit(agent.ready())
        record, connection = await self._meet(agent, records)
        await asyncio.to_thread(self._settle, record, records)
        agreed = Agreed(connection, Peer(record.device_id, record.name), _secret(record))
        self._become_session(agent, Role.JOINER, agreed, group)

    def _keys_of(self, record: DeviceRecord) -> list[DeviceRecord]:
        """The records of this device, the one whose key it most likely holds first.

        There are two where a pair was to be made anew and one side was ended on the way. The joiner records the new
        key first and is the first one to give up the old one: where we joined, both sides hold the old one; where
        we issued, the new one.
        """
        pending = [
            one
            for one in self._store.unconfirmed()
            if one.device_id == record.device_id and one.pair_key != record.pair_key
        ]
        return [*pending, record] if pending and pending[0].role is Role.ISSUER else [record, *pending]

    def _settle(self, record: DeviceRecord, records: list[DeviceRecord]) -> None:
        """The device has proven the key of ``record`` just now, and none that was tried before it."""
        if record.state is DeviceState.UNCONFIRMED:
            self._store.confirm(record.device_id)
        elif record is not records[0]:
            self._store.drop_unconfirmed(record.device_id)

    async def _meet(self, agent: Agent, records: list[DeviceRecord]) -> tuple[DeviceRecord, PeerConnection]:
        """A connection to the device, and the record whose key it has proven; each of two gets its time."""
        record = records[0]
        agent.add(record.device_id, [replace(one, via="remembered") for one in record.addresses])
        agent.add_target([one.address for one in record.addresses], DISCOVERY_PORT)
        for port in PAIRING_PORTS:
            agent.add_target([], port)
        for record in records:
            self._keyring.put(record.device_id, _secret(record), record.heard)
            try:
                async with asyncio.timeout((self._settings.timeout or ATTEMPT_S) / len(records)):
                    return record, await self._meet_with(agent, record)
            except TimeoutError:
                pass
        raise self._abandon(agent)

    async def _meet_with(self, agent: Agent, record: DeviceRecord) -> PeerConnection:
        while True:
            connection = await self._seek(agent, record.device_id)
            if connection.verified is None or connection.verified.public_key != record.public_key:
                await connection.refuse(Refusal.WRONG_KEY)
                raise RefusedError(Refusal.WRONG_KEY, "the peer's device key is not the one that was paired")
            try:
                await meet_again(connection, Role.JOINER)
                return connection
            except (OSError, TimeoutError):
                agent.connection_ended(connection, record.device_id)


def _secret(record: DeviceRecord) -> SharedSecret:
    return SharedSecret(record.pair_key, Purpose.PAIR, record.role)
