"""Examining: what keeps this device from pairing, looked for without pairing; with an offer, towards its issuer.

An offer is not used up by it: a connection ends once the issuer's key was seen, before the handshake begins. The ports
of pairs are left alone: a run that pairs takes the first free ones, an examination the last one or none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from localpair.causes.facts import Ending, OfferFacts
from localpair.causes.judge import judge
from localpair.causes.records.codec import to_dict
from localpair.events import Attempt, Event, Judged
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret
from localpair.limits import DISCOVERY_VERDICT_S
from localpair.net.agent.agent import Agent
from localpair.net.agent.wanted import Wanted
from localpair.pairing.discover import serving
from localpair.pairing.failure.verdict import judged_run
from localpair.pairing.offered import call_issuer, read_offer_facts
from localpair.protocol.keyring import OFFER, Keyring
from localpair.trace import TRACE
from localpair.wire.beacon import Part

if TYPE_CHECKING:
    from localpair.wire.offer import Offer


async def examine(seconds: float = DISCOVERY_VERDICT_S, offer: Offer | None = None) -> AsyncIterator[Event]:
    """Look for ``seconds`` and give what is heard and tried, as it happens; the last event is a Judged.

    With ``offer`` its issuer is called, and an Attempt whose outcome is ``ok`` ends the examination: the path is
    there. Raises LocalError where no port can be opened.
    """
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    async with _examiner(queue.put_nowait, offer) as agent:
        agent.resume_announcing()
        queue.put_nowait(agent.ready())
        ending = asyncio.create_task(_reached(agent, seconds, offer))
        ending.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            reached = await ending
            if reached is not None:
                yield reached
            yield await _judged(agent, offer, reached)
        finally:
            ending.cancel()


async def _reached(agent: Agent, seconds: float, offer: Offer | None) -> Attempt | None:
    """The first way to the issuer that stood, within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            if offer is None:
                await asyncio.sleep(seconds)
            connection = await agent.next_verified()
    except TimeoutError:
        return None
    reached = connection.nominated(agent.clock())
    agent.connection_ended(connection, OFFER)
    return reached


async def _judged(agent: Agent, offer: Offer | None, reached: Attempt | None) -> Judged:
    facts = agent.facts(Ending.RUNNING if reached else Ending.TIMEOUT, _told_by(offer))
    if reached is not None:
        verdict = judge(replace(facts, ending=Ending.PAIRED))  # the path is there: what is left are notes
        return Judged(verdict, to_dict(facts))
    return judged_run(facts, None if offer is None else await agent.exchange_facts(is_there=True))


def _told_by(offer: Offer | None) -> OfferFacts | None:
    return None if offer is None else read_offer_facts(offer)


@asynccontextmanager
async def _examiner(on_event: Callable[[Event], None], offer: Offer | None) -> AsyncIterator[Agent]:
    """An agent that pairs with nobody."""
    TRACE.follow_environment()
    agent = _agent(on_event, offer)
    async with serving(agent):
        if offer is not None:
            call_issuer(agent, offer)
        yield agent


def _agent(on_event: Callable[[Event], None], offer: Offer | None) -> Agent:
    ring = Keyring()
    wanted = Wanted(Role.JOINER, Part.DISCOVER, DeviceIdentity.generate(), silent=True, looks=True)
    if offer is not None:
        ring.put(OFFER, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER))
        wanted = replace(wanted, part=Part.JOIN, secret=OFFER, pin=offer.key_hash)
    return Agent(wanted, ring, on_event=on_event, offer_facts=lambda: _told_by(offer))
