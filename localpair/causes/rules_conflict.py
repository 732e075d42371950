"""What must be there once and is there twice: the network address of a device, or the hardware address of its card.

A kernel takes what comes from its own address for a forgery and drops it; a switch that has learned one hardware
address at two of its ports sends each packet to one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from localpair.causes.conclusions import CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.subnets import routers_agree, shared, telling
from localpair.causes.view import (
    by_index,
    dials,
    facts_there,
    heard,
    is_inner,
    known,
    own_addresses,
    seeks,
    usable_links,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Place

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import LinkFacts, RunFacts
    from localpair.causes.view import View

_UNIVERSAL_BIT: Final = 0x02


def hardware_twice(view: View) -> Iterator[Conclusion]:
    """The other device has the hardware address of a card of this one: it stands so in the table of neighbours, or the
    link-local address that both derive from it is on both.
    """
    here = view.here
    if was_met(here):
        return
    for way in ways(here):
        card = by_index(here, way.route.index)
        if way.route.gateway is None and way.route.mac is not None and card and card.mac == way.route.mac:
            yield _one_hardware(
                view, card, f"{way.address} has the hardware address of {card.name} of {view.me}"
            )
            return
    told = _addresses_of_peer(here)
    for card in _outer(here):
        twin = _derived(card) & told
        if twin and heard(here):
            evidence = f"{view.peer} has the address {min(twin)}, which {card.name} of {view.me} made of its hardware's"
            yield _one_hardware(view, card, evidence)
            return


def _one_hardware(view: View, card: LinkFacts, evidence: str) -> Conclusion:
    return certain(Cause.ADDRESS_CONFLICT, Place.BETWEEN, evidence, subject=f"{card.mac}")


def _outer(facts: RunFacts) -> list[LinkFacts]:
    return [one for one in usable_links(facts) if not is_inner(one)]


def _addresses_of_peer(facts: RunFacts) -> set[IPAddress]:
    return {route.destination for route in known(facts.routes, "routes")}


def _derived(card: LinkFacts) -> set[IPAddress]:
    """The link-local addresses of the card that are made of its hardware address."""
    if card.mac is None:
        return set()
    octets = bytes.fromhex(card.mac.replace(":", ""))
    token = bytes([octets[0] ^ _UNIVERSAL_BIT]) + octets[1:3] + b"\xff\xfe" + octets[3:6]
    own = (one.address for one in card.addresses)
    return {one for one in own if one.version == 6 and one.is_link_local and one.packed[8:] == token}


def address_offered_is_own(view: View) -> Iterator[Conclusion]:
    """Every address of the other device is one of this device's own, so that nothing could be called."""
    here = view.here
    if not seeks(here) or heard(here) or was_met(here) or dials(here):
        return
    told = {one for one in _addresses_of_peer(here) if not one.is_loopback}
    own = {one.address for link in _outer(here) for one in link.addresses}
    if told and told <= own:
        evidence = f"{', '.join(map(str, sorted(told, key=str)))} is an address of {view.me} itself"
        causes = (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS, Cause.HOST_ENDED)
        yield likely(causes, Place.BETWEEN, evidence)


def address_twice(view: View) -> Iterator[Conclusion]:
    """Both have one address, or one hardware address, in one subnet, and no other way to each other."""
    here, there = view.here, facts_there(view)
    if view.mirrored or was_met(here) or was_met(there):
        return
    for mine, theirs in shared(view):
        twins = set(telling(mine)) & set(telling(theirs))
        is_one_card = mine.mac is not None and mine.mac == theirs.mac
        if is_inner(mine) or is_inner(theirs) or not (is_one_card or (twins and _has_no_other(here, there))):
            continue
        what = "same hardware address" if is_one_card else f"address {min(twins, key=str)}"
        yield _twice(view, mine, theirs, what)
        return


def _has_no_other(here: RunFacts, there: RunFacts) -> bool:
    """Whether the other device has no address that is not also one of this device's."""
    return {address for link in _outer(there) for address in telling(link)} <= own_addresses(here)


def _twice(view: View, mine: LinkFacts, theirs: LinkFacts, what: str) -> Conclusion:
    agree = None if None in (mine.gateways, theirs.gateways) else routers_agree(mine, theirs)
    evidence = f"both devices have the {what}"
    if agree or heard(view.here) or heard(facts_there(view)):
        return certain(Cause.ADDRESS_CONFLICT, Place.BETWEEN, evidence)
    if agree is None:
        causes = (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS)
        return likely(causes, Place.BETWEEN, evidence)
    told = "the router of one is not the router of the other: the numbers are the same by chance"
    return certain(Cause.DIFFERENT_NETWORKS, Place.BETWEEN, evidence, told)


_MET: Final = ("links", "attempts", "calls", "heard")
RULES: Final = (
    CauseRule(hardware_twice, Tier.PEER, (Cause.ADDRESS_CONFLICT,), (*_MET, "routes")),
    CauseRule(
        address_offered_is_own,
        Tier.PATH,
        (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS, Cause.HOST_ENDED),
        (*_MET, "routes"),
    ),
    CauseRule(
        address_twice,
        Tier.PEER,
        (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS),
        _MET,
        _MET,
    ),
)
