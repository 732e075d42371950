"""The subnets in which both devices are, by their numbers and masks, and whether those are one network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.causes.rules.view import View, facts_there, holds, known, usable_links

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.causes.facts import LinkFacts


def shared(view: View) -> list[tuple[LinkFacts, LinkFacts]]:
    """The pairs of links, one of each side, that lie in one subnet by both masks. Link-local IPv6 tells nothing: every
    link has the same.
    """
    return [
        (mine, theirs)
        for mine in usable_links(view.here)
        for theirs in usable_links(facts_there(view))
        if any(holds(mine, address) for address in telling(theirs))
        and any(holds(theirs, address) for address in telling(mine))
    ]


def telling(link: LinkFacts) -> list[IPAddress]:
    """Its addresses that tell one subnet from another."""
    every = (one.address for one in link.addresses)
    return [address for address in every if address.version == 4 or not address.is_link_local]


def one_network(view: View) -> bool | None:
    """Whether the subnets that both are in are one network, as their routers tell: None where they do not."""
    answers = [routers_agree(mine, theirs) for mine, theirs in shared(view)]
    if any(answers):
        return True
    return None if None in answers else False


def routers_agree(mine: LinkFacts, theirs: LinkFacts) -> bool | None:
    """Whether two links of one subnet lead to the same router; None where one's is not known by its hardware."""
    ours = {one.address: one.mac for one in known(mine.gateways, "gateways") if one.mac}
    other = {one.address: one.mac for one in known(theirs.gateways, "gateways") if one.mac}
    both = ours.keys() & other.keys()
    if not both:
        return None
    return any(ours[address] == other[address] for address in both)
