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
from functools import lru_cache
from ipaddress import ip_address, ip_interface

from lab.engines.base import Probe
from lab.plan import Action, Interface, Node, Plan
from lab.reach.groups import Hearing, announced, hears
from lab.reach.opening import Opening, Way, bindings, meets, opens, published_addresses, ways
from lab.reach.packet import Answer
from lab.reach.probes import probes
from lab.reach.routing import own_addresses
from lab.reach.stages import Stage, stage_of
from lab.reach.states import states

SWEPT_ADDRESSES = 1024  # the largest subnet that a device asks address by address

CAUSES = {
    "isolation": "client-isolation",
    "firewall-in": "firewall",
    "firewall-through": "router-firewall",
    "firewall-out": "own-filter",
    "no-route": "no-route",
    "nobody-there": "no-common-network",
    "no-neighbour": "no-neighbour",
    "no-carrier": "no-carrier",
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

    ``possible``: they pair. ``open``: a path exists, whether or not anybody can learn of it. ``ways`` are
    the usable ones. ``causes`` tell why each failed attempt failed.
    """

    possible: bool
    open: bool
    ways: tuple[Way, ...]
    causes: frozenset[str]


@lru_cache(maxsize=512)
def judge(plan: Plan, host: str, join: str, *, offered: bool = True, answered: bool = False) -> Judgement:
    """Whether the offer's issuer ``host`` and the joiner ``join`` can pair; ``offered``: the offer holds
    addresses; ``answered``: a person carries the joiner's to the issuer.
    """
    told = frozenset(name for name, is_told in ((host, offered), (join, answered)) if is_told)
    found = (*ways(plan, join, host), *ways(plan, host, join))
    usable = tuple(way for way in found if _is_known(plan, way, told))
    return Judgement(
        possible=bool(usable),
        open=bool(found),
        ways=usable,
        causes=frozenset() if usable else frozenset(_causes(plan, host, join)),
    )


def judge_all(
    plan: Plan, host: str, join: str, *, offered: bool = True, answered: bool = False
) -> tuple[Judgement, ...]:
    """The judgement for every state the network goes through."""
    return tuple(judge(state, host, join, offered=offered, answered=answered) for state in states(plan))


def judge_actions(plan: Plan, host: Action, join: Action) -> tuple[Judgement, ...]:
    """The same for two actions of the plan, by what is carried between them."""
    offered, answered = holds_addresses(host), host.answer_from == join.id
    return judge_all(plan, host.node, join.node, offered=offered, answered=answered)


def holds_addresses(host: Action) -> bool:
    """Whether the offer that the action ``host`` shows holds its addresses."""
    return ("--offer-addresses", "none") not in zip(host.argv, host.argv[1:], strict=False)


def _is_known(plan: Plan, way: Way, told: frozenset[str]) -> bool:
    """Whether the dialler can learn the address it must dial; ``told`` are those whose addresses are carried."""
    address = way.opening.remote
    if way.kind == "simultaneous":
        other = way.opening.seen
        return _learns(plan, way.first, way.second, address, told) and _learns(
            plan, way.second, way.first, other, told
        )
    return _learns(plan, way.first, way.second, address, told)


def _learns(plan: Plan, who: str, whom: str, address: str, told: frozenset[str]) -> bool:
    """By sweeping one's own small subnets, by the offer or the answer, by a beacon, by a datagram that came in, or
    by the question for one's own hardware address that shows a neighbour.
    """
    learner, other = plan.node(who), plan.node(whom)
    if sweeps(learner, address) and _exchange(plan, who, whom, address):
        return True
    if address in published_addresses(plan, whom):
        return False
    if whom in told or announced(plan, other, learner) is not Answer.NO:
        return True
    if who not in told:
        return False
    neighbour = _are_neighbours(other, learner) and _exchange(plan, who, whom, address)
    return neighbour or _is_written_to(plan, whom, who)


def _are_neighbours(one: Node, other: Node) -> bool:
    """Whether ``one``, which knows where ``other`` is, asks for its hardware address to get there."""
    for mine in _segments(one):
        for yours in _segments(other):
            networks = [ip_interface(text).network for text in mine.addresses]
            hosts = [ip_interface(text).ip for text in yours.addresses]
            if mine.segment == yours.segment and any(host in net for net in networks for host in hosts):
                return True
    return False


def _segments(node: Node) -> Iterator[Interface]:
    return (interface for interface in node.interfaces if interface.kind == "segment")


def sweeps(node: Node, address: str) -> bool:
    """Whether ``address`` is on a link of the node whose subnet is small enough to be asked one by one."""
    for interface in _segments(node):
        for text in interface.addresses:
            network = ip_interface(text).network
            small = network.version == 4 and network.num_addresses <= SWEPT_ADDRESSES
            if small and ip_address(address) in network:
                return True
    return False


def _exchange(plan: Plan, who: str, whom: str, address: str) -> bool:
    """Whether a datagram to ``address`` is answered, or both write and each one's makes the other's an answer.

    Probes go out by the link they are meant for; so do those to whoever has become a neighbour by asking.
    """
    at = own_addresses(plan.node(whom)).get(address)
    for bound in ("", *bindings(plan.node(who))):
        met = meets(plan, who, whom, address, bound=bound, protocol="udp")
        answered = (
            opens(plan, who, whom, address, bound=bound, listener=listener, protocol="udp")
            for listener in ("", at.name if at is not None else "")
        )
        if any(opening.answer is not Answer.NO for opening in (met, *answered)):
            return True
    return False


def _is_written_to(plan: Plan, sender: str, receiver: str) -> bool:
    """Whether a datagram of ``sender`` to some address of ``receiver`` comes in, which shows where it came
    from.
    """
    return any(
        opens(plan, sender, receiver, address, protocol="udp").answer is not Answer.NO
        for address in own_addresses(plan.node(receiver))
    )


def _causes(plan: Plan, host: str, join: str) -> Iterator[str]:
    for first, second in ((join, host), (host, join)):
        for address, interface in own_addresses(plan.node(second)).items():
            if interface.kind != "bridge":
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
    "Answer",
    "Hearing",
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
    "judge_actions",
    "judge_all",
    "opens",
    "probes",
    "stage_of",
    "states",
    "sweeps",
    "ways",
]
