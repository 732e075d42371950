"""The exchange of facts against whoever holds a secret: what it is told, and what its questions cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from attack_sides import SECRET, THEIR_SECRET, beacon, feed, peers
from cause_cases import CASES
from localpair.causes.facts import (
    AddressFacts,
    CallFacts,
    CallReach,
    Ending,
    ForeignFacts,
    ForeignKind,
    GatewayFacts,
    IcmpFacts,
    LinkFacts,
    RunFacts,
    RunRole,
)
from localpair.causes.judge import judge
from localpair.causes.records.codec import FactsError, from_dict, to_dict
from localpair.causes.records.compact import decode
from localpair.causes.records.report_code import code_of, parse
from localpair.causes.records.telling import believed, packed
from localpair.causes.vocabulary import Confidence, Place
from localpair.keys import Purpose, Role, SharedSecret, random_bytes
from localpair.limits import FACTS_ADDRESSES, FACTS_BEACONS, FACTS_COMPACT_BYTES, FACTS_ROWS
from localpair.net.agent import facts_exchange
from localpair.net.agent.agent import Agent
from localpair.net.host.state import within
from localpair.protocol.discovery_events import BeaconSource, Carrier
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import BeaconKind, FactsPart, Part
from run_facts import dropping_host, host, joiner, stuck_joiner
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


# --- what the other device tells


RECORDS = [facts for case in CASES for facts in (case.mine, case.theirs) if facts is not None]


@pytest.mark.parametrize("role", list(RunRole))
def test_nothing_is_certain_of_this_device_because_the_other_one_says_so(role: RunRole) -> None:
    """This side has seen nothing at all: whatever is said of it comes from the other device alone."""
    told = [one for theirs in RECORDS for one in judge(RunFacts(role=role), theirs).explanations]
    of_this_device = [one for one in told if one.device is Place.HERE]
    assert of_this_device, "no record accuses this device: nothing was tried"
    assert [one for one in of_this_device if one.confidence is Confidence.CERTAIN] == []


def test_a_device_that_says_that_a_pair_stands_hides_no_cause() -> None:
    liar = parse(code_of(replace(stuck_joiner(), ending=Ending.PAIRED, tcp_port=3389)))
    assert liar.ending is Ending.PAIRED
    honest = judge(dropping_host(), believed(stuck_joiner()))
    assert honest.explanations
    assert judge(dropping_host(), believed(liar)) == honest


def _crowded(first: int, count: int) -> RunFacts:
    """A record with as many addresses as a reader takes, on ``count`` interfaces."""
    each = FACTS_ADDRESSES // count
    links = tuple(
        LinkFacts(
            at + 2, f"eth{at}", carrier=True, mac=f"02:00:00:00:{first:02x}:{at:02x}",
            addresses=tuple(AddressFacts(ip_address(f"10.{first}.{at}.{one + 1}"), 30) for one in range(each)),
            gateways=tuple(GatewayFacts(ip_address(f"10.{first}.{at}.{one + 1}")) for one in range(each)),
        )
        for at in range(count)
    )  # fmt: skip
    side = joiner() if first % 2 else host()
    return replace(side, links=links)


@pytest.mark.parametrize("count", [4, 64])
def test_the_largest_records_are_judged_in_a_moment(count: int) -> None:
    mine, theirs = (from_dict(to_dict(_crowded(first, count))) for first in (1, 2))
    before = time.process_time()
    judge(mine, theirs)
    assert time.process_time() - before < 2


def test_a_record_with_more_addresses_than_can_be_compared_is_refused_and_never_made() -> None:
    most = _crowded(1, 64)
    (*_, last) = most.links or ()
    larger = (*(most.links or ())[1:], replace(last, addresses=(last.addresses[0],) * FACTS_ROWS))
    with pytest.raises(FactsError, match="addresses"):
        from_dict(to_dict(replace(most, links=larger)))
    assert within(most.links or ()) == most.links
    assert within(larger) == larger[:-1]


def test_strangers_of_ever_new_addresses_do_not_keep_the_facts_from_being_told() -> None:
    """A record names at most 255 addresses. Datagrams, calls and errors of strangers alone bring 256."""
    fd = [[ip_address(f"fd00::{block:x}:{one:x}") for one in range(FACTS_ROWS)] for block in range(4)]
    flooded = host(
        foreign=tuple(ForeignFacts(one, ForeignKind.STRANGER) for one in fd[0]),
        calls=tuple(CallFacts(one, CallReach.STRANGER) for one in fd[1]),
        icmp=tuple(IcmpFacts(*both, "EHOSTUNREACH") for both in zip(fd[2], fd[3], strict=True)),
    )
    assert decode(packed(flooded, FACTS_COMPACT_BYTES)).links
    assert parse(code_of(flooded)).links


# --- goodbyes


@pytest.mark.parametrize("sealed", [False, True])
def test_a_goodbye_that_anybody_can_forge_is_no_fact(sealed: bool) -> None:
    """In flow post a joiner hears hosts in open beacons: neither what they say nor where it comes from is proven."""
    theirs = Keyring([(OFFER, THEIR_SECRET)]) if sealed else Keyring()

    async def run() -> None:
        async with peers(rings()[0] if sealed else Keyring(), Role.JOINER, Part.JOIN, []) as agent:
            for sequence, kind in ((1, BeaconKind.ANNOUNCE), (2, BeaconKind.GOODBYE)):
                said = beacon(ALICE, sequence, part=Part.HOST, kind=kind)
                feed(agent, theirs.seal(OFFER if sealed else None, said, random_bytes(12)), AT_ALICE)
                agent.peers.step(None)  # type: ignore[arg-type]
                heard_of = ALICE in agent.peers.nearby
                assert heard_of == (kind is BeaconKind.ANNOUNCE)
            told = agent.announcer.recorder.fill(RunFacts(role=RunRole.JOIN))
            assert told.peer is not None
            assert told.peer.goodbye == sealed

    asyncio.run(run())


# --- recordings


def test_a_copy_that_the_next_beat_has_overtaken_was_heard_all_the_same() -> None:
    lan = VirtualLan()
    host = lan.add(Keyring([(OFFER, SECRET)]), Part.HOST)
    theirs = Keyring([(OFFER, THEIR_SECRET)])
    beats = [theirs.seal(OFFER, beacon(ALICE, number), bytes([number] * 12)) for number in (1, 2, 3)]
    heeded = []
    for number, source, at in (
        (0, AT_ALICE, 1.0), (2, AT_ALICE, 2.0), (1, AT_ALICE, 2.5), (1, AT_BOB, 2.5), (1, AT_ALICE, 9.0),
    ):  # fmt: skip
        place = BeaconSource(ip_address(source), 5000)
        opened = host.discovery.receive(beats[number], place, Carrier.UNICAST, at)
        assert opened is not None
        heeded.append(opened.is_heeded)
    assert heeded == [True, True, True, False, False]


def test_whoever_replays_what_it_recorded_adds_nothing_to_the_facts() -> None:
    """Neither in the run that was recorded, from wherever it pleases, nor when that device is long gone."""
    now = 0.0

    def receive(agent: Agent, datagram: bytes, source: str, at: float) -> None:
        place = BeaconSource(ip_address(source), 5000)
        opened = agent.announcer.discovery.receive(datagram, place, Carrier.UNICAST, now + at)
        agent.announcer.note_heard(opened, place, Carrier.UNICAST)

    async def run() -> None:
        nonlocal now
        pairs = [SharedSecret(bytes(32), Purpose.PAIR, role) for role in (Role.ISSUER, Role.JOINER)]
        ours, theirs = (Keyring([("bob", pair)]) for pair in pairs)
        beats = [
            theirs.seal("bob", beacon(BOB, number, part=Part.SEND, run=7), random_bytes(12))
            for number in (1, 2)
        ]
        async with peers(ours, Role.ISSUER, Part.LISTEN, []) as agent:
            now = agent.clock()
            for number, beat in enumerate(beats):
                receive(agent, beat, AT_BOB, number)
            receive(agent, beats[1], AT_ALICE, 2.5)
            receive(agent, beats[0], AT_ALICE, 2.5)
            (voice,) = agent.announcer.recorder.fill(RunFacts(role=RunRole.LISTEN)).heard or ()
            assert (str(voice.source), voice.count) == (AT_BOB, 2)
        async with peers(ours, Role.ISSUER, Part.LISTEN, []) as agent:
            now = agent.clock()
            receive(agent, beats[1], AT_ALICE, 0)
            assert not agent.announcer.recorder.has_heard

    asyncio.run(run())
