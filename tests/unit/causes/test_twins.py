"""What looks alike and is not: a cause is not named where its plausible twin is true."""

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
    RefusalFacts,
    RunFacts,
    RunRole,
    SelfCallFacts,
    SentFacts,
    Whose,
)
from localpair.causes.judge import judge
from localpair.causes.vocabulary import Cause, Place, RunNote
from localpair.errors import Refusal
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
        dropping_host(heard=(voice(ALICE),)), stuck_joiner(heard=(voice(BOB),))
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


# --- Who answers: what each rule needs besides ---


def answered(flaw: Flaw, phase: Phase = Phase.PREAMBLE, **more: Any) -> RunFacts:
    return stuck_joiner(**{"attempts": (dial(BOB, "", phase, flaw=flaw),), **more})


def test_a_goodbye_after_a_connection_stood_is_the_cause() -> None:
    """Calls of this side had come to nothing, and the other way was open until then."""
    ended = {"heard": (voice(BOB),), "peer": PeerFacts(goodbye=True)}
    called = (CallFacts(ip_address(BOB), CallReach.ENCRYPTED, "ECONNRESET"),)
    assert judge(stuck_joiner(**ended, calls=called)).causes == {Cause.HOST_ENDED}
    assert Cause.HOST_ENDED not in judge(stuck_joiner(**ended)).causes


@pytest.mark.parametrize(("last_s", "is_gone"), [(4, True), (5, False)])
def test_a_host_that_was_heard_within_three_beats_has_not_gone(last_s: int, is_gone: bool) -> None:
    facts = stuck_joiner("ECONNREFUSED", heard=(voice(BOB, last_s=last_s),), lasted_s=20)
    assert (Cause.HOST_ENDED in judge(facts).causes) is is_gone


@pytest.mark.parametrize(
    ("flaw", "cause"),
    [
        (Flaw.SAME_ROLE, Cause.SAME_ROLE),
        (Flaw.NO_LOCALPAIR, Cause.INTERCEPTED),
        (Flaw.OTHER_KEY, Cause.STALE_OFFER),
    ],
)
def test_whoever_else_answers_is_no_cause_where_the_peer_is_heard(flaw: Flaw, cause: Cause) -> None:
    phase = Phase.PIN if flaw is Flaw.OTHER_KEY else Phase.PREAMBLE
    assert cause in judge(answered(flaw, phase)).causes
    assert cause not in judge(answered(flaw, phase, heard=(voice(BOB),))).causes


def test_a_wrong_key_is_no_cause_where_another_address_led_further() -> None:
    wrong, further = dial(BOB, "", Phase.PIN, flaw=Flaw.OTHER_KEY), dial(FAR, "ECONNRESET", Phase.HELLO)
    assert judge(stuck_joiner(attempts=(wrong, further))).causes.isdisjoint(
        {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}
    )
    again = dial(BOB, "ECONNRESET", Phase.HELLO)
    assert Cause.STALE_OFFER in judge(stuck_joiner(attempts=(wrong, again))).causes


@pytest.mark.parametrize(
    ("theirs", "is_sure"),
    [
        (host(), True),
        (host(links=None), False),
        (host(links=(LO, link("192.168.77.99", BOB_MAC))), False),
        (replace(host(), role=RunRole.DIAGNOSE), False),
        (None, False),
    ],
    ids=["the issuer", "of unknown addresses", "elsewhere", "no issuer", "nobody"],
)
def test_a_wrong_key_is_an_old_offer_for_certain_at_the_issuers_own_address_alone(
    theirs: RunFacts | None, is_sure: bool
) -> None:
    found = judge(answered(Flaw.OTHER_KEY, Phase.PIN), theirs).causes
    assert found == ({Cause.STALE_OFFER} if is_sure else {Cause.STALE_OFFER, Cause.WRONG_IDENTITY})


@pytest.mark.parametrize(
    ("change", "is_forgotten"),
    [
        ({"role": RunRole.SEND}, True),
        ({"role": RunRole.JOIN}, False),
        ({"role": RunRole.SEND, "heard": (voice(BOB),)}, False),
        ({"role": RunRole.SEND, "attempts": (dial(BOB, "ECONNRESET", Phase.HELLO),)}, False),
    ],
)
def test_a_stranger_tells_of_a_forgotten_pair_only_where_a_pair_was_sought(
    change: dict[str, Any], is_forgotten: bool
) -> None:
    facts = replace(answered(Flaw.STRANGER, Phase.HELLO), **change)
    assert (Cause.FORGOTTEN_OR_REVOKED in judge(facts).causes) is is_forgotten


# --- What one side said: who it was, and about what ---


@pytest.mark.parametrize(
    ("by", "device", "teller"),
    [(Whose.THEIRS, Place.THERE, "the other device"), (Whose.OURS, Place.HERE, "this device")],
)
def test_a_refusal_lies_with_whoever_said_it(by: Whose, device: Place, teller: str) -> None:
    (found,) = judge(stuck_joiner(refusals=(RefusalFacts(Refusal.NOT_APPROVED, by),))).explanations
    assert (found.cause, found.device) == (Cause.DECLINED, device)
    assert found.evidence == (f"{teller} answered: {Refusal.NOT_APPROVED}",)


@pytest.mark.parametrize(
    ("age_s", "lifetime_s", "cause"),
    [(119, 120, Cause.STALE_OFFER), (120, 120, Cause.OFFER_EXPIRED), (5, 0, Cause.STALE_OFFER)],
)
def test_an_offer_has_expired_once_its_time_is_over_and_not_before(
    age_s: int, lifetime_s: int, cause: Cause
) -> None:
    facts = stuck_joiner(
        refusals=(RefusalFacts(Refusal.EXPIRED, Whose.THEIRS),),
        offer=OfferFacts(lifetime_s=lifetime_s, age_s=age_s),
    )
    assert judge(facts).causes == {cause}


def test_an_own_key_is_told_by_the_connections_that_met_it_alone() -> None:
    """Those to and from other addresses were of somebody else, and failed for another reason."""
    met = dial(ALICE, "", Phase.HELLO, flaw=Flaw.REFUSED)
    facts = stuck_joiner(
        attempts=(met, dial(BOB)),
        calls=(CallFacts(ip_address(BOB), CallReach.STRANGER, "ECONNRESET"),),
        refusals=(RefusalFacts(Refusal.SELF, Whose.OURS),),
    )
    assert judge(facts).causes == {Cause.OWN_OFFER}
    called = (CallFacts(ip_address(BOB), CallReach.ENCRYPTED, Refusal.SELF),)
    assert judge(replace(facts, calls=called)).causes == {Cause.CLONED_IDENTITY}


@pytest.mark.parametrize(
    ("reason", "by", "is_old"),
    [
        (Refusal.EXPIRED, Whose.OURS, True),
        (Refusal.EXPIRED, Whose.THEIRS, False),
        (Refusal.BUSY, Whose.OURS, False),
    ],
)
def test_an_old_offer_was_shown_where_this_host_said_so(reason: Refusal, by: Whose, is_old: bool) -> None:
    facts = host(refusals=(RefusalFacts(reason, by),))
    assert (Cause.STALE_OFFER in judge(facts).causes) is is_old
    assert (RunNote.OLD_OFFER_SHOWN in notes(facts)) is is_old


def test_a_stranger_that_calls_has_an_old_offer_only_where_nobody_with_the_right_one_is_near() -> None:
    stranger = (CallFacts(ip_address("192.168.77.99"), CallReach.STRANGER),)
    assert judge(host(calls=stranger)).causes == {Cause.STALE_OFFER, Cause.WRONG_IDENTITY}
    assert Cause.STALE_OFFER not in judge(host(calls=stranger, heard=(voice(ALICE),))).causes
    holder = (*stranger, CallFacts(ip_address(ALICE), CallReach.KNOWN, "ECONNRESET"))
    assert Cause.STALE_OFFER not in judge(host(calls=holder)).causes


# --- Notes: each where it belongs, and not without its reason ---


def test_notes_of_what_came_of_a_run() -> None:
    ended = PeerFacts(goodbye=True)
    assert RunNote.PEER_ENDED in notes(joiner(peer=ended))
    assert RunNote.PEER_ENDED not in notes(host(peer=ended))
    assert RunNote.PEER_ENDED not in notes(replace(paired(), peer=ended))
    assert RunNote.ANOTHER_KEY not in notes(stuck_joiner())
    assert RunNote.FOREIGN_VERSION not in notes(
        silent_joiner(foreign=(ForeignFacts(ip_address(BOB), ForeignKind.STRANGER),))
    )


@pytest.mark.parametrize(
    ("attempt", "call"),
    [
        (dial(BOB, "ECONNRESET", Phase.HELLO), CallFacts(ip_address(BOB), CallReach.VERIFIED)),
        (dial(BOB, "EPERM"), CallFacts(ip_address(BOB), CallReach.VERIFIED)),
        (dial(BOB), CallFacts(ip_address(BOB), CallReach.VERIFIED, "ECONNRESET")),
        (dial(BOB), CallFacts(ip_address(FAR), CallReach.VERIFIED)),
    ],
    ids=["it had stood", "this host refused", "the call failed", "from elsewhere"],
)
def test_calls_that_only_seem_to_pass_one_way_are_no_note(attempt: Any, call: CallFacts) -> None:
    assert RunNote.ONE_WAY_CALLS not in notes(replace(paired(), attempts=(attempt,), calls=(call,)))


@pytest.mark.parametrize(("count", "last_s", "is_note"), [(4, 3, True), (3, 3, False), (4, 2, False)])
def test_groups_are_silent_after_so_many_beacons_by_other_ways(
    count: int, last_s: int, is_note: bool
) -> None:
    single = (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), count, 0, last_s),)
    assert (RunNote.MULTICAST_SILENT in notes(replace(paired(), heard=single))) is is_note
    assert RunNote.MULTICAST_SILENT not in notes(replace(paired(), heard=(*single, voice(BOB))))


@pytest.mark.parametrize(("apart", "is_note"), [(120, False), (121, True), (-121, True)])
def test_clocks_differ_from_two_minutes_on(apart: int, is_note: bool) -> None:
    mine = paired()
    assert mine.clock_s is not None
    found = judge(mine, host(ending=Ending.PAIRED, clock_s=mine.clock_s + apart))
    assert [one.note for one in found.notes].count(RunNote.CLOCKS_DIFFER) == is_note


@pytest.mark.parametrize(
    ("sent_of", "came", "is_lossy"),
    [(20, 13, True), (20, 14, False), (8, 1, True), (7, 1, False), (20, 0, False)],
)
def test_losses_are_counted_from_so_many_beacons_on(sent_of: int, came: int, is_lossy: bool) -> None:
    """The side at which they did not come notes it, and both readers place it between the two."""
    heard = (
        (HeardFacts(CarrierName.UNICAST, 2, ip_address(BOB), came, 0, 20), voice(BOB))
        if came
        else (voice(BOB),)
    )
    mine = replace(paired(), heard=heard)
    theirs = host(ending=Ending.PAIRED, sent=(sent(CarrierName.UNICAST, ALICE, count=sent_of),))
    assert (RunNote.LOSSY in notes(mine, theirs)) is is_lossy
    assert (RunNote.LOSSY in notes(theirs, mine)) is is_lossy


# --- A device's own network: what is in use, and what is not ---

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
        ((LO,), {Cause.NO_USABLE_ADDRESS}),
        (
            (LO, DARK, replace(link("", ALICE_MAC), index=5, name="wlan0")),
            {Cause.NO_CARRIER, Cause.NO_USABLE_ADDRESS},
        ),
    ],
    ids=["a spare card", "the only card", "the only card is down", "with a bridge", "none", "two in use"],
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
