"""A device that has sent no report: what the other one's facts show of it, and what is usual for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

from localpair.address import IPAddress, unscoped
from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    AddressFacts,
    Ending,
    GatewayFacts,
    LinkFacts,
    OfferFacts,
    RunFacts,
    RunRole,
)
from localpair.causes.rules.view import has_address, holds, lan_links, seeks

USUAL_PREFIX = {4: 24, 6: 64}
ELSEWHERE = "203.0.113.20"  # of a block that nobody calls, for an offer of which nothing was called


def addresses_told(facts: RunFacts) -> tuple[IPAddress, ...]:
    """Where the other device is, as far as this one knows: by the offer, by its beacons, by its calls."""
    offered = facts.offer.addresses if facts.offer is not None and seeks(facts) else ()
    claims = facts.peer.claims if facts.peer is not None else ()
    voices = tuple(one.source for one in facts.heard or ())
    calls = tuple(one.source for one in facts.calls or () if one.reach.holds_secret)
    routed = tuple(one.destination for one in facts.routes or ())
    own = {one.address for link in facts.links or () for one in link.addresses}
    found = (unscoped(one) for one in (*offered, *claims, *voices, *calls, *routed))
    return tuple(dict.fromkeys(one for one in found if one not in own and not one.is_loopback))


def guessed(facts: RunFacts) -> RunFacts:
    """The facts of the device that ``facts`` were looking for, as far as a network can be drawn from them."""
    role = RunRole.HOST if seeks(facts) else RunRole.JOIN
    links = tuple(
        LinkFacts(number, f"eth{number - 1}", InterfaceKind.ETHERNET, addresses=found, gateways=routers)
        for number, (found, routers) in enumerate(_links(facts), start=1)
    )
    return RunFacts(role=role, ending=Ending.RUNNING, links=links, offer=OfferFacts(addresses_told(facts)))


def _links(facts: RunFacts) -> Iterator[tuple[tuple[AddressFacts, ...], tuple[GatewayFacts, ...]]]:
    """The addresses of each interface that it must have, and its routers."""
    outer = [one for one in lan_links(facts) if one.addresses] if facts.links is not None else []
    told = [one for one in addresses_told(facts) if one.version == 4 or not one.is_link_local]
    left = list(told)
    for link in sorted(outer, key=lambda one: (not one.up, one.carrier is False)):
        near = [one for one in left if holds(link, one)]
        if near:
            left = [one for one in left if one not in near]
            yield tuple(AddressFacts(one, _prefix(link, one)) for one in near), link.gateways or ()
    for address in left:
        prefix = USUAL_PREFIX[address.version]
        yield (AddressFacts(address, prefix),), _router_of(address, prefix)
    if not told:
        yield _nowhere(facts, outer)


def _prefix(link: LinkFacts, address: IPAddress) -> int:
    return max(one.prefix for one in link.addresses if holds(replace(link, addresses=(one,)), address))


def _router_of(address: IPAddress, prefix: int) -> tuple[GatewayFacts, ...]:
    first = ip_network(f"{address}/{prefix}", strict=False)[1]
    return (GatewayFacts(first),) if first != address else ()


def _nowhere(
    facts: RunFacts, outer: list[LinkFacts]
) -> tuple[tuple[AddressFacts, ...], tuple[GatewayFacts, ...]]:
    """Some address on the first network, or on none of them where all of the offer's were passed over."""
    if facts.offer is not None and facts.offer.passed_over:
        return (AddressFacts(ip_address(ELSEWHERE), 24),), ()
    usable = [one for one in outer if has_address(one)]
    for link in usable[:1]:
        free = tuple(AddressFacts(_free(link, one), one.prefix) for one in link.addresses if _is_telling(one))
        return free, link.gateways or ()
    return (AddressFacts(ip_address("192.168.1.20"), 24),), ()


def _is_telling(one: AddressFacts) -> bool:
    return one.address.version == 4 or not one.address.is_link_local


def _free(link: LinkFacts, one: AddressFacts) -> IPAddress:
    network = ip_network(f"{one.address}/{one.prefix}", strict=False)
    taken = {other.address for other in link.addresses} | {router.address for router in link.gateways or ()}
    hosts = (
        network[number] for number in range(20, 20 + network.num_addresses) if number < network.num_addresses
    )
    return next((address for address in hosts if address not in taken), one.address)
