"""Alternate routes: the interfaces worth a try where the routing table leads elsewhere."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from localpair.candidate import Candidate, Interface, InterfaceAddress, InterfaceKind
from localpair.causes.records.recorder import FactRecorder
from localpair.keys import Role
from localpair.limits import FAR_ALTERNATE_ROUTES
from localpair.net.agent.callbacks import CallbackSchedule
from localpair.net.agent.dials.check_lists import Checklists
from localpair.net.agent.dials.dial_policy import DialPolicy
from localpair.net.agent.dials.hole_punching import HolePuncher
from localpair.net.agent.peers import PeerTable
from localpair.net.host import alternate_routes as module
from localpair.net.host.alternate_routes import alternates
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.routes import NoRoute, Route
from localpair.protocol.discovery_events import BeaconSource, Carrier, Heard
from localpair.wire.beacon import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from localpair.address import IPAddress

LAN, WIFI, TUNNEL, BOX, IDLE, SIX = range(2, 8)
PEER = "192.168.1.20"


def card(
    index: int, *addresses: str, kind: InterfaceKind = InterfaceKind.ETHERNET, **more: bool
) -> Interface:
    held = tuple(
        InterfaceAddress(ip_address(host), int(prefix))
        for host, _, prefix in (text.partition("/") for text in addresses)
    )
    properties = {"up": True, "carrier": True, **more}
    return Interface(index, f"if{index}", kind, addresses=held, **properties)  # type: ignore[arg-type]


def found(monkeypatch: pytest.MonkeyPatch, used: int, *cards: Interface, peer: str = PEER) -> set[int]:
    """The alternate routes to the peer where the table uses the interface ``used``; 0: it has no route."""

    def answer(destination: IPAddress, _: Interfaces) -> Route | NoRoute:
        if not used:
            return NoRoute(destination, errno.ENETUNREACH, "ENETUNREACH", "")
        return Route(destination, ip_address("10.8.0.6"), index=used)

    monkeypatch.setattr(module, "route_to", answer)
    return set(alternates(ip_address(peer), Interfaces(cards)))


def test_a_stolen_subnet_is_reached_over_its_own_link(monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel = card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL)
    assert found(monkeypatch, TUNNEL, card(LAN, "192.168.1.10/24"), tunnel) == {LAN}


def test_routes_that_do_not_lie_have_no_detour(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = (card(WIFI, "10.0.0.5/24", gateway=True), card(BOX, "172.19.80.1/20"))
    assert found(monkeypatch, LAN, card(LAN, "192.168.1.10/24", gateway=True), *cards) == set()


def test_a_card_without_gateway_may_have_the_prefix_of_the_peers_network_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a container bridge or a host-only card has: the gateway of another card leads to the peer then."""
    cards = (card(WIFI, "10.0.0.5/24", gateway=True), card(LAN, "10.1.0.5/24"))
    assert found(monkeypatch, BOX, card(BOX, "192.168.1.1/24"), *cards) == {WIFI}


def test_an_address_of_special_purpose_is_reached_over_its_own_link_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy's tunnel has the same block."""
    proxy = card(TUNNEL, "198.18.0.1/16", kind=InterfaceKind.TUNNEL)
    lan, other = card(LAN, "198.18.5.10/24"), card(WIFI, "192.168.1.10/24", gateway=True)
    assert found(monkeypatch, TUNNEL, lan, other, proxy, peer="198.18.5.20") == {LAN}
    assert found(monkeypatch, TUNNEL, other, proxy, peer="198.18.5.20") == set()


def test_the_second_card_in_a_subnet_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = (card(LAN, "192.168.1.10/24"), card(WIFI, "192.168.1.11/24"))
    assert found(monkeypatch, LAN, *twins) == {WIFI}


def test_a_peer_behind_a_router_is_reached_by_the_gateways_that_the_table_passes_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tunnel = card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL, gateway=True)
    cards = (card(LAN, "10.0.0.5/24", gateway=True), card(BOX, "172.19.80.1/20"), tunnel)
    assert found(monkeypatch, TUNNEL, *cards) == {LAN, BOX}
    assert found(monkeypatch, BOX, *cards) == {LAN}


def test_whatever_the_table_says_a_link_without_gateway_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host-only card with the default route, and a LAN whose mask hides the peer."""
    cards = (card(LAN, "192.168.1.83/25"), card(BOX, "172.19.80.1/20", gateway=True))
    assert found(monkeypatch, BOX, *cards, peer="192.168.1.230") == {LAN}


def test_of_many_links_the_likeliest_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [card(BOX + number, f"10.{number}.0.1/24") for number in range(10, 20)]
    cards = (card(LAN, "192.168.1.83/25"), card(WIFI, "172.16.0.5/24", gateway=True), *boxes)
    tried = found(monkeypatch, TUNNEL, *cards, peer="192.168.1.230")
    assert {LAN, WIFI} < tried
    assert len(tried) == FAR_ALTERNATE_ROUTES


def test_where_a_tunnel_has_the_peer_a_link_without_gateway_is_tried_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A card with a /32 and a route to the LAN on its link: the route says no more than a gateway would."""
    cards = (
        card(LAN, "192.168.1.10/32"),
        card(BOX, "172.17.0.1/16", kind=InterfaceKind.BRIDGE),
        card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL),
    )
    assert found(monkeypatch, TUNNEL, *cards) == {LAN}


def test_without_any_route_every_link_that_lives_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = (
        card(LAN, "10.0.0.5/32"),
        card(IDLE, "10.0.1.5/32", carrier=False),
        card(SIX, "fd12::5/64"),
        card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL),
    )
    assert found(monkeypatch, 0, *cards) == {LAN}


def test_an_address_of_special_purpose_is_dialled_while_a_link_has_it_and_waits_for_one_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads the offer may join the network after that."""
    monkeypatch.setattr(module, "route_to", lambda address, _: NoRoute(address, errno.ENETUNREACH, "", ""))
    peer = ip_address("198.18.5.20")
    checklists = Checklists(lambda: 100.0)
    checklists.set_interfaces(Interfaces((card(LAN, "192.168.1.10/24"),)))
    checklists.add("offer", [Candidate(peer, 46821)])
    assert checklists.due() == []
    assert "own subnets only" in checklists.held_back()[peer]
    both = (card(LAN, "192.168.1.10/24"), card(WIFI, "198.18.5.10/24"))
    checklists.set_interfaces(Interfaces(both))
    assert checklists.held_back() == {}
    assert [one.address for _, one in checklists.due()] == [peer]
    checklists.set_interfaces(Interfaces((both[0], replace(both[1], carrier=False))))
    assert peer in checklists.held_back()
    assert checklists.candidates() == []


def test_a_link_where_the_address_does_not_lie_waits_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "route_to", lambda address, _: NoRoute(address, errno.ENETUNREACH, "", ""))
    now = 100.0
    checklists = Checklists(lambda: now)
    checklists.set_interfaces(Interfaces((card(LAN, "192.168.1.10/24"),)))
    checklists.add("offer", [Candidate(ip_address("172.17.0.1"), 46821), Candidate(ip_address(PEER), 46821)])
    tried = []
    for now in (100.0, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6):
        tried += [(str(one.address), one.bind_to, now) for _, one in checklists.due()]
    far = [at for address, link, at in tried if address == "172.17.0.1" and link == LAN]
    near = [at for address, link, at in tried if address == PEER]
    assert far
    assert min(far) >= 100.5
    assert min(near) < 100.3


@pytest.mark.parametrize("peer", ["192.168.1.10", "127.0.0.1", "fe80::1"])
def test_own_and_link_local_addresses_have_none(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    cards = (card(LAN, "192.168.1.10/24", "fe80::5/64"), card(WIFI, "192.168.1.11/24", "fe80::6/64"))
    assert found(monkeypatch, TUNNEL, *cards, peer=peer) == set()


def test_a_rendezvous_takes_the_way_by_which_the_peer_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the table is right, and the alternate route leads to a host-only card."""
    monkeypatch.setattr(
        module, "route_to", lambda address, _: Route(address, ip_address("10.0.0.5"), index=LAN)
    )
    checklists = Checklists(lambda: 100.0)
    cards = (card(LAN, "10.0.0.5/24", gateway=True), card(BOX, "172.19.80.1/20", gateway=True))
    checklists.set_interfaces(Interfaces(cards))
    peer = Candidate(ip_address(PEER), 46830)
    assert [one.bind_to for one in checklists.ways(peer)] == [0, BOX]
    assert [checklists.way_back(peer, arrived).bind_to for arrived in (LAN, BOX)] == [0, BOX]


def test_the_way_by_which_a_peer_was_heard_is_one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel has the route; a card on which the peer does not lie has brought its packet."""
    monkeypatch.setattr(
        module, "route_to", lambda address, _: Route(address, ip_address("10.8.0.6"), index=TUNNEL)
    )
    now = 100.0
    checklists = Checklists(lambda: now)
    checklists.set_interfaces(
        Interfaces((card(LAN, "10.0.0.5/24", gateway=True), card(TUNNEL, "10.8.0.6/24")))
    )
    peer = Candidate(ip_address(PEER), 46821)
    checklists.add("offer", [peer])
    heard = checklists.ways_heard(peer, LAN, ip_address("10.0.0.5"))
    assert [(one.bind_to, one.local) for one in heard] == [(LAN, None)]
    assert checklists.ways_heard(peer, TUNNEL, ip_address("10.8.0.6")) == [], "the table leads there"
    checklists.add("offer", heard)
    tried = []
    for now in (100.0, 100.1, 100.2):
        tried += [(one.bind_to, now) for _, one in checklists.due()]
    assert (LAN, 100.1) in tried, "a link where nobody was heard waits for half a second"


TWINS = (
    card(LAN, "192.168.1.10/24"),
    card(WIFI, "192.168.1.11/32"),
    card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL),
)


@pytest.mark.parametrize(
    ("arrived", "local", "source", "expected"),
    [
        (WIFI, "192.168.1.10", PEER, [(WIFI, "192.168.1.10")]),
        (LAN, "192.168.1.11", PEER, [(LAN, "192.168.1.11")]),
        (WIFI, "10.8.0.6", PEER, [(WIFI, "10.8.0.6")]),  # the peer asks on the link for whatever was offered
        (LAN, "192.168.1.10", PEER, [(LAN, None)]),
        (
            WIFI,
            "192.168.1.11",
            PEER,
            [(WIFI, None)],
        ),  # a mask that hides the peer, and the table leads elsewhere
        (TUNNEL, "192.168.1.10", PEER, []),  # never out of a tunnel where the table does not lead there
        (IDLE, "192.168.1.10", PEER, []),  # a card that has gone
        (0, "192.168.1.10", PEER, []),  # not known
        (WIFI, "192.168.1.10", "8.8.8.8", []),  # nobody on the internet is called beside the VPN
        (LAN, "192.168.1.11", "192.168.1.10", []),  # this host itself
    ],
)
def test_what_came_in_by_another_card_is_answered_by_that_card_and_from_the_address_it_was_for(
    monkeypatch: pytest.MonkeyPatch,
    arrived: int, local: str, source: str, expected: list[tuple[int, str | None]],
) -> None:  # fmt: skip
    """Of two cards on one link either may answer the question for an address of the other."""
    monkeypatch.setattr(
        module, "route_to", lambda address, _: Route(address, ip_address("10.8.0.6"), index=TUNNEL)
    )
    checklists = Checklists(lambda: 100.0)
    checklists.set_interfaces(Interfaces(TWINS))
    found = checklists.ways_heard(Candidate(ip_address(source), 46830), arrived, ip_address(local))
    assert [(one.bind_to, one.local and str(one.local)) for one in found] == expected


def test_a_way_is_worth_no_more_than_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heard on a campus network with public addresses; in a café the same dial would leave beside the VPN."""
    monkeypatch.setattr(
        module, "route_to", lambda address, _: Route(address, ip_address("10.8.0.6"), index=TUNNEL)
    )
    now = 100.0
    checklists = Checklists(lambda: now)
    tunnel = card(TUNNEL, "10.8.0.6/24", kind=InterfaceKind.TUNNEL)
    checklists.set_interfaces(Interfaces((card(WIFI, "131.159.1.7/24", gateway=True), tunnel)))
    peer = Candidate(ip_address("131.159.1.9"), 46821)
    heard = checklists.ways_heard(peer, WIFI, ip_address("131.159.1.7"))
    assert [way.bind_to for way in heard] == [WIFI]
    checklists.add("offer", [peer, *heard])
    checklists.set_interfaces(Interfaces((card(WIFI, "192.168.1.50/24", gateway=True), tunnel)))
    tried = []
    for now in (101.0, 101.5, 102.0, 102.5):
        tried += [(now, one.bind_to) for _, one in checklists.due()]
    assert tried == [(101.0, 0)]


def table(
    part: Part, cards: Interfaces, clock: Callable[[], float]
) -> tuple[Checklists, Any, DialPolicy, PeerTable]:
    """A peer table between a stand-in for the announcer, which hears what its ``step`` gives, and real checklists."""
    checklists = Checklists(clock)
    checklists.set_interfaces(cards)
    announcer: Any = SimpleNamespace(
        add_target=lambda *_: None,
        dial_port=46830,
        interfaces=cards,
        recorder=FactRecorder(),
    )
    hole_puncher: Any = SimpleNamespace(
        know=lambda *_: None, forget=lambda _: None, clear=lambda: None, step=lambda _: None
    )
    exchange: Any = SimpleNamespace(take=lambda _: None, step=lambda: None, deadline=lambda: None)
    checker: Any = SimpleNamespace(clock=clock)
    callbacks = CallbackSchedule(checker, announcer, lambda _: None)
    policy = DialPolicy(part, announcer, checklists, hole_puncher, clock)
    return (
        checklists,
        announcer,
        policy,
        PeerTable(part, announcer, callbacks, policy, exchange, lambda _: None),
    )


@pytest.mark.parametrize("part", [Part.HOST, Part.JOIN])
def test_a_peer_with_a_session_is_not_dialled_since_another_card_brought_its_beacon(
    monkeypatch: pytest.MonkeyPatch, part: Part
) -> None:
    monkeypatch.setattr(
        module, "route_to", lambda address, _: Route(address, ip_address("192.168.1.10"), index=LAN)
    )
    cards = Interfaces((card(LAN, "192.168.1.10/24"), card(WIFI, "192.168.1.11/32")))
    now = 100.0
    checklists, announcer, policy, peers = table(part, cards, lambda: now)
    other = Part.JOIN if part is Part.HOST else Part.HOST

    def hear(local: str, interface: int) -> None:
        source = BeaconSource(ip_address(PEER), 46821, 0, interface, IPv4Address(local))
        heard = Heard(
            bytes(16), other, "pair", "", 46821, 46821, 46830, (), source, Carrier.UNICAST, first=True
        )
        announcer.step = lambda: [heard]
        peers.step(None)  # type: ignore[arg-type]  # no confirmation is due yet

    hear("192.168.1.10", LAN)
    hear("192.168.1.10", WIFI)
    now = 101.0
    assert {(one.bind_to, str(one.local)) for _, one in checklists.due()} >= {(WIFI, "192.168.1.10")}
    checklists.clear()
    peers.stop_dialing()
    policy.pause_dialing(bytes(16))
    hear("192.168.1.10", WIFI)
    now = 110.0
    assert checklists.due() == []
    assert checklists.candidates() == []


@pytest.mark.parametrize(("claims", "first_dialled"), [((PEER,), 0.5), ((), 0.0)])
def test_an_address_of_another_link_waits_where_the_peer_has_one_on_this_link(
    monkeypatch: pytest.MonkeyPatch, claims: tuple[str, ...], first_dialled: float
) -> None:
    """Its host-only network is heard over the LAN: it answers there for that address, but lies there with another."""
    monkeypatch.setattr(module, "route_to", lambda address, _: NoRoute(address, errno.ENETUNREACH, "", ""))
    now = 100.0
    checklists, announcer, _, peers = table(
        Part.JOIN, Interfaces((card(LAN, "192.168.1.10/24"),)), lambda: now
    )
    box = ip_address("192.168.56.1")
    source = BeaconSource(box, 46821, 0, LAN, IPv4Address("192.168.1.10"))
    heard = Heard(
        bytes(16), Part.HOST, "offer", "", 46821, 46821, 0, tuple(ip_address(one) for one in claims), source,
        Carrier.UNICAST, first=True,
    )  # fmt: skip
    announcer.step = lambda: [heard]
    peers.step(None)  # type: ignore[arg-type]  # no confirmation is due yet
    tried = {}
    for now in (100.0, 100.1, 100.2, 100.3, 100.4, 100.5, 100.6):
        for _, one in checklists.due():
            if one.bind_to == LAN and one.address == box:
                tried.setdefault(one.address, now - 100.0)
    assert tried[box] >= first_dialled
    assert tried[box] < first_dialled + 0.15


def test_only_a_refusal_where_the_peer_was_heard_asks_for_a_rendezvous() -> None:
    """An offered address may lead nowhere: a tunnel's, without a route on this host."""
    unused: Any = None
    hole_puncher = HolePuncher(unused, Role.ISSUER, lambda: 5.0, unused, unused, unused)
    heard, offered = ip_address("10.0.0.64"), ip_address("10.8.0.20")
    hole_puncher.know("offer", Candidate(heard, 46830, dial_from=46830), BeaconSource(heard, 46821), 46821)
    hole_puncher.refused("offer", offered)
    assert hole_puncher.deadline() is None
    hole_puncher.refused("offer", heard)
    assert hole_puncher.deadline() == 5.0


@pytest.mark.parametrize("peer", ["8.8.8.8", "2a0a:1:2:3::8"])
def test_nobody_on_the_internet_is_called_beside_the_vpn(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    """An offer with a public address would tell its maker where the person behind the VPN is."""
    cards = (
        card(LAN, "192.168.1.10/24", "2a0a:9:9:9::5/64", gateway=True),
        card(TUNNEL, "10.8.0.6/24", "fd00:8::6/64", kind=InterfaceKind.TUNNEL, gateway=True),
    )
    for used in (TUNNEL, 0):
        assert found(monkeypatch, used, *cards, peer=peer) == set()
    assert found(monkeypatch, TUNNEL, *cards, peer="2a0a:9:9:9::77") == {LAN}, (
        "on our own link it is no stranger"
    )
