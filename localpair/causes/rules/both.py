"""The path as both sides together see it: what left one of them and did not arrive at the other.

Each rule looks from ``here``, whose packets it follows, to ``there``, where they should have arrived; ``judge`` turns
the view around and looks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpair.address import SPECIAL_CLASSES, classify
from localpair.candidate import InterfaceKind
from localpair.causes.facts import CarrierName, DialTime, NeighbourState, Transport
from localpair.causes.rules.conclusions import BOTH_TRANSPORTS, CauseRule, Conclusion, Tier, certain, likely
from localpair.causes.rules.subnets import one_network, shared, telling
from localpair.causes.rules.view import (
    Reach,
    UnknownFactError,
    View,
    WayThere,
    asked_by_groups,
    callable_addresses,
    counted,
    counted_beacons,
    counts_others,
    dials,
    facts_there,
    gateways,
    heard,
    holds,
    is_dense,
    is_proxied,
    is_strict,
    is_thinned,
    is_tunnel,
    is_tunnelled,
    known,
    links,
    may_drop,
    outer_links,
    usable_links,
    versions_outward,
    was_met,
    ways,
)
from localpair.causes.vocabulary import Cause, Place

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts


_BY_CHANCE: Final = "the router of one is not the router of the other: the numbers are the same by chance"
_LEAST: Final = 8  # packets that a kernel has dropped, before they are taken for the other device's


def _none_met(view: View) -> bool:
    return not was_met(view.here) and not was_met(facts_there(view))


# --- Networks ---


def no_common_family(view: View) -> Iterator[Conclusion]:
    """Each has addresses, and none of a version that the other one has."""
    mine, theirs = versions_outward(view.here), versions_outward(facts_there(view))
    if mine and theirs and not mine & theirs:
        evidence = f"{view.me} has IPv{min(mine)} only, {view.peer} IPv{min(theirs)} only"
        yield certain(Cause.NO_COMMON_FAMILY, Place.BETWEEN, evidence)


def other_subnets(view: View) -> Iterator[Conclusion]:
    """No subnet is shared: either nothing leads across, or a router between does not."""
    here, there = view.here, facts_there(view)
    if _share_tunnel(here, there):
        return
    told = [{one.version for link in outer_links(side) for one in telling(link)} for side in (here, there)]
    if shared(view) or not told[0] & told[1] or heard(here) or heard(there) or not _none_met(view):
        return
    found = _ways_there(view)
    if _reverse_path(view, found):
        return
    if not found and _ways_there(View(there, here)):
        return  # the other side knows where this one is, and sees more of what lies between
    evidence = f"{view.me} and {view.peer} share no network"
    if found and all(way.reach is Reach.NO_WAY for way in found):
        yield _no_way(view, evidence)
    elif found and all(is_tunnelled(here, way) for way in found):
        into = f"what is for {view.peer} goes into a tunnel of {view.me}"
        # Where both networks have a router, these may lead across past the tunnel, and pass nothing on.
        blocked = (Cause.ROUTER_BLOCKS,) if _has_router(here) and _has_router(there) else ()
        causes = (Cause.VPN_DEFAULT_ROUTE, Cause.DIFFERENT_NETWORKS, *blocked)
        yield likely(causes, Place.HERE, evidence, into)
    elif found and all(_is_never_called(way) for way in found):
        near = f"{found[0].address} is of a block that is called in an own network only"
        yield likely(Cause.DIFFERENT_NETWORKS, Place.BETWEEN, evidence, near)
    elif found and _arrived(view, found):
        yield _own_filter(view, found)
    else:
        twin = (Cause.FIREWALL_INBOUND,) if found and _arrived(view, found) is None else ()
        causes = (Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS, *twin)
        yield likely(causes, Place.THERE if twin else Place.BETWEEN, evidence)


def _has_router(facts: RunFacts) -> bool:
    """Whether a network of this device has a router; that of a tunnel is none."""
    return any(known(link.gateways, "gateways") for link in outer_links(facts) if not is_tunnel(link))


def _no_way(view: View, evidence: str) -> Conclusion:
    """Nothing leads from here to there. Where the other side has a router, that one may lead here, as that of a network
    behind a translating router does, or of a container.
    """
    told = f"{view.me} has no route to it"
    if not gateways(facts_there(view)):
        return certain(Cause.DIFFERENT_NETWORKS, Place.BETWEEN, evidence, told)
    back = f"{view.peer} has a router, which may lead to {view.me}"
    return likely((Cause.DIFFERENT_NETWORKS, Cause.NAT_ONE_WAY), Place.BETWEEN, evidence, told, back)


def _is_never_called(way: WayThere) -> bool:
    return classify(way.address) in SPECIAL_CLASSES and not way.attempts


def _share_tunnel(here: RunFacts, there: RunFacts) -> bool:
    """Whether both are in the subnet of one tunnel, as the members of an overlay are."""
    theirs = [one.address for link in links(there) if is_tunnel(link) for one in link.addresses]
    return any(is_tunnel(link) and holds(link, address) for link in links(here) for address in theirs)


def same_numbers(view: View) -> Iterator[Conclusion]:
    """In one subnet by its numbers, and neither's question for the hardware address is answered."""
    here, there = view.here, facts_there(view)
    if not shared(view) or heard(here) or heard(there) or not _none_met(view):
        return
    found = [way for way in _ways_there(view) if way.reach >= Reach.UNASKED]  # those on an own link
    if not found or any(way.reach is not Reach.SILENT for way in found):
        return
    if _has_found(there, here, found):
        return
    evidence = f"{view.me} gets no answer for the hardware address of {found[0].address}"
    is_one = one_network(view)
    if is_one:
        yield certain(Cause.CLIENT_ISOLATION, Place.BETWEEN, evidence, "both reach the same router")
    elif is_one is None:
        causes = (Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS, *asked_by_groups(found))
        yield likely(causes, Place.BETWEEN, evidence)
    else:
        yield certain(Cause.DIFFERENT_NETWORKS, Place.BETWEEN, evidence, _BY_CHANCE)


def one_way_questions(view: View) -> Iterator[Conclusion]:
    """This side gets no answer for the hardware address, and the other one has this side's."""
    here, there = view.here, facts_there(view)
    found = _ways_there(view)
    silent = [way for way in found if way.reach is Reach.SILENT]
    if any(way.reach is Reach.FOUND for way in found):
        return  # one of its addresses is found, so that it is not for want of one
    if silent and _none_met(view) and _has_found(there, here, silent):
        if is_strict(there) and all(way.address.version == 4 for way in silent):
            unheeded = _unheeded(view)
            if unheeded is not None:
                yield unheeded
                return
        evidence = (
            f"{view.me} gets no answer for the hardware address of {view.peer}, which has that of {view.me}"
        )
        if all(not heard(side) or is_dense(side) for side in (here, there)):
            yield certain(Cause.ARP_ONE_WAY, Place.BETWEEN, evidence)
        else:
            yield likely((Cause.ARP_ONE_WAY, Cause.LOSSY_PATH), Place.BETWEEN, evidence)


def _unheeded(view: View) -> Conclusion | None:
    """A strict filter over there, if it drops what comes: Linux then answers no question for a hardware address."""
    rows = facts_there(view).counters or ()
    dropped = next((one.reverse_path for one in rows if one.version == 4), None)
    if dropped is None:
        evidence = f"the kernel of {view.peer} has a strict reverse path filter, and heeds no questions"
        return likely((Cause.REVERSE_PATH_FILTER, Cause.ARP_ONE_WAY), Place.THERE, evidence)
    evidence = f"the kernel of {view.peer} dropped {dropped} packets by its reverse path filter, and heeds no questions"
    return certain(Cause.REVERSE_PATH_FILTER, Place.THERE, evidence) if dropped >= _LEAST else None


def _has_found(there: RunFacts, here: RunFacts, silent: list[WayThere]) -> bool:
    """Whether the other side has the true hardware address of one of this side's, by the questions of the version of IP
    that get no answer here.
    """
    macs = {link.mac for link in usable_links(here) if link.mac}
    versions = {way.address.version for way in silent}
    own = {address for address in callable_addresses(here) if address.version in versions}
    return any(one.address in own and one.mac in macs for one in known(there.neighbours, "neighbours"))


def router_stands_in(view: View) -> Iterator[Conclusion]:
    """Each side has the router's hardware address for the other one, and nothing gets through."""
    here, there = view.here, facts_there(view)
    if not shared(view) or not _none_met(view) or heard(here) or heard(there):
        return
    found = _ways_there(view)
    if found and all(way.reach is Reach.PROXIED for way in found):
        evidence = f"the router answers {view.me} in place of {view.peer}"
        back = [one for one in known(there.routes, "routes") if one.destination in callable_addresses(here)]
        if back and all(is_proxied(there, one) or one.state is NeighbourState.SILENT for one in back):
            yield certain(Cause.CLIENT_ISOLATION, Place.BETWEEN, evidence, "and the other way round")
        else:
            yield likely((Cause.CLIENT_ISOLATION, Cause.PROXY_ARP), Place.BETWEEN, evidence)


def _ways_there(view: View) -> list[WayThere]:
    """The ways to addresses that the other side has indeed."""
    theirs = callable_addresses(facts_there(view))
    return [way for way in ways(view.here) if way.address in theirs]


# --- What left and did not arrive ---


def calls_lost(view: View) -> Iterator[Conclusion]:
    """Calls of this side, to an address that answers for its hardware, come to nothing. The kernel over there tells
    whether they arrived: what its own filter drops has been received, and not delivered. So it does beyond a router
    that beacons have passed.
    """
    stuck = [way for way in _ways_there(view) if _is_stuck(way) and not is_thinned(view)]
    found = [way for way in stuck if way.reach is Reach.FOUND]
    if found and _none_met(view):
        told = _where_lost(view, found)
        if Cause.FILTER_IN_BETWEEN not in told.causes or not _answers_lost(view):
            yield told
        return
    beyond = [way for way in stuck if way.reach is Reach.ROUTED] if _none_met(view) else []
    if beyond and _reverse_path(view, beyond):
        yield _strict_filter(view)
    elif beyond and heard(facts_there(view)) and _arrived(view, beyond):
        yield _own_filter(view, beyond)


def _where_lost(view: View, found: list[WayThere]) -> Conclusion:
    if _reverse_path(view, found):
        return _strict_filter(view)
    arrived = _arrived(view, found)
    if arrived is None:
        evidence = f"calls of {view.me} to {found[0].address} fail"
        causes = (Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN, *_lost(view))
        told = likely(causes, Place.THERE, evidence)
        return replace(told, transports=_transports(view), rejects=_rejects(found))
    return _own_filter(view, found) if arrived else _filter_between(view, found)


def _answers_lost(view: View) -> bool:
    """Whether the other side's questions for hardware addresses are known to get no answer: what is lost then is all
    that this side sends there, its calls too, and no filter is needed to explain that.
    """
    try:
        return any(one_way_questions(View(facts_there(view), view.here)))
    except UnknownFactError:
        return False


def _lost(view: View) -> tuple[Cause, ...]:
    """Losses are possible as well where few of the beacons came that one of the two should have heard."""
    patchy = any(heard(side) and not is_dense(side) for side in (view.here, facts_there(view)))
    return (Cause.LOSSY_PATH,) if patchy else ()


def _is_stuck(way: WayThere) -> bool:
    return way.ended_with("ETIMEDOUT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH")


def _dialled(found: list[WayThere], version: int) -> int:
    """Packets that have left for certain: one for each dial."""
    return sum(one.count for way in found for one in way.attempts if way.address.version == version)


def _expected(view: View, found: list[WayThere], version: int) -> int:
    """Packets that a filter over there would have dropped: a dial that waits is repeated after a second, and beacons
    are dropped as well where none was heard.
    """
    attempts = [one for way in found if way.address.version == version for one in way.attempts]
    calls = sum(one.count * (2 if one.took is DialTime.LATE else 1) for one in attempts)
    return calls + _beacons(view, found, version)


def _beacons(view: View, found: list[WayThere], version: int) -> int:
    """Beacons that have left for these addresses alone, where none of them was heard."""
    if _is_heard_singly(facts_there(view)):
        return 0
    places = {way.address for way in found if way.address.version == version}
    rows = known(view.here.sent, "sent")
    return sum(row.count for row in rows if row.address in places and not row.errno)


def _is_heard_singly(facts: RunFacts) -> bool:
    """Whether a beacon came that was for this device alone, and not for a group."""
    return any(one.carrier is CarrierName.UNICAST for one in heard(facts))


def _arrived(view: View, found: list[WayThere]) -> bool | None:
    """Whether what left has arrived at the other side's kernel and was dropped there. None where other traffic makes
    that uncertain.
    """
    there = facts_there(view)
    if counts_others(there):
        return None
    for version in {way.address.version for way in found if way.attempts}:
        counters = counted(there, version)
        if counters.singly >= max(_LEAST, _expected(view, found, version)):
            return True
        if counters.undelivered >= _dialled(found, version) + _beacons(view, found, version):
            return None
    return False


def _reverse_path(view: View, found: list[WayThere]) -> bool:
    """Whether a strict filter over there dropped what was sent.

    The count alone is not enough: how much should have arrived is told by the device that may want it believed."""
    there = facts_there(view)
    dropped = counted(there, 4).reverse_path
    if dropped is None or not is_strict(there):
        return False
    return 0 < _dialled(found, 4) <= dropped


def _strict_filter(view: View) -> Conclusion:
    evidence = f"the kernel of {view.peer} dropped as many packets by its reverse path filter as were sent"
    return certain(Cause.REVERSE_PATH_FILTER, Place.THERE, evidence)


def _transports(view: View) -> tuple[Transport, ...]:
    """What is kept out: UDP passes where a beacon that was for the other side alone has come."""
    return (Transport.TCP,) if _is_heard_singly(facts_there(view)) else BOTH_TRANSPORTS


def _rejects(found: list[WayThere]) -> bool:
    return any(one.errno != "ETIMEDOUT" for way in found for one in way.attempts)


def _own_filter(view: View, found: list[WayThere]) -> Conclusion:
    calls = sum(_dialled(found, version) for version in (4, 6))
    evidence = (
        f"{calls} calls of {view.me} failed",
        f"the kernel of {view.peer} received as many packets and did not deliver them",
    )
    told = certain(Cause.FIREWALL_INBOUND, Place.THERE, *evidence)
    return replace(told, transports=_transports(view), rejects=_rejects(found))


def _filter_between(view: View, found: list[WayThere]) -> Conclusion:
    """Where UDP passes and TCP does not, this side's own filter may be the one: it drops a call without a word."""
    there = facts_there(view)
    evidence = f"calls of {view.me} to {found[0].address} did not arrive at {view.peer}"
    pairs = [(view.here, mine) for mine, _ in shared(view)] + [(there, theirs) for _, theirs in shared(view)]
    bridging = any(side.bridge_filter and link.kind is InterfaceKind.BRIDGE for side, link in pairs)
    causes = (Cause.BRIDGE_NETFILTER, Cause.FILTER_IN_BETWEEN) if bridging else (Cause.FILTER_IN_BETWEEN,)
    transports = _transports(view)
    if transports == (Transport.TCP,):
        causes = (*causes, Cause.EGRESS_FILTER)
    counters = view.here.counters
    if counters is None or any(one.singly >= _LEAST for one in counters):
        # What this side's own filter drops may be the answers to its calls.
        causes = (Cause.FIREWALL_INBOUND, *causes)
    told = likely((*causes, *_lost(view)), Place.HERE, evidence)
    return replace(told, transports=transports, rejects=_rejects(found))


def beacons_lost(view: View) -> Iterator[Conclusion]:
    """Of the beacons that this side sent to one address, some arrived and many did not."""
    if is_thinned(view) and _is_patchy(view):
        sent, came = counted_beacons(view)
        evidence = f"{came} of {sent} beacons of {view.me} arrived at {view.peer}"
        yield likely(Cause.LOSSY_PATH, Place.BETWEEN, evidence)


def _is_patchy(view: View) -> bool:
    """Whether dials failed by silence only: a filter's work shows as well in what was never lost."""
    failed = dials(view.here) + dials(facts_there(view))
    return bool(failed) and all(one.errno == "ETIMEDOUT" for one in failed)


def nothing_carried(view: View) -> Iterator[Conclusion]:
    """In one subnet, no address known, and neither hears what the other one sends to all."""
    here, there = view.here, facts_there(view)
    quiet = not heard(here) and not heard(there) and _none_met(view)
    if not shared(view) or not quiet or [way for way in ways(here) if way.reach > Reach.UNASKED]:
        return
    if any(way.reach > Reach.UNASKED for way in _ways_there(View(there, here))):
        return
    if _shouts(here) and _shouts(there) and not dials(here) and not dials(there):
        yield _unheard(view)


def _unheard(view: View) -> Conclusion:
    """Their routers, where both are known, tell whether it is one network."""
    evidence = "both sent to groups, and neither heard the other"
    is_one = one_network(view)
    if is_one is False:
        return certain(Cause.DIFFERENT_NETWORKS, Place.BETWEEN, evidence, _BY_CHANCE)
    apart = () if is_one else (Cause.DIFFERENT_NETWORKS,)
    # What came, and was dropped, may have been for these groups.
    shut = (Cause.FIREWALL_INBOUND,) if may_drop(view.here) or may_drop(facts_there(view)) else ()
    causes = (Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION, *apart, *shut)
    return likely(causes, Place.BETWEEN, evidence, *(["both reach the same router"] if is_one else []))


def _shouts(facts: RunFacts) -> bool:
    loud = (CarrierName.MULTICAST, CarrierName.BROADCAST)
    return any(row.carrier in loud and not row.errno for row in known(facts.sent, "sent"))


_MET: Final = ("links", "attempts", "calls", "heard")
_SEEN: Final = (*_MET, "routes")
RULES: Final = (
    CauseRule(no_common_family, Tier.BOTH, (Cause.NO_COMMON_FAMILY,), ("links",), ("links",)),
    CauseRule(
        other_subnets,
        Tier.BOTH,
        (
            Cause.DIFFERENT_NETWORKS,
            Cause.ROUTER_BLOCKS,
            Cause.NAT_ONE_WAY,
            Cause.VPN_DEFAULT_ROUTE,
            Cause.FIREWALL_INBOUND,
        ),
        (*_SEEN, "sent"),
        (*_SEEN, "counters"),
    ),
    CauseRule(
        same_numbers,
        Tier.BOTH,
        (Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS, Cause.MULTICAST_FILTERED),
        _SEEN,
        (*_MET, "neighbours"),
    ),
    CauseRule(
        one_way_questions,
        Tier.BOTH,
        (Cause.ARP_ONE_WAY, Cause.REVERSE_PATH_FILTER, Cause.LOSSY_PATH),
        _SEEN,
        (*_MET, "neighbours"),
        uses=("counters", "peer"),
    ),
    CauseRule(router_stands_in, Tier.BOTH, (Cause.CLIENT_ISOLATION, Cause.PROXY_ARP), _SEEN, _SEEN),
    CauseRule(
        calls_lost,
        Tier.BOTH,
        (
            Cause.FIREWALL_INBOUND,
            Cause.REVERSE_PATH_FILTER,
            Cause.FILTER_IN_BETWEEN,
            Cause.BRIDGE_NETFILTER,
            Cause.EGRESS_FILTER,
            Cause.LOSSY_PATH,
        ),
        (*_SEEN, "sent"),
        (*_MET, "counters"),
        uses=("bridge_filter", "counters", "peer", "neighbours", "routes"),
    ),
    CauseRule(
        beacons_lost,
        Tier.BOTH,
        (Cause.LOSSY_PATH,),
        ("links", "sent", "attempts"),
        ("links", "heard", "attempts"),
        uses=("routes",),
    ),
    CauseRule(
        nothing_carried,
        Tier.BOTH,
        (Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS, Cause.FIREWALL_INBOUND),
        (*_SEEN, "sent"),
        (*_SEEN, "sent"),
        uses=("counters",),
    ),
)
