"""Meeting a paired device again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from localpair.errors import Refusal, RefusedError
from localpair.events import Peer, Ready
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import ATTEMPT_S, DISCOVERY_PORT, PAIRING_PORTS
from localpair.net.agent.agent import Agent, Wanted
from localpair.net.agent.connection import PeerConnection
from localpair.pairing.approval import Agreed, meet_again
from localpair.pairing.seek import Seeking
from localpair.protocol.keyring import Keyring
from localpair.settings import Settings
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
        secret = SharedSecret(record.pair_key, Purpose.PAIR, record.role)
        wanted = Wanted(
            Role.JOINER, Part.SEND, identity, self._settings.name,
            gives=self._settings.gives, takes=self._settings.takes, secret=record.device_id,
            port=self._settings.port, run=run,
        )  # fmt: skip
        keyring = Keyring()
        keyring.put(record.device_id, secret, record.heard)
        agent = Agent(wanted, keyring, on_event=self._emit)
        group.create_task(agent.run())
        group.create_task(self._keep_heard(agent))
        await agent.started.wait()
        self._emit(Ready(agent.sockets.tcp_port, agent.sockets.udp_port, agent.own_candidates()))
        connection = await self._meet(agent, record)
        if record.state is DeviceState.UNCONFIRMED:
            await asyncio.to_thread(self._store.confirm, record.device_id)  # it has proven the key just now
        agreed = Agreed(connection, Peer(record.device_id, record.name), secret)
        self._become_session(agent, Role.JOINER, agreed, group)

    async def _meet(self, agent: Agent, record: DeviceRecord) -> PeerConnection:
        agent.add(record.device_id, [replace(one, via="remembered") for one in record.addresses])
        agent.add_target([one.address for one in record.addresses], DISCOVERY_PORT)
        for port in PAIRING_PORTS:
            agent.add_target([], port)
        try:
            async with asyncio.timeout(self._settings.timeout or ATTEMPT_S):
                while True:
                    connection = await self._seek(agent, record.device_id)
                    if connection.verified is None or connection.verified.public_key != record.public_key:
                        await connection.refuse(Refusal.WRONG_KEY)
                        raise RefusedError(
                            Refusal.WRONG_KEY, "the peer's device key is not the one that was paired"
                        )
                    try:
                        await meet_again(connection, Role.JOINER)
                        return connection
                    except (OSError, TimeoutError):
                        agent.connection_ended(connection, record.device_id)
        except TimeoutError:
            raise self._abandon(agent) from None
