"""What looks alike and is not: a cause is not named where its plausible twin is true."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from cause_cases import CASES
from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    CallFacts,
    CallReach,
    CarrierName,
    CounterFacts,
    DialTime,
    Ending,
    ForeignFacts,
    ForeignKind,
    HeardFacts,
    LinkFacts,
    NeighbourState,
    OfferFacts,
    PeerFacts,
    RunFacts,
    SelfCallFacts,
    SentFacts,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Place, RunNote
from localpair.events import Flaw, Phase
from run_facts import (
    ALICE,
    ALICE_MAC,
    BOB,
    BOB_MAC,
    FAR,
    LO,
    ROUTER,
    ROUTER_MAC,
    dial,
    dropping_host,
    host,
    joiner,
    link,
    route,
    sent,
    silent_joiner,
    stuck_joiner,
    voice,
    with_link,
)

DOCKER = "172.17.0.2"
BRIDGE = replace(
    link("172.17.0.1", ALICE_MAC, router=None), index=7, name="docker0", kind=InterfaceKind.BRIDGE
)


def notes(facts: RunFacts, theirs: RunFacts | None = None) -> set[RunNote]:
    return {one.note for one in judge(facts, theirs).notes}


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("took", list(DialTime))
@pytest.mark.parametrize("lasted", [2, 4, 5, 7, 12, 20])
def test_silence_on_the_link_is_no_firewall_however_soon_a_dial_fails(
    again: bool, took: DialTime, lasted: int
) -> None:
    """A dial that joins a question under way fails after 0.5 to 3 s; the run may end at any moment."""
    silent = dial(BOB, "EHOSTUNREACH", hop=NeighbourState.SILENT, took=took, again=again)
    found = judge(silent_joiner(attempts=(silent,), lasted_s=lasted))
    assert found.causes == {Cause.PEER_ABSENT, Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS}


@pytest.mark.parametrize("took", list(DialTime))
def test_a_rejection_by_somebody_whose_hardware_answers_is_no_absence(took: DialTime) -> None:
    (found,) = judge(
        stuck_joiner("EHOSTUNREACH", attempts=(dial(BOB, "EHOSTUNREACH", took=took),))
    ).explanations
    assert found.cause is Cause.FIREWALL_INBOUND
    assert "refuses" in found.sentence


def test_an_unplugged_card_is_no_cause_where_another_one_is_in_use() -> None:
    spare = LinkFacts(5, "eth1", InterfaceKind.ETHERNET, carrier=False, gateways=())
    assert Cause.NO_CARRIER not in judge(silent_joiner(links=(LO, link(ALICE, ALICE_MAC), spare))).causes


@pytest.mark.parametrize("carrier", [True, None])
def test_a_platform_that_tells_no_carrier_has_none_missing(carrier: bool | None) -> None:
    assert Cause.NO_CARRIER not in judge(with_link(silent_joiner(), carrier=carrier)).causes


def test_an_unplugged_card_on_the_peers_network_is_one() -> None:
    """Although another network is there, which the other device is not on."""
    wifi = replace(link("10.0.0.5", ALICE_MAC), index=5, name="wlan0")
    dark = link(ALICE, ALICE_MAC, carrier=False)
    facts = joiner(links=(LO, dark, wifi), routes=(route(BOB, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),))
    assert judge(facts).causes == {Cause.NO_CARRIER}


def test_a_container_bridge_that_is_up_hides_no_missing_cable() -> None:
    facts = joiner(links=(LO, link(ALICE, ALICE_MAC, carrier=False), BRIDGE))
    assert judge(facts).causes == {Cause.NO_CARRIER}


def test_an_address_of_the_peers_containers_is_not_where_it_was_looked_for() -> None:
    """Both have a bridge of the same numbers: silence there tells nothing, the other way does."""
    facts = joiner(
        links=(LO, link(ALICE, ALICE_MAC), BRIDGE),
        routes=(
            route(DOCKER, NeighbourState.SILENT, index=7),
            route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),
        ),
        attempts=(dial(FAR), dial(DOCKER, "EHOSTUNREACH", hop=NeighbourState.SILENT)),
    )
    assert judge(facts).causes == {Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND}


def test_a_vpn_is_no_cause_where_the_peer_is_on_the_link() -> None:
    tunnel = LinkFacts(3, "tun0", InterfaceKind.TUNNEL, carrier=True, gateways=())
    found = judge(silent_joiner(links=(LO, link(ALICE, ALICE_MAC), tunnel))).causes
    assert not found & {Cause.VPN_DEFAULT_ROUTE, Cause.VPN_STEALS_PREFIX}


def test_a_vpn_that_was_gone_around_is_a_note() -> None:
    tunnel = LinkFacts(3, "tun0", InterfaceKind.TUNNEL, carrier=True, gateways=())
    facts = joiner(
        links=(LO, link(ALICE, ALICE_MAC), tunnel),
        routes=(route(BOB, None, index=3),),
        attempts=(dial(BOB, index=3, hop=None), dial(BOB, index=2)),
    )
    assert Cause.VPN_STEALS_PREFIX not in judge(facts).causes
    assert RunNote.ROUTED_ELSEWHERE in notes(facts)


def test_one_link_that_refuses_is_no_kill_switch() -> None:
    mixed = (sent(CarrierName.MULTICAST, errno="EPERM"), SentFacts(CarrierName.MULTICAST, 5, 4))
    facts = silent_joiner(sent=mixed)
    assert not judge(facts).causes & {Cause.EGRESS_FILTER, Cause.OS_PERMISSION}
    assert RunNote.EGRESS_REFUSED in notes(facts)


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_filter_towards_the_network_is_told_from_a_missing_permission(confirmed: bool) -> None:
    calls = (SelfCallFacts(ip_address(ALICE), confirmed, "" if confirmed else "EPERM"),)
    facts = silent_joiner(sent=(sent(CarrierName.MULTICAST, errno="EPERM"),), self_calls=calls)
    wanted, other = (Cause.EGRESS_FILTER, Cause.OS_PERMISSION)[:: 1 if confirmed else -1]
    assert wanted in judge(facts).causes
    assert other not in judge(facts).causes


def test_another_version_that_is_merely_near_is_a_note() -> None:
    foreign = (ForeignFacts(ip_address("192.168.77.99"), ForeignKind.VERSION),)
    facts = silent_joiner(foreign=foreign)
    assert Cause.VERSION_MISMATCH not in judge(facts).causes
    assert RunNote.FOREIGN_VERSION in notes(facts)


def test_a_wrong_key_at_an_old_address_is_a_note_where_the_peer_is_heard_elsewhere() -> None:
    facts = stuck_joiner(
        attempts=(dial(BOB, "", Phase.PIN, flaw=Flaw.OTHER_KEY),), heard=(voice("192.168.77.88"),)
    )
    assert not judge(facts).causes & {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}
    assert RunNote.ANOTHER_KEY in notes(facts)


def test_no_login_page_is_blamed_where_the_peer_itself_has_answered() -> None:
    page, peer = dial("192.168.77.9", "ECONNRESET", Phase.PREAMBLE), dial(BOB, "ECONNRESET", Phase.HELLO)
    assert Cause.INTERCEPTED not in judge(stuck_joiner(attempts=(page, peer))).causes


def test_a_host_that_is_heard_has_not_ended() -> None:
    assert Cause.HOST_ENDED not in judge(stuck_joiner("ECONNREFUSED", heard=(voice(BOB),))).causes
    assert Cause.HOST_ENDED in judge(stuck_joiner("ECONNREFUSED", heard=(voice(BOB, last_s=2),))).causes


def test_a_quiet_kernel_acquits_its_own_firewall() -> None:
    noisy = dropping_host(counters=(CounterFacts(4, 100, 3, 3, 0), CounterFacts(6, 0, 0)))
    assert Cause.FIREWALL_INBOUND not in judge(stuck_joiner(), noisy).causes
    assert Cause.FIREWALL_INBOUND in judge(stuck_joiner(), dropping_host()).causes


def test_a_kernel_that_drops_for_groups_as_well_leaves_both_open() -> None:
    """What nobody has joined is dropped without a filter."""
    mixed = dropping_host(counters=(CounterFacts(4, 140, 30, 3, 0), CounterFacts(6, 0, 0)))
    found = judge(stuck_joiner(), mixed).causes
    assert {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN} <= found


def test_a_kernel_that_does_not_count_leaves_both_open() -> None:
    found = judge(stuck_joiner(), host(counters=None)).causes
    assert {Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN} <= found


def test_where_udp_passes_the_hint_opens_tcp_alone() -> None:
    """The other side has heard this one: only calls are kept out."""
    (found,) = judge(
        dropping_host(heard=(voice(ALICE, CarrierName.UNICAST),)), stuck_joiner(heard=(voice(BOB),))
    ).explanations  # fmt: skip
    assert found.device is Place.HERE
    assert "/tcp" in found.hint
    assert "/udp" not in found.hint


def test_a_joiner_that_is_gone_is_no_host_that_ended() -> None:
    assert judge(host(peer=PeerFacts(goodbye=True))).explanations == ()


def test_a_host_that_nobody_reached_can_tell_nothing() -> None:
    assert judge(host()).explanations == ()
    assert (
        judge(host(calls=(CallFacts(ip_address(ALICE), CallReach.ACCEPTED, "ETIMEDOUT"),))).explanations == ()
    )


def test_strict_filters_that_dropped_nothing_are_no_cause() -> None:
    assert Cause.REVERSE_PATH_FILTER not in judge(with_link(host(), reverse_path=1)).causes


def test_two_sides_of_link_local_addresses_are_not_one_network_for_it() -> None:
    mine = joiner(links=(LO, link("fe80::1", ALICE_MAC, prefix=64)), offer=OfferFacts(lifetime_s=120))
    theirs = host(links=(LO, link("fe80::2", BOB_MAC, prefix=64)))
    assert all(len(one.causes) > 1 for one in judge(mine, theirs).explanations)


def paired(**more: Any) -> RunFacts:
    heard = (voice(BOB), HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), 20, 0, 20))
    return joiner(ending=Ending.PAIRED, routes=(route(BOB, mac=BOB_MAC),), heard=heard, **more)


def test_a_clean_pair_has_neither_cause_nor_note() -> None:
    assert judge(paired(), host(ending=Ending.PAIRED)) == judge(paired())
    assert judge(paired()).explanations == ()
    assert judge(paired()).notes == ()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"sent": (sent(CarrierName.MULTICAST, errno="EPERM"),)}, RunNote.EGRESS_REFUSED),
        (
            {"heard": (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), 20, 0, 20),)},
            RunNote.MULTICAST_SILENT,
        ),
        ({"peer": PeerFacts(sees_us_at=(ip_address("10.9.9.9"),))}, RunNote.TRANSLATED),
        ({"routes": (route(BOB, mac=ROUTER_MAC),)}, RunNote.PROXIED),
        (
            {"attempts": (dial(BOB),), "calls": (CallFacts(ip_address(BOB), CallReach.VERIFIED),)},
            RunNote.ONE_WAY_CALLS,
        ),
    ],
)
def test_handicaps_of_a_pair_are_notes(change: dict[str, Any], note: RunNote) -> None:
    facts = replace(paired(), **change)
    assert notes(facts) == {note}
    assert judge(facts).explanations == ()


def test_a_pair_that_came_about_before_any_beacon_to_a_group_was_due_has_no_note() -> None:
    early = (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), 20, 0, 1),)
    assert notes(replace(paired(), heard=early)) == set()


def test_clocks_that_differ_are_a_note_and_no_cause() -> None:
    theirs = host(ending=Ending.PAIRED, clock_s=1_700_000_000)
    assert notes(paired(), theirs) == {RunNote.CLOCKS_DIFFER}


def test_no_router_blocks_beside_a_tunnel_where_one_network_has_none() -> None:
    case = next(one for one in CASES if "a tunnel beside routers" in one.name)
    alone = replace(case.mine, links=(LO, replace(link(ALICE, ALICE_MAC), gateways=()), *case.mine.links[2:]))
    assert judge(alone, case.theirs).causes == {Cause.VPN_DEFAULT_ROUTE, Cause.DIFFERENT_NETWORKS}
