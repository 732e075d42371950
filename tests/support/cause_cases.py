"""Runs that failed for a known cause, as facts of one side or of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    AddressFacts,
    CallFacts,
    CallReach,
    CarrierName,
    CounterFacts,
    DialTime,
    Ending,
    ForeignFacts,
    ForeignKind,
    GatewayFacts,
    LinkFacts,
    NeighbourFacts,
    NeighbourState,
    OfferFacts,
    PeerFacts,
    PortFacts,
    RefusalFacts,
    RunFacts,
    RunRole,
    SelfCallFacts,
    Transport,
    Whose,
)
from localpair.causes.vocabulary import Cause
from localpair.errors import Refusal
from localpair.events import Flaw, Phase
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


@dataclass(frozen=True, slots=True)
class Case:
    """Facts of a run, of one side or of both, and the cause that is behind it. ``exact``: a verdict names it alone."""

    name: str
    cause: Cause
    mine: RunFacts
    theirs: RunFacts | None = None
    exact: bool = False

    def __str__(self) -> str:
        return self.name


_FROM_OUTSIDE: Final = frozenset({Cause.PEER_ABSENT})
BROADER: Final[Mapping[Cause, frozenset[Cause]]] = {
    Cause.NO_USABLE_ADDRESS: _FROM_OUTSIDE,
    Cause.INTERFACE_DOWN: _FROM_OUTSIDE,
    Cause.NO_CARRIER: _FROM_OUTSIDE,
    Cause.REVERSE_PATH_FILTER: frozenset({Cause.FIREWALL_INBOUND, Cause.CLIENT_ISOLATION}),
    Cause.BRIDGE_NETFILTER: frozenset({Cause.FILTER_IN_BETWEEN}),
    Cause.DIFFERENT_NETWORKS: frozenset({Cause.WRONG_NETWORK}),
    Cause.SEPARATE_NETWORKS: frozenset({Cause.WRONG_NETWORK}),
    Cause.ROUTER_BLOCKS: frozenset({Cause.WRONG_NETWORK}),
    Cause.NAT_ONE_WAY: frozenset({Cause.WRONG_NETWORK}),
    Cause.NO_COMMON_FAMILY: frozenset({Cause.WRONG_NETWORK}),
    Cause.CLIENT_ISOLATION: frozenset({Cause.PROXY_ARP}),
    Cause.ARP_ONE_WAY: frozenset({Cause.CLIENT_ISOLATION, Cause.FILTER_IN_BETWEEN}),
    Cause.ADDRESS_CONFLICT: frozenset({Cause.CLIENT_ISOLATION}),
}
"""For each cause what a side that sees less may rightly say instead: a device whose cable is out is absent for all
others, and what a router blocks is another network. Neither is as near, and neither is wrong.
"""


def _tunnel(**more: Any) -> LinkFacts:
    address = (AddressFacts(ip_address("10.8.0.2"), 24),)
    return LinkFacts(3, "tun0", InterfaceKind.TUNNEL, addresses=address, gateways=(), carrier=True, **more)


_V6 = link("fd12::20", BOB_MAC, prefix=64, router=None)
_DERIVED = "fe80::ff:fe00:a"  # of ALICE_MAC
_SPECIAL = "198.18.5.20"  # of a block for benchmarks
_ONE_STALL = (dial(BOB, "", Phase.TLS, count=1),)
_BOB6 = "fd12::20"
_BY_TWO = (route(BOB, mac=BOB_MAC), route(_BOB6, NeighbourState.SILENT))
_ALICES = (AddressFacts(ip_address(ALICE), 24), AddressFacts(ip_address("fd12::10"), 64))
_SAME = joiner(
    offer=OfferFacts((ip_address(ALICE),), lifetime_s=120, age_s=20),
    routes=(route(ALICE, NeighbourState.ABSENT, index=1),),
)
_CONTAINERS = LinkFacts(
    9, "docker0", InterfaceKind.BRIDGE, addresses=(AddressFacts(ip_address("172.17.0.1"), 16),), gateways=()
)
_GUEST = GatewayFacts(ip_address(ROUTER), NeighbourState.ANSWERS, OTHER_MAC)
_REFUSED = (sent(CarrierName.MULTICAST, errno="EPERM"), sent(CarrierName.UNICAST, BOB, "EPERM"))
_FAR_HOST = host(
    links=(
        LO,
        link(FAR, BOB_MAC, router=GatewayFacts(ip_address("10.5.0.1"), NeighbourState.ANSWERS, OTHER_MAC)),
    )
)
_INTO_A_TUNNEL = joiner(
    links=(LO, link(ALICE, ALICE_MAC), _tunnel()),
    routes=(route(FAR, None, index=3),),
    attempts=(dial(FAR, index=3, hop=None),),
)
_FAR_JOINER = joiner(
    offer=OfferFacts((ip_address(FAR),), lifetime_s=120, age_s=20),
    routes=(route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),),
    attempts=(dial(FAR),),
)
_LOST = joiner(routes=(no_route(FAR),), attempts=(dial(FAR, "ENETUNREACH", hop=None, took=DialTime.AT_ONCE),))


def _refusal(reason: Refusal, **more: Any) -> RunFacts:
    return stuck_joiner(
        attempts=(dial(BOB, "", Phase.HELLO),),
        refusals=(RefusalFacts(reason, Whose.THEIRS),),
        ending=Ending.REFUSED,
        **more,
    )


def _met(flaw: Flaw, phase: Phase, errno: str = "", **more: Any) -> RunFacts:
    return stuck_joiner(**{"attempts": (dial(BOB, errno, phase, flaw=flaw),), **more})


CASES = [
    # A device's own network
    Case(
        "cable out", Cause.NO_CARRIER, with_link(joiner(routes=(no_route(BOB),)), carrier=False), None, True
    ),
    Case("card down", Cause.INTERFACE_DOWN, with_link(joiner(routes=(no_route(BOB),)), up=False), None, True),
    Case(
        "groups seem to leave",
        Cause.EGRESS_FILTER,
        host(
            sent=(
                sent(CarrierName.MULTICAST),
                sent(CarrierName.BROADCAST, errno="EPERM"),
                sent(CarrierName.UNICAST, errno="EPERM"),
            ),
            heard=(),
            self_calls=(SelfCallFacts(ip_address(BOB), confirmed=True),),
        ),
        None,
        True,
    ),
    Case(
        "no address",
        Cause.NO_USABLE_ADDRESS,
        with_link(joiner(routes=(no_route(BOB),)), addresses=()),
        None,
        True,
    ),
    Case("cable out at the host", Cause.NO_CARRIER, silent_joiner(), with_link(host(), carrier=False), True),
    Case(
        "port taken",
        Cause.PORT_IN_USE,
        joiner(ports=(PortFacts(Transport.TCP, 46821, "EADDRINUSE"),)),
        None,
        True,
    ),
    Case(
        "port forbidden",
        Cause.OS_PERMISSION,
        joiner(ports=(PortFacts(Transport.UDP, 46820, "EACCES"),)),
        None,
        True,
    ),
    Case("kill switch", Cause.EGRESS_FILTER, stuck_joiner(sent=_REFUSED), None, True),
    Case(
        "kill switch, host heard",
        Cause.EGRESS_FILTER,
        stuck_joiner(sent=_REFUSED, heard=(voice(BOB),)),
        host(),
        True,
    ),
    Case(
        "kill switch for one address",
        Cause.EGRESS_FILTER,
        stuck_joiner(sent=(sent(CarrierName.MULTICAST), sent(CarrierName.UNICAST, BOB, "EPERM"))),
        host(),
        True,
    ),
    Case(
        "no permission",
        Cause.OS_PERMISSION,
        stuck_joiner(sent=_REFUSED, self_calls=(SelfCallFacts(ip_address(ALICE), False, "EPERM"),)),
        None,
        True,
    ),
    Case(
        "vpn takes the subnet",
        Cause.VPN_STEALS_PREFIX,
        joiner(
            links=(LO, link(ALICE, ALICE_MAC), _tunnel()),
            routes=(route(BOB, None, index=3),),
            attempts=(dial(BOB, index=3, hop=None),),
        ),
        None,
        True,
    ),
    Case(
        "vpn takes the subnet, and its kill switch every way around",
        Cause.VPN_STEALS_PREFIX,
        joiner(
            links=(LO, link(ALICE, ALICE_MAC), _tunnel()),
            routes=(route(BOB, None, index=3),),
            attempts=(dial(BOB, index=3, hop=None), dial(BOB)),
            sent=(
                sent(CarrierName.UNICAST, BOB, "EPERM"),
                replace(sent(CarrierName.UNICAST, BOB), index=0),
            ),
        ),
        None,
        True,
    ),
    Case(
        "vpn takes all",
        Cause.VPN_DEFAULT_ROUTE,
        joiner(
            links=(LO, link(ALICE, ALICE_MAC), _tunnel()),
            routes=(route(FAR, None, index=3),),
            attempts=(dial(FAR, index=3, hop=None),),
        ),
    ),
    # Who answers
    Case(
        "said goodbye when nothing had come of it",
        Cause.FIREWALL_INBOUND,
        stuck_joiner(heard=(voice(BOB),), peer=PeerFacts(goodbye=True)),
    ),
    Case("said goodbye", Cause.HOST_ENDED, silent_joiner(peer=PeerFacts(goodbye=True)), None, True),
    Case(
        "ended before the other one began",
        Cause.HOST_ENDED,
        stuck_joiner("ECONNREFUSED"),
        host(clock_s=1_800_000_000 - 20),
        True,
    ),
    Case("ended without a word", Cause.HOST_ENDED, stuck_joiner("ECONNREFUSED")),
    Case("another version answers", Cause.VERSION_MISMATCH, _met(Flaw.VERSION, Phase.PREAMBLE), None, True),
    Case(
        "another version is heard",
        Cause.VERSION_MISMATCH,
        stuck_joiner(foreign=(ForeignFacts(ip_address(BOB), ForeignKind.VERSION),)),
        None,
        True,
    ),
    Case("another key", Cause.STALE_OFFER, _met(Flaw.OTHER_KEY, Phase.PIN)),
    Case(
        "a stranger at the number of the host", Cause.WRONG_IDENTITY, _met(Flaw.OTHER_KEY, Phase.PIN), host()
    ),
    Case("the issuer's later run", Cause.STALE_OFFER, _met(Flaw.LATER_RUN, Phase.PIN), None, True),
    Case("somebody else's key", Cause.WRONG_IDENTITY, _met(Flaw.OTHER_KEY, Phase.PIN)),
    Case("a login page", Cause.INTERCEPTED, _met(Flaw.NO_LOCALPAIR, Phase.PREAMBLE), None, True),
    Case("a silent proxy", Cause.INTERCEPTED, _met(Flaw.NONE, Phase.PREAMBLE, "ETIMEDOUT")),
    Case(
        "a login page between two that hear each other",
        Cause.INTERCEPTED,
        _met(
            Flaw.NO_LOCALPAIR,
            Phase.PREAMBLE,
            heard=(voice(BOB, CarrierName.UNICAST),),
            peer=PeerFacts(goodbye=True),
        ),
        host(
            attempts=(dial(ALICE, "", Phase.PREAMBLE, flaw=Flaw.NO_LOCALPAIR),),
            heard=(voice(ALICE, CarrierName.UNICAST),),
        ),
        True,
    ),
    Case("two hosts", Cause.SAME_ROLE, _met(Flaw.SAME_ROLE, Phase.PREAMBLE), None, True),
    Case(
        "forgotten",
        Cause.FORGOTTEN_OR_REVOKED,
        replace(_met(Flaw.STRANGER, Phase.HELLO), role=RunRole.SEND),
    ),
    Case(
        "forgotten, and heard of no more",
        Cause.FORGOTTEN_OR_REVOKED,
        replace(joiner(offer=None), role=RunRole.SEND),
    ),
    # What is there twice
    Case(
        "one hardware address",
        Cause.ADDRESS_CONFLICT,
        stuck_joiner(routes=(route(BOB, mac=ALICE_MAC),)),
        None,
        True,
    ),
    Case(
        "one link-local address, made of the hardware's",
        Cause.ADDRESS_CONFLICT,
        with_link(
            stuck_joiner(heard=(voice(BOB),), routes=(route(BOB), route(_DERIVED, index=1))),
            addresses=(AddressFacts(ip_address(ALICE), 24), AddressFacts(ip_address(_DERIVED), 64)),
        ),
        None,
        True,
    ),
    Case(
        "one hardware address, both",
        Cause.ADDRESS_CONFLICT,
        silent_joiner(),
        with_link(host(), mac=ALICE_MAC),
        True,
    ),
    Case("the offered address is this device's own", Cause.ADDRESS_CONFLICT, _SAME),
    Case("one address, both", Cause.ADDRESS_CONFLICT, _SAME, host(links=(LO, link(ALICE, BOB_MAC))), True),
    Case(
        "one address in two networks, both",
        Cause.DIFFERENT_NETWORKS,
        _SAME,
        host(links=(LO, link(ALICE, BOB_MAC, router=_GUEST))),
        True,
    ),
    # Refusals
    Case("offer replaced", Cause.STALE_OFFER, _refusal(Refusal.EXPIRED), None, True),
    Case(
        "offer expired",
        Cause.OFFER_EXPIRED,
        _refusal(Refusal.EXPIRED, offer=OfferFacts(lifetime_s=120, age_s=121)),
        None,
        True,
    ),
    Case("claimed", Cause.OFFER_USED, _refusal(Refusal.ALREADY_CLAIMED), None, True),
    Case("for another", Cause.OFFER_MADE_FOR_ANOTHER, _refusal(Refusal.OTHER_DEVICE), None, True),
    Case("unknown secret", Cause.SECRET_REJECTED, _refusal(Refusal.WRONG_SECRET), None, True),
    Case("wrong device key", Cause.WRONG_IDENTITY, _refusal(Refusal.WRONG_KEY), None, True),
    Case("a person said no", Cause.DECLINED, _refusal(Refusal.NOT_APPROVED), None, True),
    Case("busy", Cause.BUSY, _refusal(Refusal.BUSY), None, True),
    Case("revoked", Cause.FORGOTTEN_OR_REVOKED, _refusal(Refusal.REVOKED), None, True),
    Case(
        "a copy of this device",
        Cause.CLONED_IDENTITY,
        stuck_joiner(
            attempts=(dial(BOB, "", Phase.HELLO, flaw=Flaw.REFUSED),),
            refusals=(RefusalFacts(Refusal.SELF, Whose.OURS),),
        ),
        None,
        True,
    ),
    Case(
        "a copy of this device that was heard alone",
        Cause.CLONED_IDENTITY,
        stuck_joiner(
            attempts=(),
            heard=(voice(BOB, CarrierName.UNICAST, 3),),
            refusals=(RefusalFacts(Refusal.SELF, Whose.OURS),),
        ),
        None,
        True,
    ),
    Case(
        "the own offer",
        Cause.OWN_OFFER,
        stuck_joiner(
            attempts=(dial(ALICE, "", Phase.HELLO, flaw=Flaw.REFUSED),),
            refusals=(RefusalFacts(Refusal.SELF, Whose.OURS),),
        ),
        None,
        True,
    ),
    Case(
        "an old offer shown to the host",
        Cause.STALE_OFFER,
        host(
            calls=(CallFacts(ip_address(ALICE), CallReach.STRANGER, "expired"),),
            refusals=(RefusalFacts(Refusal.EXPIRED, Whose.OURS),),
        ),
        None,
        True,
    ),
    # The path, from one side
    Case("nobody there", Cause.PEER_ABSENT, silent_joiner()),
    Case("isolated", Cause.CLIENT_ISOLATION, silent_joiner()),
    Case("another network of the same numbers", Cause.DIFFERENT_NETWORKS, silent_joiner()),
    Case(
        "no questions of IPv6",
        Cause.MULTICAST_FILTERED,
        with_link(
            silent_joiner(
                routes=(route(_BOB6, NeighbourState.SILENT),),
                attempts=(dial(_BOB6, hop=NeighbourState.SILENT),),
            ),
            addresses=_ALICES[1:],
        ),
    ),
    Case("no route", Cause.WRONG_NETWORK, _LOST, None, True),
    Case("beyond a router", Cause.ROUTER_BLOCKS, _FAR_JOINER),
    Case("firewall, heard", Cause.FIREWALL_INBOUND, stuck_joiner(heard=(voice(BOB),))),
    Case(
        "firewall here, heard",
        Cause.FIREWALL_INBOUND,
        stuck_joiner(heard=(voice(BOB),), counters=(CounterFacts(4, 140, 12, 10, 0), CounterFacts(6, 0, 0))),
        None,
        True,
    ),
    Case("firewall here, unheard", Cause.FIREWALL_INBOUND, dropping_host()),
    Case(
        "two subnets on one wire",
        Cause.DIFFERENT_NETWORKS,
        joiner(routes=(no_route(FAR),), attempts=(dial(FAR, "ENETUNREACH", hop=None),), heard=(voice(FAR),)),
    ),
    Case(
        "heard across a router, and calls fail",
        Cause.ROUTER_BLOCKS,
        joiner(
            offer=OfferFacts((ip_address(FAR),), lifetime_s=120, age_s=20),
            routes=(route(FAR, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),),
            attempts=(dial(FAR),),
            heard=(voice(FAR, CarrierName.UNICAST),),
        ),
    ),
    Case("firewall, silent", Cause.FIREWALL_INBOUND, stuck_joiner()),
    Case("the router answers", Cause.PROXY_ARP, stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),))),
    Case(
        "large packets vanish, and it said goodbye in the end",
        Cause.MTU_BLACK_HOLE,
        _met(Flaw.NONE, Phase.TLS, "", heard=(voice(BOB),), peer=PeerFacts(goodbye=True)),
    ),
    Case(
        "one stall before the goodbye, and more over there",
        Cause.MTU_BLACK_HOLE,
        _met(
            Flaw.NONE, Phase.TLS, "", heard=(voice(BOB),), peer=PeerFacts(goodbye=True), attempts=_ONE_STALL
        ),
        host(attempts=(dial(ALICE, "", Phase.TLS),), heard=(voice(ALICE),)),
    ),
    Case(
        "one stall, and one of the other device's",
        Cause.MTU_BLACK_HOLE,
        _met(
            Flaw.NONE,
            Phase.TLS,
            heard=(voice(BOB),),
            attempts=_ONE_STALL,
            calls=(CallFacts(ip_address(BOB), CallReach.KNOWN, count=2),),
        ),
    ),
    Case("large packets vanish", Cause.MTU_BLACK_HOLE, _met(Flaw.NONE, Phase.TLS, "ETIMEDOUT")),
    Case("heavy loss", Cause.LOSSY_PATH, stuck_joiner(heard=(voice(BOB, count=2, last_s=18),))),
    Case(
        "strict filter",
        Cause.REVERSE_PATH_FILTER,
        with_link(host(counters=(CounterFacts(4, 100, 9, 9, 9), CounterFacts(6, 0, 0))), reverse_path=1),
        None,
        True,
    ),
    # The path, from both sides
    Case("IPv4 meets IPv6", Cause.NO_COMMON_FAMILY, _LOST, host(links=(LO, _V6)), True),
    Case("isolated, both", Cause.CLIENT_ISOLATION, silent_joiner(), host(), True),
    Case(
        "two networks, both",
        Cause.DIFFERENT_NETWORKS,
        silent_joiner(),
        host(links=(LO, link(BOB, BOB_MAC, router=_GUEST))),
        True,
    ),
    Case(
        "no questions of IPv6, both",
        Cause.MULTICAST_FILTERED,
        with_link(
            silent_joiner(
                routes=(route(_BOB6, NeighbourState.SILENT),),
                attempts=(dial(_BOB6, hop=NeighbourState.SILENT),),
            ),
            addresses=_ALICES[1:],
            gateways=(),
        ),
        with_link(host(), addresses=(AddressFacts(ip_address(_BOB6), 64),), gateways=()),
    ),
    Case(
        "two networks without routers",
        Cause.DIFFERENT_NETWORKS,
        with_link(silent_joiner(), gateways=()),
        with_link(host(), gateways=()),
    ),
    Case(
        "other subnets, no route",
        Cause.DIFFERENT_NETWORKS,
        _LOST,
        host(links=(LO, replace(link(FAR, BOB_MAC), gateways=()))),
        True,
    ),
    Case("other subnets, no route there, and a router here", Cause.NAT_ONE_WAY, _LOST, _FAR_HOST),
    Case(
        "other subnets, a tunnel",
        Cause.VPN_DEFAULT_ROUTE,
        _INTO_A_TUNNEL,
        _FAR_HOST,
    ),
    Case(
        "other subnets, a tunnel beside routers that pass nothing on",
        Cause.ROUTER_BLOCKS,
        _INTO_A_TUNNEL,
        _FAR_HOST,
    ),
    Case(
        "other subnets, of which one is called by neighbours alone",
        Cause.DIFFERENT_NETWORKS,
        joiner(routes=(route(_SPECIAL, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),)),
        host(links=(LO, link(_SPECIAL, BOB_MAC))),
        True,
    ),
    Case("other subnets, a router", Cause.ROUTER_BLOCKS, _FAR_JOINER, _FAR_HOST),
    Case(
        "one-way questions",
        Cause.ARP_ONE_WAY,
        silent_joiner(),
        host(neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),)),
        True,
    ),
    Case(
        "one-way questions, since a strict filter drops them",
        Cause.REVERSE_PATH_FILTER,
        silent_joiner(),
        with_link(
            host(
                neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),),
                counters=(CounterFacts(4, 140, 9, 9, 9), CounterFacts(6, 0, 0)),
            ),
            reverse_path=1,
        ),
        True,
    ),
    Case(
        "one-way questions, and calls of the one that gets answers",
        Cause.ARP_ONE_WAY,
        silent_joiner(),
        host(
            heard=(voice(ALICE),),
            routes=(route(ALICE, mac=ALICE_MAC),),
            attempts=(dial(ALICE),),
            neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),),
        ),
        True,
    ),
    Case(
        "questions of one version of IP, and answers of another",
        Cause.FILTER_IN_BETWEEN,
        with_link(stuck_joiner(routes=_BY_TWO, attempts=(dial(BOB), dial(_BOB6))), addresses=_ALICES),
        with_link(
            host(neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),)),
            addresses=(AddressFacts(ip_address(BOB), 24), AddressFacts(ip_address(_BOB6), 64)),
        ),
        True,
    ),
    Case(
        "the router answers both",
        Cause.CLIENT_ISOLATION,
        stuck_joiner(routes=(route(BOB, mac=ROUTER_MAC),)),
        host(routes=(route(ALICE, mac=ROUTER_MAC),)),
        True,
    ),
    Case("firewall, both", Cause.FIREWALL_INBOUND, stuck_joiner(), dropping_host(), True),
    Case(
        "firewall that rejects, both",
        Cause.FIREWALL_INBOUND,
        stuck_joiner("EHOSTUNREACH"),
        dropping_host(),
        True,
    ),
    Case("filter between, both", Cause.FILTER_IN_BETWEEN, stuck_joiner(), host(), True),
    Case(
        "strict filter, both",
        Cause.REVERSE_PATH_FILTER,
        stuck_joiner(),
        with_link(host(counters=(CounterFacts(4, 140, 9, 9, 9), CounterFacts(6, 0, 0))), reverse_path=1),
        True,
    ),
    Case(
        "filter on a bridge, both",
        Cause.BRIDGE_NETFILTER,
        stuck_joiner(),
        with_link(host(bridge_filter=True), kind=InterfaceKind.BRIDGE),
    ),
    Case(
        "counted losses",
        Cause.LOSSY_PATH,
        stuck_joiner(sent=(sent(CarrierName.UNICAST, BOB),), heard=(voice(BOB, count=4),)),
        dropping_host(
            heard=(voice(ALICE, CarrierName.UNICAST, 6),),
            counters=(CounterFacts(4, 9, 0, 0, 0), CounterFacts(6, 0, 0)),
        ),
    ),
    Case(
        "an offer without addresses",
        Cause.MULTICAST_FILTERED,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20), routes=(), attempts=()),
    ),
    Case(
        "an offer without addresses, read by a guest",
        Cause.CLIENT_ISOLATION,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20), routes=(), attempts=()),
    ),
    Case(
        "an offer of addresses that are never called",
        Cause.WRONG_NETWORK,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20, passed_over=2), routes=(), attempts=()),
        None,
        True,
    ),
    Case(
        "an address that is called in an own network only",
        Cause.WRONG_NETWORK,
        joiner(routes=(route(_SPECIAL, mac=ROUTER_MAC, gateway=ip_address(ROUTER)),)),
        None,
        True,
    ),
    Case(
        "IPv4 is offered, and there is IPv6 alone",
        Cause.NO_COMMON_FAMILY,
        joiner(links=(LO, _V6), routes=(no_route(BOB),), attempts=(dial(BOB, "ENETUNREACH", hop=None),)),
        None,
        True,
    ),
    Case(
        "IPv4 meets IPv6, and containers have IPv4 everywhere",
        Cause.NO_COMMON_FAMILY,
        _LOST,
        host(links=(LO, _V6, _CONTAINERS)),
        True,
    ),
    Case(
        "isolated, and an address behind a router besides",
        Cause.CLIENT_ISOLATION,
        silent_joiner(routes=(route(BOB, NeighbourState.SILENT), no_route(FAR))),
        with_link(host(), addresses=(AddressFacts(ip_address(BOB), 24), AddressFacts(ip_address(FAR), 24))),
        True,
    ),
    Case(
        "no groups between two networks of the same numbers",
        Cause.DIFFERENT_NETWORKS,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20)),
        host(links=(LO, link(BOB, BOB_MAC, router=_GUEST))),
        True,
    ),
    Case(
        "a kill switch, and an address that nothing leads to",
        Cause.EGRESS_FILTER,
        joiner(
            routes=(route(BOB, NeighbourState.ABSENT), no_route(FAR)),
            attempts=(dial(FAR, "ENETUNREACH", hop=None),),
            sent=(sent(CarrierName.UNICAST, BOB, "EPERM"), sent(CarrierName.UNICAST, FAR, "ENETUNREACH")),
            self_calls=(SelfCallFacts(ip_address(ALICE), True),),
            heard=(voice(BOB),),
        ),
        None,
        True,
    ),
    Case(
        "a strict filter heeds no questions",
        Cause.REVERSE_PATH_FILTER,
        silent_joiner(),
        with_link(
            host(
                neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),),
                counters=(CounterFacts(4, 140, 81, 81, 80), CounterFacts(6, 0, 0)),
            ),
            reverse_path=1,
        ),
        True,
    ),
    Case(
        "questions that get lost",
        Cause.LOSSY_PATH,
        silent_joiner(heard=(voice(BOB, count=1, last_s=3),)),
        host(neighbours=(NeighbourFacts(ip_address(ALICE), 2, NeighbourState.KNOWN, ALICE_MAC),)),
    ),
    Case(
        "one address on both, and the other device is heard from a further one",
        Cause.ADDRESS_CONFLICT,
        joiner(heard=(voice(BOB),), peer=PeerFacts(claims=(ip_address(ALICE), ip_address(BOB)))),
        None,
        True,
    ),
    Case(
        "an address of its own among those of the offer",
        Cause.ADDRESS_CONFLICT,
        joiner(
            routes=(route(ALICE, NeighbourState.ABSENT), no_route(FAR)), attempts=(dial(FAR, "ENETUNREACH"),)
        ),
    ),
    Case(
        "a filter between that lets groups pass",
        Cause.FILTER_IN_BETWEEN,
        stuck_joiner(sent=(sent(CarrierName.UNICAST, BOB, count=8),), heard=(voice(BOB),)),
        host(heard=(voice(ALICE),), counters=(CounterFacts(4, 140, 4, 2, 0), CounterFacts(6, 0, 0))),
        True,
    ),
    Case(
        "firewall beyond a router, and beacons pass it",
        Cause.FIREWALL_INBOUND,
        replace(_FAR_JOINER, heard=()),
        replace(
            _FAR_HOST,
            heard=(voice(ALICE, CarrierName.UNICAST),),
            counters=(CounterFacts(4, 140, 30, 27, 0), CounterFacts(6, 0, 0)),
        ),
        True,
    ),
    Case(
        "one beacon alone of many",
        Cause.LOSSY_PATH,
        stuck_joiner(heard=(voice(BOB, count=1, last_s=0),)),
    ),
    Case(
        "the cable of the other device is out, and another card of it is alive",
        Cause.NO_CARRIER,
        silent_joiner(),
        host(
            links=(
                LO,
                replace(link(BOB, BOB_MAC, router=None), carrier=False),
                replace(link(FAR, OTHER_MAC), index=3),
            )
        ),
        True,
    ),
    Case(
        "a firewall that drops the answers to its own calls",
        Cause.FIREWALL_INBOUND,
        stuck_joiner(heard=(voice(BOB, CarrierName.UNICAST),)),
        dropping_host(
            heard=(voice(ALICE, CarrierName.UNICAST),),
            routes=(route(ALICE, mac=ALICE_MAC),),
            attempts=(dial(ALICE),),
        ),
        True,
    ),
    Case(
        "a strict filter beyond a router",
        Cause.REVERSE_PATH_FILTER,
        replace(_FAR_JOINER, heard=(voice(FAR, CarrierName.UNICAST),)),
        with_link(
            replace(_FAR_HOST, counters=(CounterFacts(4, 140, 31, 29, 29), CounterFacts(6, 0, 0))),
            reverse_path=1,
        ),
        True,
    ),
    Case(
        "a filter between, and a card that drops all groups",
        Cause.FILTER_IN_BETWEEN,
        stuck_joiner(),
        with_link(dropping_host(), multicast=False),
    ),
    Case(
        "a card of the other device is dead, and it is behind another one on a network of its own",
        Cause.DIFFERENT_NETWORKS,
        joiner(routes=(no_route(FAR), no_route("10.77.0.5")), attempts=(dial(FAR, "ENETUNREACH", hop=None),)),
        host(links=(LO, link(FAR, BOB_MAC), replace(link("10.77.0.5", OTHER_MAC), index=3, carrier=False))),
    ),
    Case(
        "no addresses, and firewalls drop what is sent to all",
        Cause.FIREWALL_INBOUND,
        joiner(
            offer=OfferFacts(lifetime_s=120, age_s=20),
            counters=(CounterFacts(4, 140, 40, 0, 0), CounterFacts(6, 0, 0)),
        ),
        host(counters=(CounterFacts(4, 140, 40, 0, 0), CounterFacts(6, 0, 0))),
    ),
    Case("a kill switch over there, silent", Cause.EGRESS_FILTER, stuck_joiner()),
    Case(
        "an offer without addresses, and a firewall here",
        Cause.FIREWALL_INBOUND,
        joiner(
            offer=OfferFacts(lifetime_s=120, age_s=20),
            routes=(),
            attempts=(),
            counters=(CounterFacts(4, 2158, 59, 3), CounterFacts(6, 0, 0)),
        ),
    ),
    Case("heard by groups alone", Cause.EGRESS_FILTER, stuck_joiner(heard=(voice(BOB),))),
    Case(
        "no groups, both",
        Cause.MULTICAST_FILTERED,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20)),
        host(),
    ),
    Case(
        "no groups in two networks, both",
        Cause.DIFFERENT_NETWORKS,
        joiner(offer=OfferFacts(lifetime_s=120, age_s=20)),
        host(links=(LO, link(BOB, BOB_MAC, router=_GUEST))),
        True,
    ),
]
