"""Facts of runs that failed in known ways, for the rules of causes: a healthy side, and what is broken of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from localpair.candidate import InterfaceKind, Origin
from localpair.causes.facts import (
    AddressFacts,
    AttemptFacts,
    CarrierName,
    CounterFacts,
    DialTime,
    Ending,
    FirewallKind,
    GatewayFacts,
    HeardFacts,
    HostSystem,
    LinkFacts,
    NeighbourState,
    OfferFacts,
    PeerFacts,
    RouteFacts,
    RunFacts,
    RunRole,
    SelfCallFacts,
    SentFacts,
)
from localpair.events import Direction, Phase

ALICE, BOB, ROUTER = "192.168.77.10", "192.168.77.20", "192.168.77.1"
FAR = "10.5.0.20"
ALICE_MAC, BOB_MAC, ROUTER_MAC, OTHER_MAC = (f"02:00:00:00:00:{one}" for one in ("0a", "14", "01", "ff"))
GATEWAY = GatewayFacts(ip_address(ROUTER), NeighbourState.ANSWERS, ROUTER_MAC)
LO = LinkFacts(
    1, "lo", InterfaceKind.LOOPBACK, addresses=(AddressFacts(ip_address("127.0.0.1"), 8),), gateways=()
)


def link(
    address: str, mac: str, *, prefix: int = 24, router: GatewayFacts | None = GATEWAY, **more: Any
) -> LinkFacts:
    """The network card of a device, with one address (none where it is empty)."""
    given = (AddressFacts(ip_address(address), prefix),) if address else ()
    usual = {
        "kind": InterfaceKind.ETHERNET, "carrier": True, "reverse_path": 0,
        "gateways": (router,) if router else (),
    }  # fmt: skip
    return LinkFacts(2, "eth0", mac=mac, addresses=given, **{**usual, **more})


def route(
    to: str, state: NeighbourState | None = NeighbourState.ANSWERS, mac: str | None = None, **more: Any
) -> RouteFacts:
    """The way to an address: on the link, unless a gateway is given."""
    return RouteFacts(ip_address(to), state=state, mac=mac, **{"index": 2, **more})


def no_route(to: str) -> RouteFacts:
    """That there is none."""
    return RouteFacts(ip_address(to), errno="ENETUNREACH")


def dial(to: str, errno: str = "ETIMEDOUT", phase: Phase = Phase.CONNECT, **more: Any) -> AttemptFacts:
    """A dial that failed."""
    usual = {
        "outcome": "failed",
        "index": 2,
        "hop": NeighbourState.ANSWERS,
        "took": DialTime.LATE,
        "count": 4,
    }
    return AttemptFacts(
        ip_address(to), 46821, Origin.OFFER, Direction.OUT, phase, errno=errno, **{**usual, **more}
    )  # fmt: skip


def sent(carrier: CarrierName, to: str | None = None, errno: str = "", count: int = 20) -> SentFacts:
    """Beacons that left, or were refused."""
    return SentFacts(carrier, 2, 4, ip_address(to) if to else None, errno, count)


def voice(
    source: str, carrier: CarrierName = CarrierName.MULTICAST, count: int = 20, last_s: int = 20
) -> HeardFacts:
    """Beacons of the other device."""
    return HeardFacts(carrier, 2, ip_address(source), count, 0, last_s)


def healthy(role: RunRole, address: str, mac: str, **more: Any) -> RunFacts:
    """A side on which nothing is wrong, on a network where it found nobody: every fact is known."""
    given: dict[str, Any] = {
        "role": role, "platform": HostSystem.LINUX, "ending": Ending.TIMEOUT, "lasted_s": 20, "clock_s": 1_800_000_000,
        "tcp_port": 46821, "links": (LO, link(address, mac)), "routes": (), "neighbours": (),
        "attempts": (), "calls": (),
        "sent": (sent(CarrierName.MULTICAST), sent(CarrierName.BROADCAST)), "heard": (), "foreign": (),
        "self_calls": (SelfCallFacts(ip_address(address), confirmed=True),), "refusals": (), "icmp": (), "ports": (),
        "counters": (CounterFacts(4, 100, 0, 0, 0), CounterFacts(6, 0, 0, 0, 0)), "peer": PeerFacts(), "firewalls": (),
        "bridge_filter": False, "offer": OfferFacts(lifetime_s=120, age_s=20),
    }  # fmt: skip
    return RunFacts(**{**given, **more})


def joiner(**more: Any) -> RunFacts:
    """Alice, who read Bob's offer."""
    addresses = (ip_address(BOB),)
    return healthy(
        RunRole.JOIN, ALICE, ALICE_MAC, **{"offer": OfferFacts(addresses, lifetime_s=120, age_s=20), **more}
    )


def host(**more: Any) -> RunFacts:
    """Bob, who shows the offer."""
    return healthy(
        RunRole.HOST, BOB, BOB_MAC, **{"offer": OfferFacts(lifetime_s=120, age_s=25, issued=1), **more}
    )


def silent_joiner(**more: Any) -> RunFacts:
    """Alice, who gets no answer for Bob's hardware address."""
    given: dict[str, Any] = {
        "routes": (route(BOB, NeighbourState.SILENT),),
        "attempts": (dial(BOB, "EHOSTUNREACH", hop=NeighbourState.SILENT, took=DialTime.SOON),),
    }
    return joiner(**{**given, **more})


def stuck_joiner(errno: str = "ETIMEDOUT", **more: Any) -> RunFacts:
    """Alice, whose dials of Bob's address come to nothing although his network card answers."""
    given = {"routes": (route(BOB, mac=BOB_MAC),), "attempts": (dial(BOB, errno),)}
    return joiner(**{**given, **more})


def dropping_host(**more: Any) -> RunFacts:
    """Bob, whose kernel has received what Alice sent, and has not delivered it."""
    given = {
        "counters": (CounterFacts(4, 140, 30, 28, 0), CounterFacts(6, 0, 0, 0, 0)),
        "firewalls": (FirewallKind.UFW,),
    }
    return host(**{**given, **more})


def with_link(facts: RunFacts, **changes: Any) -> RunFacts:
    """The same, with a network card of another state."""
    assert facts.links is not None
    return replace(facts, links=(LO, replace(facts.links[1], **changes)))
