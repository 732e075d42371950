"""What a waiting run shows meanwhile: what is tried, and the best explanation so far, once it has been steady."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.causes.facts import NeighbourState, RunRole
from localpair.causes.rules.view import (
    UnknownFactError,
    callable_addresses,
    called_by_holder,
    dials,
    gateways,
    heard,
    seeks,
)
from localpair.causes.vocabulary import Cause, Place
from localpair.dataclass import dataclass
from localpair.limits import STEADY_S

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts
    from localpair.causes.vocabulary import Explanation, RunVerdict

# Where this device cannot be called, or nothing leaves it, or the network keeps devices apart: then no person can carry
# anything that would open a way.
_BEYOND_HELP = frozenset(
    {
        Cause.NO_CARRIER, Cause.INTERFACE_DOWN, Cause.NO_USABLE_ADDRESS, Cause.EGRESS_FILTER, Cause.OS_PERMISSION,
        Cause.CLIENT_ISOLATION,
    }
)  # fmt: skip


# Beside those, no code opens a way either.
_NO_BETTER = frozenset({Cause.PEER_ABSENT, Cause.DIFFERENT_NETWORKS, Cause.PROXY_ARP})


def is_beyond_help(verdict: RunVerdict) -> bool:
    """Whether an answer code, typed at the other device, could not help, whichever of the possible causes it is."""
    return any(
        _BEYOND_HELP & set(one.causes) and set(one.causes) <= _BEYOND_HELP | _NO_BETTER
        for one in verdict.explanations
    )


@dataclass(slots=True)
class SteadyVerdict:
    """Keeps verdicts of a run under way from flapping: what is told changes only where the first explanation has been
    the same for STEADY_S. ``told`` is what may be told now.
    """

    told: Explanation | None = None
    _latest: tuple[tuple[Cause, ...], Place] | None = None
    _since: float = float("-inf")

    def look(self, verdict: RunVerdict, now: float) -> Explanation | None:
        """Take the verdict as of ``now`` (monotonic seconds), and give what may be told."""
        first = verdict.explanations[0] if verdict.explanations else None
        key = (first.causes, first.device) if first is not None else None
        if key != self._latest:
            self._latest, self._since = key, now
        if now - self._since >= STEADY_S:
            self.told = first
        return self.told


def progress(facts: RunFacts) -> str:
    """What is tried, and what has been seen of it: a sentence or two."""
    try:
        return _sought(facts) if seeks(facts) else _waited(facts)
    except UnknownFactError:
        return "Looking for the other device." if seeks(facts) else "Waiting for the other device."


def _sought(facts: RunFacts) -> str:
    if not callable_addresses(facts):
        return "This device has no network. Waiting for one."
    if heard(facts):
        return "The other device is heard, and not reached yet."
    tried = list(dict.fromkeys(one.address for one in dials(facts)))
    offered = list(facts.offer.addresses) if facts.offer is not None else []
    places = list(dict.fromkeys((*offered, *tried)))
    if not places:
        return "Looking for the other device on this network."
    if facts.lasted_s >= _QUIET_S and _is_silent(facts) and _router_answers(facts):
        return "Your router answers, the other device does not."
    return f"Trying {places[0]}{_others(len(places) - 1)}."


def _waited(facts: RunFacts) -> str:
    if not callable_addresses(facts):
        return "This device has no network. Waiting for one."
    if called_by_holder(facts):
        return "The other device has called. Waiting for it."
    if heard(facts):
        return "The other device is heard, and has not come through yet."
    nobody = (
        "Waiting for a paired device."
        if facts.role is RunRole.LISTEN
        else "Nobody has reached this device yet."
    )
    return f"{nobody} Your router answers." if _router_answers(facts) else nobody


_QUIET_S = 4  # a kernel asks for a hardware address for three seconds


def _is_silent(facts: RunFacts) -> bool:
    return all(one.errno in ("ETIMEDOUT", "EHOSTUNREACH") for one in dials(facts))


def _router_answers(facts: RunFacts) -> bool:
    return any(one.state is NeighbourState.ANSWERS for one in gateways(facts))


def _others(count: int) -> str:
    return "" if count < 1 else f" and {count} more address{'es' if count > 1 else ''}"
