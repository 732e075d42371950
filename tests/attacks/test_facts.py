"""The exchange of facts against whoever holds a secret: what it is told, and what its questions cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from attack_sides import SECRET, THEIR_SECRET, beacon, peers
from localpair.causes.codec import to_dict
from localpair.causes.compact import decode
from localpair.keys import Purpose, Role, SharedSecret, random_bytes
from localpair.limits import FACTS_BEACONS
from localpair.net.agent import facts_exchange
from localpair.net.agent.agent import Agent
from localpair.protocol.discovery_events import BeaconSource, Carrier
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import BeaconKind, FactsPart, Part
from virtual_lan import VirtualLan

BOB_S = bytes(range(100, 116))
ALICE, BOB = bytes([1] * 16), bytes([2] * 16)
AT_ALICE, AT_BOB = "127.0.0.2", "127.0.0.3"


class Listener:
    """A listener with two pairs, fed by hand; ``told`` is what it tells of facts, with the name of the secret."""

    def __init__(self, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        self.agent = agent
        self.told: list[tuple[str, FactsPart]] = []
        self._theirs = rings()[1]
        self._sequence = 0
        monkeypatch.setattr(
            agent.announcer.discovery, "tell_facts", lambda name, to, part: self.told.append((name, part))
        )

    def hear(self, name: str, instance: bytes, source: str, **more: Any) -> None:
        self._sequence += 1
        said = beacon(instance, self._sequence, **{"part": Part.SEND} | more)
        announcer, place = self.agent.announcer, BeaconSource(ip_address(source), 5000)
        datagram = self._theirs.seal(name, said, random_bytes(12))
        opened = announcer.discovery.receive(datagram, place, Carrier.UNICAST, self.agent.clock())
        announcer.note_heard(opened, place, Carrier.UNICAST)
        self.agent.peers.step(None)  # type: ignore[arg-type]

    def ask(self) -> None:
        part = FactsPart(question=random_bytes(8))
        self.hear("alice", ALICE, AT_ALICE, kind=BeaconKind.FACTS, facts=part)


def rings() -> tuple[Keyring, Keyring]:
    ours, theirs = (
        Keyring([("alice", secret), ("bob", SharedSecret(BOB_S, Purpose.OFFER, secret.side))])
        for secret in (SECRET, THEIR_SECRET)
    )
    return ours, theirs


@asynccontextmanager
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    async with peers(rings()[0], Role.ISSUER, Part.LISTEN, []) as agent:
        listener = Listener(agent, monkeypatch)
        listener.hear("bob", BOB, AT_BOB)
        listener.hear("alice", ALICE, AT_ALICE)
        yield listener


def test_a_paired_device_is_told_nothing_of_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with listening(monkeypatch) as listener:
            listener.ask()
            assert {name for name, _ in listener.told} == {"alice"}
            record = str(to_dict(decode(b"".join(part.chunk for _, part in listener.told))))
            assert AT_ALICE in record
            assert AT_BOB not in record

    asyncio.run(run())


def test_questions_beyond_the_budget_cost_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    packs = []
    pack = facts_exchange.packed
    monkeypatch.setattr(facts_exchange, "packed", lambda *args: packs.append(args) or pack(*args))

    async def run() -> None:
        async with listening(monkeypatch) as listener:
            for _ in range(100):
                listener.ask()
            assert 0 < len(listener.told) <= FACTS_BEACONS + 1
            assert len(packs) <= FACTS_BEACONS + 1

    asyncio.run(run())


def test_whoever_repeats_a_beacon_does_not_get_the_facts() -> None:
    lan = VirtualLan()
    host = lan.add(Keyring([(OFFER, SECRET)]), Part.HOST)
    theirs = Keyring([(OFFER, THEIR_SECRET)])
    for sequence in (1, 2):
        datagram = theirs.seal(OFFER, beacon(ALICE, sequence), bytes([sequence] * 12))
        for source, late in ((AT_ALICE, 0.0), (AT_BOB, 0.5)):
            place = BeaconSource(ip_address(source), 5000)
            host.discovery.receive(datagram, place, Carrier.MULTICAST, sequence + late)
            (peer,) = host.discovery.counterparts()
            assert str(peer.address) == AT_ALICE
