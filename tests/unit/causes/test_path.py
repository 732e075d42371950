"""The path, from one side and from both: what is said of silence, of losses and of what a kernel counted."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    AddressFacts,
    CallFacts,
    CallReach,
    CarrierName,
    CounterFacts,
    DialTime,
    GatewayFacts,
    LinkFacts,
    NeighbourFacts,
    NeighbourState,
    OfferFacts,
    RouteFacts,
    RunFacts,
    RunRole,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause
from localpair.events import Phase
from run_facts import (
    ALICE,
    ALICE_MAC,
    BOB,
    BOB_MAC,
    FAR,
    LO,
    OTHER_MAC,
    ROUTER,
    ROUTER_MAC,
    dial,
    dropping_host,
    host,
    joiner,
    link,
    no_route,
    route,
    sent,
    silent_joiner,
    stuck_joiner,
    voice,
    with_link,
)

MET, CALLED = ((CallFacts(ip_address(one), CallReach.KNOWN, "ECONNRESET"),) for one in (BOB, ALICE))
SINGLE = voice(BOB, CarrierName.UNICAST, count=1)
KEPT_OUT = {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN}


# --- The path from one side ---


QUIET = {"heard": (voice(BOB),)}, {"calls": MET}, {"role": RunRole.HOST}


@pytest.mark.parametrize("change", QUIET, ids=["heard", "met", "told no address"])
@pytest.mark.parametrize(
    "facts",
    [
        silent_joiner(),
        stuck_joiner(),
        stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),)),
        joiner(routes=(route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),), attempts=(dial(FAR),)),
        joiner(offer=OfferFacts(lifetime_s=120), routes=(), attempts=()),
    ],
    ids=["silent", "stuck", "proxied", "beyond", "unknown"],
)
def test_what_silence_tells_is_said_of_silence_alone(facts: RunFacts, change: dict[str, Any]) -> None:
    silence = {Cause.PEER_ABSENT, Cause.WRONG_NETWORK, Cause.MULTICAST_FILTERED}
    assert judge(facts).causes & silence
    assert not judge(replace(facts, **change)).causes & silence


@pytest.mark.parametrize(
    ("role", "evidence"),
    [
        (RunRole.JOIN, "the offer names no address"),
        (RunRole.SEND, "nothing was heard"),
        (RunRole.DIAGNOSE, None),
    ],
)
def test_an_offer_without_addresses_is_blamed_only_where_one_was_read(
    role: RunRole, evidence: str | None
) -> None:
    facts = replace(joiner(offer=OfferFacts(lifetime_s=120), routes=(), attempts=()), role=role)
    told = [one.evidence[0] for one in judge(facts).explanations]
    assert [one.startswith(evidence or "?") for one in told] == [True] * (evidence is not None)
    named = replace(facts, offer=OfferFacts((ip_address(BOB),), passed_over=1), role=RunRole.JOIN)
    assert not judge(named).causes


@pytest.mark.parametrize(
    ("errno", "causes"),
    [
        ("ETIMEDOUT", {Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND}),
        ("ECONNREFUSED", {Cause.HOST_ENDED, Cause.OFFER_USED, Cause.FIREWALL_INBOUND}),
    ],
)
def test_beyond_a_router_a_refusal_is_no_silence(errno: str, causes: set[Cause]) -> None:
    beyond = (route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),)
    assert judge(joiner(routes=beyond, attempts=(dial(FAR, errno),))).causes == causes
    assert not judge(joiner(routes=beyond)).causes, "and what was never dialled tells nothing"


@pytest.mark.parametrize("errno", ["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"])
def test_a_filter_that_rejects_is_told_from_one_that_drops(errno: str) -> None:
    (found,) = judge(stuck_joiner(errno)).explanations
    assert found.causes == (
        Cause.FIREWALL_INBOUND,
        Cause.PEER_ABSENT,
        Cause.FILTER_IN_BETWEEN,
        Cause.EGRESS_FILTER,
    )
    assert ("refuses TCP" in found.sentence) is (errno != "ETIMEDOUT")


@pytest.mark.parametrize(
    ("errno", "hop", "rejects"),
    [
        ("ECONNREFUSED", None, True),
        ("EHOSTUNREACH", NeighbourState.KNOWN, True),
        ("ENETUNREACH", NeighbourState.ANSWERS, True),
        ("EHOSTUNREACH", NeighbourState.SILENT, False),
        ("EHOSTUNREACH", None, False),
        ("ETIMEDOUT", NeighbourState.ANSWERS, False),
    ],
)
def test_whoever_is_heard_and_not_reached_is_kept_out_or_refused(
    errno: str, hop: NeighbourState | None, rejects: bool
) -> None:
    (found,) = judge(stuck_joiner(attempts=(dial(BOB, errno, hop=hop),), heard=(voice(BOB),))).explanations
    assert found.cause is Cause.FIREWALL_INBOUND
    assert ("firewall on the other device refuses" in found.sentence) is rejects


@pytest.mark.parametrize(
    ("voices", "causes"),
    [
        ((voice(BOB, count=28), SINGLE), KEPT_OUT),
        ((voice(BOB, count=27), SINGLE), KEPT_OUT | {Cause.LOSSY_PATH}),
        ((voice(BOB, count=3), SINGLE), KEPT_OUT | {Cause.LOSSY_PATH}),
        ((voice(BOB, count=14),), KEPT_OUT | {Cause.EGRESS_FILTER}),
        ((voice(BOB, count=4),), KEPT_OUT | {Cause.EGRESS_FILTER, Cause.LOSSY_PATH}),
        ((voice(BOB, count=3),), {Cause.LOSSY_PATH, Cause.FIREWALL_INBOUND}),
        ((voice(BOB, count=1, last_s=9),), KEPT_OUT | {Cause.EGRESS_FILTER, Cause.LOSSY_PATH}),
        ((voice(BOB, count=1, last_s=10),), {Cause.LOSSY_PATH, Cause.FIREWALL_INBOUND}),
        ((voice(FAR),), {Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND}),
    ],
    ids=[
        "dense",
        "less",
        "as the slowest",
        "dense, by groups alone",
        "as the slowest, by groups alone",
        "thin",
        "too short",
        "long enough",
        "not on the link",
    ],
)
def test_beacons_that_came_tell_how_many_were_lost(voices: Any, causes: set[Cause]) -> None:
    assert judge(stuck_joiner(heard=voices)).causes == causes


@pytest.mark.parametrize(("singly", "is_here"), [(7, False), (8, True)])
def test_a_kernel_that_dropped_calls_blames_its_own_filter(singly: int, is_here: bool) -> None:
    counters = (CounterFacts(4, 100, singly, singly, 0), CounterFacts(6, 0, 0, 0, 0))
    facts = stuck_joiner(heard=(voice(BOB),), counters=counters)
    assert (judge(facts).causes == {Cause.FIREWALL_INBOUND}) is is_here
    by_route = (CounterFacts(4, 100, 8, 8, 1), CounterFacts(6, 0, 0, 0, 0))
    assert len(judge(replace(facts, counters=by_route)).causes) > 1, "those are no filter's"
    untold = (CounterFacts(4, 100, singly, singly, None), CounterFacts(6, 0, 0))
    assert (judge(replace(facts, counters=untold)).causes == {Cause.FIREWALL_INBOUND}) is is_here
    assert len(judge(replace(facts, heard=(voice(FAR),))).causes) > 1, "and not where it is not on the link"


def test_broadcasts_of_a_version_that_this_device_lacks_are_no_filters_work() -> None:
    dropped = (CounterFacts(4, 100, 30, 28, 0), CounterFacts(6, 90, 0, 0, 0))
    assert not judge(
        with_link(host(counters=dropped), addresses=(AddressFacts(ip_address("fd12::20"), 64),))
    ).causes


@pytest.mark.parametrize(("lasted_s", "is_told"), [(40, True), (41, False)])
def test_a_host_that_heard_nobody_has_dropped_as_much_as_somebody_would_send(
    lasted_s: int, is_told: bool
) -> None:
    counters = (CounterFacts(4, 100, 8, 8, 0), CounterFacts(6, 0, 0, 0, 0))
    facts = host(counters=counters, lasted_s=lasted_s)
    told = {Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT, Cause.ADDRESS_CONFLICT}
    assert (judge(facts).causes == told) is is_told
    for change in ({"role": RunRole.LISTEN}, {"heard": (voice(ALICE),)}, {"calls": CALLED}):
        assert not judge(replace(facts, **change)).causes


@pytest.mark.parametrize(
    ("attempts", "is_stalled"),
    [
        ((dial(BOB, phase=Phase.TLS, count=2),), True),
        ((dial(BOB, phase=Phase.TLS, count=1), dial(BOB, phase=Phase.HELLO, count=1)), True),
        ((dial(BOB, "", Phase.TLS, count=2),), True),
        ((dial(BOB, "", Phase.TLS, count=2, took=DialTime.AT_ONCE),), False),
        ((dial(BOB, phase=Phase.TLS, count=1),), False),
        ((dial(BOB, "ECONNRESET", Phase.TLS, count=2),), False),
        ((dial(BOB, phase=Phase.TLS, count=2), dial(BOB, phase=Phase.PROOF)), False),
    ],
    ids=["twice", "in two phases", "by our own limit", "failed at once", "once", "cut", "further once"],
)
def test_large_packets_vanish_where_every_connection_stalls(attempts: Any, is_stalled: bool) -> None:
    assert (Cause.MTU_BLACK_HOLE in judge(stuck_joiner(attempts=attempts)).causes) is is_stalled


@pytest.mark.parametrize(
    ("dropped", "strict", "change", "is_told"),
    [
        (3, 1, {}, True),
        (2, 1, {}, False),
        (3, 2, {}, False),
        (3, 0, {}, False),
        (3, 1, {"calls": CALLED}, False),
    ],
)
def test_a_reverse_path_filter_is_told_by_what_it_dropped(
    dropped: int, strict: int, change: dict[str, Any], is_told: bool
) -> None:
    counters = (CounterFacts(4, 100, 0, 0, dropped), CounterFacts(6, 0, 0, 0, 0))
    facts = with_link(host(counters=counters, **change), reverse_path=strict)
    assert (Cause.REVERSE_PATH_FILTER in judge(facts).causes) is is_told


def test_a_router_that_answers_is_evidence_and_one_that_does_not_is_none() -> None:
    (found,) = judge(silent_joiner()).explanations
    assert found.evidence == (
        f"nobody answers for {BOB} on this device's network",
        f"the router {ROUTER} answers",
    )
    silent = GatewayFacts(ip_address(ROUTER), NeighbourState.SILENT)
    (found,) = judge(with_link(silent_joiner(), gateways=(silent,))).explanations
    assert len(found.evidence) == 1


def test_a_way_that_was_refused_or_never_dialled_is_not_stuck() -> None:
    assert judge(stuck_joiner("ECONNREFUSED")).causes == {
        Cause.HOST_ENDED,
        Cause.OFFER_USED,
        Cause.FIREWALL_INBOUND,
    }
    assert judge(stuck_joiner(attempts=())).explanations == ()
    bound = (dial(BOB, "EADDRINUSE", Phase.BIND),)
    assert judge(stuck_joiner(attempts=bound, heard=(voice(BOB),))).explanations == ()


def test_the_dials_of_where_it_is_heard_tell_how_calls_are_kept_out() -> None:
    """What another address answered is another matter."""
    attempts = (dial(BOB), dial(FAR, "ECONNREFUSED"))
    (found,) = judge(stuck_joiner(attempts=attempts, heard=(voice(BOB),))).explanations
    assert "keeps out" in found.sentence
    (found,) = judge(stuck_joiner(attempts=attempts[1:], heard=(voice(BOB),))).explanations
    assert "refuses" in found.sentence


def test_few_beacons_are_no_cause_where_no_dial_failed() -> None:
    assert judge(stuck_joiner(attempts=(), heard=(voice(BOB, count=3),))).explanations == ()


@pytest.mark.parametrize(
    ("change", "is_vpn"), [({}, True), ({"heard": (voice(FAR),)}, False), ({"calls": MET}, False)]
)
def test_a_vpn_that_takes_everything_is_no_cause_where_the_peer_comes_through(
    change: dict[str, Any], is_vpn: bool
) -> None:
    tunnel = LinkFacts(3, "tun0", InterfaceKind.TUNNEL, carrier=True, gateways=())
    facts = joiner(
        links=(LO, link(ALICE, ALICE_MAC), tunnel),
        routes=(route(FAR, None, index=3),),
        attempts=(dial(FAR, index=3, hop=None),),
    )
    found = judge(replace(facts, **change)).causes
    assert (found == {Cause.VPN_DEFAULT_ROUTE, Cause.WRONG_NETWORK}) is is_vpn


# --- The path from both sides ---


@pytest.mark.parametrize(
    ("mine", "theirs", "causes"),
    [
        (silent_joiner(), host(), {Cause.CLIENT_ISOLATION}),
        (stuck_joiner(), dropping_host(), {Cause.FIREWALL_INBOUND}),
        (stuck_joiner(), host(), {Cause.FILTER_IN_BETWEEN}),
        (
            stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),)),
            host(routes=(route(ALICE, mac=ROUTER_MAC),)),
            {Cause.CLIENT_ISOLATION},
        ),
        (
            silent_joiner(),
            host(neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),)),
            {Cause.ARP_ONE_WAY},
        ),
    ],
    ids=["isolated", "firewall", "filter", "router stands in", "one-way"],
)
def test_no_path_is_stuck_where_either_side_was_met(
    mine: RunFacts, theirs: RunFacts, causes: set[Cause]
) -> None:
    assert judge(mine, theirs).causes == causes
    came = (CallFacts(ip_address(ALICE), CallReach.KNOWN, "ECONNRESET"),)
    assert judge(replace(mine, calls=MET), theirs).causes != causes
    assert judge(mine, replace(theirs, calls=came)).causes != causes


@pytest.mark.parametrize(
    ("mine", "theirs", "cause"),
    [
        (silent_joiner(), host(), Cause.CLIENT_ISOLATION),
        (
            stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),)),
            host(routes=(route(ALICE, mac=ROUTER_MAC),)),
            Cause.CLIENT_ISOLATION,
        ),
    ],
    ids=["isolated", "router stands in"],
)
def test_no_network_keeps_devices_apart_that_hear_each_other(
    mine: RunFacts, theirs: RunFacts, cause: Cause
) -> None:
    assert judge(mine, theirs).causes == {cause}
    assert cause not in judge(replace(mine, heard=(voice(BOB),)), theirs).causes
    assert judge(mine, replace(theirs, heard=(voice(ALICE),))).causes != {cause}


@pytest.mark.parametrize(
    ("neighbour", "is_one_way"),
    [
        (NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC), True),
        (NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ROUTER_MAC), False),
        (NeighbourFacts(ip_address(FAR), 2, NeighbourState.KNOWN, ALICE_MAC), False),
    ],
    ids=["found", "a router's", "of another address"],
)
def test_questions_pass_one_way_where_the_true_answer_came_back(
    neighbour: NeighbourFacts, is_one_way: bool
) -> None:
    found = judge(silent_joiner(), host(neighbours=(neighbour,))).causes
    assert found == ({Cause.ARP_ONE_WAY} if is_one_way else {Cause.CLIENT_ISOLATION})


@pytest.mark.parametrize(
    ("back", "is_sure"),
    [
        (route(ALICE, mac=ROUTER_MAC), True),
        (route(ALICE, NeighbourState.SILENT), True),
        (route(ALICE, mac=ALICE_MAC), False),
        (route(FAR, mac=ROUTER_MAC), False),
    ],
    ids=["the same", "silence", "found", "of another address"],
)
def test_a_router_that_stands_in_for_both_keeps_them_apart(back: Any, is_sure: bool) -> None:
    found = judge(stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),)), host(routes=(back,))).causes
    assert found == ({Cause.CLIENT_ISOLATION} if is_sure else {Cause.CLIENT_ISOLATION, Cause.PROXY_ARP})


@pytest.mark.parametrize(
    ("undelivered", "singly", "causes"),
    [
        (8, 8, {Cause.FIREWALL_INBOUND}),
        (30, 7, {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN}),
        (4, 3, {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN}),
        (3, 3, {Cause.FILTER_IN_BETWEEN}),
    ],
    ids=["all of it", "one less, with others", "as many as dials", "fewer"],
)
def test_a_firewall_is_blamed_for_what_its_kernel_received(
    undelivered: int, singly: int, causes: set[Cause]
) -> None:
    """Four dials that waited, each of which was repeated once."""
    counters = (CounterFacts(4, 100, undelivered, singly, 0), CounterFacts(6, 0, 0, 0, 0))
    assert judge(stuck_joiner(), host(counters=counters)).causes == causes


def test_beacons_that_were_sent_count_as_well_where_none_of_them_was_heard() -> None:
    counters = (CounterFacts(4, 100, 12, 12, 0), CounterFacts(6, 0, 0, 0, 0))
    beacons = (sent(CarrierName.UNICAST, BOB, count=5),)
    unheard = judge(stuck_joiner(sent=beacons), host(counters=counters))
    assert unheard.causes == {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN}
    fewer = (sent(CarrierName.UNICAST, BOB, count=4), sent(CarrierName.UNICAST, BOB, "EPERM", 9))
    assert judge(stuck_joiner(sent=fewer), host(counters=counters)).causes == {Cause.FIREWALL_INBOUND}
    by_groups = host(counters=counters, heard=(voice(ALICE),))
    assert judge(stuck_joiner(sent=beacons), by_groups).causes == {
        Cause.FIREWALL_INBOUND,
        Cause.FILTER_IN_BETWEEN,
    }
    came = host(counters=counters, heard=(voice(ALICE, CarrierName.UNICAST),))
    assert judge(stuck_joiner(sent=beacons), came).causes == {Cause.FIREWALL_INBOUND}


@pytest.mark.parametrize(("dropped", "is_told"), [(4, True), (3, False)])
def test_a_strict_filter_over_there_dropped_at_least_as_much_as_was_dialled(
    dropped: int, is_told: bool
) -> None:
    counters = (CounterFacts(4, 140, 9, 9, dropped), CounterFacts(6, 0, 0, 0, 0))
    found = judge(stuck_joiner(), with_link(host(counters=counters), reverse_path=1)).causes
    assert (found == {Cause.REVERSE_PATH_FILTER}) is is_told


def test_no_count_of_a_device_without_a_strict_filter_is_laid_to_one() -> None:
    counters = (CounterFacts(4, 140, 9, 9, 4), CounterFacts(6, 0, 0, 0, 0))
    for here, there in ((stuck_joiner(), host(counters=counters)), (host(counters=counters), stuck_joiner())):
        assert Cause.REVERSE_PATH_FILTER not in judge(here, there).causes


@pytest.mark.parametrize(
    ("theirs", "is_bridge"),
    [
        (with_link(host(bridge_filter=True), kind=InterfaceKind.BRIDGE), True),
        (with_link(host(bridge_filter=False), kind=InterfaceKind.BRIDGE), False),
        (host(bridge_filter=True), False),
    ],
)
def test_a_bridge_is_blamed_where_it_filters(theirs: RunFacts, is_bridge: bool) -> None:
    assert (Cause.BRIDGE_NETFILTER in judge(stuck_joiner(), theirs).causes) is is_bridge


def test_a_filter_of_ones_own_is_possible_where_udp_alone_passes() -> None:
    heard_singly = host(heard=(voice(ALICE, CarrierName.UNICAST),))
    assert Cause.EGRESS_FILTER in judge(stuck_joiner(), heard_singly).causes
    assert Cause.EGRESS_FILTER not in judge(stuck_joiner(), host(heard=(voice(ALICE),))).causes
    assert Cause.EGRESS_FILTER not in judge(stuck_joiner(), host()).causes


UNTOLD: dict[str, Any] = {"offer": OfferFacts(lifetime_s=120), "routes": (), "attempts": ()}


@pytest.mark.parametrize(
    ("mine", "theirs", "is_told"),
    [
        ({}, {}, True),
        ({"sent": (sent(CarrierName.MULTICAST, errno="EPERM"), sent(CarrierName.UNICAST, BOB))}, {}, False),
        ({}, {"sent": (sent(CarrierName.UNICAST, ALICE),)}, False),
        ({"heard": (voice(BOB),)}, {}, False),
        ({}, {"heard": (voice(ALICE),)}, False),
        ({"attempts": (dial(FAR),)}, {}, False),
        ({}, {"attempts": (dial(FAR),)}, False),
        ({"routes": (route(BOB, mac=BOB_MAC),)}, {}, False),
        ({}, {"routes": (route(ALICE, mac=ALICE_MAC),)}, False),
        ({"routes": (route(BOB, NeighbourState.ABSENT),)}, {"routes": (route(ALICE, NeighbourState.ABSENT),)}, True),
        ({}, {"links": (LO, link(FAR, BOB_MAC))}, False),
    ],
    ids=[
        "nothing", "not sent here", "not sent there", "heard here", "heard there", "dialled here", "dialled there",
        "found here", "found there", "never asked", "other networks",
    ],
)  # fmt: skip
def test_groups_that_both_sent_and_neither_heard_are_filtered(
    mine: dict[str, Any], theirs: dict[str, Any], is_told: bool
) -> None:
    found = judge(joiner(**{**UNTOLD, **mine}), host(**theirs)).explanations
    told = (Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION)
    assert (told in [one.causes for one in found]) is is_told


@pytest.mark.parametrize(
    ("router", "causes"),
    [
        (None, {Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS}),
        (ROUTER_MAC, {Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION}),
        (OTHER_MAC, {Cause.DIFFERENT_NETWORKS}),
    ],
    ids=["unknown", "the same", "another"],
)
def test_routers_tell_whether_what_carries_no_group_is_one_network(
    router: str | None, causes: set[Cause]
) -> None:
    gateways = (GatewayFacts(ip_address(ROUTER), NeighbourState.ANSWERS, router),)
    theirs = host(links=(LO, replace(link(BOB, BOB_MAC), gateways=gateways)))
    assert judge(joiner(**UNTOLD), theirs).causes == causes


@pytest.mark.parametrize(
    ("sent_of", "came", "errno", "is_lossy"),
    [(20, 13, "ETIMEDOUT", True), (20, 14, "ETIMEDOUT", False), (7, 1, "ETIMEDOUT", False),
     (20, 6, "ECONNREFUSED", False)],
)  # fmt: skip
def test_losses_are_a_cause_where_dials_fail_by_silence_alone(
    sent_of: int, came: int, errno: str, is_lossy: bool
) -> None:
    mine = stuck_joiner(errno, sent=(sent(CarrierName.UNICAST, BOB, count=sent_of),))
    found = judge(mine, host(heard=(voice(ALICE, CarrierName.UNICAST, came),))).explanations
    assert ([one.causes for one in found] == [(Cause.LOSSY_PATH,)]) is is_lossy
    if is_lossy:
        assert found[0].evidence == (
            f"{came} of {sent_of} beacons of this device arrived at the other device",
        )


@pytest.mark.parametrize(
    ("mine", "theirs", "is_told"),
    [
        ((link(ALICE, ALICE_MAC),), (link("fd12::20", BOB_MAC, prefix=64),), True),
        ((link(ALICE, ALICE_MAC),), (), False),
        ((), (link("fd12::20", BOB_MAC, prefix=64),), False),
        ((link("fd12::10", ALICE_MAC, prefix=64),), (link("fd12::20", BOB_MAC, prefix=64),), False),
    ],
)
def test_no_version_of_ip_is_shared_where_each_has_another_one(mine: Any, theirs: Any, is_told: bool) -> None:
    found = judge(joiner(links=(LO, *mine)), host(links=(LO, *theirs))).causes
    assert (Cause.NO_COMMON_FAMILY in found) is is_told


BEYOND: dict[str, Any] = {
    "routes": (route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),),
    "attempts": (dial(FAR),),
    "offer": OfferFacts((ip_address(FAR),), lifetime_s=120),
}

NO_ROUTE: dict[str, Any] = {"routes": (no_route(FAR),)}


@pytest.mark.parametrize(
    ("mine", "theirs", "causes"),
    [
        ({}, {}, {Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS}),
        ({}, {"counters": (CounterFacts(4, 100, 8, 8, 0), CounterFacts(6, 0, 0))}, {Cause.FIREWALL_INBOUND}),
        (
            {},
            {"counters": (CounterFacts(4, 100, 4, 0, 0), CounterFacts(6, 0, 0))},
            {Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS, Cause.FIREWALL_INBOUND},
        ),
        (NO_ROUTE, {}, {Cause.DIFFERENT_NETWORKS, Cause.NAT_ONE_WAY}),
        (
            NO_ROUTE,
            {"links": (LO, replace(link(FAR, BOB_MAC), gateways=()))},
            {Cause.DIFFERENT_NETWORKS},
        ),
    ],
    ids=["nothing came", "it all came", "something came", "no route", "no route, and no router there"],
)
def test_devices_of_two_subnets_are_kept_apart_by_what_lies_between(
    mine: dict[str, Any], theirs: dict[str, Any], causes: set[Cause]
) -> None:
    facts, there = joiner(**{**BEYOND, **mine}), host(**{"links": (LO, link(FAR, BOB_MAC)), **theirs})
    assert judge(facts, there).causes == causes
    for change in ({"heard": (voice(FAR),)}, {"calls": MET}):
        assert judge(replace(facts, **change), there).causes != causes
    assert judge(facts, replace(there, calls=MET)).causes != causes
    if causes != {Cause.FIREWALL_INBOUND}:
        assert judge(facts, replace(there, heard=(voice(ALICE),))).causes != causes


@pytest.mark.parametrize(
    ("other", "causes"),
    [
        (
            no_route(FAR),
            {Cause.PEER_ABSENT, Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS, Cause.MULTICAST_FILTERED},
        ),
        (BEYOND["routes"][0], {Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND}),
    ],
    ids=["no route", "a router"],
)
def test_a_link_local_address_that_nobody_has_counts_unless_the_device_is_behind_a_router(
    other: RouteFacts, causes: set[Cause]
) -> None:
    local = route("fe80::20", NeighbourState.SILENT)
    facts = joiner(routes=(local, other), attempts=(dial("fe80::20", hop=NeighbourState.SILENT), dial(FAR)))
    both = (AddressFacts(ip_address(ALICE), 24), AddressFacts(ip_address("fe80::10"), 64))
    assert judge(with_link(facts, addresses=both)).causes == causes


def test_routers_of_which_one_is_not_known_leave_it_open_whether_there_are_two() -> None:
    unknown = replace(link(BOB, BOB_MAC), gateways=(GatewayFacts(ip_address(ROUTER), NeighbourState.ABSENT),))
    found = judge(silent_joiner(), host(links=(LO, unknown))).causes
    assert found == {Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS}


def test_where_both_looked_beyond_a_router_both_tell() -> None:
    back = (route(ALICE, mac=OTHER_MAC, gateway=ip_address("10.5.0.1")),)
    there = host(links=(LO, link(FAR, BOB_MAC)), routes=back, attempts=(dial(ALICE),))
    assert judge(joiner(**BEYOND), there).causes == {Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS}


@pytest.mark.parametrize("links", [(LO,), ()])
def test_whoever_hears_without_an_address_shares_no_version_of_ip(links: Any) -> None:
    """A contradiction, as where an address went at the end of the run: nothing is said of it."""
    for mine, theirs in (
        (joiner(links=links, heard=(voice(BOB),)), host()),
        (joiner(), host(links=links, heard=(voice(ALICE),))),
    ):
        assert Cause.NO_COMMON_FAMILY not in judge(mine, theirs).causes


def test_two_networks_of_which_neither_side_knows_a_way_are_not_certain() -> None:
    found = judge(joiner(**UNTOLD), host(links=(LO, link(FAR, BOB_MAC)))).explanations
    assert [one.causes for one in found] == [(Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS)]


@pytest.mark.parametrize(
    "mine", [silent_joiner(), stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),))], ids=["silent", "proxied"]
)
def test_no_network_is_shared_where_the_masks_do_not_agree(mine: RunFacts) -> None:
    """This side takes the other one for a neighbour, and not the other way round."""
    narrow = host(links=(LO, link(BOB, BOB_MAC, prefix=30)))
    assert judge(mine, narrow).causes == {Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS}


def test_losses_without_a_failed_dial_are_no_cause() -> None:
    mine = stuck_joiner(attempts=(), sent=(sent(CarrierName.UNICAST, BOB),))
    theirs = host(heard=(voice(ALICE, CarrierName.UNICAST, 6),))
    assert Cause.LOSSY_PATH not in judge(mine, theirs).causes


def test_link_local_ipv6_joins_no_networks_and_link_local_ipv4_does() -> None:
    def with_local(one: LinkFacts, local: str) -> LinkFacts:
        return replace(one, addresses=(*one.addresses, AddressFacts(ip_address(local), 64)))

    mine = joiner(**{**BEYOND, "links": (LO, with_local(link(ALICE, ALICE_MAC), "fe80::1"))})
    theirs = host(links=(LO, with_local(link(FAR, BOB_MAC), "fe80::2")))
    assert judge(mine, theirs).causes == {Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS}
    here, there = "169.254.7.1", "169.254.7.2"
    alone = silent_joiner(
        links=(LO, link(here, ALICE_MAC, prefix=16, router=None)),
        routes=(route(there, NeighbourState.SILENT),),
        attempts=(dial(there, "EHOSTUNREACH", hop=NeighbourState.SILENT),),
    )
    theirs = host(links=(LO, link(there, BOB_MAC, prefix=16, router=None)))
    assert [one.causes for one in judge(alone, theirs).explanations] == [
        (Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS)
    ]


@pytest.mark.parametrize(
    ("undelivered", "cause"), [(8, Cause.FIREWALL_INBOUND), (0, Cause.FILTER_IN_BETWEEN)]
)
def test_calls_over_ipv6_are_looked_for_among_what_ipv6_counted(undelivered: int, cause: Cause) -> None:
    mine = joiner(
        links=(LO, link("fd12::10", ALICE_MAC, prefix=64)),
        routes=(route("fd12::20", mac=BOB_MAC),),
        attempts=(dial("fd12::20"),),
    )
    counters = (CounterFacts(4, 100, 0, 0, 0), CounterFacts(6, 100, undelivered, undelivered))
    theirs = host(links=(LO, link("fd12::20", BOB_MAC, prefix=64)), counters=counters)
    assert judge(mine, theirs).causes == {cause}


def test_a_dial_that_was_answered_at_once_was_not_repeated() -> None:
    mine = stuck_joiner(attempts=(dial(BOB, "EHOSTUNREACH", took=DialTime.AT_ONCE),))
    mine = replace(mine, attempts=(replace(mine.attempts[0], count=8),)) if mine.attempts else mine
    counters = (CounterFacts(4, 100, 8, 8, 0), CounterFacts(6, 0, 0))
    assert judge(mine, host(counters=counters)).causes == {Cause.FIREWALL_INBOUND}
    strays = (CounterFacts(4, 100, 7, 7, 0), CounterFacts(6, 0, 0))
    once = replace(mine, attempts=(dial(BOB, "EHOSTUNREACH", took=DialTime.AT_ONCE),))
    assert judge(once, host(counters=strays)).causes == KEPT_OUT, "a few packets may be anybody's"
