"""Meeting a paired device again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from localpair.errors import Refusal, RefusedError
from localpair.events import Peer, Ready
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import ATTEMPT_S, DISCOVERY_PORT, PAIRING_PORTS
from localpair.net.agent.agent import Engine, Wanted
from localpair.net.agent.connection import Lane
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
        engine = Engine(wanted, keyring, on_event=self._emit)
        group.create_task(engine.run())
        group.create_task(self._keep_heard(engine))
        await engine.started.wait()
        self._emit(Ready(engine.sockets.tcp_port, engine.sockets.udp_port, engine.own_candidates()))
        lane = await self._meet(engine, record)
        if record.state is DeviceState.UNCONFIRMED:
            await asyncio.to_thread(self._store.confirm, record.device_id)  # it has proven the key just now
        agreed = Agreed(lane, Peer(record.device_id, record.name), secret)
        self._become_session(engine, Role.JOINER, agreed, group)

    async def _meet(self, engine: Engine, record: DeviceRecord) -> Lane:
        engine.add(record.device_id, [replace(one, via="remembered") for one in record.addresses])
        engine.aim([one.address for one in record.addresses], DISCOVERY_PORT)
        for port in PAIRING_PORTS:
            engine.aim([], port)
        try:
            async with asyncio.timeout(self._settings.timeout or ATTEMPT_S):
                while True:
                    lane = await self._seek(engine, record.device_id)
                    if lane.verified is None or lane.verified.public_key != record.public_key:
                        await lane.refuse(Refusal.WRONG_KEY)
                        raise RefusedError(
                            Refusal.WRONG_KEY, "the peer's device key is not the one that was paired"
                        )
                    try:
                        await meet_again(lane, Role.JOINER)
                        return lane
                    except (OSError, TimeoutError):
                        engine.lane_ended(lane, record.device_id)
        except TimeoutError:
            raise self._give_up(engine) from None
