"""What one side said to the other, once it was reached: refusals, and what a handshake came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from localpair.causes.facts import CallReach, RunRole, Whose
from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.rules.view import called_by_holder, dials, heard, known, own_addresses, seeks
from localpair.causes.vocabulary import Cause, Place
from localpair.errors import Refusal
from localpair.events import Flaw

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts
    from localpair.causes.rules.view import View

_SAID: Final[Mapping[Refusal, Cause]] = {
    Refusal.WRONG_SECRET: Cause.SECRET_REJECTED,
    Refusal.WRONG_KEY: Cause.WRONG_IDENTITY,
    Refusal.NOT_APPROVED: Cause.DECLINED,
    Refusal.CANCELLED: Cause.DECLINED,
    Refusal.ALREADY_CLAIMED: Cause.OFFER_USED,
    Refusal.OTHER_DEVICE: Cause.OFFER_MADE_FOR_ANOTHER,
    Refusal.REVOKED: Cause.FORGOTTEN_OR_REVOKED,
    Refusal.UNKNOWN_DEVICE: Cause.FORGOTTEN_OR_REVOKED,
    Refusal.VERSION: Cause.VERSION_MISMATCH,
    Refusal.BUSY: Cause.BUSY,
}


def refused(view: View) -> Iterator[Conclusion]:
    """The other side has refused, and proven that it may, or this side, which seeks, has refused itself."""
    if not seeks(view.here):
        return
    for row in known(view.here.refusals, "refusals"):
        if not row.proven:
            continue
        device = Place.THERE if row.by is Whose.THEIRS else Place.HERE
        teller = view.peer if row.by is Whose.THEIRS else view.me
        if row.reason in _SAID:
            yield certain(_SAID[row.reason], device, f"{teller} answered: {row.reason}")
        elif row.reason is Refusal.EXPIRED:
            yield _expired(view.here, f"{teller} answered: {row.reason}")


def _expired(facts: RunFacts, evidence: str) -> Conclusion:
    """The issuer is there and takes this offer no more: another one is shown, or its time is over."""
    offer = known(facts.offer, "offer")
    if offer.age_s >= offer.lifetime_s > 0:
        return certain(Cause.OFFER_EXPIRED, Place.THERE, evidence)
    return certain(Cause.STALE_OFFER, Place.THERE, evidence)


def own_key_met(view: View) -> Iterator[Conclusion]:
    """The device that was reached has this very device's key."""
    rows = known(view.here.refusals, "refusals")
    if not any(row.reason is Refusal.SELF for row in rows):
        return
    own = own_addresses(view.here)
    failed = [one for one in dials(view.here) if one.flaw is Flaw.REFUSED]
    calls = [one for one in known(view.here.calls, "calls") if one.why == Refusal.SELF]
    places = {one.address for one in failed} | {one.source for one in calls}
    places = places or {one.source for one in heard(view.here)}
    if any(place not in own for place in places):
        yield certain(Cause.CLONED_IDENTITY, Place.BETWEEN, "another device proved this very device's key")
    elif places:
        yield certain(Cause.OWN_OFFER, Place.HERE, f"{view.me} answered itself")


def old_offer_shown(view: View) -> Iterator[Conclusion]:
    """A host was called by a device that holds no secret of its, and by none that does."""
    if view.here.role is not RunRole.HOST:
        return
    refused_here = known(view.here.refusals, "refusals")
    late = [row for row in refused_here if row.reason is Refusal.EXPIRED and row.by is Whose.OURS]
    if called_by_holder(view.here):
        return
    if late:
        yield certain(Cause.STALE_OFFER, Place.THERE, "a device came with an offer that works no more")
        return
    strangers = [one for one in known(view.here.calls, "calls") if one.reach is CallReach.STRANGER]
    if strangers and not heard(view.here):
        evidence = f"a device at {strangers[0].source} came and does not know the offer that is shown"
        yield likely((Cause.STALE_OFFER, Cause.WRONG_IDENTITY), Place.THERE, evidence)


RULES: Final = (
    CauseRule(
        refused, Tier.WORD, (*_SAID.values(), Cause.OFFER_EXPIRED, Cause.STALE_OFFER), ("refusals", "offer")
    ),
    CauseRule(
        own_key_met,
        Tier.WORD,
        (Cause.CLONED_IDENTITY, Cause.OWN_OFFER),
        ("refusals", "links", "attempts", "calls", "heard"),
    ),
    CauseRule(
        old_offer_shown, Tier.WORD, (Cause.STALE_OFFER, Cause.WRONG_IDENTITY), ("refusals", "calls", "heard")
    ),
)
