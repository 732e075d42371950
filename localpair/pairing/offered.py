"""An offer that was read: its addresses are called, and what it says becomes facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair.candidate import Candidate, Origin
from localpair.causes.facts import OfferFacts
from localpair.pairing.answer_code import call

if TYPE_CHECKING:
    from localpair.net.agent.agent import Agent
    from localpair.wire.offer import Offer


def call_issuer(agent: Agent, offer: Offer) -> list[Candidate]:
    """Dial the offered addresses, which are returned, and send beacons to them."""
    candidates = [
        Candidate(one.address, offer.tcp_port, one.prefix, origin=Origin.OFFER, via="offer")
        for one in offer.candidates
    ]
    addresses = [one.address for one in candidates]
    agent.expect_issuer(offer.key_hash, addresses)
    call(agent, candidates, offer.dial_port)
    agent.add_target(addresses, offer.udp_port)
    return candidates


def read_offer_facts(offer: Offer, age_s: int = 0) -> OfferFacts:
    """What is recorded of an offer that was read ``age_s`` ago."""
    return OfferFacts(
        tuple(dict.fromkeys(one.address for one in offer.candidates)),
        lifetime_s=round(offer.lifetime),
        age_s=age_s,
        passed_over=len(offer.dropped),
    )
