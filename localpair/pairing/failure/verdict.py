"""From the facts of a run to its last words: the verdict, and the error that says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from localpair.causes.facts import Ending, RunFacts
from localpair.causes.judge import judge
from localpair.causes.records.codec import to_dict
from localpair.causes.records.report_code import code_of
from localpair.causes.records.telling import masked
from localpair.causes.vocabulary import Cause, Confidence, Explanation, RunVerdict
from localpair.causes.waiting import is_beyond_help
from localpair.errors import LocalpairError, PeerEndedError, RefusedError, UnreachableError
from localpair.events import Judged
from localpair.net.agent.facts_exchange import ExchangedFacts

# Where a person can still help: only one side can open connections, and it may not know where the other one is.
_CARRIED: Final = frozenset(
    {Cause.WRONG_NETWORK, Cause.ROUTER_BLOCKS, Cause.NAT_ONE_WAY, Cause.DIFFERENT_NETWORKS}
)
_BY_HAND: Final = (
    "or, if the other device can reach this one, join again with `--timeout 120` and type the answer code there in "
    "time"
)
CLAIMED: Final = "what is said of the other device is what it reported itself"
_TOLD: Final = 2  # explanations that stand in an error; programs get all of them


def ending_of(error: BaseException) -> Ending:
    """How a run ended that ended with this error."""
    if isinstance(error, PeerEndedError):
        return Ending.PEER_ENDED
    if isinstance(error, UnreachableError):
        return Ending.TIMEOUT
    if isinstance(error, RefusedError):
        return Ending.REFUSED
    return Ending.FAILED if isinstance(error, LocalpairError) else Ending.INTERRUPTED


def judged_run(facts: RunFacts, both: ExchangedFacts | None) -> Judged:
    """The verdict on a run that failed, with the other device's facts where it has told them."""
    if both is None:
        verdict = judge(facts)
        return Judged(verdict, to_dict(facts), report="" if _is_sure(verdict) else code_of(facts))
    # What was seen at the moment of the exchange belongs together; how the run ended came after it.
    mine = replace(both.mine, ending=facts.ending, refusals=facts.refusals, peer=facts.peer)
    verdict = judge(masked(mine), both.theirs)
    return Judged(verdict, to_dict(mine), to_dict(both.theirs))


def _is_sure(verdict: RunVerdict) -> bool:
    return any(one.confidence is Confidence.CERTAIN for one in verdict.explanations)


def explained(
    error: UnreachableError, verdict: RunVerdict, *, answered: bool, claimed: bool = False
) -> UnreachableError:
    """The same error in the words of the verdict; as it was where the verdict names no cause. ``answered``: an answer
    code was shown; ``claimed``: what the other device says of itself was heeded.
    """
    told = verdict.explanations[:_TOLD]
    if not told:
        return error
    hints = list(dict.fromkeys(one.hint for one in told))
    one_way = all(_CARRIED & set(one.causes) for one in told)
    if answered and one_way and not is_beyond_help(verdict):
        hints.append(_BY_HAND)
    evidence = dict.fromkeys(piece for one in told for piece in one.evidence)
    if claimed:
        evidence[CLAIMED] = None
    return type(error)("; ".join(map(_sentence, told)), hint="; ".join(hints), why="; ".join(evidence))


def _sentence(one: Explanation) -> str:
    return one.sentence if one.confidence is Confidence.CERTAIN else f"most likely {one.sentence}"
