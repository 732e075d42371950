"""A device's own network: what keeps each of these rules from speaking."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    CallFacts,
    CallReach,
    CarrierName,
    LinkFacts,
    NeighbourState,
    RunFacts,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause
from run_facts import (
    ALICE,
    ALICE_MAC,
    BOB,
    FAR,
    LO,
    ROUTER,
    ROUTER_MAC,
    dial,
    host,
    joiner,
    link,
    route,
    sent,
    silent_joiner,
    voice,
)

BRIDGE = replace(
    link("172.17.0.1", ALICE_MAC, router=None), index=7, name="docker0", kind=InterfaceKind.BRIDGE
)


MET = (CallFacts(ip_address(BOB), CallReach.KNOWN, "ECONNRESET"),)
WIFI = replace(link("10.0.0.5", ALICE_MAC), index=5, name="wlan0")
DARK = link(ALICE, ALICE_MAC, carrier=False)
AWAY = (route(BOB, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),)


@pytest.mark.parametrize(
    "facts",
    [
        joiner(links=(LO, DARK)),
        joiner(links=(LO, DARK, WIFI), routes=AWAY),
        joiner(
            links=(LO, link(ALICE, ALICE_MAC, up=False)), sent=(sent(CarrierName.MULTICAST, errno="EPERM"),)
        ),
        silent_joiner(sent=(sent(CarrierName.MULTICAST, errno="EPERM"),)),
    ],
    ids=["no link", "dead link to the peer", "card down", "refused"],
)
def test_whoever_was_met_or_heard_shows_that_the_own_network_works(facts: RunFacts) -> None:
    own = {Cause.NO_CARRIER, Cause.INTERFACE_DOWN, Cause.EGRESS_FILTER}
    assert judge(facts).causes & own
    assert not judge(replace(facts, calls=MET)).causes & own
    if not facts.sent or not facts.sent[0].errno:
        assert not judge(replace(facts, heard=(voice(BOB),))).causes & own


@pytest.mark.parametrize(
    ("links", "causes"),
    [
        ((LO, DARK, LinkFacts(5, "eth1", InterfaceKind.ETHERNET, up=False, gateways=())), {Cause.NO_CARRIER}),
        ((LO, link("", ALICE_MAC, router=None, carrier=False)), {Cause.NO_CARRIER}),
        ((LO, link("", ALICE_MAC, router=None, up=False)), {Cause.INTERFACE_DOWN}),
        ((LO, link("", ALICE_MAC, carrier=False), BRIDGE), {Cause.NO_CARRIER}),
        ((LO, DARK, replace(BRIDGE, up=False)), {Cause.NO_CARRIER}),
        ((LO,), {Cause.NO_USABLE_ADDRESS}),
        (
            (LO, DARK, replace(link("", ALICE_MAC), index=5, name="wlan0")),
            {Cause.NO_CARRIER, Cause.NO_USABLE_ADDRESS},
        ),
    ],
    ids=[
        "a spare card",
        "the only card",
        "the only card is down",
        "with a bridge",
        "with a bridge that is down",
        "none",
        "two in use",
    ],
)
def test_of_several_cards_those_count_that_were_in_use(links: Any, causes: set[Cause]) -> None:
    assert judge(joiner(links=links)).causes == causes


@pytest.mark.parametrize(
    ("dark", "cause"), [(DARK, Cause.NO_CARRIER), (link(ALICE, ALICE_MAC, up=False), Cause.INTERFACE_DOWN)]
)
def test_a_dead_card_is_a_cause_where_no_other_one_leads_to_the_peer(dark: LinkFacts, cause: Cause) -> None:
    assert judge(joiner(links=(LO, dark, WIFI), routes=AWAY)).causes == {cause}
    second = replace(link("192.168.77.11", ALICE_MAC), index=5, name="wlan0")
    links = (LO, dark, second)
    assert (
        cause not in judge(joiner(links=links, routes=(route(BOB, NeighbourState.SILENT, index=5),))).causes
    )
    elsewhere = replace(dark, addresses=link("10.9.9.9", ALICE_MAC).addresses)
    assert cause not in judge(joiner(links=(LO, elsewhere, WIFI), routes=AWAY)).causes


@pytest.mark.parametrize(
    ("rows", "is_filter"),
    [
        ((sent(CarrierName.UNICAST, BOB, "EPERM"), sent(CarrierName.UNICAST, BOB)), False),
        ((sent(CarrierName.UNICAST, BOB, "EPERM"), sent(CarrierName.BROADCAST)), True),
        ((sent(CarrierName.UNICAST, FAR, "EPERM"), sent(CarrierName.BROADCAST)), False),
        ((sent(CarrierName.UNICAST, ALICE, "EPERM"), sent(CarrierName.BROADCAST)), False),
        ((sent(CarrierName.UNICAST, BOB, "ENETUNREACH"), sent(CarrierName.BROADCAST)), False),
        ((sent(CarrierName.BROADCAST, errno="EACCES"),), True),
        ((), False),
    ],
    ids=[
        "some left", "all to the peer", "to another place", "to itself", "no way", "all to groups", "nothing was sent",
    ],
)  # fmt: skip
def test_a_host_refuses_to_send_where_nothing_left_for_the_peer(rows: Any, is_filter: bool) -> None:
    assert (Cause.EGRESS_FILTER in judge(silent_joiner(sent=rows)).causes) is is_filter


def test_a_host_that_waits_for_anybody_refuses_none_by_its_address() -> None:
    """It was told no address, so that one that is refused says nothing of the others."""
    rows = (sent(CarrierName.UNICAST, ALICE, "EPERM"), sent(CarrierName.BROADCAST))
    assert Cause.EGRESS_FILTER not in judge(host(sent=rows, routes=(route(ALICE),))).causes


@pytest.mark.parametrize(
    ("change", "is_stolen"),
    [
        ({}, True),
        ({"heard": (voice(BOB),)}, False),
        ({"calls": MET}, False),
        ({"attempts": (dial(BOB, index=3, hop=None), dial(BOB, "EPERM", index=2))}, True),
        ({"attempts": (dial(BOB, index=3, hop=None), dial(BOB, index=2))}, False),
        ({"routes": (route(BOB, None, index=5),)}, False),
        ({"routes": (route(BOB, None, index=5, gateway=ip_address("10.0.0.1")),)}, True),
        ({"routes": (route(FAR, None, index=3),)}, False),
    ],
    ids=["taken", "heard", "met", "not let out", "gone around", "twin card", "another router", "foreign"],
)
def test_a_vpn_takes_the_subnet_where_nothing_goes_around_it(change: dict[str, Any], is_stolen: bool) -> None:
    tunnel = LinkFacts(3, "tun0", InterfaceKind.TUNNEL, carrier=True, gateways=())
    given = {
        "links": (LO, link(ALICE, ALICE_MAC), tunnel, WIFI),
        "routes": (route(BOB, None, index=3),),
        "attempts": (dial(BOB, index=3, hop=None),),
    }
    assert (Cause.VPN_STEALS_PREFIX in judge(joiner(**{**given, **change})).causes) is is_stolen
