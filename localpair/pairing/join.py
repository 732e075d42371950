"""Joining: read an offer, find its issuer on whatever path there is, and end with one pair."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from localpair.candidate import Candidate
from localpair.causes.facts import OfferFacts
from localpair.causes.waiting import is_beyond_help
from localpair.choices.settings import Approver, Settings
from localpair.errors import LocalpairError, PeerEndedError, Refusal, RefusedError
from localpair.events import AnswerIssued
from localpair.keys import DeviceIdentity, Purpose, Role, SharedSecret
from localpair.limits import APPROVAL_S, ATTEMPT_S, OTHER_KEY_LOOK_S, RESUME_S
from localpair.net.agent.agent import Agent
from localpair.net.agent.connection import PeerConnection
from localpair.net.agent.wanted import Wanted
from localpair.pairing.answer_code import answer_codes
from localpair.pairing.approval import Agreed, Agreement, abandon, is_same_device
from localpair.pairing.failure.other_keys import OtherKeys
from localpair.pairing.offered import call_issuer, read_offer_facts
from localpair.pairing.seek import Seeking
from localpair.protocol.keyring import OFFER
from localpair.trust.store import TrustStore
from localpair.wire.beacon import Part
from localpair.wire.offer import INSTANCE_BYTES, Offer, fit_label


class Joining(Seeking):
    """One run of ``join()``: the joiner's side. In flow post the offer comes later, discovery runs already."""

    def __init__(
        self, offer: Offer | Awaitable[Offer], settings: Settings, store: TrustStore, approve: Approver
    ) -> None:
        super().__init__(settings, store)
        self._offer = offer
        self._read: Offer | None = None
        self._agreement = Agreement(store, Role.JOINER, approve, gives=settings.gives, takes=settings.takes)
        self._agreement.on_code = self._agreement.on_gone = self._emit

    async def _run(self, group: asyncio.TaskGroup) -> None:
        identity, run = await self._begin_run()
        offer = self._offer if isinstance(self._offer, Offer) else None
        if offer is None and self._settings.flow == "pre":
            offer = await self._read_offer()
        agent = self._agent_for(identity, run, offer)
        await self._start(agent, group)
        self._emit(self._ready(agent))
        if offer is None:
            offer = await self._read_offer()
        self._check_made_for_us(agent, offer)
        agreed = await self._pair(agent, offer, group)
        self._become_session(agent, Role.JOINER, agreed, group)

    def _agent_for(self, identity: DeviceIdentity, run: int, offer: Offer | None) -> Agent:
        settings = self._settings
        wanted = Wanted(
            Role.JOINER, Part.JOIN, identity, settings.name,
            fit_label(settings.name) if settings.announce_name else "",
            settings.gives, settings.takes, secret=OFFER, pin=offer.key_hash if offer else None,
            port=settings.port, prefer_port=offer.tcp_port if offer else 0, run=run,
        )  # fmt: skip
        if offer is not None:
            self._keyring.put(OFFER, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER))
        return self._new_agent(wanted)

    async def _read_offer(self) -> Offer:
        if isinstance(self._offer, Offer):
            return self._offer
        offer = await self._offer
        self._started = asyncio.get_running_loop().time()  # the search begins now
        return offer

    def _check_made_for_us(self, agent: Agent, offer: Offer) -> None:
        if offer.made_for is not None and offer.made_for != agent.instance[:INSTANCE_BYTES]:
            self._read = offer
            agent.note_refusal(Refusal.OTHER_DEVICE)
            raise RefusedError(
                Refusal.OTHER_DEVICE,
                "this offer was made for another device",
                hint="choose this device on the host, or host again with `--flow pre`",
            )

    def _offer_facts(self) -> OfferFacts | None:
        offer = self._read
        if offer is None:
            return None
        return read_offer_facts(offer, max(0, int(asyncio.get_running_loop().time() - self._started)))

    async def _pair(self, agent: Agent, offer: Offer, group: asyncio.TaskGroup) -> Agreed:
        self._read = offer
        offered = self._add_targets(agent, offer)
        background = [group.create_task(self._learn_own_addresses(agent))]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.timeout or ATTEMPT_S) as limit:
                background.append(group.create_task(self._keep_answering(agent, offer, offered, limit)))
                while True:
                    self._ends_at = limit.when()
                    connection = await self._seek(agent, OFFER)
                    ends = limit.when() or 0.0
                    limit.reschedule(loop.time() + 2 * APPROVAL_S)  # a person may be asked now
                    try:
                        return await self._conclude(agent, connection)
                    except PeerEndedError:
                        agent.peer_said_ended(connection)
                        raise
                    except (OSError, TimeoutError):
                        agent.connection_lost(connection, OFFER)
                        if not limit.expired():  # whoever is gone for good gets no person's time
                            limit.reschedule(max(ends, loop.time() + RESUME_S))
        except TimeoutError:
            raise self._abandon(agent) from None
        finally:
            for task in background:
                task.cancel()

    def _endings(self, agent: Agent) -> list[Coroutine[Any, Any, LocalpairError]]:
        return [*super()._endings(agent), self._only_other_keys(agent)]

    async def _only_other_keys(self, agent: Agent) -> LocalpairError:
        """Wait until no offered address leads to the issuer any more: the offer is old, or another device is there.
        A joiner that has a sign of the issuer goes on for its whole time.
        """
        offered = [one.address for one in self._read.candidates] if self._read is not None else []
        keys, clock = OtherKeys(offered), asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(OTHER_KEY_LOOK_S)
            record, interfaces = agent.record(), agent.interfaces
            own = [one for one in offered if interfaces.is_own(one)]
            over = keys.is_over(record.attempts, {*own, *record.held_back}, clock())
            if over and not agent.has_sign_of_peer():
                return self._abandon(agent)

    async def _conclude(self, agent: Agent, connection: PeerConnection) -> Agreed:
        """Bring the nominated connection to its end, or give it up for one that the issuer nominates in its place: it
        has lost the first one. Raises ConnectionError then.
        """
        conclusion = asyncio.create_task(self._agreement.conclude(connection))
        others: dict[asyncio.Task[None], PeerConnection] = {}
        arrival = asyncio.create_task(agent.next_verified())
        try:
            while not conclusion.done():
                running = {task for task in others if not task.done()}
                await asyncio.wait({conclusion, arrival, *running}, return_when=asyncio.FIRST_COMPLETED)
                if any(_succeeds(task, other, connection) for task, other in others.items()):
                    await abandon(connection, conclusion)
                if arrival.done():
                    others[asyncio.create_task(self._nomination(arrival.result()))] = arrival.result()
                    arrival = asyncio.create_task(agent.next_verified())
            return conclusion.result()
        except RefusedError as error:
            # The issuer waits on one of these: it has not heard it on the connection that is lost.
            for other in others.values():
                await other.refuse(error.reason)
            raise
        finally:
            conclusion.cancel()
            await _end({arrival, *others})
            late = [] if arrival.cancelled() else [arrival.result()]
            for other in (*others.values(), *late):
                agent.give_back(other)

    async def _keep_answering(
        self, agent: Agent, offer: Offer, offered: list[Candidate], limit: asyncio.Timeout
    ) -> None:
        """Show where we are, for a person to carry; who watches gets the time that the offer leaves for it."""
        clock = asyncio.get_running_loop().time
        ends = clock() + offer.lifetime
        async for text in answer_codes(
            agent,
            SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER),
            offered,
            lambda: not is_beyond_help(self._so_far),
        ):
            if self._settings.attended and self._settings.timeout is None and not limit.expired():
                limit.reschedule(max(ends, limit.when() or 0.0))
                self._ends_at = limit.when()
            self._emit(AnswerIssued(text, max(0.0, ends - clock())))
            self._has_answered = True

    def _add_targets(self, agent: Agent, offer: Offer) -> list[Candidate]:
        """Dial the offered addresses, send beacons to them, and to this host itself: the issuer may be here."""
        if OFFER not in self._keyring:
            self._keyring.put(OFFER, SharedSecret(offer.secret, Purpose.OFFER, Role.JOINER))
        agent.note_dropped(offer.dropped)
        candidates = call_issuer(agent, offer)
        agent.resume_announcing()
        return candidates

    async def _learn_own_addresses(self, agent: Agent) -> None:
        """The joiner's own addresses matter only where its first dials did not do: they must not slow those down."""
        await asyncio.sleep(0.5)
        await agent.acquire(self._emit)


def _succeeds(nomination: asyncio.Task[None], connection: PeerConnection, chosen: PeerConnection) -> bool:
    """Whether the issuer, which nominates one connection at a time, has nominated this one after the one it chose
    first.
    """
    nominated = nomination.done() and not nomination.cancelled() and nomination.exception() is None
    return nominated and is_same_device(connection, chosen)


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait for it: only one task may read a connection."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # whoever takes the connection next meets it again
