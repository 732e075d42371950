"""What a stranger gets for beacons that it has recorded: on other carriers, in other runs, at other places."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

import localpair
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret, device_id
from localpair.protocol.discovery_events import BeaconSource, BeaconTarget, Carrier, Heard, Transmit
from localpair.protocol.keyring import Keyring
from localpair.protocol.replays import PARTS
from localpair.trust.marks import NOTHING_HEARD, Marks
from localpair.wire.beacon import BEACON_HEARS, Beacon, BeaconKind, Envelope, Part
from virtual_lan import UDP_PORT, Device, VirtualLan, only_unicast

PAIR = "their pair"
EVE = BeaconSource(ip_address("10.0.9.9"), UDP_PORT)


def ring(side: Role, heard: Marks = NOTHING_HEARD) -> Keyring:
    keyring = Keyring()
    keyring.put(PAIR, SharedSecret(b"p" * 32, Purpose.PAIR, side), heard)
    return keyring


def listener(lan: VirtualLan, heard: Marks = NOTHING_HEARD, *, run: int = 1000) -> Device:
    return lan.add(ring(Role.ISSUER, heard), Part.LISTEN, run=run)


def sender(lan: VirtualLan, heard: Marks = NOTHING_HEARD, *, run: int = 2000) -> Device:
    return lan.add(ring(Role.JOINER, heard), Part.SEND, run=run)


def recording(part: Part = Part.SEND, side: Role = Role.JOINER, *, run: int = 2000) -> list[bytes]:
    """What a device says in five seconds, alone, at another place."""
    lan = VirtualLan()
    for _ in range(9):
        lan.add()  # so that it is another device than those of the tests, which count from one as well
    device = lan.add(ring(side), part, run=run)
    lan.run(5.0)
    return [what.datagram for _, what in device.sent if what.carrier is Carrier.MULTICAST]


def replay(device: Device, datagrams: list[bytes], now: float, carrier: Carrier = Carrier.MULTICAST) -> None:
    for datagram in datagrams:
        device.discovery.receive(datagram, EVE, carrier, now)
        device.events.extend((now, event) for event in device.discovery.take_events())


def answers(device: Device) -> list[Transmit]:
    """What a device has sent to somebody, and not to everybody."""
    return [what for what in device.discovery.take_transmits() if what.carrier is Carrier.UNICAST]


def opened(keyring: Keyring, datagram: bytes) -> Beacon:
    return keyring.open(Envelope.decode(datagram))[1]


# -- runs -------------------------------------------------------------------------------------------------------


def test_what_was_heard_once_is_worth_nothing_in_a_later_run() -> None:
    """Eve was there when the two met, and comes to the listener's next run, wherever that is."""
    recorded = recording()
    last = opened(ring(Role.ISSUER), recorded[-1]).number
    lan = VirtualLan()
    listening = listener(lan, tuple(last if part is Part.SEND else 0 for part in PARTS))
    lan.run(1.0)
    replay(listening, recorded, lan.now)
    assert not listening.of(Heard)
    assert not answers(listening)


def test_what_was_never_heard_works_until_something_later_was() -> None:
    """The bound: a failed attempt to send, at another place, gets one answer at most, and only before the next one."""
    recorded = recording(run=2000)
    lan = VirtualLan()
    listening = listener(lan)
    lan.run(1.0)
    replay(listening, recorded[:1] * 5, lan.now)
    assert len(listening.of(Heard)) == 1
    assert len(answers(listening)) == 1
    lan.run(20.0)
    assert not listening.discovery.heard_anybody, "it is gone, as it says nothing new"
    later = sender(lan, run=2001)
    lan.run(1.0)
    assert later.of(Heard)
    listening.events.clear()
    answers(listening)
    replay(listening, recorded, lan.now + 30.0)
    assert not listening.of(Heard)
    assert not answers(listening)


@pytest.mark.parametrize(
    ("part", "role"),
    [(Part.SEND, Role.ISSUER), (Part.LISTEN, Role.JOINER)],
    ids=["recorded of itself", "recorded of a partner that waits"],
)
def test_a_listener_answers_nothing_that_no_partner_on_its_way_to_it_says(part: Part, role: Role) -> None:
    """Else Eve learns whether the device that sends here is the one that listens there; and the beats of a listener,
    which go out for days, would find every partner of it that listens elsewhere.
    """
    lan = VirtualLan()
    listening = listener(lan)
    lan.run(1.0)
    replay(listening, recording(part, role), lan.now)
    assert not listening.of(Heard)
    assert not answers(listening)


@pytest.mark.parametrize("kind", list(BeaconKind))
def test_no_kind_of_beacon_makes_an_exception(kind: BeaconKind) -> None:
    lan = VirtualLan()
    listening = listener(lan, (9 << 32,) * len(PARTS))
    lan.run(1.0)
    said = Beacon(kind, Part.SEND, bytes([7]) * 16, 5, 5000, 5000, run=9 - 1)
    replay(listening, [ring(Role.JOINER).seal(PAIR, said, bytes(12))], lan.now, Carrier.UNICAST)
    assert not listening.of(Heard)
    assert not answers(listening)


# -- devices whose numbers went back still meet -----------------------------------------------------------------


@pytest.mark.parametrize("multicast", [True, False])
def test_two_that_doubt_each_other_meet_by_naming_each_other(multicast: bool) -> None:
    """A copy of the store was put back, or two runs overtook each other: nothing that is said is later than known."""
    far = (2**63,) * len(PARTS)
    lan = VirtualLan() if multicast else VirtualLan(only_unicast)
    listening, sending = listener(lan, far), sender(lan, far)
    for one, other in ((listening, sending), (sending, listening)):
        one.discovery.add_target(BeaconTarget(other.address, UDP_PORT), lan.now)
    lan.run(3.0)
    assert listening.of(Heard)
    assert sending.of(Heard)


def test_beats_name_whom_they_doubt_and_nothing_else_shows_it() -> None:
    recorded = recording()
    lan = VirtualLan()
    listening = listener(lan, (2**63,) * len(PARTS))
    lan.run(60.0)
    before = [when for when, _ in listening.sent]
    replay(listening, recorded, lan.now)
    instance = opened(ring(Role.ISSUER), recorded[0]).instance
    lan.run(10.0)
    beats = [what for when, what in listening.sent if when > before[-1]]
    assert all(what.carrier is not Carrier.UNICAST for what in beats)
    assert all(opened(ring(Role.JOINER), what.datagram).hears == (instance[:8],) for what in beats)
    calm = VirtualLan()
    undisturbed = listener(calm, (2**63,) * len(PARTS))
    calm.run(70.0)
    assert [when for when, _ in listening.sent] == [when for when, _ in undisturbed.sent]
    lan.run(30.0)
    assert opened(ring(Role.JOINER), listening.sent[-1][1].datagram).hears == ()


def test_no_more_than_a_few_are_named_however_many_recordings_there_are() -> None:
    lan = VirtualLan()
    listening = listener(lan, (2**63,) * len(PARTS))
    lan.run(1.0)
    for mark in range(100, 200):
        said = Beacon(BeaconKind.ANNOUNCE, Part.SEND, bytes([mark]) * 16, 5, 5000, 5000)
        replay(listening, [ring(Role.JOINER).seal(PAIR, said, bytes(12))], lan.now)
    lan.run(2.0)
    assert len(opened(ring(Role.JOINER), listening.sent[-1][1].datagram).hears) == BEACON_HEARS
    assert not listening.of(Heard)


# -- carriers ---------------------------------------------------------------------------------------------------


def test_what_was_recorded_over_udp_means_nothing_in_a_call() -> None:
    lan = VirtualLan()
    listening = listener(lan)
    lan.run(1.0)
    for datagram in recording():
        assert listening.discovery.receive(datagram, EVE, Carrier.TCP, lan.now, bytes([1]) * 32) is None
    assert not listening.discovery.take_events()[1:], "no more than that a stranger is near"


def test_a_confirmation_means_nothing_over_udp_or_in_another_call() -> None:
    """Eve was called as if she were the peer: what she was told in that call is good for her certificate only."""
    calling = sender(VirtualLan()).discovery
    hers, theirs = bytes([1]) * 32, bytes([2]) * 32
    told = calling.carried(BeaconKind.CONFIRM, PAIR, hers, called=ip_address("10.0.0.1"))
    lan = VirtualLan()
    lan.add()
    listening = listener(lan).discovery
    assert listening.receive(told, EVE, Carrier.UNICAST, 0.0) is None
    assert listening.receive(told, EVE, Carrier.TCP, 0.0, theirs) is None
    assert listening.receive(told, EVE, Carrier.TCP, 0.0, hers) is not None, "in that very call it is good"


# -- who is told what -------------------------------------------------------------------------------------------


def test_the_number_of_a_run_is_told_to_pairs_only() -> None:
    lan = VirtualLan()
    hosting = lan.add(Keyring(), Part.HOST, run=1234)
    lan.run(0.5)
    assert Beacon.decode(Envelope.decode(hosting.sent[0][1].datagram).unverified).run == 0
    offer = Keyring([("offer", SharedSecret(bytes(16), Purpose.OFFER, Role.ISSUER))])
    hosting.discovery.keyring.put("offer", offer["offer"])
    lan.run(2.0)
    theirs = Keyring([("offer", SharedSecret(bytes(16), Purpose.OFFER, Role.JOINER))])
    assert opened(theirs, hosting.sent[-1][1].datagram).run == 0
    listening = listener(lan, run=1234)
    lan.run(0.5)
    assert opened(ring(Role.JOINER), listening.sent[-1][1].datagram).run == 1234


# -- on disk ----------------------------------------------------------------------------------------------------


def test_every_run_has_a_higher_number_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for clock in (1_800_000_000.0, 1_900_000_000.0, 0.0, -5.0, 1_800_000_000.0, 9e12, 1_900_000_000.0):
        monkeypatch.setattr("localpair.trust.store.time.time", lambda clock=clock: clock)
        numbers.append(localpair.TrustStore(tmp_path).next_run())
    assert numbers == sorted(set(numbers))
    assert max(numbers) < 2**32


def test_an_older_copy_of_the_store_gives_no_lower_number_where_the_clock_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = localpair.TrustStore(tmp_path)
    monkeypatch.setattr("localpair.trust.store.time.time", lambda: 1_800_000_000.0)
    store.next_run()
    copy = (tmp_path / "trust.json").read_bytes()
    monkeypatch.setattr("localpair.trust.store.time.time", lambda: 1_800_000_100.0)
    later = store.next_run()
    (tmp_path / "trust.json").write_bytes(copy)
    monkeypatch.setattr("localpair.trust.store.time.time", lambda: 1_800_000_200.0)
    assert localpair.TrustStore(tmp_path).next_run() > later


def test_what_was_heard_of_a_device_is_kept_and_never_goes_back(tmp_path: Path) -> None:
    store = localpair.TrustStore(tmp_path)
    key = DeviceIdentity.generate().public
    store.record_unconfirmed(localpair.DeviceRecord(device_id(key), key, bytes(32), Role.ISSUER))
    store.confirm(device_id(key))
    store.note_heard({device_id(key): (1, 2, 3, 4 << 32), "offer": (9, 9, 9, 9)})
    store.note_heard({device_id(key): (0, 5, 0, 0)})
    (record,) = localpair.TrustStore(tmp_path).devices()
    assert record.heard == (1, 5, 3, 4 << 32)
