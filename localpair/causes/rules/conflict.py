"""What must be there once and is there twice: the network address of a device, or the hardware address of its card.

A kernel takes what comes from its own address for a forgery and drops it; a switch that has learned one hardware
address at two of its ports sends each packet to one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.rules.subnets import routers_agree, shared, telling
from localpair.causes.rules.view import (
    Reach,
    by_index,
    facts_there,
    heard,
    is_inner,
    known,
    outer_links,
    own_addresses,
    seeks,
    told_own,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Place

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import LinkFacts, RunFacts
    from localpair.causes.rules.view import View

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
    for card in outer_links(here):
        twin = _derived(card) & told
        if twin and heard(here):
            evidence = f"{view.peer} has the address {min(twin)}, which {card.name} of {view.me} made of its hardware's"
            yield _one_hardware(view, card, evidence)
            return


def _one_hardware(view: View, card: LinkFacts, evidence: str) -> Conclusion:
    return certain(Cause.ADDRESS_CONFLICT, Place.BETWEEN, evidence, subject=f"{card.mac}")


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
    """An address of the other device is one of this device's own, and none of the others is on an own link."""
    here = view.here
    if not seeks(here) or heard(here) or was_met(here):
        return
    told = told_own(here)
    if told and not any(way.reach >= Reach.UNASKED for way in ways(here)):
        evidence = f"{', '.join(map(str, sorted(told, key=str)))} is an address of {view.me} itself"
        causes = (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS, Cause.HOST_ENDED)
        yield likely(causes, Place.BETWEEN, evidence)


def address_claimed_twice(view: View) -> Iterator[Conclusion]:
    """The other device is heard on a link, and says that it has every address that this device has there: it drops
    whatever comes from them.
    """
    here = view.here
    claims = set(known(here.peer, "peer").claims)
    if was_met(here):
        return
    for link in (by_index(here, voice.index) for voice in heard(here)):
        own = {one for one in telling(link) if one.version == 4} if link is not None else set()
        if own and own <= claims and link in outer_links(here):
            evidence = (
                f"{view.peer} is heard, and has the address {min(own, key=str)} of {view.me}, as it says"
            )
            yield certain(Cause.ADDRESS_CONFLICT, Place.BETWEEN, evidence)
            return


def address_twice(view: View) -> Iterator[Conclusion]:
    """Both have one address, or one hardware address, in one subnet, and no other way to each other."""
    here, there = view.here, facts_there(view)
    if view.mirrored or was_met(here) or was_met(there):
        return
    has_no_other = _has_no_other(here, there) or _has_no_other(there, here)
    for mine, theirs in shared(view):
        twins = set(telling(mine)) & set(telling(theirs))
        is_one_card = mine.mac is not None and mine.mac == theirs.mac
        if is_inner(mine) or is_inner(theirs) or not (is_one_card or (twins and has_no_other)):
            continue
        what = "same hardware address" if is_one_card else f"address {min(twins, key=str)}"
        yield _twice(view, mine, theirs, what)
        return


def _has_no_other(here: RunFacts, there: RunFacts) -> bool:
    """Whether ``there`` has no address that is not also one of ``here``, which drops what seems to come from itself."""
    return {address for link in outer_links(there) for address in telling(link)} <= own_addresses(here)


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
    CauseRule(address_claimed_twice, Tier.PEER, (Cause.ADDRESS_CONFLICT,), (*_MET, "peer")),
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
