"""Who answers: another version, another key, something that is no localpair, or nobody any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from localpair.causes.facts import CallReach, Ending, ForeignKind, RunRole
from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.rules.view import (
    UNANSWERED,
    Reach,
    called_by_holder,
    dials,
    facts_there,
    heard,
    known,
    seeks,
    stalls,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Place
from localpair.events import Flaw, Phase

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import AttemptFacts, RunFacts
    from localpair.causes.rules.view import View

_LONG_AGO_S: Final = (
    16  # the slowest beat three times, with its jitter: a device that is not heard for so long has gone
)
_NEAR_S: Final = 3  # two that hear each other and can, meet within one second
# What a system says of a connection that the other side has ended, or that a limit of ours has.
_CUT: Final = frozenset({"ECONNRESET", "EPIPE", "ECONNABORTED", "ENOTCONN", "ESHUTDOWN"})


def ended(view: View) -> Iterator[Conclusion]:
    """The host has said goodbye, sealed with the secret that only it and the readers of its offer have. Where it was
    heard until then, and calls failed or stalled for seconds, they are the cause: its time was merely up first.
    """
    here = view.here
    if seeks(here) and known(here.peer, "peer").goodbye and not _was_stuck(here):
        yield certain(Cause.HOST_ENDED, Place.THERE, f"{view.peer} said goodbye")


def ended_before(view: View) -> Iterator[Conclusion]:
    """Nobody listens where the host was, and its run was over when this one began."""
    here, there = view.here, facts_there(view)
    began = known(here.clock_s, "clock_s") - here.lasted_s
    over = known(there.clock_s, "clock_s") <= began and there.ending is not Ending.RUNNING
    refusing = [way for way in ways(here) if way.ended_with("ECONNREFUSED")]
    if seeks(here) and over and refusing and not heard(here) and not was_met(here):
        evidence = f"{refusing[0].address} answered that nobody listens there"
        told = f"by the clocks of both, the run of {view.peer} was over before that of {view.me} began"
        yield likely(Cause.HOST_ENDED, Place.THERE, evidence, told)


def _was_stuck(facts: RunFacts) -> bool:
    lost = [one for one in dials(facts) if one.phase is Phase.CONNECT and one.errno in UNANSWERED]
    # A call that showed the secret, and after which TLS never stood: the packets that follow are the first full ones.
    calls = [one for one in known(facts.calls, "calls") if one.reach is CallReach.KNOWN and not one.why]
    silent = bool(lost and heard(facts)) and not was_met(facts)
    return (
        silent or _was_long_near(facts) or bool(calls or stalls(facts, least=1) or _taken_where_heard(facts))
    )


def _was_long_near(facts: RunFacts) -> bool:
    """Whether it was heard for seconds and no connection came to anything, though none may have failed yet."""
    voices = heard(facts)
    span = max((one.last_s for one in voices), default=0) - min((one.first_s for one in voices), default=0)
    return span >= _NEAR_S and not was_met(facts) and not called_by_holder(facts)


def _taken_where_heard(facts: RunFacts) -> list[AttemptFacts]:
    """The dials that something else took at every address at which the other device is heard: datagrams get through to
    it, and connections do not.
    """
    voices = {one.source for one in heard(facts)}
    taken = [one for one in dials(facts) if one.flaw is Flaw.NO_LOCALPAIR and one.address in voices]
    return taken if voices == {one.address for one in taken} else []


def other_version(view: View) -> Iterator[Conclusion]:
    """A localpair of another version answered a dial, was heard at an address of the other device, or called."""
    here = view.here
    answered = [one.address for one in dials(here) if one.flaw is Flaw.VERSION]
    if answered:
        yield _version(answered[0], "answered")
        return
    if heard(here):
        return
    foreign = [one.source for one in known(here.foreign, "foreign") if one.kind is ForeignKind.VERSION]
    told = {one.destination for one in known(here.routes, "routes")} if seeks(here) else set()
    at_its_place = [source for source in foreign if source in told]
    callers = [one.source for one in known(here.calls, "calls") if one.why == Flaw.VERSION]
    if at_its_place:
        yield _version(at_its_place[0], "was heard")
    elif callers and not seeks(here):
        yield _version(callers[0], "called")


def _version(address: IPAddress, did: str) -> Conclusion:
    evidence = f"a localpair of another version {did} at {address}"
    return certain(Cause.VERSION_MISMATCH, Place.BETWEEN, evidence)


def same_role(view: View) -> Iterator[Conclusion]:
    """Both sides show an offer, or both have read one."""
    met = [one for one in dials(view.here) if one.flaw is Flaw.SAME_ROLE]
    if met and not heard(view.here):
        yield certain(Cause.SAME_ROLE, Place.BETWEEN, f"what answers at {met[0].address} does the same")


def other_key(view: View) -> Iterator[Conclusion]:
    """A localpair with another key answers where the offer's should: the issuer's next run, or another device. The
    issuer's own knows its earlier offers; one that did not write them down, or made others since, may not.
    """
    here = view.here
    later = [one for one in dials(here) if one.flaw is Flaw.LATER_RUN]
    if later:
        evidence = (
            f"the localpair at {later[0].address} proves that it made this offer, and shows another one now"
        )
        yield certain(Cause.STALE_OFFER, Place.THERE, evidence)
        return
    met = [one for one in dials(here) if one.flaw is Flaw.OTHER_KEY]
    if not met or heard(here) or _goes_beyond(here, met):
        return
    place = met[0].address
    evidence = f"a localpair at {place} has another key than the offer promises"
    yield likely((Cause.WRONG_IDENTITY, Cause.STALE_OFFER), Place.THERE, evidence, subject=str(place))


def _goes_beyond(facts: RunFacts, met: list[AttemptFacts]) -> bool:
    """Whether another address of the other device was reached further than to its key."""
    places = {one.address for one in met}
    further = (Phase.HELLO, Phase.PROOF, Phase.NOMINATION, Phase.APPROVAL, Phase.COMMIT)
    attempts = known(facts.attempts, "attempts")
    return any(one.phase in further and one.address not in places for one in attempts)


def stranger_answers(view: View) -> Iterator[Conclusion]:
    """A localpair answers that holds no secret of this pair: it has forgotten it, or its address has gone on."""
    here = view.here
    met = [one for one in dials(here) if one.flaw is Flaw.STRANGER]
    if here.role is RunRole.SEND and met and not heard(here):
        evidence = f"a localpair at {met[0].address} does not know this pair"
        causes = (Cause.FORGOTTEN_OR_REVOKED, Cause.WRONG_IDENTITY)
        yield likely(causes, Place.THERE, evidence, subject=str(met[0].address))


def something_else(view: View) -> Iterator[Conclusion]:
    """What takes the connections says nothing of localpair, and nobody else is there."""
    here = view.here
    failed = dials(here)
    met = _taken_where_heard(here) if heard(here) else [one for one in failed if _is_no_localpair(one)]
    others = [one for one in failed if one.phase is not Phase.CONNECT and not _is_no_localpair(one)]
    if not met or others or called_by_holder(here) or not (seeks(here) or heard(here)):
        return
    place = str(met[0].address)
    if any(one.flaw is Flaw.NO_LOCALPAIR for one in met):
        evidence = f"what answers at {place} does not speak localpair's language"
        yield certain(Cause.INTERCEPTED, Place.BETWEEN, evidence, subject=place)
        return
    silent = any(one.errno == "ETIMEDOUT" for one in met)
    evidence = f"{place} takes connections and {'says nothing' if silent else 'ends them'}"
    twin = Cause.LOSSY_PATH if silent else Cause.BUSY
    yield likely((Cause.INTERCEPTED, twin), Place.BETWEEN, evidence, subject=place)


def _is_no_localpair(one: AttemptFacts) -> bool:
    unspoken = one.flaw is Flaw.NO_LOCALPAIR or one.errno in _CUT | {"ETIMEDOUT"}
    return one.phase is Phase.PREAMBLE and unspoken


def nobody_listens(view: View) -> Iterator[Conclusion]:
    """A host is at the addresses, and refuses: its run is over, or its firewall says so."""
    here = view.here
    if not seeks(here) or called_by_holder(here):
        return
    lately = [one for one in heard(here) if one.last_s + _LONG_AGO_S > here.lasted_s]
    tried = [way for way in ways(here) if way.attempts and way.reach >= Reach.ROUTED]
    refusing = [way for way in tried if way.ended_with("ECONNREFUSED")]
    if lately or not refusing or any(_still_open(way.attempts) for way in tried):
        return
    places = ", ".join(str(way.address) for way in refusing)
    used = () if here.role is RunRole.SEND else (Cause.OFFER_USED,)
    causes = (Cause.HOST_ENDED, *used, Cause.FIREWALL_INBOUND)
    yield likely(causes, Place.THERE, f"{places} answered that nobody listens there")


def _still_open(attempts: tuple[AttemptFacts, ...]) -> bool:
    return any(one.phase is not Phase.CONNECT for one in attempts)


_UNMET: Final = ("links", "routes", "attempts", "calls", "heard")
_ANSWERED: Final = ("attempts", "heard")
RULES: Final = (
    CauseRule(ended, Tier.PEER, (Cause.HOST_ENDED,), ("peer", "links", "attempts", "calls", "heard")),
    CauseRule(ended_before, Tier.PEER, (Cause.HOST_ENDED,), (*_UNMET, "clock_s"), ("clock_s",)),
    CauseRule(
        other_version,
        Tier.PEER,
        (Cause.VERSION_MISMATCH,),
        ("attempts", "heard", "foreign", "routes", "calls"),
    ),
    CauseRule(same_role, Tier.PEER, (Cause.SAME_ROLE,), _ANSWERED),
    CauseRule(other_key, Tier.PEER, (Cause.STALE_OFFER, Cause.WRONG_IDENTITY), _ANSWERED),
    CauseRule(stranger_answers, Tier.PEER, (Cause.FORGOTTEN_OR_REVOKED, Cause.WRONG_IDENTITY), _ANSWERED),
    CauseRule(
        something_else,
        Tier.PEER,
        (Cause.INTERCEPTED, Cause.LOSSY_PATH, Cause.BUSY),
        ("attempts", "heard", "calls"),
    ),
    CauseRule(
        nobody_listens,
        Tier.PATH,
        (Cause.HOST_ENDED, Cause.OFFER_USED, Cause.FIREWALL_INBOUND),
        _UNMET,
    ),
)
