"""Ranking is a pure function of properties, and explains itself."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.candidate import Candidate, Evidence, Interface, InterfaceAddress, InterfaceKind, Origin
from localpair.limits import OFFER_LEAST_BYTES, OFFER_SHOWN_BYTES
from localpair.qr import render_terminal
from localpair.ranking import (
    links_to,
    own_candidates,
    rank_own,
    rank_peers,
    select_for_offer,
    why_not_offered,
)
from localpair.wire.offer import Offer, OfferedAddress


def address(text: str, **more: bool) -> InterfaceAddress:
    host, _, prefix = text.partition("/")
    return InterfaceAddress(ip_address(host), int(prefix), **more)


def interface(name: str, *addresses: str | InterfaceAddress, index: int = 0, **more: object) -> Interface:
    properties = {"kind": InterfaceKind.ETHERNET, "carrier": True, **more}
    held = tuple(one if isinstance(one, InterfaceAddress) else address(one) for one in addresses)
    return Interface(index=index or sum(map(ord, name)), name=name, addresses=held, **properties)


LAN = interface("eth0", "192.168.1.20/24", gateway=True, neighbours=1)
DOCKER = interface("docker0", "172.17.0.1/16", kind=InterfaceKind.BRIDGE, neighbours=1)
HOST_ONLY = interface("vboxnet0", "192.168.56.1/24")
TUNNEL = interface("tun0", "10.8.0.6/24", kind=InterfaceKind.TUNNEL, gateway=True)
OVERLAY = interface("tailscale0", "100.64.0.2/32", kind=InterfaceKind.TUNNEL, point_to_point=True)


def order(*interfaces: Interface) -> list[str]:
    return [str(one.address) for one in own_candidates(interfaces)]


def test_own_addresses_rank_by_what_their_interface_is() -> None:
    quiet = interface("eth1", "10.1.0.5/24")
    neighbours = interface("eth2", "10.2.0.5/24", neighbours=3)
    public = interface("eth3", "11.12.13.14/24", gateway=True)
    cable = interface("eth4", "169.254.3.7/16")
    found = order(cable, public, OVERLAY, TUNNEL, DOCKER, quiet, neighbours, LAN)
    assert found == [
        "192.168.1.20", "10.2.0.5", "10.1.0.5", "172.17.0.1", "10.8.0.6", "100.64.0.2", "11.12.13.14", "169.254.3.7"
    ]  # fmt: skip


def test_every_order_of_enumeration_gives_the_same_ranking() -> None:
    bridged = interface("br0", "192.168.122.1/24", kind=InterfaceKind.BRIDGE)
    expected = own_candidates((LAN, DOCKER, bridged, HOST_ONLY))
    reasons = [one.reasons for one in expected]
    assert str(expected[0].address) == "192.168.1.20"
    for one in permutations((LAN, DOCKER, bridged, HOST_ONLY)):
        found = own_candidates(one)
        assert found == expected
        assert [candidate.reasons for candidate in found] == reasons


def test_indices_play_no_part() -> None:
    first = order(replace(LAN, index=9), replace(HOST_ONLY, index=2))
    second = order(replace(LAN, index=2), replace(HOST_ONLY, index=9))
    assert first == second == ["192.168.1.20", "192.168.56.1"]


def test_ties_are_broken_by_name_then_address() -> None:
    wired = interface("eth0", "192.168.1.21/24", "192.168.1.20/24", gateway=True)
    wireless = interface("wlan0", "192.168.1.5/24", gateway=True, kind=InterfaceKind.WIRELESS)
    assert order(wireless, wired) == ["192.168.1.20", "192.168.1.21", "192.168.1.5"]


def test_a_lan_bridge_with_a_default_route_is_no_container_bridge() -> None:
    lan_bridge = interface("br0", "192.168.1.20/24", kind=InterfaceKind.BRIDGE, gateway=True)
    assert order(DOCKER, HOST_ONLY, lan_bridge)[0] == "192.168.1.20"


def test_veth_is_the_lan_card_of_a_container() -> None:
    card = interface("eth0", "192.168.1.20/24", kind=InterfaceKind.VETH, gateway=True)
    other = interface("eth1", "192.168.2.20/24", kind=InterfaceKind.ETHERNET, gateway=True)
    assert order(other, card) == ["192.168.1.20", "192.168.2.20"]


def test_no_carrier_comes_after_everything_that_works() -> None:
    idle = interface("docker0", "172.17.0.1/16", kind=InterfaceKind.BRIDGE, carrier=False)
    cable = interface("eth0", "fe80::1/64")
    assert order(idle, cable) == ["fe80::1", "172.17.0.1"]
    assert "docker0 has no carrier" in own_candidates([idle])[0].reasons


def test_multicast_comes_before_none() -> None:
    deaf = interface("eth0", "10.0.0.1/24", gateway=True, multicast=False)
    peers = interface("eth1", "10.0.1.1/24", gateway=True)
    assert order(deaf, peers) == ["10.0.1.1", "10.0.0.1"]


def test_ipv4_before_ipv6_and_stable_before_temporary_before_deprecated() -> None:
    card = interface(
        "eth0",
        address("fd12::3/64", deprecated=True),
        address("fd12::2/64", temporary=True),
        address("fd12::9/64"),
        address("192.168.1.20/24"),
        gateway=True,
    )
    assert order(card) == ["192.168.1.20", "fd12::9", "fd12::2", "fd12::3"]


def test_unusable_addresses_are_not_offered_and_say_why() -> None:
    card = interface("eth0", carrier=False)
    down = interface("eth1", up=False)
    refused = {
        "127.0.0.1/8": "loopback address",
        "::1/128": "loopback address",
        "198.18.0.1/16": "benchmarking address, and eth0 has no carrier",
        "192.0.2.7/24": "documentation address, and eth0 has no carrier",
        "169.254.3.7/16": "link-local address, and eth0 has no carrier",
        "fe80::1/64": "link-local address, and eth0 has no carrier",
    }
    assert {text: why_not_offered(card, address(text)) for text in refused} == refused
    assert "detection" in why_not_offered(LAN, address("fd12::1/64", tentative=True))
    assert why_not_offered(down, address("10.0.0.1/8")) == "eth1 is down"
    assert not why_not_offered(card, address("10.0.0.1/8"))


SPECIAL = [
    "198.18.5.20/24",
    "192.0.2.20/24",
    "203.0.113.20/24",
    "240.1.2.20/24",
    "192.88.99.20/24",
    "2001:db8::20/64",
]


@pytest.mark.parametrize("text", SPECIAL)
def test_a_lan_numbered_out_of_a_special_block_is_offered_and_no_proxys_tunnel(text: str) -> None:
    card = interface("eth0", text, gateway=True)
    assert order(DOCKER, card)[0] == text.partition("/")[0], "before a container bridge"
    for proxy in (replace(TUNNEL, name="utun8"), interface("utun8", text, point_to_point=True)):
        assert why_not_offered(proxy, address(text)).endswith("address in the tunnel utun8")
    inner = interface("lo", text, kind=InterfaceKind.LOOPBACK)
    assert why_not_offered(inner, address(text)).endswith("address on lo, which is no LAN")


def test_an_ordinary_number_comes_before_a_special_one_of_the_same_card() -> None:
    card = interface("eth0", "192.0.2.20/24", "192.168.1.20/24", gateway=True)
    assert order(card) == ["192.168.1.20", "192.0.2.20"]


def test_what_a_peer_saw_outranks_every_property_of_a_live_interface() -> None:
    known = {(ip_address("172.17.0.1"), 0): (Evidence.SEEN_OVER_UDP, Origin.STAGE_3)}
    found = own_candidates((LAN, DOCKER), known=known)
    assert [str(one.address) for one in found] == ["172.17.0.1", "192.168.1.20"]
    assert found[0].reasons[0] == "a peer's view: seen-over-udp"
    assert found[0].origin is Origin.STAGE_3


def test_a_call_to_oneself_outranks_nothing_but_a_tie() -> None:
    confirmed = {(ip_address("172.17.0.1"), 0): (Evidence.SELF_CONFIRMED, Origin.STAGE_2)}
    assert str(own_candidates((LAN, DOCKER), known=confirmed)[0].address) == "192.168.1.20"
    card = interface("eth0", "192.168.1.20/24", "192.168.1.21/24", gateway=True)
    second = {(ip_address("192.168.1.21"), 0): (Evidence.SELF_CONFIRMED, Origin.STAGE_2)}
    assert str(own_candidates((card,), known=second)[0].address) == "192.168.1.21"


def test_an_address_that_no_interface_has_comes_last() -> None:
    outside = Candidate(ip_address("192.168.9.9"), evidence=Evidence.SEEN_OVER_UDP)
    assert rank_own(outside, None) > rank_own(
        Candidate(ip_address("172.17.0.1"), interface="docker0"), DOCKER
    )


def test_candidates_carry_what_an_offer_needs() -> None:
    card = interface("eth0", "192.168.1.20/24", "fe80::5/64", index=7)
    first, second = own_candidates((card,), port=46821)
    assert (first.port, first.prefix, first.scope, first.interface) == (46821, 24, 0, "eth0")
    assert (second.port, second.prefix, second.scope) == (46821, 64, 7)


# --- Selection for the offer -----------------------------------------------------------------------------------


def test_selection_keeps_both_families_and_every_interface() -> None:
    bridges = [
        interface(f"br-{number}", f"172.{20 + number}.0.1/16", kind=InterfaceKind.BRIDGE)
        for number in range(8)
    ]
    card = interface("eth0", "192.168.1.20/24", "192.168.1.21/24", "2600::1/64", gateway=True)
    ranked = own_candidates((*bridges, card))
    chosen = select_for_offer(ranked, 6)
    texts = [str(one.address) for one in chosen]
    assert len(chosen) == 6
    assert texts[0] == "192.168.1.20"
    assert "2600::1" in texts  # the only IPv6 address, although eight bridges rank before it
    assert "192.168.1.21" not in texts  # a second address of one card gives way to another interface
    assert [one for one in ranked if one in chosen] == list(chosen)


def test_selection_fills_up_with_what_is_left() -> None:
    card = interface("eth0", *(f"192.168.1.{number}/24" for number in range(20, 25)), gateway=True)
    chosen = select_for_offer(own_candidates((card,)), 4)
    assert [str(one.address) for one in chosen] == [f"192.168.1.{number}" for number in range(20, 24)]


def test_selection_offers_an_address_once() -> None:
    cards = [interface(name, "fe80::5/64") for name in ("eth0", "eth1")]
    assert len(own_candidates(cards)) == 2
    assert len(select_for_offer(own_candidates(cards))) == 1


@given(st.lists(st.ip_addresses(), max_size=20), st.integers(0, 8))
def test_selection_is_bounded_ordered_and_without_duplicates(addresses: list, limit: int) -> None:
    cards = [
        Interface(number, f"eth{number % 3}", addresses=(InterfaceAddress(one, 24),))
        for number, one in enumerate(addresses)
    ]
    ranked = own_candidates(cards)
    chosen = select_for_offer(ranked, limit)
    unique = {one.address for one in ranked}
    assert len(chosen) == min(limit, len(unique))
    assert len({one.address for one in chosen}) == len(chosen)
    places = [ranked.index(one) for one in chosen]
    assert places == sorted(places)


# --- The peer's candidates -------------------------------------------------------------------------------------


def peers(*texts: str, **more: object) -> list[Candidate]:
    return [Candidate(ip_address(text), 46821, **more) for text in texts]


def dial_order(candidates: list[Candidate], *interfaces: Interface, **more: object) -> list[str]:
    return [str(one.candidate.address) for one in rank_peers(candidates, interfaces, **more)]


def test_peers_in_our_subnet_come_first_and_nobody_is_dropped() -> None:
    offered = peers("172.18.0.1", "10.0.0.7", "fe80::2", "192.168.1.10", "100.64.0.9", "11.12.13.14")
    found = dial_order(offered, LAN)
    assert found == ["192.168.1.10", "10.0.0.7", "172.18.0.1", "100.64.0.9", "11.12.13.14", "fe80::2"]


def test_evidence_comes_before_the_subnet() -> None:
    seen = peers("10.9.9.9", evidence=Evidence.SEEN_OVER_UDP)
    assert dial_order([*peers("192.168.1.10"), *seen], LAN) == ["10.9.9.9", "192.168.1.10"]


def test_an_own_address_is_flagged_and_last() -> None:
    found = rank_peers(peers("172.17.0.1", "192.168.1.10"), (LAN, DOCKER))
    assert [(str(one.candidate.address), one.own) for one in found] == [
        ("192.168.1.10", False),
        ("172.17.0.1", True),
    ]
    assert found[1].candidate.reasons[0] == "an address of this host itself: not dialled"


def test_an_own_address_is_like_any_other_where_the_peer_is_on_this_host() -> None:
    found = rank_peers(peers("192.168.1.20", "10.0.0.7"), (LAN,), same_host=True)
    assert [(str(one.candidate.address), one.own) for one in found] == [
        ("192.168.1.20", True),
        ("10.0.0.7", False),
    ]


def test_an_own_address_is_recognised_whatever_its_scope() -> None:
    card = interface("eth0", "fe80::5/64", index=7)
    (found,) = rank_peers([Candidate(ip_address("fe80::5"), 1, scope=3)], (card,))
    assert found.own


def test_a_subnet_that_only_a_tunnel_or_a_dead_link_has_is_no_advantage() -> None:
    dead = interface("eth1", "10.5.0.1/24", carrier=False)
    found = dial_order(peers("10.8.0.9", "10.5.0.9", "192.168.2.20", "192.168.1.10"), LAN, TUNNEL, dead)
    assert found == ["192.168.1.10", "192.168.2.20", "10.5.0.9", "10.8.0.9"]


def test_the_owners_own_ranking_decides_between_equals() -> None:
    offered = peers("172.17.0.1", "192.168.56.1", "192.168.2.20")
    preference = [ip_address("192.168.2.20"), ip_address("192.168.56.1"), ip_address("172.17.0.1")]
    assert dial_order(offered, LAN, preference=preference) == ["192.168.2.20", "192.168.56.1", "172.17.0.1"]
    assert dial_order(offered, LAN) == ["172.17.0.1", "192.168.2.20", "192.168.56.1"]


def test_peers_are_ranked_alike_in_every_order() -> None:
    offered = peers("172.18.0.1", "10.0.0.7", "fd12::9", "192.168.1.10")
    expected = dial_order(offered, LAN, DOCKER)
    for one in permutations(offered):
        assert dial_order(list(one), DOCKER, LAN) == expected


# --- Subnets ---------------------------------------------------------------------------------------------------


def test_links_follow_the_real_mask_and_no_digits() -> None:
    wide = interface("eth0", "10.20.3.0/16")
    narrow = interface("eth1", "10.20.7.129/25")
    assert [one.name for one in links_to(ip_address("10.20.7.255"), (wide, narrow))] == ["eth1", "eth0"]
    assert [one.name for one in links_to(ip_address("10.20.7.1"), (wide, narrow))] == ["eth0"]
    assert links_to(ip_address("10.21.0.1"), (wide, narrow)) == ()
    assert links_to(ip_address("10.20.7.1"), (replace(wide, up=False),)) == ()


def test_the_far_end_of_a_point_to_point_link_is_on_it() -> None:
    far = InterfaceAddress(ip_address("10.99.0.1"), 32, peer=ip_address("10.99.0.2"))
    link = Interface(3, "ppp0", point_to_point=True, addresses=(far,))
    assert links_to(ip_address("10.99.0.2"), (link,)) == (link,)
    assert links_to(ip_address("10.99.0.3"), (link,)) == ()


def test_a_mask_that_holds_everybody_says_nothing_of_a_link() -> None:
    """Linux makes no route of it."""
    everything = interface("eth0", "10.20.3.1/0")
    assert links_to(ip_address("10.20.3.2"), (everything,)) == ()
    assert links_to(ip_address("8.8.8.8"), (everything,)) == ()


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(1, 32))
def test_links_agree_with_the_definition_of_a_prefix(one, other, prefix: int) -> None:
    card = Interface(1, "eth0", addresses=(InterfaceAddress(one, prefix),))
    mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    assert bool(links_to(other, (card,))) == (int(one) & mask == int(other) & mask)


@pytest.mark.parametrize("label", ["", "kitchen wall"])
@pytest.mark.parametrize("versions", ["444444", "444666", "446666", "666666"])
def test_the_code_of_an_offer_fits_a_small_terminal_with_a_line_to_spare(versions: str, label: str) -> None:
    """23 rows of 24; of the long IPv6 addresses fewer are offered for it, and the best ones stay."""
    found = tuple(
        Candidate(
            ip_address(f"10.{place}.0.5" if version == "4" else f"fd12:{place}::5"),
            46821,
            interface=f"e{place}",
        )
        for place, version in enumerate(versions)
    )
    room = OFFER_SHOWN_BYTES - OFFER_LEAST_BYTES - len(label)
    chosen = select_for_offer(found, room=room)
    offer = Offer(
        key_hash=bytes(16), secret=bytes(range(16)), tcp_port=46821, udp_port=46821, lifetime=120, flow="pre",
        gives=True, takes=True, label=label, made_for=None, dial_port=46839,
        candidates=tuple(OfferedAddress(one.address, one.address.max_prefixlen) for one in chosen),
    )  # fmt: skip
    assert len(render_terminal(offer.text, colour=False).splitlines()) <= 23
    assert chosen[0] == found[0]
    assert len(chosen) >= (6 if versions == "444444" else 3)
