"""Hosting: show an offer, serve whoever reads it, and end with exactly one pair."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence

from localpair.candidate import Candidate
from localpair.causes.facts import OfferFacts
from localpair.choices.settings import Approver, Chooser, Settings
from localpair.dataclass import dataclass
from localpair.errors import AnswerError, PeerEndedError, Refusal, RefusedError, RemoteError, UnreachableError
from localpair.events import NearbyPeer, OfferIssued
from localpair.keys import Purpose, Role, SharedSecret, random_bytes
from localpair.limits import (
    ANSWER_CODES,
    HELD_DEVICES,
    OFFER_LEAST_BYTES,
    OFFER_RENEWAL_S,
    OFFER_SHOWN_BYTES,
    RESUME_S,
    SECRET_BYTES,
    SELF_CALL_S,
)
from localpair.net.agent.agent import Agent
from localpair.net.agent.connection import ConnectionDeclinedError, PeerConnection
from localpair.net.agent.wanted import Wanted
from localpair.net.host.routes import sources_towards
from localpair.pairing.answer_code import accept_answer_code
from localpair.pairing.approval import (
    Agreed,
    Agreement,
    SilentError,
    is_same_device,
    owes_a_word,
    replaces,
)
from localpair.pairing.attempt import Pairing
from localpair.pairing.deadline import Deadline
from localpair.pairing.failure.no_path import no_path
from localpair.protocol.keyring import OFFER
from localpair.ranking import select_for_offer
from localpair.trust.store import TrustStore
from localpair.wire.answer import Answer
from localpair.wire.beacon import Part
from localpair.wire.offer import INSTANCE_BYTES, Offer, OfferedAddress, fit_label

_FIRST = asyncio.FIRST_COMPLETED
_VOID_OFFERS = 4  # earlier ones whose answer codes are still told from typing errors


@dataclass(slots=True)
class _Claim:
    """Whoever has claimed the offer. ``successor`` is a newer connection of the same device: the old one is lost."""

    connection: PeerConnection
    task: asyncio.Task[Agreed]
    successor: PeerConnection | None = None

    @property
    def latest(self) -> PeerConnection:
        """The connection that the device believes in."""
        return self.successor or self.connection


class Hosting(Pairing):
    """One run of ``host()``: the issuer's side."""

    def __init__(
        self, settings: Settings, store: TrustStore, approve: Approver, choose: Chooser | None
    ) -> None:
        super().__init__(settings, store)
        self._choose = choose
        self._agreement = Agreement(store, Role.ISSUER, approve, gives=settings.gives, takes=settings.takes)
        self._agreement.on_code = self._agreement.on_gone = self._emit
        self._agreement.on_recorded = self._expect_again
        self._agreement.on_answered = self._answered
        self._renew = asyncio.Event()
        self._held: list[
            PeerConnection
        ] = []  # other devices, until it shows whether anybody speaks where the claim stands
        self._fell_silent = (
            False  # the device that was shown the code, so that its offer is of no use to others
        )
        self._is_claimed = False
        self._until: Deadline | None = None
        self._return_by: asyncio.TimerHandle | None = None
        self._made_for = b""
        self._issued, self._issued_at = 0, 0.0  # how many offers, and when the last one
        self._shown: SharedSecret | None = None  # the secret of the offer that is shown now
        self._void: deque[SharedSecret] = deque(maxlen=_VOID_OFFERS)
        self._answers: set[Answer] = set()
        self._only: Candidate | None = None

    def answer(self, text: str) -> tuple[Candidate, ...]:
        """Take the answer code that the joining device shows, and call that device from now on.

        Returns where it is called. It still has to prove that it holds the offer's secret. Raises AnswerError, and
        the hosting goes on, where ``text`` is no answer code to the offer that is shown now.
        """
        agent, secret = self._agent, self._shown
        if agent is None or secret is None:
            raise AnswerError("no offer is shown yet that a code could answer")
        if self._result.done():
            raise AnswerError("no answer code is needed any more")
        answer = self._read_answer(text, secret)
        if not answer.addresses:
            raise AnswerError(f"nothing in the answer code can be called: {'; '.join(answer.dropped)}")
        if len(self._answers | {answer}) > ANSWER_CODES:
            raise AnswerError("too many answer codes were given for this offer", hint="Host again.")
        self._answers.add(answer)
        return accept_answer_code(agent, answer)

    def _read_answer(self, text: str, secret: SharedSecret) -> Answer:
        try:
            return Answer.parse(text, secret)
        except AnswerError:
            if any(_answers(text, void) for void in self._void):
                raise AnswerError(
                    "the code answers an offer that works no more",
                    hint="Read the offer that is shown now with the other device, and type the code that comes then.",
                ) from None
            raise

    async def _run(self, group: asyncio.TaskGroup) -> None:
        settings = self._settings
        identity, run = await self._begin_run()
        wanted = Wanted(
            Role.ISSUER, Part.HOST, identity, settings.name,
            fit_label(settings.name) if settings.announce_name else "",
            settings.gives, settings.takes, port=settings.port, run=run,
            silent=settings.flow == "pre",  # until there is an offer
            earlier_offers=tuple(await asyncio.to_thread(self._store.earlier_offers)),
        )  # fmt: skip
        self._keep_quiet()
        agent = self._new_agent(wanted)
        await self._start(agent, group)
        await self._find_own_addresses(agent)
        self._emit(self._ready(agent))
        agreed = await self._pair(agent)
        self._become_session(agent, Role.ISSUER, agreed, group)

    def _keep_quiet(self) -> None:
        """Flow pre never sends nor hears an open beacon, not even before its offer: nobody holds this secret."""
        if self._settings.flow != "post":
            self._keyring.put(OFFER, SharedSecret(random_bytes(SECRET_BYTES), Purpose.OFFER, Role.ISSUER))

    async def _pair(self, agent: Agent) -> Agreed:
        try:
            async with asyncio.timeout(self._settings.timeout or self._settings.lifetime) as limit:
                if self._settings.flow == "post":
                    await self._agree_on_peer(agent)
                self._until = Deadline(limit)
                self._agreement.on_nominated = self._until.give_persons_time
                offers = asyncio.create_task(self._keep_offering(agent, limit))
                telling = asyncio.create_task(self._tell_waiting(agent))
                try:
                    return await self._select(agent)
                finally:
                    offers.cancel()
                    telling.cancel()
        except TimeoutError:
            raise self._nobody_came(agent) from None

    def _is_waiting(self) -> bool:
        return not self._is_claimed

    def _nobody_came(self, agent: Agent) -> UnreachableError:
        if self._answers:
            return no_path(agent.record())  # it was called, so there is more to say
        return UnreachableError(
            "no device joined in time",
            hint="see on the other device what it tried, or run `localpair diagnose`",
        )

    def _offer_facts(self) -> OfferFacts:
        now = asyncio.get_running_loop().time()
        return OfferFacts(
            lifetime_s=round(self._settings.lifetime),
            age_s=max(0, int(now - self._issued_at)) if self._issued else 0,
            issued=self._issued,
        )

    async def _find_own_addresses(self, agent: Agent) -> None:
        try:
            async with asyncio.timeout(2 * SELF_CALL_S):
                await agent.acquire(self._emit)
        except TimeoutError:
            pass  # what is known so far is offered; ranking does not need the rest

    # -- the offer ----------------------------------------------------------------------------------------------

    async def _keep_offering(self, agent: Agent, limit: asyncio.Timeout) -> None:
        """Issue an offer, and a new one whenever it expires or is used up. The old one stops working at once."""
        while True:
            # From COMMIT on its device may have to come again, with the secret that it has.
            if not self._agreement.committed():
                secret = self._issue(agent, self._works_for(limit))
                await asyncio.to_thread(self._store.note_offer, secret.mark_key)
            self._renew.clear()
            try:
                async with asyncio.timeout(self._settings.lifetime):
                    await asyncio.sleep(OFFER_RENEWAL_S)
                    await self._renew.wait()
            except TimeoutError:
                pass

    def _works_for(self, limit: asyncio.Timeout) -> float:
        """Seconds for which an offer that is issued now works: its lifetime, or less where this run ends before."""
        ends = limit.when()
        left = self._settings.lifetime if ends is None else ends - asyncio.get_running_loop().time()
        return min(self._settings.lifetime, self._settings.timeout or math.inf, math.ceil(max(0.0, left)))

    def _issue(self, agent: Agent, works_for: float) -> SharedSecret:
        secret = random_bytes(SECRET_BYTES)
        self._keyring.retire(OFFER)
        if self._shown is not None:
            self._void.append(self._shown)
        shown = self._shown = SharedSecret(secret, Purpose.OFFER, Role.ISSUER)
        self._answers.clear()
        self._keyring.put(OFFER, shown)
        agent.resume_announcing()
        offer = Offer(
            key_hash=agent.key_hash,
            secret=secret,
            tcp_port=agent.tcp_port,
            udp_port=agent.udp_port,
            lifetime=round(self._settings.lifetime),
            flow="post" if self._settings.flow == "post" else "pre",
            gives=self._settings.gives,
            takes=self._settings.takes,
            candidates=self._offered(agent),
            label=fit_label(self._settings.name),
            made_for=self._made_for or None,
            dial_port=agent.dial_port,
        )
        self._issued += 1
        self._issued_at = asyncio.get_running_loop().time()
        self._emit(OfferIssued(offer.text, works_for))
        return shown

    def _offered(self, agent: Agent) -> tuple[OfferedAddress, ...]:
        if self._settings.offer_addresses == "none":
            return ()
        own: Sequence[Candidate] = [self._only] if self._only is not None else agent.own_candidates()
        return tuple(
            OfferedAddress(one.address, one.prefix if one.prefix is not None else one.address.max_prefixlen)
            for one in select_for_offer(own, room=OFFER_SHOWN_BYTES - self._offer_frame())
        )

    def _offer_frame(self) -> int:
        """Bytes of an offer beside its addresses."""
        made_for = 2 + INSTANCE_BYTES if self._made_for else 0
        return OFFER_LEAST_BYTES + len(fit_label(self._settings.name).encode()) + made_for

    # -- who claims it ------------------------------------------------------------------------------------------

    async def _select(self, agent: Agent) -> Agreed:
        """Nominate the first verified connection, try the next one where it breaks, and refuse every other device."""
        claim: _Claim | None = None
        arrival = asyncio.create_task(agent.next_verified())
        try:
            while True:
                self._is_claimed = claim is not None
                waiting = {arrival} if claim is None else {arrival, claim.task}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if claim is not None and claim.task.done():
                    agreed = await self._conclusion(agent, claim)
                    if agreed is not None:
                        return agreed
                    claim = None if claim.successor is None else self._claim(claim.successor)
                    claim = self._release(agent, claim)
                if arrival.done():
                    connection = arrival.result()
                    arrival = asyncio.create_task(agent.next_verified())
                    claim = self._arrived(agent, connection, claim)
        finally:
            if not arrival.cancel() and not arrival.cancelled():
                # It came at the last moment, and is turned away like all that come later.
                agent.give_back(arrival.result())
            for connection in self._held:
                agent.give_back(connection)
            if claim is not None:
                claim.task.cancel()
                if claim.successor is not None:  # too late to replace anything
                    agent.give_back(claim.successor)

    def _claim(self, connection: PeerConnection) -> _Claim:
        self._fell_silent = False
        return _Claim(connection, asyncio.create_task(self._agreement.conclude(connection)))

    def _arrived(self, agent: Agent, connection: PeerConnection, claim: _Claim | None) -> _Claim | None:
        """Whose claim stands now. A device that comes again keeps its place: nobody gets in between, however long a
        person still thinks about the connection that it has lost.
        """
        if claim is None and self._may_claim(connection):
            self._stop_expecting()
            return self._claim(connection)
        if claim is not None and self._is_successor(connection, claim.latest):
            if claim.successor is None:
                claim.connection.abandon()
            else:
                self._reject(agent, claim.successor, claim.connection)
            claim.successor = connection
        elif claim is None or not self._hold(agent, connection, claim):
            self._reject(agent, connection, None if claim is None else claim.connection)
        return claim

    def _hold(self, agent: Agent, connection: PeerConnection, claim: _Claim) -> bool:
        """Whether another device waits for the claimant's first word: until that has come, the claim may be one of
        somebody who says nothing, and costs the rightful device only the time in which that shows.
        """
        same = [other for other in self._held if is_same_device(connection, other)]
        for other in same:
            if not other.stream.is_closing():
                agent.reject(connection, None, OFFER)
                return True
            self._held.remove(other)
            agent.connection_ended(other, OFFER)
        is_other = self._is_meant(connection) and not is_same_device(connection, claim.connection)
        if not is_other or not owes_a_word(claim.connection) or len(self._held) >= HELD_DEVICES:
            return False
        self._held.append(connection)
        return True

    def _answered(self) -> None:
        """Who has claimed the offer is there: the devices that were held have come too late."""
        held, self._held = self._held, []
        for connection in held:
            if self._agent is not None:
                self._agent.reject(connection, Refusal.ALREADY_CLAIMED, OFFER)

    def _release(self, agent: Agent, claim: _Claim | None) -> _Claim | None:
        """The claim has come to nothing: whose claim stands now."""
        held, self._held = self._held, []
        for connection in held:
            claim = self._arrived(agent, connection, claim)
        return claim

    async def _conclusion(self, agent: Agent, claim: _Claim) -> Agreed | None:
        try:
            return claim.task.result()
        except PeerEndedError:
            agent.peer_said_ended(claim.connection)
            self._give_up_claim(0.0)
            self._fell_silent = not self._agreement.committed()
            if self._fell_silent:
                self._renew.set()  # the code was shown to a run that comes no more
            return None
        except (OSError, TimeoutError, RemoteError, ConnectionDeclinedError) as error:
            if isinstance(error, ConnectionDeclinedError) and not error.lost:
                raise
            agent.connection_lost(claim.connection, OFFER)
            self._fell_silent = isinstance(error, SilentError) and not self._agreement.committed()
            self._give_up_claim(0.0 if self._fell_silent else RESUME_S)
            if claim.successor is None:
                self._expect_return()
            return None  # the same device will come again, on a path that lasts
        except RefusedError as error:
            if claim.successor is not None:  # it has not heard it on the connection that it has lost
                await claim.successor.refuse(error.reason)
            raise

    def _give_up_claim(self, grace: float) -> None:
        if self._until is not None:
            self._until.take_back(grace)

    def _expect_return(self) -> None:
        """The device that was shown the code comes again soon, or its offer is used up: whoever sits in between and saw
        that the codes differ would otherwise try until they agree.
        """
        self._stop_expecting()
        self._return_by = asyncio.get_running_loop().call_later(RESUME_S, self._renew.set)

    def _stop_expecting(self) -> None:
        if self._return_by is not None:
            self._return_by.cancel()

    def _may_claim(self, connection: PeerConnection) -> bool:
        committed = self._agreement.committed()
        if not self._is_meant(connection) or not connection.handshake.may_be_nominated:
            return False
        return not committed or (
            connection.verified is not None and connection.verified.device_id in committed
        )

    def _reject(self, agent: Agent, connection: PeerConnection, chosen: PeerConnection | None) -> None:
        agent.reject(connection, self._why_not(connection, chosen), OFFER)

    def _why_not(self, connection: PeerConnection, chosen: PeerConnection | None) -> Refusal | None:
        """None where another connection of the same device is under way: this one merely lost."""
        if not self._is_meant(connection):
            return Refusal.OTHER_DEVICE
        if chosen is None and self._fell_silent:
            self._renew.set()  # nobody else can use an offer whose code was shown
            return Refusal.EXPIRED
        if chosen is None:
            return Refusal.ALREADY_CLAIMED
        return None if is_same_device(connection, chosen) else Refusal.ALREADY_CLAIMED

    def _is_successor(self, connection: PeerConnection, claimed: PeerConnection) -> bool:
        return (
            self._is_meant(connection)
            and connection.handshake.may_be_nominated
            and replaces(connection, claimed)
        )

    def _is_meant(self, connection: PeerConnection) -> bool:
        """Flow post: whether this is the device that was chosen. Its own word alone is not enough."""
        return connection.verified is not None and connection.verified.instance.startswith(self._made_for)

    def _expect_again(self, device_id: str, secret: SharedSecret) -> None:
        """Where the last word of the commit is lost, its device takes itself for paired and comes again as such."""
        self._keyring.put(device_id, secret)

    # -- flow post ----------------------------------------------------------------------------------------------

    async def _agree_on_peer(self, agent: Agent) -> None:
        """List who is near until the person has chosen; then pairing is accepted at the address known by then."""
        peer = await self._chosen_peer(agent)
        self._made_for = bytes.fromhex(peer.instance)[:INSTANCE_BYTES]
        source = next(sources_towards(peer.addresses), None)
        for candidate in agent.own_candidates():
            if candidate.address == source:
                self._only = candidate
                agent.pair_only_at(source)

    async def _chosen_peer(self, agent: Agent) -> NearbyPeer:
        if self._choose is None:
            raise RefusedError(Refusal.NOT_APPROVED, "flow post needs somebody to choose the device")
        while True:
            near = _joining(agent)
            choice = asyncio.ensure_future(self._choose(near)) if near else None
            others = asyncio.create_task(_others_near(agent, near))
            try:
                await asyncio.wait({others} if choice is None else {others, choice}, return_when=_FIRST)
                picked = choice.result() if choice is not None and choice.done() else None
                if picked is not None:
                    return next(
                        (peer for peer in _joining(agent) if peer.instance == picked.instance), picked
                    )
                await others
            finally:
                others.cancel()
                if choice is not None:
                    choice.cancel()


def _joining(agent: Agent) -> list[NearbyPeer]:
    return [peer for peer in agent.nearby() if peer.role == Part.JOIN]


async def _others_near(agent: Agent, shown: Sequence[NearbyPeer]) -> None:
    """Wait until other devices look for an offer than were ``shown``. More addresses of one make no other device: the
    person who is asked would only be asked again.
    """
    known = {(peer.instance, peer.label) for peer in shown}
    while {(peer.instance, peer.label) for peer in _joining(agent)} == known:
        await agent.wait_for_peers()


def _answers(text: str, secret: SharedSecret) -> bool:
    """Whether ``text`` is an answer code to the offer of ``secret``."""
    try:
        Answer.parse(text, secret)
    except AnswerError:
        return False
    return True
