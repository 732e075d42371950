"""The oracle: what must come of a plan, reckoned from the topology alone.

It knows no engine and runs nothing. The canary is compared with it before every run, every scenario's
expectations are held against it by a test, and generated topologies are judged by it.

    judgement = judge(plan, "alice", "bob", offered=True)
    judgement.possible, judgement.ways, judgement.causes

The property (the product's promise): if the topology lets a TCP segment of either side reach the other,
stateful firewalls counted as they behave, and one side can learn an address of the other, the two pair.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

from localpair_lab.oracle.address_stages import Stage, stage_of
from localpair_lab.oracle.canary_probes import probes
from localpair_lab.oracle.discovery import Acquaintance, acquaint
from localpair_lab.oracle.multicast import GroupDelivery, hears
from localpair_lab.oracle.packet import Delivery
from localpair_lab.oracle.routing import own_addresses
from localpair_lab.oracle.special import calls
from localpair_lab.oracle.states import states
from localpair_lab.oracle.tcp import Opening, Way, opens, ways
from localpair_lab.plan.actions import Action
from localpair_lab.plan.model import Plan
from localpair_lab.plan.probe import Probe

CAUSES = {
    "isolation": "client-isolation",
    "firewall-in": "firewall",
    "firewall-through": "router-firewall",
    "firewall-out": "own-filter",
    "no-route": "no-route",
    "nobody-there": "no-common-network",
    "no-neighbour": "no-neighbour",
    "no-carrier": "no-carrier",
    "same-mac": "same-hardware-address",
    "not-forwarded": "not-forwarded",
    "another-host": "another-host",
    "own-address": "own-address",
    "network-filter": "network-filter",
    "reverse-path-filter": "reverse-path-filter",
    "random-ports": "address-translation",
    "hop-limit": "routing-loop",
    "answer": "one-way-path",
}
"""Why a connection cannot open, by the beginning of the walk's reason, in the words of verdicts."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What must come of ``host`` and ``join`` in one state of the network.

    ``answer``: whether they pair; MAYBE where chance decides. ``open``: a path exists, whether or not anybody can
    learn of it. ``ways`` are the usable ones. ``causes`` tell why each failed attempt failed.
    """

    answer: Delivery
    open: bool
    ways: tuple[Way, ...]
    causes: frozenset[str]

    @property
    def possible(self) -> bool:
        """Whether they may pair, with luck where it takes luck."""
        return self.answer is not Delivery.NO


@lru_cache(maxsize=512)
def judge(
    plan: Plan, host: str, join: str, *, offered: bool | frozenset[str] = True, answered: bool = False
) -> Judgement:
    """Whether the offer's issuer ``host`` and the joiner ``join`` can pair.

    ``offered`` are the addresses in the offer; True: those that the host has, False: none. ``answered``: a person
    carries the joiner's to the issuer.
    """
    told = {host: _told(plan, host, offered), join: _told(plan, join, answered)}
    known = acquaint(plan, host, join, told)
    met = frozenset(known.met)
    found = (*ways(plan, join, host, met), *ways(plan, host, join, met))
    answers = [way.opening.answer & _is_known(known, way) for way in found]
    usable = tuple(way for way, answer in zip(found, answers, strict=True) if answer is not Delivery.NO)
    return Judgement(
        answer=reduce(or_, answers, Delivery.NO),
        open=bool(found),
        ways=usable,
        causes=frozenset() if usable else frozenset(_causes(plan, host, join)),
    )


def _told(plan: Plan, name: str, addresses: bool | frozenset[str]) -> frozenset[str]:
    if isinstance(addresses, bool):
        return frozenset(own_addresses(plan.node(name)) if addresses else ())
    return addresses


def judge_all(
    plan: Plan, host: str, join: str, *, offered: bool = True, answered: bool = False, since: str = ""
) -> tuple[Judgement, ...]:
    """The judgement for every state the network goes through, or from the event ``since`` on."""
    return tuple(
        judge(state, host, join, offered=offered, answered=answered) for state in states(plan, since)
    )


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two actions of a plan, one of which joins by the other's offer, and the judgement for every state."""

    host: Action
    join: Action
    states: tuple[Judgement, ...]


def judged_pairs(plan: Plan) -> Iterator[JudgedPair]:
    """Every such pair, judged by what is carried between the two."""
    for join in plan.actions:
        if join.verb == "join" and join.offer_from:
            host = next(action for action in plan.actions if action.id == join.offer_from)
            offered, answered = holds_addresses(host), host.answer_from == join.id
            found = judge_all(plan, host.node, join.node, offered=offered, answered=answered)
            yield JudgedPair(host, join, found)


def holds_addresses(host: Action) -> bool:
    """Whether the offer that the action ``host`` shows holds its addresses."""
    return ("--offer-addresses", "none") not in zip(host.argv, host.argv[1:], strict=False)


def _is_known(known: Acquaintance, way: Way) -> Delivery:
    """Whether whoever dials can learn the address to dial: both, where both open at once. Two firewalls that refuse
    open by luck unless beacons agree on the moment.
    """
    dialer = known.knows(way.first, way.second, way.opening.remote)
    if way.kind != "simultaneous":
        return dialer
    # What reaches the other is seen at this address, also where a router publishes the same one for it.
    both = dialer & known.sees(way.second, way.first, way.opening.seen)
    if way.opening.timed:
        both &= Delivery.MAYBE | (known.heard[way.first, way.second] & known.heard[way.second, way.first])
    return both


def _causes(plan: Plan, host: str, join: str) -> Iterator[str]:
    for first, second in ((join, host), (host, join)):
        for address, interface in own_addresses(plan.node(second)).items():
            if not calls(plan.node(first), address):
                yield "special-address"
            elif interface.kind != "bridge":
                yield cause(opens(plan, first, second, address))


def cause(opening: Opening) -> str:
    """The word for why ``opening`` failed."""
    for beginning, word in CAUSES.items():
        if opening.reason.startswith(beginning):
            return word
    return opening.reason


def calm(plan: Plan) -> Plan:
    """The plan without impairments."""
    return dataclasses.replace(plan, impairments=())


__all__ = [
    "CAUSES",
    "Delivery",
    "GroupDelivery",
    "JudgedPair",
    "Judgement",
    "Opening",
    "Probe",
    "Stage",
    "Way",
    "calm",
    "cause",
    "hears",
    "holds_addresses",
    "judge",
    "judge_all",
    "judged_pairs",
    "opens",
    "probes",
    "stage_of",
    "states",
    "ways",
]
