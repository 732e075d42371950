"""A device's own network: what keeps it from calling and from being called, by any other device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from localpair.causes.facts import CarrierName
from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.rules.subnets import shared, telling
from localpair.causes.rules.view import (
    FORBIDDEN,
    by_index,
    facts_there,
    has_address,
    heard,
    holds,
    is_alive,
    is_inner,
    is_tunnel,
    known,
    lan_links,
    links_to,
    names,
    own_addresses,
    seeks,
    to_the_network,
    usable_links,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Place

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import RunFacts, SentFacts
    from localpair.causes.rules.view import View


# --- Links ---


def no_link(view: View) -> Iterator[Conclusion]:
    """No interface over which this device could be called. One that has an address was meant to be used."""
    here = view.here
    if any(not is_inner(one) for one in usable_links(here)) or heard(here) or was_met(here):
        return
    outer = [one for one in lan_links(here) if not is_inner(one)]
    meant = [one for one in outer if one.addresses or one.gateways] or outer
    dark = [one for one in meant if one.up and one.carrier is False]
    down = [one for one in meant if not one.up]
    bare = [one for one in meant if is_alive(one) and not has_address(one)]
    found = [
        (Cause.NO_CARRIER, dark, "has no carrier"),
        (Cause.NO_USABLE_ADDRESS, bare, "has no address that can be called"),
        (Cause.INTERFACE_DOWN, down, "is down"),
    ]
    found = [entry for entry in found if entry[1]]
    evidence = [f"{names(group)} of {view.me} {state}" for _, group, state in found]
    if not found:
        yield certain(Cause.NO_USABLE_ADDRESS, Place.HERE, f"{view.me} has no network interface")
    elif len(found) == 1:
        yield certain(found[0][0], Place.HERE, *evidence, subject=names(found[0][1]))
    else:
        yield likely(tuple(cause for cause, _, _ in found), Place.HERE, *evidence)


def link_to_peer_dead(view: View) -> Iterator[Conclusion]:
    """The other device's address lies in the subnet of an interface that is off, and of no other one."""
    here = view.here
    if not usable_links(here) or heard(here) or was_met(here):
        return
    for way in ways(here):
        dead = [one for one in lan_links(here) if not is_alive(one) and holds(one, way.address)]
        if dead and not links_to(here, way.address):
            off = [one for one in dead if not one.up]
            cause = Cause.INTERFACE_DOWN if off else Cause.NO_CARRIER
            state = "is down" if off else "has no carrier"
            evidence = f"{way.address} lies on {names(dead)} of {view.me}, which {state}"
            yield likely(cause, Place.HERE, evidence, subject=names(dead))
            return


def link_there_dead(view: View) -> Iterator[Conclusion]:
    """The card of the other device by which the two would meet is off: an address that it was called at is on it, or
    this device is in its subnet.
    """
    here, there = view.here, facts_there(view)
    if shared(view) or not usable_links(there) or any(heard(side) or was_met(side) for side in (here, there)):
        return
    called = {way.address for way in ways(here)}
    mine = {address for link in usable_links(here) for address in telling(link)}
    for link in (one for one in lan_links(there) if not is_alive(one) and not is_inner(one)):
        own = {one.address for one in link.addresses}
        if own & called or any(holds(link, address) for address in mine):
            cause = Cause.NO_CARRIER if link.up else Cause.INTERFACE_DOWN
            state = "has no carrier" if link.up else "is down"
            # Another card of it, at whose address it was called, may be the one, on a network of its own.
            alive = called & {address for one in usable_links(there) for address in telling(one)}
            causes = (cause, Cause.DIFFERENT_NETWORKS) if alive else (cause,)
            yield likely(causes, Place.THERE, f"{link.name} of {view.peer} {state}", subject=link.name)
            return


# --- What the system refuses ---


def port_taken(view: View) -> Iterator[Conclusion]:
    """A port that this device needs is not to be had."""
    for row in known(view.here.ports, "ports"):
        told = f"{row.protocol.value.upper()} port {row.port}"
        if row.errno in FORBIDDEN:
            yield certain(Cause.OS_PERMISSION, Place.HERE, f"the system refused {told}: {row.errno}")
        elif row.errno == "EADDRINUSE":
            yield certain(Cause.PORT_IN_USE, Place.HERE, f"{told} is in use", subject=told)


def sends_refused(view: View) -> Iterator[Conclusion]:
    """This host refuses what is for the network. Whether it lets the program call itself tells a filter towards the
    network from a program that may use none at all.
    """
    here = view.here
    blocked = _blocked(here)
    if not blocked or was_met(here):
        return
    calls = here.self_calls or ()  # unknown: both are named
    errnos = ", ".join(sorted({row.errno for row in blocked}))
    evidence = f"{view.me} refused to send to the network: {errnos}"
    if any(one.confirmed for one in calls):
        yield certain(Cause.EGRESS_FILTER, Place.HERE, evidence, "calls to itself work")
    elif any(one.errno in FORBIDDEN for one in calls):
        yield certain(Cause.OS_PERMISSION, Place.HERE, evidence, "calls to itself are refused, too")
    else:
        yield likely((Cause.EGRESS_FILTER, Cause.OS_PERMISSION), Place.HERE, evidence)


def _blocked(facts: RunFacts) -> list[SentFacts]:
    """What was refused, where nothing went out to the network, or nothing to the addresses of the other device.

    That a datagram to a group left proves nothing: the kernel gives this host a copy of its own, and where that
    succeeds it keeps silent about a filter that drops the other one.
    """
    # What could go nowhere for want of a route was not refused, and has not left either.
    rows = [row for row in to_the_network(facts) if not row.errno or row.errno in FORBIDDEN]
    rows = [row for row in rows if row.carrier is not CarrierName.MULTICAST] or rows
    refused = [row for row in rows if row.errno in FORBIDDEN]
    if refused and len(refused) == len(rows):
        return refused
    single = [row for row in rows if row.carrier is CarrierName.UNICAST and row.address is not None]
    refused = [row for row in single if row.errno in FORBIDDEN]
    told = _told_addresses(facts)
    left = {row.address for row in single if not row.errno}
    return refused if told & {row.address for row in refused} and not told & left else []


def _told_addresses(facts: RunFacts) -> set[IPAddress]:
    if not seeks(facts):
        return set()
    routes = known(facts.routes, "routes")
    return {one.destination for one in routes} - own_addresses(facts)


# --- Routes ---


def routed_elsewhere(view: View) -> Iterator[Conclusion]:
    """The other device's address lies in an own subnet, and the system sends what is for it somewhere else."""
    here = view.here
    if heard(here) or was_met(here):
        return
    refused = _refusing(here)  # a call that is refused there fails in silence
    for way in ways(here):
        on_link = [one for one in links_to(here, way.address) if not is_inner(one)]
        taken = by_index(here, way.route.index)
        tried = {one.index for one in way.attempts if one.errno not in FORBIDDEN} - refused
        if not on_link or taken is None or taken in on_link or tried & {one.index for one in on_link}:
            continue
        if way.route.gateway is None and not is_tunnel(taken):
            continue  # another interface in the same subnet is as good
        evidence = f"{way.address} is on {names(on_link)} of {view.me}, but is routed to {taken.name}"
        yield certain(Cause.VPN_STEALS_PREFIX, Place.HERE, evidence, subject=taken.name)
        return


def _refusing(facts: RunFacts) -> set[int]:
    """The interfaces by which this host lets no beacon for the other device out."""
    rows = [row for row in to_the_network(facts) if row.address is not None]
    return {row.index for row in rows if row.errno in FORBIDDEN} - {
        row.index for row in rows if row.errno not in FORBIDDEN
    }


_OUTWARD: Final = ("links", "routes", "attempts", "calls", "heard")
RULES: Final = (
    CauseRule(
        no_link,
        Tier.OWN,
        (Cause.NO_CARRIER, Cause.NO_USABLE_ADDRESS, Cause.INTERFACE_DOWN),
        ("links", "attempts", "calls", "heard"),
    ),
    CauseRule(port_taken, Tier.OWN, (Cause.PORT_IN_USE, Cause.OS_PERMISSION), ("ports",)),
    CauseRule(
        sends_refused,
        Tier.OWN,
        (Cause.EGRESS_FILTER, Cause.OS_PERMISSION),
        ("links", "routes", "sent", "attempts", "calls"),
        uses=("self_calls",),
    ),
    CauseRule(link_to_peer_dead, Tier.OWN, (Cause.NO_CARRIER, Cause.INTERFACE_DOWN), _OUTWARD),
    CauseRule(
        link_there_dead,
        Tier.OWN,
        (Cause.NO_CARRIER, Cause.INTERFACE_DOWN, Cause.DIFFERENT_NETWORKS),
        _OUTWARD,
        ("links", "attempts", "calls", "heard"),
    ),
    CauseRule(routed_elsewhere, Tier.OWN, (Cause.VPN_STEALS_PREFIX,), (*_OUTWARD, "sent")),
)
