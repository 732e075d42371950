"""A verdict as a whole: what stands first, what is left out beside it, and each thing once."""

from __future__ import annotations

from localpair.candidate import InterfaceKind
from localpair.causes.facts import CarrierName, Ending, LinkFacts, NeighbourState
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Confidence, Place, RunNote
from run_facts import (
    ALICE,
    ALICE_MAC,
    BOB,
    LO,
    ROUTER_MAC,
    dial,
    dropping_host,
    host,
    joiner,
    link,
    route,
    sent,
    silent_joiner,
    stuck_joiner,
    voice,
)


def test_what_is_certain_stands_before_what_is_likely() -> None:
    tunnel = LinkFacts(3, "tun0", InterfaceKind.TUNNEL, carrier=True, gateways=())
    found = judge(
        joiner(
            links=(LO, link(ALICE, ALICE_MAC), tunnel),
            routes=(route(BOB, None, index=3),),
            attempts=(dial(BOB, index=3, hop=None),),
            sent=(sent(CarrierName.UNICAST, BOB, "EPERM"),),
            self_calls=None,
        )
    ).explanations
    assert [(one.causes, one.confidence) for one in found] == [
        ((Cause.VPN_STEALS_PREFIX,), Confidence.CERTAIN),
        ((Cause.EGRESS_FILTER, Cause.OS_PERMISSION), Confidence.LIKELY),
    ]


def test_of_the_path_one_side_is_enough_unless_it_sees_nothing() -> None:
    theirs = dropping_host(neighbours=None)
    (found,) = judge(silent_joiner(), theirs).explanations
    assert found.cause is Cause.PEER_ABSENT
    blank = joiner(routes=(route(BOB, NeighbourState.ABSENT),), sent=(sent(CarrierName.UNICAST, BOB),))
    assert judge(blank).explanations == ()
    (found,) = judge(blank, theirs).explanations
    assert (found.cause, found.device) == (Cause.FIREWALL_INBOUND, Place.THERE)


def test_what_is_certain_of_one_device_is_not_guessed_of_the_other() -> None:
    mine = stuck_joiner(counters=None)
    theirs = dropping_host(routes=(route(ALICE, mac=ALICE_MAC),), attempts=(dial(ALICE),))
    (found,) = judge(mine, theirs).explanations
    assert (found.causes, found.device) == ((Cause.FIREWALL_INBOUND,), Place.THERE)


def test_a_firewall_on_either_device_is_told_twice() -> None:
    counters = dropping_host().counters
    mine = stuck_joiner(counters=counters)
    theirs = dropping_host(routes=(route(ALICE, mac=ALICE_MAC),), attempts=(dial(ALICE),))
    found = judge(mine, theirs).explanations
    assert {(one.causes, one.device) for one in found} == {
        ((Cause.FIREWALL_INBOUND,), Place.HERE),
        ((Cause.FIREWALL_INBOUND,), Place.THERE),
    }


def test_a_note_that_both_sides_give_stands_once() -> None:
    mine = joiner(ending=Ending.PAIRED, routes=(route(BOB, mac=ROUTER_MAC),), heard=(voice(BOB),))
    theirs = host(ending=Ending.PAIRED, routes=(route(ALICE, mac=ROUTER_MAC),), heard=(voice(ALICE),))
    assert [one.note for one in judge(mine, theirs).notes] == [RunNote.PROXIED]


def test_what_hides_the_path_is_told_with_the_note_that_more_may_come() -> None:
    dark = joiner(links=(LO, link(ALICE, ALICE_MAC, carrier=False)))
    assert [one.note for one in judge(dark).notes] == [RunNote.MORE_MAY_LIE_BEHIND]
    assert judge(silent_joiner()).notes == ()
    assert [one.note for one in judge(stuck_joiner(), dropping_host()).notes] == [RunNote.MORE_MAY_LIE_BEHIND]
