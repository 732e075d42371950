"""Discovery over virtual time: who finds whom, when, at what cost, and what strangers can do about it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localpair.candidate import Interface, InterfaceAddress
from localpair.errors import WireError
from localpair.keys import Purpose, Role, SharedSecret
from localpair.limits import (
    BEACON_BYTES,
    BEACON_SLOW_AFTER_S,
    BEACON_SLOW_BEAT_S,
    PEER_ADDRESSES,
    PEERS,
    PROBE_GAPS_S,
    SAME_BEAT_S,
)
from localpair.neighbourhood import Neighbourhood
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import (
    BeaconSource,
    BeaconTarget,
    Carrier,
    Foreign,
    Gone,
    Heard,
    HearsUs,
    Invited,
    Outlet,
    Transmit,
)
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import (
    Beacon,
    BeaconKind,
    Envelope,
    FactsPart,
    Mode,
    Part,
    Rendezvous,
    RendezvousStep,
)
from virtual_lan import UDP_PORT, Device, VirtualLan, only_unicast

STRANGER = BeaconSource(ip_address("10.0.9.9"), 5000)


def ring(material: bytes = b"0123456789abcdef", side: Role = Role.ISSUER) -> Keyring:
    return Keyring([(OFFER, SharedSecret(material, Purpose.OFFER, side))])


def joiners() -> Keyring:
    """What the other side of ``ring()`` holds."""
    return ring(side=Role.JOINER)


def pair(lan: VirtualLan) -> tuple[Device, Device]:
    return lan.add(ring(), Part.HOST), lan.add(joiners(), Part.JOIN)


def first(device: Device, kind: type[Heard | HearsUs | Gone]) -> float:
    """When the first such event happened; infinite if it never did."""
    return min((when for when, event in device.events if isinstance(event, kind)), default=float("inf"))


def test_two_devices_find_each_other_within_one_flight() -> None:
    lan = VirtualLan(delay=0.002)
    host, join = pair(lan)
    lan.run(1.0)
    assert first(host, Heard) == pytest.approx(0.002)
    assert first(join, Heard) == pytest.approx(0.002)
    assert first(host, HearsUs) <= 0.01
    heard = host.of(Heard)[0]
    assert isinstance(heard, Heard)
    assert (heard.source.address, heard.claims, heard.secret) == (join.address, (join.address,), OFFER)


@pytest.mark.parametrize("gap", [0.3, 5.0, 60.0, 119.0])
def test_the_later_start_is_found_at_once(gap: float) -> None:
    lan = VirtualLan()
    early = lan.add(ring(), Part.HOST)
    lan.run(gap)
    late = lan.add(joiners(), Part.JOIN)
    lan.run(2.0)
    assert first(early, Heard) - gap < 0.1
    assert first(late, Heard) - gap < 0.1, "the one that was there answers the newcomer at once"


def test_one_direction_is_enough_to_know_that_one_is_heard() -> None:
    """Multicast reaches the host only; its unicast answer tells the joiner where it is seen."""
    lan = VirtualLan(lambda s, r, what: what.carrier is Carrier.UNICAST or r.number == 1)
    host, join = pair(lan)
    lan.run(1.0)
    assert host.of(Heard)
    seen = join.of(HearsUs)[0]
    assert isinstance(seen, HearsUs)
    assert seen.address == join.address


def test_unicast_to_a_known_candidate_replaces_multicast() -> None:
    lan = VirtualLan(only_unicast)
    host, join = pair(lan)
    lan.run(3.0)
    assert not host.of(Heard)
    join.discovery.add_target(BeaconTarget(host.address, UDP_PORT), lan.now)
    lan.run(0.1)
    assert host.of(Heard)
    assert join.of(Heard)


@pytest.mark.parametrize("loss", [0.2, 0.6])
def test_lossy_multicast_still_finds(loss: float) -> None:
    """At 60 % loss each way at least 99 of 100 pairs meet within 10 s (most within one)."""
    met = []
    for seed in range(100):
        lan = VirtualLan(seed=seed)
        rolls = lan.random
        lan.passes = lambda s, r, what, rolls=rolls: what.carrier is Carrier.UNICAST or rolls.random() >= loss  # type: ignore[misc]
        host, join = pair(lan)
        lan.run(10.0)
        met.append(max(first(host, Heard), first(join, Heard)))
    assert sum(when <= 10.0 for when in met) >= 99


def test_bursts_of_loss_are_outlived() -> None:
    """Everything multicast is lost for three of every four seconds."""
    lan = VirtualLan()
    lan.passes = lambda s, r, what: what.carrier is Carrier.UNICAST or lan.now % 4.0 >= 3.0
    host, join = pair(lan)
    lan.run(8.0)
    assert host.of(Heard)
    assert join.of(Heard)


def test_duplication_and_late_copies_make_one_peer() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(2.0)
    for _, transmit in list(join.sent):
        for _ in range(3):
            host.discovery.receive(
                transmit.datagram, BeaconSource(join.address, UDP_PORT), transmit.carrier, lan.now
            )
    lan.run(1.0)
    assert sum(event.first for event in host.of(Heard) if isinstance(event, Heard)) == 1


def test_own_packets_that_come_back_are_nobody() -> None:
    lan = VirtualLan()
    host = lan.add(ring())
    lan.run(5.0)
    assert host.events == []


def test_a_silent_peer_expires_after_three_of_its_beats() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(4.0)
    lan.passes = lambda s, r, what: s.number != join.number
    lan.run(2.0)
    assert not host.of(Gone)
    lan.run(3.0)
    assert len(host.of(Gone)) == 1


def test_a_goodbye_counts_from_where_the_peer_was_seen_only() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(1.0)
    join.discovery.goodbye()
    goodbye = join.discovery.take_transmits()[0]
    host.discovery.receive(goodbye.datagram, STRANGER, Carrier.UNICAST, lan.now)
    assert not [event for event in host.discovery.take_events() if isinstance(event, Gone)]
    host.discovery.receive(goodbye.datagram, BeaconSource(join.address, UDP_PORT), Carrier.UNICAST, lan.now)
    assert [event for event in host.discovery.take_events() if isinstance(event, Gone)]


def farewell(issuer: Keyring, number: int = 3) -> bytes:
    """What a host that holds this secret says as it ends."""
    lan = VirtualLan()
    for _ in range(number):
        lan.add()
    host = lan.add(issuer, Part.HOST)
    host.discovery.goodbye()
    return host.discovery.take_transmits()[0].datagram


def gone_of(device: Device, datagram: bytes, now: float) -> list[Gone]:
    device.discovery.receive(datagram, STRANGER, Carrier.UNICAST, now)
    return [event for event in device.discovery.take_events() if isinstance(event, Gone)]


def test_the_issuer_of_the_offer_says_goodbye_once_and_for_all_heard_before_or_not() -> None:
    lan = VirtualLan()
    join = lan.add(joiners(), Part.JOIN)
    lan.run(1.0)
    (told,) = gone_of(join, farewell(ring()), lan.now)
    assert (told.said_goodbye, told.secret) == (True, OFFER)


def test_the_goodbye_of_an_earlier_run_of_the_issuer_ends_nothing() -> None:
    """Eve has recorded it. It is sealed with the offer of that run, and names that run."""
    lan = VirtualLan()
    _, join = pair(lan)
    lan.run(1.0)
    join.events.clear()
    assert not gone_of(join, farewell(ring(b"an earlier offer")), lan.now)
    assert join.discovery.heard_anybody


def test_a_device_that_ends_after_the_pair_stands_does_not_end_as_one_that_has_read_the_offer() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(1.0)
    for device, side in ((host, Role.ISSUER), (join, Role.JOINER)):
        device.discovery.keyring.put("pair", SharedSecret(b"p" * 32, Purpose.PAIR, side))
    join.discovery.keyring.retire(OFFER)
    join.discovery.goodbye()
    lan.run(1.0)
    assert [event.secret for event in host.of(Gone)] == ["pair"]


@pytest.mark.parametrize("side", list(Role))
def test_nobody_ends_a_search_but_the_issuer(side: Role) -> None:
    """Neither another reader of the offer, which says goodbye as a joiner, nor who says it in clear."""
    lan = VirtualLan()
    join = lan.add(joiners(), Part.JOIN)
    lan.run(1.0)
    other = lan.add(ring(side=side), Part.JOIN)
    other.discovery.goodbye()
    assert not gone_of(join, other.discovery.take_transmits()[0].datagram, lan.now)
    assert not gone_of(join, farewell(Keyring()), lan.now)


def test_a_goodbye_of_a_paired_device_that_was_not_heard_is_nobodys() -> None:
    """It may be a recording: a pair's secret outlives its runs."""
    material = b"p" * 32
    lan = VirtualLan()
    listening = lan.add(Keyring([("pair", SharedSecret(material, Purpose.PAIR, Role.ISSUER))]), Part.LISTEN)
    sending = lan.add(Keyring([("pair", SharedSecret(material, Purpose.PAIR, Role.JOINER))]), Part.SEND)
    listening.discovery.goodbye()
    assert not gone_of(sending, listening.discovery.take_transmits()[0].datagram, lan.now)


def test_a_network_change_is_announced_at_once_and_its_new_address_told() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(20.0)
    host.events.clear()
    join.address = replace_last(join.address, 77)
    join.discovery.set_network(
        [Outlet(3, (ip_address("224.0.0.171"),), (), join.address)], [join.address], lan.now
    )
    lan.run(0.05)
    told = [event for event in host.of(Heard) if isinstance(event, Heard)]
    assert told
    assert told[0].claims == (join.address,)
    assert not told[0].first


def replace_last(address: object, number: int) -> object:
    return ip_address(str(address).rpartition(".")[0] + f".{number}")


def test_rest_means_silence_and_wake_means_a_burst() -> None:
    lan = VirtualLan()
    host = lan.add(ring())
    lan.run(3.0)
    host.discovery.pause_announcing()
    host.sent.clear()
    lan.run(60.0)
    assert host.sent == []
    host.discovery.resume_announcing(lan.now)
    lan.run(0.7)
    assert len({when for when, _ in host.sent}) == 3


def test_a_hint_that_becomes_keyed_is_followed_at_once_and_never_back() -> None:
    """Flow post: both were heard by open hints, then both read the offer's secret."""
    lan = VirtualLan()
    host, join = lan.add(Keyring(), Part.HOST), lan.add(Keyring(), Part.JOIN)
    lan.run(5.0)
    open_beacon = join.sent[-1][1]
    for device, keys in ((host, ring()), (join, joiners())):
        device.events.clear()
        device.discovery.keyring.put(OFFER, keys[OFFER])
        device.discovery.resume_announcing(lan.now)
    lan.run(0.05)
    for device in (host, join):
        heard = device.of(Heard)[0]
        assert isinstance(heard, Heard)
        assert heard.secret == OFFER
    host.discovery.receive(
        open_beacon.datagram, BeaconSource(join.address, UDP_PORT), Carrier.MULTICAST, lan.now
    )
    assert host.discovery.take_events() == []


# --- cost ------------------------------------------------------------------------------------------------------


def packets_per_minute(devices: int) -> float:
    lan = VirtualLan()
    for _ in range(devices):
        lan.add()
    lan.run(60.0)  # the burst and the first fast minute are over
    for device in lan.devices:
        device.sent.clear()
    lan.run(60.0)
    return max(len(device.sent) for device in lan.devices)


def test_the_cost_of_announcing_does_not_grow_with_the_neighbours() -> None:
    few, many = packets_per_minute(2), packets_per_minute(20)
    assert many <= few * 1.5 + 2
    assert few <= 60


def test_a_crowd_that_appears_at_once_is_answered_within_the_budget() -> None:
    lan = VirtualLan()
    veteran = lan.add()
    lan.run(10.0)
    veteran.sent.clear()
    for _ in range(50):
        lan.add()
    lan.run(1.0)
    answers = [what for _, what in veteran.sent if what.carrier is Carrier.UNICAST]
    assert 1 <= len(answers) <= 5


def test_an_answer_is_never_larger_than_its_question_and_goes_to_its_source_only() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(3.0)
    for device in (host, join):
        assert {len(what.datagram) for _, what in device.sent} == {BEACON_BYTES}
    answers = [what for _, what in host.sent if what.carrier is Carrier.UNICAST]
    assert {what.address for what in answers} == {join.address}


# --- strangers -------------------------------------------------------------------------------------------------


def test_strangers_learn_nothing_from_a_sealed_beacon() -> None:
    """Neither address, nor port, nor instance, nor anything that links two runs."""
    lan = VirtualLan()
    host = lan.add(ring(), label="Alice")
    lan.run(3.0)
    datagrams = {what.datagram for _, what in host.sent}
    assert len(datagrams) == len({when for when, _ in host.sent})
    for datagram in datagrams:
        for leak in (host.address.packed, b"Alice", UDP_PORT.to_bytes(2, "big") * 2):
            assert leak not in datagram
    common = [place for place in range(BEACON_BYTES) if len({datagram[place] for datagram in datagrams}) == 1]
    assert set(common) <= {0, 1, 2, 3}, "only magic, version and mode repeat"


def test_the_wrong_secret_is_counted_once_and_never_answered() -> None:
    lan = VirtualLan()
    host, other = lan.add(ring()), lan.add(ring(b"somebody else's!"))
    lan.run(5.0)
    assert host.of(Foreign) == [Foreign(other.address, "stranger")]
    assert not host.of(Heard)
    assert not [what for _, what in host.sent if what.carrier is Carrier.UNICAST]


def test_open_beacons_are_ignored_by_whoever_holds_a_secret() -> None:
    lan = VirtualLan()
    host, other = lan.add(ring()), lan.add(part=Part.JOIN)
    lan.run(5.0)
    assert not host.of(Heard)
    assert not [what for _, what in host.sent if what.carrier is Carrier.UNICAST]
    assert other.of(Foreign)


def test_another_version_is_worth_telling() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(0.5)
    newer = bytearray(join.sent[0][1].datagram)
    newer[2] = 9
    host.discovery.receive(bytes(newer), STRANGER, Carrier.MULTICAST, lan.now)
    assert host.discovery.take_events() == [Foreign(STRANGER.address, "version")]


def test_a_replay_from_elsewhere_moves_nothing() -> None:
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(0.5)
    old = join.sent[0][1]
    lan.run(SAME_BEAT_S + 2.0)
    host.events.clear()
    host.discovery.receive(old.datagram, STRANGER, Carrier.UNICAST, lan.now)
    assert host.discovery.take_events() == []


def test_a_flood_of_sources_does_not_push_out_where_the_peer_really_is() -> None:
    """Somebody repeats a fresh beacon from a thousand addresses: at most PEER_ADDRESSES are kept."""
    lan = VirtualLan()
    host, join = pair(lan)
    lan.run(0.65)
    fresh = join.sent[-1][1]
    for number in range(1000):
        source = BeaconSource(ip_address(f"10.1.{number // 250}.{number % 250 + 1}"), 4000)
        host.discovery.receive(fresh.datagram, source, Carrier.UNICAST, lan.now)
    places = {event.source.address for event in host.discovery.take_events() if isinstance(event, Heard)}
    assert len(places) <= PEER_ADDRESSES


def test_a_hundred_thousand_identities_fit_a_bounded_table() -> None:
    me = Self(Part.DISCOVER, bytes(16), bytes(32), UDP_PORT, UDP_PORT)
    discovery = Discovery(me, Keyring(), 0.0)
    discovery.set_network([], [], 0.0)
    crowd = Keyring()
    answers = 0
    for number in range(100_000):
        instance = number.to_bytes(16, "big")[::-1]
        beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, instance, 1, 5000, 5000)
        datagram = crowd.seal(None, beacon, bytes(12))
        source = BeaconSource(ip_address(0x0A00_0000 + number + 1), 5000)
        discovery.receive(datagram, source, Carrier.MULTICAST, number / 100_000)
        discovery.take_events()
        answers += len(discovery.take_transmits())
    assert sum(discovery.deadline() is not None for _ in range(1)) == 1
    assert known_peers(discovery) <= PEERS
    assert answers <= 5


def known_peers(discovery: Discovery) -> int:
    """How many peers are left to expire."""
    discovery.pause_announcing()
    discovery.timer(1e9)
    return sum(isinstance(event, Gone) for event in discovery.take_events())


@settings(max_examples=400)
@given(st.binary(max_size=420), st.sampled_from(list(Carrier)))
def test_random_datagrams_change_nothing(datagram: bytes, carrier: Carrier) -> None:
    for keyring in (ring(), Keyring()):
        me = Self(Part.HOST, bytes(16), bytes(32), UDP_PORT, UDP_PORT)
        discovery = Discovery(me, keyring, 0.0)
        discovery.pause_announcing()
        discovery.receive(datagram, STRANGER, carrier, 1.0)
        assert not [event for event in discovery.take_events() if not isinstance(event, Foreign)]
        assert discovery.take_transmits() == []


@settings(max_examples=300)
@given(st.integers(0, BEACON_BYTES - 1), st.integers(1, 255))
def test_a_sealed_beacon_with_any_byte_changed_is_not_for_us(place: int, change: int) -> None:
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes([7]) * 16, 1, 5000, 5000)
    datagram = bytearray(joiners().seal(OFFER, beacon, bytes(12)))
    datagram[place] ^= change
    me = Self(Part.HOST, bytes(16), bytes(32), UDP_PORT, UDP_PORT)
    discovery = Discovery(me, ring(), 0.0)
    assert discovery.receive(bytes(datagram), STRANGER, Carrier.UNICAST, 1.0) is None
    assert not [event for event in discovery.take_events() if isinstance(event, Heard)]


@pytest.mark.parametrize("source", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.7", "::"])
def test_impossible_sources_are_ignored(source: str) -> None:
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes([7]) * 16, 1, 5000, 5000)
    me = Self(Part.HOST, bytes(16), bytes(32), UDP_PORT, UDP_PORT)
    discovery = Discovery(me, ring(), 0.0)
    datagram = joiners().seal(OFFER, beacon, bytes(12))
    assert discovery.receive(datagram, BeaconSource(ip_address(source), 1), Carrier.UNICAST, 1.0) is None


def test_a_source_of_special_purpose_is_heard_where_it_is_a_neighbour_and_nowhere_else() -> None:
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes([7]) * 16, 1, 5000, 5000)
    datagram = joiners().seal(OFFER, beacon, bytes(12))
    discovery = Discovery(Self(Part.HOST, bytes(16), bytes(32), UDP_PORT, UDP_PORT), ring(), 0.0)
    card = Interface(2, "eth0", addresses=(InterfaceAddress(ip_address("198.18.5.10"), 24),))
    discovery.set_network([], [], 0.0, Neighbourhood.of([card]))
    for source, heard in (("198.18.6.20", False), ("192.0.2.7", False), ("198.18.5.20", True)):
        opened = discovery.receive(datagram, BeaconSource(ip_address(source), 1), Carrier.UNICAST, 1.0)
        assert (opened is not None) is heard, source


# --- details ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [Part.JOIN, Part.HOST])
def test_probes_of_one_neighbour_grow_rarer_and_end_where_nobody_is_waited_for(part: Part) -> None:
    lan = VirtualLan(only_unicast)
    scanner = lan.add(ring(), part)
    lan.run(3.0)
    scanner.sent.clear()
    target = BeaconTarget(ip_address("10.0.0.200"), UDP_PORT)
    for _ in range(600):
        scanner.discovery.probe(target, lan.now)
        lan.run(0.25)
    sent = [(when, what) for when, what in scanner.sent if what.address == target.address]
    assert all(what.direct for _, what in sent), "a probe is for the link and for no router"
    gaps = [after - before for (before, _), (after, _) in pairwise(sent)]
    assert gaps == sorted(gaps)
    if part is Part.HOST:
        assert set(gaps) == {0.5, BEACON_SLOW_BEAT_S}, (
            "a joiner that may only answer is found within a second"
        )
        assert sent[gaps.index(BEACON_SLOW_BEAT_S)][0] == pytest.approx(BEACON_SLOW_AFTER_S, abs=0.5)
        assert sent[-1][0] > lan.now - BEACON_SLOW_BEAT_S
    else:
        assert len(sent) == len(PROBE_GAPS_S) + 1


def test_many_pairs_are_announced_to_in_turn() -> None:
    names = [f"device {number}" for number in range(10)]
    keyring = Keyring([(name, SharedSecret(name.encode(), Purpose.PAIR, Role.ISSUER)) for name in names])
    lan = VirtualLan()
    listener = lan.add(keyring, Part.LISTEN)
    lan.run(10.0)
    per_beat: dict[float, int] = {}
    for when, what in listener.sent:
        if what.carrier is Carrier.MULTICAST:
            per_beat[when] = per_beat.get(when, 0) + 1
    assert max(per_beat.values()) == 4
    sender = lan.add(Keyring([("device 7", SharedSecret(b"device 7", Purpose.PAIR, Role.JOINER))]), Part.SEND)
    lan.run(0.2)
    heard = listener.of(Heard)[0]
    assert isinstance(heard, Heard)
    assert heard.secret == "device 7"
    assert sender.of(Heard)


def test_envelopes_of_the_wrong_size_are_refused() -> None:
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes(16), 1, 5000, 5000)
    datagram = Keyring().seal(None, beacon, bytes(12))
    assert Envelope.decode(datagram).mode is Mode.OPEN
    for wrong in (datagram[:-1], datagram + b"\0", b"", b"LP", b"XX" + datagram[2:]):
        with pytest.raises(WireError):
            Envelope.decode(wrong)


@given(
    st.sampled_from(list(BeaconKind)), st.sampled_from(list(Part)), st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1), st.integers(0, 65535), st.lists(st.ip_addresses(), max_size=8), st.text(max_size=3),
)  # fmt: skip
def test_beacons_round_trip(
    kind: BeaconKind,
    part: Part,
    instance: bytes,
    sequence: int,
    port: int,
    addresses: list[object],
    label: str,
) -> None:
    usable = tuple(a for a in addresses if getattr(a, "ipv4_mapped", None) is None)
    word = Rendezvous(RendezvousStep.READY, sequence & 255, (port,) * 3, sequence, sequence)
    beacon = Beacon(
        kind, part, instance, sequence, port, port, port, port, usable, label=label,  # type: ignore[arg-type]
        rendezvous=word if kind is BeaconKind.RENDEZVOUS else None,
        facts=FactsPart(instance[:8], chunk=instance) if kind is BeaconKind.FACTS else None,
    )  # fmt: skip
    assert Beacon.decode(beacon.encode()) == beacon


def test_a_rendezvous_of_a_holder_of_the_secret_is_told_and_one_of_anybody_else_is_not() -> None:
    word, source = (
        Rendezvous(RendezvousStep.CALL, 1, (50_000,)),
        BeaconSource(ip_address("192.168.1.10"), 46_821),
    )
    beacon = Beacon(BeaconKind.RENDEZVOUS, Part.JOIN, bytes([7]) * 16, 1, 46_821, 46_821, rendezvous=word)
    for keys, peer, expected in (
        (ring(), joiners(), [Invited(OFFER, word, 2.0, source)]),
        (Keyring(), Keyring(), []),
    ):
        machine = Discovery(Self(Part.HOST, bytes(16), bytes(32), 46_821, 46_821), keys, 0.0)
        datagram = peer.seal(OFFER if len(keys) else None, beacon, bytes(12))
        machine.receive(datagram, source, Carrier.UNICAST, 2.0)
        assert [event for event in machine.take_events() if isinstance(event, Invited)] == expected


def test_a_rendezvous_with_too_many_ports_or_an_unknown_step_is_no_beacon() -> None:
    beacon = Beacon(
        BeaconKind.RENDEZVOUS,
        Part.JOIN,
        bytes(16),
        1,
        5000,
        5000,
        rendezvous=Rendezvous(RendezvousStep.GO, 1, (5,) * 8),
    )
    body = beacon.encode()
    place = body.index(bytes([RendezvousStep.GO, 1]) + bytes(12) + b"\x08")
    assert Beacon.decode(body) == beacon
    for wrong in (
        body[:place] + b"\x04" + body[place + 1 :],
        body[: place + 14] + b"\x09" + body[place + 15 :],
    ):
        with pytest.raises(WireError):
            Beacon.decode(wrong)


def test_a_transmit_and_a_self_show_no_bytes() -> None:
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes(16), 1, 5000, 5000)
    transmit = Transmit(ring().seal(OFFER, beacon, bytes(12)), ip_address("10.0.0.1"), 1, 0, Carrier.UNICAST)
    assert "datagram" not in repr(transmit)
    assert "seed" not in repr(replace(Self(Part.HOST, bytes(16), bytes(32), 1, 1)))


def test_whoever_writes_to_another_address_of_ours_is_answered_once_from_there() -> None:
    lan = VirtualLan(only_unicast)
    keyring = ring()
    host, join = lan.add(keyring), lan.add(joiners(), Part.JOIN)
    lan.run(0.05)
    other, source = IPv4Address("10.0.0.99"), ip_address("10.0.0.50")
    join.sent.clear()
    join.discovery.take_transmits()
    for number in range(3):
        host.discovery.probe(BeaconTarget(other, UDP_PORT), lan.now + 100.0 * number)
        datagram = host.discovery.take_transmits()[-1].datagram
        join.discovery.receive(
            datagram, BeaconSource(source, UDP_PORT, local=other), Carrier.UNICAST, lan.now
        )
    answers = [what for what in join.discovery.take_transmits() if what.source == other]
    assert [(what.address, what.carrier) for what in answers] == [(source, Carrier.UNICAST)]


def test_an_answer_goes_by_every_known_way_to_where_its_question_came_from() -> None:
    """The answer that the routing table sends elsewhere may be all that a firewall lets out."""
    lan = VirtualLan(only_unicast)
    host, join = lan.add(ring()), lan.add(joiners(), Part.JOIN)
    source, elsewhere = ip_address("10.0.0.50"), ip_address("10.0.0.51")
    for address, scope in ((source, 0), (source, 3), (source, 4), (elsewhere, 3)):
        join.discovery.add_target(BeaconTarget(address, UDP_PORT, scope), lan.now)
    lan.run(0.05)
    host.discovery.probe(BeaconTarget(join.address, UDP_PORT), lan.now)
    datagram = host.discovery.take_transmits()[-1].datagram
    join.discovery.take_transmits()
    join.discovery.receive(datagram, BeaconSource(source, UDP_PORT), Carrier.UNICAST, lan.now)
    answers = join.discovery.take_transmits()
    assert [(what.address, what.interface) for what in answers] == [(source, 0), (source, 3), (source, 4)]
    assert len({what.datagram for what in answers}) == 1


def test_whoever_could_merely_answer_is_told_apart() -> None:
    """Multicast reaches the joiner only, and nothing of its own the host."""
    lan = VirtualLan(lambda s, r, what: what.carrier is Carrier.UNICAST or r.number == 2)
    host, join = pair(lan)
    lan.run(1.0)
    assert [event.answers for event in host.of(Heard) if isinstance(event, Heard)] == [True]
    assert [event.answers for event in join.of(Heard) if isinstance(event, Heard)] == [False]


def test_each_way_by_which_a_peer_is_heard_is_told_once() -> None:
    """Of several cards on one link any may bring what is meant for one of them; and no more than eight are kept."""
    lan = VirtualLan(only_unicast)
    keyring = ring()
    host, join = lan.add(keyring), lan.add(joiners(), Part.JOIN)
    lan.run(0.05)
    moments = count(lan.now, 10.0)

    def hear(local: str, interface: int) -> list[BeaconSource]:
        host.discovery.probe(BeaconTarget(IPv4Address(local), UDP_PORT, interface), next(moments))
        datagram = host.discovery.take_transmits()[-1].datagram
        source = BeaconSource(
            ip_address("10.0.0.50"), UDP_PORT, interface=interface, local=IPv4Address(local)
        )
        join.discovery.receive(datagram, source, Carrier.UNICAST, lan.now)
        return [event.source for event in join.discovery.take_events() if isinstance(event, Heard)]

    ways = [("10.0.0.98", 2), ("10.0.0.99", 3), ("10.0.0.99", 2)]
    told = [hear(*way) for way in ways for _ in range(2)]
    assert [[(str(one.local), one.interface) for one in sources] for sources in told] == [
        sources for way in ways for sources in ([way], [])
    ]
    assert sum(bool(hear(f"10.0.1.{number}", 2)) for number in range(20)) == PEER_ADDRESSES - len(ways)


@pytest.mark.parametrize(
    ("part", "other", "ends"),
    [
        (Part.HOST, Part.JOIN, True),
        (Part.HOST, Part.DISCOVER, False),
        (Part.HOST, Part.HOST, False),
        (Part.JOIN, Part.HOST, True),
        (Part.JOIN, Part.JOIN, False),
        (Part.DISCOVER, Part.DISCOVER, True),
    ],
)
def test_where_no_secret_tells_only_a_counterpart_ends_the_search(
    part: Part, other: Part, ends: bool
) -> None:
    lan = VirtualLan()
    device = lan.add(Keyring([]), part)
    lan.add(Keyring([]), other)
    lan.run(1.0)
    assert device.of(Heard), "it is shown all the same"
    assert device.discovery.heard_anybody is ends
    device.discovery.keyring.put(OFFER, SharedSecret(b"0123456789abcdef", Purpose.OFFER, Role.ISSUER))
    assert device.discovery.heard_anybody is ends, "a secret makes nobody else the one"


def test_nobody_is_remembered_for_longer_than_the_slowest_beat_explains() -> None:
    lan = VirtualLan()
    device = lan.add(Keyring([]), Part.HOST)
    lan.run(1.0)
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, bytes([7]) * 16, 1, 5000, 5000, beat_ms=65_535)
    datagram = Keyring([]).seal(None, beacon, bytes(12))
    device.discovery.receive(datagram, STRANGER, Carrier.UNICAST, lan.now)
    assert device.discovery.heard_anybody
    lan.run(20.0)
    assert not device.discovery.heard_anybody
