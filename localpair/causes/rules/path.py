"""The path as one side sees it: nobody there, nobody answers, or heard and not reached.

One side seldom knows. Most of these name several causes, and the step that tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpair.address import SPECIAL_CLASSES, classify
from localpair.causes.facts import CarrierName, NeighbourState, RunRole, Transport
from localpair.causes.rules.conclusions import CauseRule, Conclusion, Tier, likely
from localpair.causes.rules.view import (
    UNANSWERED,
    Reach,
    asked_by_groups,
    by_index,
    callable_addresses,
    counted,
    counts_others,
    dials,
    gateways,
    heard,
    is_dense,
    is_tunnelled,
    known,
    links_to,
    may_drop,
    nearest,
    seeks,
    stalls,
    told_own,
    usable_links,
    versions_outward,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Confidence, Place
from localpair.events import Phase

if TYPE_CHECKING:
    from localpair.causes.facts import CounterFacts, HeardFacts, RunFacts
    from localpair.causes.rules.view import View

_NOBODY: Final = (Cause.PEER_ABSENT, Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS)
_UNKNOWN: Final = (
    Cause.PEER_ABSENT,
    Cause.MULTICAST_FILTERED,
    Cause.CLIENT_ISOLATION,
    Cause.DIFFERENT_NETWORKS,
)
_SELDOM_S: Final = (
    2  # for each dropped packet: strays come less often, beacons that a filter drops more often
)
_STRAY: Final = 3  # dropped packets before a filter is blamed: a badly set neighbour makes one now and then
_MANY: Final = (
    8  # packets for this host alone, before its filter is blamed: reports of members of groups pass for such
)
_BEAT_S: Final = 5  # the slowest beat of a beacon, without its jitter
_UNHEARD: Final = ("links", "routes", "attempts", "calls", "heard")


def _is_quiet(facts: RunFacts) -> bool:
    """Whether this side was told addresses, and neither heard nor met anybody."""
    return seeks(facts) and not heard(facts) and not was_met(facts)


def nobody_answers(view: View) -> Iterator[Conclusion]:
    """On the own link, and its hardware address is not to be had. A dial that fails so takes 0.5 to 3 s, as it joins a
    question that is under way: what the table of neighbours says counts, and no time.
    """
    here = view.here
    found = nearest(here) if _is_quiet(here) else []
    if not found or found[0].reach is not Reach.SILENT:
        return
    places = ", ".join(str(way.address) for way in found)
    evidence = [f"nobody answers for {places} on {view.me}'s network"]
    routers = [one for one in gateways(here) if one.state is NeighbourState.ANSWERS]
    if routers:
        evidence.append(f"the router {routers[0].address} answers")
    yield likely((*_NOBODY, *asked_by_groups(found)), Place.BETWEEN, *evidence)


def nobody_known(view: View) -> Iterator[Conclusion]:
    """The offer names no address that could be called, or nobody knows one of a paired device, and nothing is heard of
    the other one.
    """
    here = view.here
    if (
        not _is_quiet(here)
        or here.role not in (RunRole.JOIN, RunRole.SEND)
        or not usable_links(here)
        or known(here.routes, "routes")
    ):
        return
    if here.role is RunRole.SEND:
        evidence = "nothing was heard of the other device, and no address of it is known"
        causes = (_UNKNOWN[0], Cause.FORGOTTEN_OR_REVOKED, *_UNKNOWN[1:], *_filter_near(view))
        yield likely(causes, Place.BETWEEN, evidence)
        return
    offer = known(here.offer, "offer")
    if offer.passed_over and not offer.addresses:
        evidence = f"the addresses in the offer are of no network that {view.me} is on"
        yield likely(Cause.WRONG_NETWORK, Place.BETWEEN, evidence)
    elif not offer.addresses:
        evidence = "the offer names no address, and nothing was heard of the other device"
        yield likely((*_UNKNOWN, *_filter_near(view)), Place.BETWEEN, evidence)


def _filter_near(view: View) -> tuple[Cause, ...]:
    """A firewall of this device, or of the other one as far as that has told, may be what keeps beacons out."""
    return (Cause.FIREWALL_INBOUND,) if any(may_drop(one) for one in (view.here, view.there) if one) else ()


def beyond_the_link(view: View) -> Iterator[Conclusion]:
    """The other device's addresses are of another network, and what is sent there comes to nothing."""
    here = view.here
    found = nearest(here) if _is_quiet(here) else []
    if not found or found[0].reach not in (Reach.NO_WAY, Reach.ROUTED) or not usable_links(here):
        return
    if told_own(here):
        return
    tried = [way for way in found if way.attempts]
    places = ", ".join(str(way.address) for way in found)
    if not {way.address.version for way in ways(here)} & versions_outward(here):
        evidence = f"{view.me} has no address of the version of IP of {places}"
        yield likely(Cause.NO_COMMON_FAMILY, Place.BETWEEN, evidence)
    elif found[0].reach is Reach.NO_WAY:
        evidence = f"{view.me} has no route to {places}"
        yield likely(Cause.WRONG_NETWORK, Place.BETWEEN, evidence)
    elif all(classify(way.address) in SPECIAL_CLASSES for way in found) and not tried:
        evidence = (
            f"{places}: in none of {view.me}'s networks, and such an address is called in an own one only"
        )
        yield likely(Cause.WRONG_NETWORK, Place.BETWEEN, evidence)
    elif any(links_to(here, way.address) for way in found):
        return  # it lies in an own network, and is merely routed elsewhere
    elif tried and not any(way.ended_with("ECONNREFUSED") or is_tunnelled(here, way) for way in tried):
        evidence = f"{places}: in none of {view.me}'s networks, and nothing comes back from there"
        yield likely((Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND), Place.THERE, evidence)


def into_tunnel(view: View) -> Iterator[Conclusion]:
    """What is for the other device goes into a tunnel, since it is on no own network."""
    here = view.here
    found = nearest(here) if not heard(here) and not was_met(here) else []
    if found and found[0].reach is Reach.ROUTED and all(is_tunnelled(here, way) for way in found):
        taken = by_index(here, found[0].route.index)
        tunnel = taken.name if taken is not None else ""
        evidence = f"{found[0].address} is in no network of {view.me}, and is routed into {tunnel}"
        causes = (Cause.VPN_DEFAULT_ROUTE, Cause.WRONG_NETWORK)
        yield likely(causes, Place.HERE, evidence, subject=tunnel)


def found_and_silent(view: View) -> Iterator[Conclusion]:
    """A device has the address, and every dial of it is dropped or refused by something on the way."""
    here = view.here
    found = nearest(here) if _is_quiet(here) else []
    if not found or found[0].reach is not Reach.FOUND:
        return
    stuck = [way for way in found if way.ended_with(*UNANSWERED)]
    if not stuck:
        return
    rejects = any(one.errno != "ETIMEDOUT" for way in stuck for one in way.attempts)
    evidence = f"a device has the address {stuck[0].address} and answers no call"
    causes = (Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT, Cause.FILTER_IN_BETWEEN, Cause.EGRESS_FILTER)
    yield replace(likely(causes, Place.THERE, evidence), rejects=rejects)


def proxied(view: View) -> Iterator[Conclusion]:
    """A router answers for the other device's hardware address, and no call gets through."""
    here = view.here
    found = nearest(here) if _is_quiet(here) else []
    if found and found[0].reach is Reach.PROXIED and found[0].attempts:
        evidence = f"the router answers for {found[0].address}, which is on {view.me}'s own network"
        yield likely((Cause.PROXY_ARP, Cause.PEER_ABSENT), Place.BETWEEN, evidence)


def heard_and_not_reached(view: View) -> Iterator[Conclusion]:
    """The other device is heard by datagrams, and no call gets through in either direction."""
    here = view.here
    voices = heard(here)
    failed = [one for one in dials(here) if one.phase is Phase.CONNECT]
    if not voices or was_met(here) or not failed or _are_thin(voices):
        return
    sources = {one.source for one in voices}
    failed = [one for one in failed if one.address in sources] or failed
    on_link = any(links_to(here, source) for source in sources)
    dropped = _dropped_here(here) if on_link else 0
    if dropped:
        calls = f"{view.peer} is heard, and the kernel of {view.me} dropped {dropped} packets addressed to it alone"
        yield replace(likely(Cause.FIREWALL_INBOUND, Place.HERE, calls), transports=(Transport.TCP,))
        return
    rejects = [one for one in failed if one.errno == "ECONNREFUSED" or _is_rejected(one.errno, one.hop)]
    evidence = f"{view.peer} is heard at {voices[0].source}, and its calls and {view.me}'s fail"
    lost = () if is_dense(here) else (Cause.LOSSY_PATH,)
    yield Conclusion(
        (*_keeping_out(voices, on_link=on_link), *lost),
        Place.THERE,
        Confidence.LIKELY,
        (evidence,),
        transports=(Transport.TCP,),
        rejects=bool(rejects),
    )


def _keeping_out(voices: list[HeardFacts], *, on_link: bool) -> tuple[Cause, ...]:
    """What may keep out calls of a device that is heard. Over groups alone: perhaps it may send nothing else, not even
    an answer to a call; and a device of another subnet is then on the same wire, where nothing leads to its numbers.
    """
    single = [one for one in voices if one.carrier is CarrierName.UNICAST]
    if on_link:
        mute = () if single else (Cause.EGRESS_FILTER,)
        return (Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN, *mute)
    if len(single) == len(voices):
        return (Cause.FIREWALL_INBOUND, Cause.ROUTER_BLOCKS)
    return (Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND)


def dropped_unheard(view: View) -> Iterator[Conclusion]:
    """A host heard nobody, and its own kernel has dropped packets addressed to it alone: they may be the other
    device's, or that one never sent any. A kernel also drops whatever comes from its own address.
    """
    here = view.here
    known(here.counters, "counters")
    if here.role is not RunRole.HOST or heard(here) or was_met(here):
        return
    dropped = _dropped_here(here)
    if dropped * _BEAT_S >= here.lasted_s and dropped:
        evidence = f"the kernel of {view.me} dropped {dropped} packets addressed to it alone"
        causes = (Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT, Cause.ADDRESS_CONFLICT)
        yield likely(causes, Place.HERE, evidence)


def _dropped_here(facts: RunFacts) -> int:
    """Packets for this host alone that its own kernel dropped, where there are more than strays. Where the other device
    is heard these are its calls: they arrived, and a filter of this host kept them out.
    """
    if counts_others(facts):
        return 0
    dropped = max((one.singly - (one.reverse_path or 0) for one in _counters(facts)), default=0)
    return dropped if dropped >= _MANY else 0


def _counters(facts: RunFacts) -> list[CounterFacts]:
    """Those of the versions of IP that this device has: broadcasts of the other one are dropped by every kernel."""
    versions = {one.version for one in callable_addresses(facts)}
    return [one for one in facts.counters or () if one.version in versions]


def _is_rejected(errno: str, hop: NeighbourState | None) -> bool:
    """Whether somebody on the way said no, and it was not the silence of the next hop."""
    return errno in ("EHOSTUNREACH", "ENETUNREACH") and hop is not None and hop.is_found


def thinly_heard(view: View) -> Iterator[Conclusion]:
    """Fewer beacons came than the other device sends at its slowest, and no call gets through."""
    voices = heard(view.here)
    failed = [one for one in dials(view.here) if one.errno == "ETIMEDOUT"]
    if voices and failed and _are_thin(voices):
        total = sum(one.count for one in voices)
        evidence = f"only {total} beacons of {view.peer} arrived in {_span(voices)} s"
        yield likely((Cause.LOSSY_PATH, Cause.FIREWALL_INBOUND), Place.BETWEEN, evidence)


def _span(voices: list[HeardFacts]) -> int:
    return max(one.last_s for one in voices) - min(one.first_s for one in voices)


def _are_thin(voices: list[HeardFacts]) -> bool:
    """Whether some were lost for certain: one voice alone does not tell how often it speaks."""
    return sum(one.count for one in voices) < _span(voices) // _BEAT_S


def stalled(view: View) -> Iterator[Conclusion]:
    """Connections stand and exchange short words, and what follows, in full packets, never comes."""
    tls = stalls(view.here)
    if tls:
        evidence = f"{tls[0].address} is reached, and TLS never ends"
        yield likely((Cause.MTU_BLACK_HOLE, Cause.LOSSY_PATH), Place.BETWEEN, evidence)


def reverse_path(view: View) -> Iterator[Conclusion]:
    """The kernel of this device has dropped what came by another way than it would answer."""
    here = view.here
    strict = [one for one in usable_links(here) if one.reverse_path == 1]
    dropped = counted(here, 4).reverse_path
    if known(dropped, "counters.reverse_path") >= _STRAY and strict and not was_met(here):
        evidence = f"the kernel of {view.me} dropped {dropped} packets by its reverse path filter"
        yield likely(Cause.REVERSE_PATH_FILTER, Place.HERE, evidence)


RULES: Final = (
    CauseRule(nobody_answers, Tier.PATH, (*_NOBODY, Cause.MULTICAST_FILTERED), _UNHEARD),
    CauseRule(
        nobody_known,
        Tier.PATH,
        (Cause.WRONG_NETWORK, Cause.FORGOTTEN_OR_REVOKED, *_UNKNOWN, Cause.FIREWALL_INBOUND),
        (*_UNHEARD, "offer"),
        uses=("counters",),
    ),
    CauseRule(
        beyond_the_link,
        Tier.PATH,
        (Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND, Cause.NO_COMMON_FAMILY),
        _UNHEARD,
    ),
    CauseRule(into_tunnel, Tier.PATH, (Cause.VPN_DEFAULT_ROUTE, Cause.WRONG_NETWORK), _UNHEARD),
    CauseRule(
        found_and_silent,
        Tier.PATH,
        (Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT, Cause.FILTER_IN_BETWEEN, Cause.EGRESS_FILTER),
        _UNHEARD,
    ),
    CauseRule(proxied, Tier.PATH, (Cause.PROXY_ARP, Cause.PEER_ABSENT), _UNHEARD),
    CauseRule(
        heard_and_not_reached,
        Tier.PATH,
        (
            Cause.FIREWALL_INBOUND,
            Cause.FILTER_IN_BETWEEN,
            Cause.WRONG_NETWORK,
            Cause.ROUTER_BLOCKS,
            Cause.EGRESS_FILTER,
            Cause.LOSSY_PATH,
        ),
        ("links", "attempts", "calls", "heard"),
        uses=("counters", "peer"),
    ),
    CauseRule(thinly_heard, Tier.PATH, (Cause.LOSSY_PATH, Cause.FIREWALL_INBOUND), ("attempts", "heard")),
    CauseRule(
        dropped_unheard,
        Tier.PATH,
        (Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT, Cause.ADDRESS_CONFLICT),
        ("links", "counters", "attempts", "calls", "heard"),
    ),
    CauseRule(stalled, Tier.PATH, (Cause.MTU_BLACK_HOLE, Cause.LOSSY_PATH), ("attempts", "calls")),
    CauseRule(
        reverse_path,
        Tier.PATH,
        (Cause.REVERSE_PATH_FILTER,),
        ("links", "counters", "attempts", "calls"),
    ),
)
