"""Who answers, and what one side says: what each of these rules needs besides."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.causes.facts import (
    CallFacts,
    CallReach,
    OfferFacts,
    PeerFacts,
    RefusalFacts,
    RunFacts,
    RunRole,
    Whose,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Place, RunNote
from localpair.errors import Refusal
from localpair.events import Flaw, Phase
from run_facts import (
    ALICE,
    BOB,
    FAR,
    dial,
    host,
    stuck_joiner,
    voice,
)


def notes(facts: RunFacts, theirs: RunFacts | None = None) -> set[RunNote]:
    return {one.note for one in judge(facts, theirs).notes}


# --- Who answers: what each rule needs besides ---


def answered(flaw: Flaw, phase: Phase = Phase.PREAMBLE, **more: Any) -> RunFacts:
    return stuck_joiner(**{"attempts": (dial(BOB, "", phase, flaw=flaw),), **more})


def test_a_goodbye_after_a_connection_stood_is_the_cause() -> None:
    """Calls of this side had come to nothing, and the other way was open until then."""
    ended = {"heard": (voice(BOB),), "peer": PeerFacts(goodbye=True)}
    called = (CallFacts(ip_address(BOB), CallReach.ENCRYPTED, "ECONNRESET"),)
    assert judge(stuck_joiner(**ended, calls=called)).causes == {Cause.HOST_ENDED}
    assert Cause.HOST_ENDED not in judge(stuck_joiner(**ended)).causes


@pytest.mark.parametrize(("last_s", "is_gone"), [(4, True), (5, False)])
def test_a_host_that_was_heard_within_three_beats_has_not_gone(last_s: int, is_gone: bool) -> None:
    facts = stuck_joiner("ECONNREFUSED", heard=(voice(BOB, last_s=last_s),), lasted_s=20)
    assert (Cause.HOST_ENDED in judge(facts).causes) is is_gone


@pytest.mark.parametrize(
    ("flaw", "cause"),
    [
        (Flaw.SAME_ROLE, Cause.SAME_ROLE),
        (Flaw.NO_LOCALPAIR, Cause.INTERCEPTED),
        (Flaw.OTHER_KEY, Cause.STALE_OFFER),
        (Flaw.OTHER_KEY, Cause.WRONG_IDENTITY),
    ],
)
def test_whoever_else_answers_is_no_cause_where_the_peer_is_heard_elsewhere(flaw: Flaw, cause: Cause) -> None:
    phase = Phase.PIN if flaw is Flaw.OTHER_KEY else Phase.PREAMBLE
    assert cause in judge(answered(flaw, phase)).causes
    assert cause not in judge(answered(flaw, phase, heard=(voice(FAR),))).causes


def test_a_wrong_key_is_no_cause_where_another_address_led_further() -> None:
    wrong, further = dial(BOB, "", Phase.PIN, flaw=Flaw.OTHER_KEY), dial(FAR, "ECONNRESET", Phase.HELLO)
    assert judge(stuck_joiner(attempts=(wrong, further))).causes.isdisjoint(
        {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}
    )
    again = dial(BOB, "ECONNRESET", Phase.HELLO)
    assert Cause.STALE_OFFER in judge(stuck_joiner(attempts=(wrong, again))).causes


@pytest.mark.parametrize(
    "theirs", [host(), host(links=None), None], ids=["of its number", "unknown", "nobody"]
)
def test_a_wrong_key_does_not_tell_an_old_offer_from_another_device(theirs: RunFacts | None) -> None:
    """Another device may have the number of the issuer in another network."""
    found = judge(answered(Flaw.OTHER_KEY, Phase.PIN), theirs)
    assert found.causes == {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}


@pytest.mark.parametrize(
    ("change", "is_forgotten"),
    [
        ({"role": RunRole.SEND}, True),
        ({"role": RunRole.JOIN}, False),
        ({"role": RunRole.SEND, "heard": (voice(BOB),)}, False),
        ({"role": RunRole.SEND, "attempts": (dial(BOB, "ECONNRESET", Phase.HELLO),)}, False),
    ],
)
def test_a_stranger_tells_of_a_forgotten_pair_only_where_a_pair_was_sought(
    change: dict[str, Any], is_forgotten: bool
) -> None:
    facts = replace(answered(Flaw.STRANGER, Phase.HELLO), **change)
    assert (Cause.FORGOTTEN_OR_REVOKED in judge(facts).causes) is is_forgotten


# --- What one side said: who it was, and about what ---


@pytest.mark.parametrize(
    ("by", "device", "teller"),
    [(Whose.THEIRS, Place.THERE, "the other device"), (Whose.OURS, Place.HERE, "this device")],
)
def test_a_refusal_lies_with_whoever_said_it(by: Whose, device: Place, teller: str) -> None:
    (found,) = judge(stuck_joiner(refusals=(RefusalFacts(Refusal.NOT_APPROVED, by),))).explanations
    assert (found.cause, found.device) == (Cause.DECLINED, device)
    assert found.evidence == (f"{teller} answered: {Refusal.NOT_APPROVED}",)


@pytest.mark.parametrize(
    ("age_s", "lifetime_s", "cause"),
    [(119, 120, Cause.STALE_OFFER), (120, 120, Cause.OFFER_EXPIRED), (5, 0, Cause.STALE_OFFER)],
)
def test_an_offer_has_expired_once_its_time_is_over_and_not_before(
    age_s: int, lifetime_s: int, cause: Cause
) -> None:
    facts = stuck_joiner(
        refusals=(RefusalFacts(Refusal.EXPIRED, Whose.THEIRS),),
        offer=OfferFacts(lifetime_s=lifetime_s, age_s=age_s),
    )
    assert judge(facts).causes == {cause}


def test_an_own_key_is_told_by_the_connections_that_met_it_alone() -> None:
    """Those to and from other addresses were of somebody else, and failed for another reason."""
    met = dial(ALICE, "", Phase.HELLO, flaw=Flaw.REFUSED)
    facts = stuck_joiner(
        attempts=(met, dial(BOB)),
        calls=(CallFacts(ip_address(BOB), CallReach.STRANGER, "ECONNRESET"),),
        refusals=(RefusalFacts(Refusal.SELF, Whose.OURS),),
    )
    assert judge(facts).causes == {Cause.OWN_OFFER}
    called = (CallFacts(ip_address(BOB), CallReach.ENCRYPTED, Refusal.SELF),)
    assert judge(replace(facts, calls=called)).causes == {Cause.CLONED_IDENTITY}


@pytest.mark.parametrize(
    ("reason", "by", "is_old"),
    [
        (Refusal.EXPIRED, Whose.OURS, True),
        (Refusal.EXPIRED, Whose.THEIRS, False),
        (Refusal.BUSY, Whose.OURS, False),
    ],
)
def test_an_old_offer_was_shown_where_this_host_said_so(reason: Refusal, by: Whose, is_old: bool) -> None:
    facts = host(refusals=(RefusalFacts(reason, by),))
    assert (Cause.STALE_OFFER in judge(facts).causes) is is_old
    assert (RunNote.OLD_OFFER_SHOWN in notes(facts)) is is_old


def test_a_stranger_that_calls_has_an_old_offer_only_where_nobody_with_the_right_one_is_near() -> None:
    stranger = (CallFacts(ip_address("192.168.77.99"), CallReach.STRANGER),)
    assert judge(host(calls=stranger)).causes == {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}
    assert Cause.STALE_OFFER not in judge(host(calls=stranger, heard=(voice(ALICE),))).causes
    holder = (*stranger, CallFacts(ip_address(ALICE), CallReach.KNOWN, "ECONNRESET"))
    assert Cause.STALE_OFFER not in judge(host(calls=holder)).causes


@pytest.mark.parametrize(("first_s", "is_cause"), [(1, False), (18, True)])
def test_a_host_that_was_near_for_seconds_and_not_met_merely_ran_out_of_time(
    first_s: int, is_cause: bool
) -> None:
    heard = (replace(voice(BOB), first_s=first_s, last_s=20),)
    facts = stuck_joiner(attempts=(), heard=heard, peer=PeerFacts(goodbye=True))
    assert (Cause.HOST_ENDED in judge(facts).causes) is is_cause
