"""What is recorded of a run: repeats in one row, and no more rows than there is room for."""

from __future__ import annotations

from ipaddress import ip_address

from localpair.candidate import Candidate, Origin
from localpair.causes.facts import (
    CallReach,
    CarrierName,
    DialTime,
    ForeignKind,
    NeighbourState,
    RunFacts,
    RunRole,
    Whose,
)
from localpair.causes.records.codec import from_dict, to_dict
from localpair.causes.records.recorder import FactRecorder, HopFacts
from localpair.errors import Refusal
from localpair.events import Attempt, Direction, Flaw, Phase
from localpair.limits import FACTS_ROWS

BOB = ip_address("192.168.77.20")
HOP = HopFacts(NeighbourState.SILENT, 2, ip_address("192.168.77.10"))


def filled(recorder: FactRecorder) -> RunFacts:
    facts = recorder.fill(RunFacts(role=RunRole.JOIN))
    assert from_dict(to_dict(facts)) == facts
    return facts


def failed(errno: str = "ETIMEDOUT", ms: float = 2000.0, **more: object) -> Attempt:
    candidate = Candidate(BOB, 46821, origin=Origin.OFFER, **more)  # type: ignore[arg-type]
    return Attempt(candidate, Direction.OUT, Phase.CONNECT, "failed", ms, errno)


def test_dials_that_end_alike_are_one_row_and_the_first_stands_apart() -> None:
    recorder = FactRecorder()
    for _ in range(5):
        recorder.attempt(failed(), HOP)
    recorder.attempt(failed("EHOSTUNREACH", 600.0), HOP)
    first, later, other = filled(recorder).attempts or ()
    assert (first.count, first.again) == (1, False)
    assert (later.count, later.again) == (4, True)
    assert (other.errno, other.took, other.hop) == ("EHOSTUNREACH", DialTime.SOON, NeighbourState.SILENT)


def test_a_dial_between_fixed_ports_is_marked() -> None:
    recorder = FactRecorder()
    recorder.attempt(failed(dial_from=46830), HOP)
    (row,) = filled(recorder).attempts or ()
    assert row.opening


def test_beacons_are_counted_by_carrier_and_named_where_their_address_was_told() -> None:
    recorder = FactRecorder(began=100.0)
    for number in range(300):  # a sweep
        recorder.sent(CarrierName.UNICAST, 2, ip_address(f"10.0.{number // 250}.{number % 250}"), named=False)
    recorder.sent(CarrierName.UNICAST, 0, BOB, named=True)
    recorder.sent(CarrierName.MULTICAST, 2, ip_address("224.0.0.171"), named=False, errno="EPERM")
    for now in (101.2, 105.0, 111.9):
        recorder.heard(CarrierName.MULTICAST, 2, BOB, now)
    facts = filled(recorder)
    assert [(row.address, row.errno, row.count) for row in facts.sent or ()] == [
        (None, "", 300),
        (BOB, "", 1),
        (None, "EPERM", 1),
    ]
    (voice,) = facts.heard or ()
    assert (voice.count, voice.first_s, voice.last_s) == (3, 1, 11)


def test_tables_end_and_say_how_much_is_left_out() -> None:
    recorder = FactRecorder()
    for number in range(3 * FACTS_ROWS):
        address = ip_address(0x0A000000 + number)
        recorder.call(address, CallReach.STRANGER, "stranger")
        recorder.heard(CarrierName.UNICAST, 0, address, 1.0)
        recorder.foreign(address, ForeignKind.STRANGER)
        recorder.self_call(address, confirmed=True)
        recorder.peer_claims([address])
        recorder.seen_at(address)
    facts = filled(recorder)
    assert facts.peer is not None
    tables = (
        facts.calls,
        facts.heard,
        facts.foreign,
        facts.self_calls,
        facts.peer.claims,
        facts.peer.sees_us_at,
    )
    assert [len(table or ()) for table in tables] == [FACTS_ROWS] * len(tables)
    assert facts.omitted == 2 * 2 * FACTS_ROWS


def test_strangers_take_no_room_from_whoever_holds_the_secret() -> None:
    recorder = FactRecorder()
    for number in range(2 * FACTS_ROWS):
        recorder.call(ip_address(0x0A000000 + number), CallReach.STRANGER, "stranger")
    recorder.call(BOB, CallReach.ENCRYPTED, "ECONNRESET")
    assert (filled(recorder).calls or ())[0].source == BOB


def test_an_own_address_that_was_confirmed_once_stays_so() -> None:
    recorder = FactRecorder()
    for confirmed in (False, True, False):
        recorder.self_call(BOB, confirmed=confirmed, errno="" if confirmed else "EPERM")
    (row,) = filled(recorder).self_calls or ()
    assert row.confirmed


def test_a_goodbye_is_taken_back_by_whoever_comes_back() -> None:
    recorder = FactRecorder()
    recorder.said_goodbye()
    assert (facts := filled(recorder)).peer is not None
    assert facts.peer.goodbye
    recorder.came_back()
    assert (facts := filled(recorder)).peer is not None
    assert not facts.peer.goodbye


def test_refusals_are_counted_by_who_said_them() -> None:
    recorder = FactRecorder()
    recorder.refusal(Refusal.EXPIRED, Whose.THEIRS, proven=True)
    recorder.refusal(Refusal.EXPIRED, Whose.THEIRS, proven=True)
    recorder.refusal(Refusal.EXPIRED, Whose.OURS, proven=True)
    assert [(row.by, row.count) for row in filled(recorder).refusals or ()] == [
        (Whose.THEIRS, 2),
        (Whose.OURS, 1),
    ]


def test_places_of_the_peer_come_in_the_order_in_which_they_were_tried() -> None:
    recorder = FactRecorder()
    recorder.heard(CarrierName.MULTICAST, 3, ip_address("fe80::1"), 0.0)
    recorder.attempt(failed(), HOP)
    recorder.peer_claims([ip_address("10.0.0.1"), BOB])
    assert recorder.places() == ((BOB, 2), (ip_address("fe80::1"), 3), (ip_address("10.0.0.1"), 0))


def test_a_flaw_is_kept() -> None:
    recorder = FactRecorder()
    candidate = Candidate(BOB, 46821, origin=Origin.OFFER)
    recorder.attempt(
        Attempt(candidate, Direction.OUT, Phase.PIN, "failed", 5.0, flaw=Flaw.OTHER_KEY), HopFacts()
    )
    (row,) = filled(recorder).attempts or ()
    assert (row.flaw, row.took) == (Flaw.OTHER_KEY, DialTime.AT_ONCE)
