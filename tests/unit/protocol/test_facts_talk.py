"""The talk about facts: both sides get the other's record in one flight, and nobody else gets or gives anything."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.errors import WireError
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import FACTS_CHUNK_BYTES, FACTS_COMPACT_BYTES
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, BeaconTarget, Carrier, FactsCame, Transmit
from localpair.protocol.facts_talk import FactsTalk
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import FACTS_PARTS, NO_TOKEN, Beacon, BeaconKind, FactsPart, Part
from virtual_lan import UDP_PORT, VirtualLan

_NUMBERS = count(1)


def token() -> bytes:
    return next(_NUMBERS).to_bytes(8, "big")


@given(st.binary(max_size=FACTS_COMPACT_BYTES), st.binary(max_size=FACTS_COMPACT_BYTES), st.randoms())
def test_both_have_the_other_record_after_one_question(mine: bytes, theirs: bytes, random: object) -> None:
    """Whatever the order in which the parts come."""
    join, host = FactsTalk(), FactsTalk()
    question = host.asked(join.ask(token()))
    assert question is not None
    answer = host.answer(question, theirs, token())
    random.shuffle(answer)  # type: ignore[attr-defined]
    got = [data for part in answer if (data := join.take(part)) is not None]
    back = [asked for part in answer if (asked := join.asked(part)) is not None]
    assert got == [theirs]
    assert len(back) == 1
    answer = join.answer(back[0], mine)
    got = [data for part in answer if (data := host.take(part)) is not None]
    assert got == [mine]
    assert all(host.asked(part) is None for part in answer), "nobody asks without end"


def test_a_recorded_answer_answers_no_other_question() -> None:
    join, host = FactsTalk(), FactsTalk()
    old = host.answer(host.asked(join.ask(token())) or b"", b"old")
    join.ask(token())
    assert [join.take(part) for part in old] == [None]
    fresh = FactsTalk()
    assert [fresh.take(part) for part in old] == [None], "and none where nothing was asked"


def test_a_recorded_question_is_answered_once() -> None:
    host = FactsTalk()
    asked = FactsTalk().ask(token())
    assert host.asked(asked) == asked.question
    assert host.asked(asked) is None
    assert host.asked(FactsPart(NO_TOKEN)) is None


def test_parts_that_contradict_each_other_make_no_record() -> None:
    join = FactsTalk()
    asked = join.ask(token()).question
    assert join.take(FactsPart(answers=asked, part=0, parts=2, chunk=b"a")) is None
    assert join.take(FactsPart(answers=asked, part=1, parts=3, chunk=b"b")) is None
    assert join.take(FactsPart(answers=asked, part=2, parts=3, chunk=b"c")) is None


# --- in beacons


def ring(side: Role, material: bytes = b"0123456789abcdef") -> Keyring:
    return Keyring([(OFFER, SharedSecret(material, Purpose.OFFER, side))])


def asked(discovery: Discovery, to: BeaconTarget) -> list[Transmit]:
    discovery.take_transmits()
    discovery.tell_facts(OFFER, [to], FactsTalk().ask(token()))
    return discovery.take_transmits()


def test_a_question_reaches_the_peer_that_is_known_and_holds_the_secret() -> None:
    lan = VirtualLan()
    host, join = lan.add(ring(Role.ISSUER), Part.HOST), lan.add(ring(Role.JOINER), Part.JOIN)
    lan.run(1.0)
    (peer,) = join.discovery.counterparts()
    assert (peer.address, peer.port, peer.secret) == (host.address, UDP_PORT, OFFER)
    part = FactsTalk().ask(token())
    join.discovery.tell_facts(OFFER, [BeaconTarget(peer.address, peer.port)], part)
    lan.run(0.1)
    assert [(one.instance, one.part) for one in host.of(FactsCame)] == [(bytes_of(join), part)]  # type: ignore[union-attr]


def bytes_of(device: object) -> bytes:
    return device.discovery._me.instance  # type: ignore[attr-defined,no-any-return]


def test_strangers_and_runs_that_were_never_heard_tell_nothing() -> None:
    target = BeaconTarget(ip_address("10.0.0.1"), UDP_PORT)
    machine = Discovery(Self(Part.HOST, bytes(16), bytes(32), UDP_PORT, UDP_PORT), ring(Role.ISSUER), 0.0)
    for keys in (ring(Role.JOINER), ring(Role.JOINER, bytes(16)), ring(Role.ISSUER)):
        other = Discovery(Self(Part.JOIN, bytes([1]) * 16, bytes([1]) * 32, UDP_PORT, UDP_PORT), keys, 0.0)
        for sent in asked(other, target):
            machine.receive(
                sent.datagram, BeaconSource(ip_address("10.0.0.2"), UDP_PORT), Carrier.UNICAST, 1.0
            )
    assert not [one for one in machine.take_events() if isinstance(one, FactsCame)]


def test_facts_are_never_sent_in_the_open_nor_once_a_secret_has_ended() -> None:
    target = BeaconTarget(ip_address("10.0.0.1"), UDP_PORT)
    machine = Discovery(Self(Part.JOIN, bytes(16), bytes(32), UDP_PORT, UDP_PORT), Keyring(), 0.0)
    assert asked(machine, target) == []
    machine.keyring.put(OFFER, SharedSecret(bytes(16), Purpose.OFFER, Role.JOINER))
    assert len(asked(machine, target)) == 1
    machine.pause_announcing()
    assert asked(machine, target) == []


def test_a_peer_keeps_its_addresses_when_it_asks() -> None:
    lan = VirtualLan()
    host, join = lan.add(ring(Role.ISSUER), Part.HOST), lan.add(ring(Role.JOINER), Part.JOIN)
    lan.run(1.0)
    before = len(host.events)
    join.discovery.tell_facts(OFFER, [BeaconTarget(host.address, UDP_PORT)], FactsTalk().ask(token()))
    lan.run(0.05)
    assert {type(event) for _, event in host.events[before:]} == {FactsCame}


def test_the_largest_part_fits_a_beacon_of_a_pair() -> None:
    part = FactsPart(token(), token(), 0, FACTS_PARTS, bytes(FACTS_CHUNK_BYTES))
    beacon = Beacon(BeaconKind.FACTS, Part.SEND, bytes(16), 1, 5000, 5000, hears=(bytes(8),) * 3, facts=part)
    pair = Keyring([("peer", SharedSecret(bytes(32), Purpose.PAIR, Role.ISSUER))])
    assert len(pair.seal("peer", beacon, bytes(12))) == 320
    assert Beacon.decode(beacon.encode()) == beacon


@pytest.mark.parametrize(
    "wrong",
    [
        FactsPart(parts=FACTS_PARTS + 1),
        FactsPart(part=1, parts=1),
        FactsPart(chunk=bytes(FACTS_CHUNK_BYTES + 1)),
    ],
)
def test_parts_that_cannot_be_are_refused(wrong: FactsPart) -> None:
    beacon = Beacon(BeaconKind.FACTS, Part.JOIN, bytes(16), 1, 5000, 5000, facts=FactsPart())
    with pytest.raises(WireError):
        Beacon.decode(replace(beacon, facts=wrong).encode())
