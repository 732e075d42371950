"""Notes: each with its reason, and not without."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.candidate import Origin
from localpair.causes.facts import (
    CallFacts,
    CallReach,
    CarrierName,
    Ending,
    ForeignFacts,
    ForeignKind,
    HeardFacts,
    PeerFacts,
    RunFacts,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import RunNote
from localpair.events import Phase
from run_facts import (
    ALICE,
    BOB,
    BOB_MAC,
    FAR,
    dial,
    host,
    joiner,
    route,
    sent,
    silent_joiner,
    stuck_joiner,
    voice,
)


def notes(facts: RunFacts, theirs: RunFacts | None = None) -> set[RunNote]:
    return {one.note for one in judge(facts, theirs).notes}


def paired(**more: Any) -> RunFacts:
    heard = (voice(BOB), HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), 20, 0, 20))
    return joiner(ending=Ending.PAIRED, routes=(route(BOB, mac=BOB_MAC),), heard=heard, **more)


def test_notes_of_what_came_of_a_run() -> None:
    ended = PeerFacts(goodbye=True)
    assert RunNote.PEER_ENDED in notes(joiner(peer=ended))
    assert RunNote.PEER_ENDED not in notes(host(peer=ended))
    assert RunNote.PEER_ENDED not in notes(replace(paired(), peer=ended))
    assert RunNote.ANOTHER_KEY not in notes(stuck_joiner())
    assert RunNote.FOREIGN_VERSION not in notes(
        silent_joiner(foreign=(ForeignFacts(ip_address(BOB), ForeignKind.STRANGER),))
    )


@pytest.mark.parametrize(
    ("attempt", "call"),
    [
        (dial(BOB, "ETIMEDOUT", Phase.HELLO), CallFacts(ip_address(BOB), CallReach.VERIFIED)),
        (dial(BOB, "EPERM"), CallFacts(ip_address(BOB), CallReach.VERIFIED)),
        (dial(BOB), CallFacts(ip_address(BOB), CallReach.VERIFIED, "ECONNRESET")),
        (dial(BOB), CallFacts(ip_address(FAR), CallReach.VERIFIED)),
        (
            replace(dial(BOB, "ECONNREFUSED"), origin=Origin.BEACON_SOURCE),
            CallFacts(ip_address(BOB), CallReach.VERIFIED),
        ),
        (dial(BOB, "ECONNREFUSED", opening=True), CallFacts(ip_address(BOB), CallReach.VERIFIED)),
    ],
    ids=[
        "it had stood",
        "refused here",
        "the call failed",
        "from elsewhere",
        "not up yet",
        "not at one time",
    ],
)
def test_calls_that_only_seem_to_pass_one_way_are_no_note(attempt: Any, call: CallFacts) -> None:
    assert RunNote.ONE_WAY_CALLS not in notes(replace(paired(), attempts=(attempt,), calls=(call,)))


def test_an_issuer_that_refuses_calls_is_kept_from_them_by_a_filter() -> None:
    attempts, calls = (dial(BOB, "ECONNREFUSED"),), (CallFacts(ip_address(BOB), CallReach.VERIFIED),)
    assert RunNote.ONE_WAY_CALLS in notes(replace(paired(), attempts=attempts, calls=calls))


@pytest.mark.parametrize(("count", "last_s", "is_note"), [(4, 3, True), (3, 3, False), (4, 2, False)])
def test_groups_are_silent_after_so_many_beacons_by_other_ways(
    count: int, last_s: int, is_note: bool
) -> None:
    single = (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), count, 0, last_s),)
    assert (RunNote.MULTICAST_SILENT in notes(replace(paired(), heard=single))) is is_note
    assert RunNote.MULTICAST_SILENT not in notes(replace(paired(), heard=(*single, voice(BOB))))


@pytest.mark.parametrize(("apart", "is_note"), [(120, False), (121, True), (-121, True)])
def test_clocks_differ_from_two_minutes_on(apart: int, is_note: bool) -> None:
    mine = paired()
    assert mine.clock_s is not None
    found = judge(mine, host(ending=Ending.PAIRED, clock_s=mine.clock_s + apart))
    assert [one.note for one in found.notes].count(RunNote.CLOCKS_DIFFER) == is_note


@pytest.mark.parametrize(
    ("sent_of", "came", "is_lossy"),
    [(20, 13, True), (20, 14, False), (8, 1, True), (7, 1, False), (20, 0, False)],
)
def test_losses_are_counted_from_so_many_beacons_on(sent_of: int, came: int, is_lossy: bool) -> None:
    """The side at which they did not come notes it, and both readers place it between the two."""
    heard = (
        (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), came, 0, 20), voice(BOB))
        if came
        else (voice(BOB),)
    )
    mine = replace(paired(), heard=heard)
    theirs = host(ending=Ending.PAIRED, sent=(sent(CarrierName.UNICAST, ALICE, count=sent_of),))
    assert (RunNote.LOSSY in notes(mine, theirs)) is is_lossy
    assert (RunNote.LOSSY in notes(theirs, mine)) is is_lossy
