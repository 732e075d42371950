"""The sides of an attack from the inside: a running agent, a claimant, and what they say to each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import localpair
from localpair.address import LOOPBACK
from localpair.errors import LocalpairError
from localpair.events import Event
from localpair.keys import (
    DeviceIdentity,
    Purpose,
    Role,
    SessionCertificate,
    SharedSecret,
    certificate_fingerprint,
    device_id,
    random_bytes,
)
from localpair.net.agent.admission import CallAdmission
from localpair.net.agent.agent import Agent
from localpair.net.agent.wanted import Wanted
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import Contexts, connect, exchange_preambles, start_tls
from localpair.protocol.discovery_events import BeaconSource, Carrier
from localpair.protocol.handshake import Handshake, LocalSide
from localpair.protocol.handshake_states import State
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Beacon, BeaconKind, Part
from localpair.wire.messages import CallKind, Preamble

SECRET, THEIR_SECRET = (SharedSecret(bytes(range(16)), Purpose.OFFER, side) for side in Role)


def contexts(certificate: SessionCertificate | None = None) -> Contexts:
    return Contexts(certificate or SessionCertificate.generate())


@asynccontextmanager
async def running(role: Role, part: Part, **more: Any) -> AsyncIterator[Agent]:
    """An agent with the offer's secret, that must still be alive when the attack is over."""
    wanted = Wanted(role, part, DeviceIdentity.generate(), secret=OFFER, **more)
    agent = Agent(wanted, Keyring([(OFFER, SECRET)]), on_event=lambda _: None)
    serving = asyncio.create_task(agent.run())
    await agent.wait_started()
    try:
        yield agent
        assert not serving.done(), serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def call(
    port: int,
    own: Preamble,
    certificate: SessionCertificate | None = None,
    *,
    server_side: bool = False,
    secret: SharedSecret | None = None,
) -> FrameStream:
    """A connection up to TLS, in whichever role, of a stranger or of who holds ``secret``."""
    one = await connect(LOOPBACK, port)
    admission = CallAdmission(Keyring([(OFFER, secret)] if secret is not None else []))
    await exchange_preambles(one, own, admission.responder(OFFER))
    return await start_tls(one, contexts(certificate), server_side=server_side)


class Claimant:
    """A device that holds the offer's secret and goes through the handshake step by step."""

    def __init__(
        self, stream: FrameStream, identity: DeviceIdentity, secret: SharedSecret, name: str, **more: Any
    ):
        self.stream = stream
        local = LocalSide(
            Role.JOINER, identity, more.pop("label", "Eve"), more.pop("instance", random_bytes(16)), random_bytes(32),
            more.pop("code_nonce", None) or random_bytes(32), **more,
        )  # fmt: skip
        fingerprint = certificate_fingerprint(stream.certificate)
        self.handshake = Handshake(local, Keyring([(name, secret)]), fingerprint, LOOPBACK, name)

    def send(self) -> None:
        for kind, body in self.handshake.take_outgoing():
            self.stream.write(kind, body)

    async def step(self) -> None:
        """Say what is due, and take one frame."""
        self.send()
        frame = await asyncio.wait_for(self.stream.read(), 5)
        self.handshake.receive(frame.type, frame.body)

    async def for_ever(self) -> None:
        while True:
            await self.step()

    async def until_verified(self) -> None:
        while self.handshake.state not in {State.VERIFIED, State.KNOWN}:
            await self.step()
        self.send()


async def claim(port: int, secret: SharedSecret = THEIR_SECRET, name: str = OFFER, **more: Any) -> Claimant:
    stream = await call(port, Preamble(CallKind.PAIR, Role.JOINER, True), secret=secret)
    return Claimant(stream, more.pop("identity", None) or DeviceIdentity.generate(), secret, name, **more)


async def ended(stream: FrameStream) -> None:
    """Until the other side has closed."""
    with contextlib.suppress(OSError, LocalpairError):
        while True:
            await asyncio.wait_for(stream.read(), 8)


def beacon(instance: bytes, sequence: int = 1, **more: Any) -> Beacon:
    fields: dict[str, Any] = {
        "tcp_port": 5000,
        "udp_port": 5000,
        "kind": BeaconKind.ANNOUNCE,
        "part": Part.JOIN,
    }
    return Beacon(instance=instance, sequence=sequence, **fields | more)


@asynccontextmanager
async def peers(keyring: Keyring, role: Role, part: Part, events: list[Event]) -> AsyncIterator[Agent]:
    agent = Agent(Wanted(role, part, DeviceIdentity.generate()), keyring, on_event=events.append)
    serving = asyncio.create_task(agent.run())
    await agent.wait_started()
    try:
        yield agent
        assert not serving.done(), serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def feed(agent: Agent, datagram: bytes, source: str, port: int = 5000) -> None:
    """A datagram as if it had come from ``source``: UDP sources can be forged."""
    agent.announcer.discovery.receive(
        datagram, BeaconSource(ip_address(source), port), Carrier.UNICAST, agent.clock()
    )


def paired_stores(folder: Path, *names: str) -> list[localpair.TrustStore]:
    """The first store is paired with each of the others: it issued those pairs."""
    stores = [localpair.TrustStore(folder / name) for name in ("listener", *names)]
    keys = [DeviceIdentity.from_private_bytes(store.identity()).public for store in stores]
    for store, key in zip(stores[1:], keys[1:], strict=True):
        pair_key = random_bytes(32)
        for where, of, role in ((stores[0], key, Role.ISSUER), (store, keys[0], Role.JOINER)):
            where.record_unconfirmed(localpair.DeviceRecord(device_id(of), of, pair_key, role))
            where.confirm(device_id(of))
    return stores


def reach(store: localpair.TrustStore) -> localpair.Pairing:
    (record,) = store.devices()
    return localpair.reach(record.device_id, localpair.Settings(timeout=10), store=store)


async def meeting(stores: list[localpair.TrustStore], tell: Any) -> Any:
    """Everybody reaches the first one; then ``tell(listening, sessions here, sessions there)`` happens."""
    async with contextlib.AsyncExitStack() as stack:
        listening = await stack.enter_async_context(
            localpair.listen(localpair.Settings(timeout=30), store=stores[0])
        )
        arriving = aiter(listening.sessions())
        here, there = [], []
        for store in stores[1:]:
            reaching = await stack.enter_async_context(reach(store))
            there.append(await asyncio.wait_for(reaching.session(), 15))
            here.append(await asyncio.wait_for(anext(arriving), 15))
        for session in (*here, *there):
            session.start()
        return await tell(listening, here, there)
