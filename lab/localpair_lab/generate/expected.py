"""What the oracle expects of a generated plan, with its changes in time."""

from __future__ import annotations

from dataclasses import dataclass

from localpair_lab.oracle.judge import Judgement, judge
from localpair_lab.oracle.packet import Delivery
from localpair_lab.oracle.routing import own_addresses
from localpair_lab.oracle.states import states
from localpair_lab.plan.actions import Action
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node

WITHIN = "20s"


@dataclass(frozen=True, slots=True)
class Expected:
    """``answer``: they pair, they do not, or nobody can tell. ``judgement`` is that of the state which decides."""

    answer: Delivery
    judgement: Judgement

    @property
    def kinds(self) -> tuple[str, ...]:
        """In which ways they can pair: ``dial`` or ``simultaneous``."""
        return tuple(sorted({way.kind for way in self.judgement.ways}))


def expected(plan: Plan) -> Expected:
    """The verdict on ``plan``.

    Changes before the joiner starts are over by then; what comes later may only mend. Where the offer may hold the
    addresses from before or after a change, and that decides, nobody can tell.
    """
    host, join = (next(action for action in plan.actions if action.verb == verb) for verb in ("host", "join"))
    passing = list(states(plan))
    first = min(_when_joined(plan, join), len(passing) - 1)  # what ends a process makes no other state
    found = {
        _over(
            passing[first:],
            [judge(state, host.node, join.node, offered=addresses) for state in passing[first:]],
        )
        for addresses in _offers(plan, passing, host)
    }
    return next(iter(found)) if len(found) == 1 else _undecided(found)


def _over(passing: list[Plan], judgements: list[Judgement]) -> Expected:
    """The state that stays decides, unless an earlier one leaves another choice."""
    last = judgements[-1]
    if last.answer is Delivery.NO and any(one.answer is not Delivery.NO for one in judgements):
        return Expected(Delivery.MAYBE, last)
    return Expected(last.answer, last)


def _undecided(found: set[Expected]) -> Expected:
    answers = {one.answer for one in found}
    first = min(found, key=lambda one: one.answer.value)
    return Expected(answers.pop() if len(answers) == 1 else Delivery.MAYBE, first.judgement)


def _when_joined(plan: Plan, join: Action) -> int:
    """How many of the plan's changes are over when the joiner starts: those up to the one it waits for."""
    awaited = join.when.anchor.removesuffix(".done")
    ids = [event.id for event in plan.events]
    return ids.index(awaited) + 1 if awaited in ids else 0


def _offers(plan: Plan, passing: list[Plan], host: Action) -> list[frozenset[str]]:
    """The addresses that the offer may hold: of the first state, and of what a change at the start made of it."""
    if ("--offer-addresses", "none") in zip(host.argv, host.argv[1:], strict=False):
        return [frozenset()]
    early = sum(event.when.anchor == "host.started" for event in plan.events)
    return list(dict.fromkeys(_offered(state.node(host.node)) for state in passing[: early + 1]))


def _offered(node: Node) -> frozenset[str]:
    """What localpair offers: no address of an interface without a carrier."""
    return frozenset(address for address, at in own_addresses(node).items() if at.carrier)
