"""From the facts of a run to its last words: the verdict, and the error that says it."""

from __future__ import annotations

from typing import Final

from localpair.causes.facts import Ending
from localpair.causes.vocabulary import Cause, Confidence, Explanation, RunVerdict
from localpair.errors import LocalpairError, PeerEndedError, RefusedError, UnreachableError

# Where a person can still help: only one side can open connections, and it may not know where the other one is.
_CARRIED: Final = frozenset(
    {Cause.WRONG_NETWORK, Cause.ROUTER_BLOCKS, Cause.NAT_ONE_WAY, Cause.DIFFERENT_NETWORKS}
)
_BY_HAND: Final = (
    "or, if the other device can reach this one, join again with `--timeout 120` and type the answer code there in "
    "time"
)
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


def explained(error: UnreachableError, verdict: RunVerdict, *, answered: bool) -> UnreachableError:
    """The same error in the words of the verdict; as it was where the verdict names no cause. ``answered``: an answer
    code was shown.
    """
    told = verdict.explanations[:_TOLD]
    if not told:
        return error
    hints = list(dict.fromkeys(one.hint for one in told))
    one_way = all(_CARRIED & set(one.causes) and Cause.CLIENT_ISOLATION not in one.causes for one in told)
    if answered and one_way:
        hints.append(_BY_HAND)
    evidence = dict.fromkeys(piece for one in told for piece in one.evidence)
    return type(error)("; ".join(map(_sentence, told)), hint="; ".join(hints), why="; ".join(evidence))


def _sentence(one: Explanation) -> str:
    return one.sentence if one.confidence is Confidence.CERTAIN else f"most likely {one.sentence}"
