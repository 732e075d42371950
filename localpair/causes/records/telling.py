"""Telling: what of this device's facts the other one needs for a verdict, and nothing else.

What a rule may ask stays as it is, so that both sides draw one verdict. Left out are names of interfaces, ports, own
calls, packets to this host itself, and neighbours that are not the other device. Hardware addresses are masked: they
can be compared, and not read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from localpair.address import unscoped
from localpair.candidate import InterfaceKind, Origin
from localpair.causes.facts import Ending
from localpair.causes.records.codec import FactsError
from localpair.causes.records.compact import OUTCOMES, WORDS, encode, named
from localpair.causes.records.packing import MAC_BYTES, MASKED
from localpair.causes.rules.view import is_inner, lan_links, seeks, to_the_network, usable_links
from localpair.events import Direction
from localpair.limits import FACTS_NEIGHBOURS

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import (
        AttemptFacts,
        LinkFacts,
        NeighbourFacts,
        RouteFacts,
        RunFacts,
        SelfCallFacts,
        SentFacts,
    )


class _Counts(Protocol):
    @property
    def count(self) -> int: ...


_Row = TypeVar("_Row", bound=_Counts)
# What is given up first where there is no room: without it a verdict is vaguer, and never another one.
_EXPENDABLE: Final = (
    "icmp", "ports", "foreign", "peer", "self_calls", "neighbours", "refusals", "calls", "heard", "sent", "attempts",
    "routes", "links",
)  # fmt: skip


def told(facts: RunFacts) -> RunFacts:
    """``facts`` as the other device is told them."""
    facts = masked(facts)
    return replace(
        facts,
        links=named(_links(facts)),
        routes=facts.routes and tuple(replace(one, source=None) for one in facts.routes),
        neighbours=_neighbours(facts, _peer_addresses(facts)),
        attempts=facts.attempts and _attempts(facts.attempts),
        sent=facts.sent and _sent(facts),
        self_calls=facts.self_calls and _self_calls(facts.self_calls),
        counters=facts.counters and tuple(replace(one, received=0) for one in facts.counters),
    )


def packed(facts: RunFacts, limit: int) -> bytes:
    """The same in ``limit`` bytes; where they do not suffice, with tables that are unknown."""
    found = told(facts)
    for name in _EXPENDABLE:
        data = _fitting(found, limit)
        if data is not None:
            return data
        unknown: dict[str, Any] = {name: None}
        found = replace(found, **unknown)
    return encode(found)


def _fitting(facts: RunFacts, limit: int) -> bytes | None:
    try:
        data = encode(facts)
    except FactsError:  # strangers chose more addresses than a record can name
        return None
    return data if len(data) <= limit else None


def believed(claimed: RunFacts) -> RunFacts:
    """Of a record that another device told of itself, or that somebody handed over, what a verdict may use: that a pair
    stands is known here or nowhere, and no port that somebody names is opened.
    """
    ending = Ending.RUNNING if claimed.ending is Ending.PAIRED else claimed.ending
    return masked(replace(claimed, ending=ending, tcp_port=0))


# --- One of several ---


def concerning(facts: RunFacts, places: frozenset[IPAddress]) -> RunFacts:
    """``facts`` without what they say of other devices than the one at these addresses."""
    return replace(
        facts,
        routes=_at(facts.routes, "destination", places),
        neighbours=_at(facts.neighbours, "address", places),
        attempts=_at(facts.attempts, "address", places),
        calls=_at(facts.calls, "source", places),
        sent=facts.sent and tuple(one for one in facts.sent if one.address is None or one.address in places),
        heard=_at(facts.heard, "source", places),
        icmp=_at(facts.icmp, "address", places),
        peer=facts.peer and replace(facts.peer, claims=_among(facts.peer.claims, places)),
    )


_AnyRow = TypeVar("_AnyRow")


def _at(
    rows: tuple[_AnyRow, ...] | None, name: str, places: frozenset[IPAddress]
) -> tuple[_AnyRow, ...] | None:
    """Those whose field ``name`` is one of these addresses."""
    return rows and tuple(row for row in rows if unscoped(getattr(row, name)) in places)


def _among(addresses: Iterable[IPAddress], places: frozenset[IPAddress]) -> tuple[IPAddress, ...]:
    return tuple(one for one in addresses if unscoped(one) in places)


# --- Hardware addresses ---


def masked(facts: RunFacts) -> RunFacts:
    """``facts`` with hardware addresses that can be compared with those that another device tells, and not be read."""
    return replace(
        facts,
        links=facts.links and tuple(map(_masked_link, facts.links)),
        routes=facts.routes and tuple(map(_masked_row, facts.routes)),
        neighbours=facts.neighbours and tuple(map(_masked_row, facts.neighbours)),
    )


def _masked_link(link: LinkFacts) -> LinkFacts:
    gateways = link.gateways and tuple(replace(one, mac=_mask(one.mac)) for one in link.gateways)
    return replace(link, mac=_mask(link.mac), gateways=gateways)


_Named = TypeVar("_Named", "RouteFacts", "NeighbourFacts")


def _masked_row(row: _Named) -> _Named:
    return replace(row, mac=_mask(row.mac))


def _mask(mac: str | None) -> str | None:
    if mac is None or (mac.startswith(MASKED) and len(mac) == len(MASKED) + 3 * MAC_BYTES - 1):
        return mac
    return MASKED + hashlib.sha256(b"localpair mac " + mac.encode()).digest()[:MAC_BYTES].hex(":")


# --- What is left ---


def _links(facts: RunFacts) -> tuple[LinkFacts, ...] | None:
    """The interfaces but loopback; without those that have no address, where others lead to a network."""
    if facts.links is None:
        return None
    routed = {one.index for one in facts.routes or ()}
    outer = [one for one in facts.links if one.kind is not InterfaceKind.LOOPBACK]
    if any(not is_inner(one) for one in usable_links(facts)):
        lan = lan_links(facts)
        outer = [
            one for one in outer
            if one.addresses or one.gateways or one.kind is InterfaceKind.BRIDGE
            or one.index in routed or one not in lan
        ]  # fmt: skip
    return tuple(replace(one, reverse_path=_known_filter(one)) for one in outer)


def _known_filter(link: LinkFacts) -> int | None:
    return link.reverse_path if link.reverse_path in (0, 1, 2) else None


def _peer_addresses(facts: RunFacts) -> frozenset[IPAddress]:
    """Where the other device is, as far as it has told: by beacons, or by its offer."""
    claims = facts.peer.claims if facts.peer is not None else ()
    offered = facts.offer.addresses if facts.offer is not None and seeks(facts) else ()
    return frozenset(map(unscoped, (*claims, *(one.source for one in facts.heard or ()), *offered)))


def _neighbours(facts: RunFacts, peer: frozenset[IPAddress]) -> tuple[NeighbourFacts, ...] | None:
    """Those that are the other device. Where its addresses are not known any of a few may be it; of many none is
    told.
    """
    if facts.neighbours is None:
        return None
    routers = {one.address for link in facts.links or () for one in link.gateways or ()}
    found = [one for one in facts.neighbours if one.mac and one.address not in routers]
    found = [one for one in found if not peer or unscoped(one.address) in peer]
    return tuple(found) if len(found) <= FACTS_NEIGHBOURS else None


def _attempts(rows: Iterable[AttemptFacts]) -> tuple[AttemptFacts, ...]:
    plain = (
        replace(
            one, port=0, origin=Origin.OFFER, direction=Direction.OUT, again=False, source=None, errno=_word(one.errno),
            outcome=one.outcome if one.outcome in OUTCOMES else OUTCOMES[0],
        )
        for one in rows
    )  # fmt: skip
    return _summed(plain)


def _sent(facts: RunFacts) -> tuple[SentFacts, ...]:
    """What was for others. To groups, on which interface does not matter."""
    outward = to_the_network(replace(facts, links=facts.links or ()))
    return _summed(
        replace(one, index=one.index if one.address else 0, errno=_word(one.errno)) for one in outward
    )


def _self_calls(rows: tuple[SelfCallFacts, ...]) -> tuple[SelfCallFacts, ...]:
    """One that worked, and one of each kind that did not."""
    return tuple({(one.confirmed, one.errno): replace(one, errno=_word(one.errno)) for one in rows}.values())


def _word(errno: str) -> str:
    return errno if errno in WORDS else WORDS[1]


def _summed(rows: Iterable[_Row]) -> tuple[_Row, ...]:
    """Equal rows as one, with their counts added."""
    counts: Counter[_Row] = Counter()
    for row in rows:
        counts[replace(row, count=0)] += row.count  # type: ignore[type-var]
    return tuple(replace(row, count=count) for row, count in counts.items())  # type: ignore[type-var]
