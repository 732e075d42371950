"""The agent: listens, dials, announces and hears at once, and gives every connection whose peer is verified.

It knows secrets and roles, and neither persons nor trust: what becomes of a verified connection is for its owner.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from localpair.address import LOOPBACK, IPAddress
from localpair.candidate import Candidate
from localpair.causes.facts import CallReach, Ending, OfferFacts, RunFacts, Whose
from localpair.errors import PeerEndedError, Refusal, RefusedError
from localpair.events import AddressAttempt, Attempt, CallFailed, Event, NearbyPeer, Phase, Ready
from localpair.keys import (
    SessionCertificate,
    SharedSecret,
    random_bytes,
)
from localpair.limits import CALLS_TOLD, STAGE_THREE_S
from localpair.net.agent.admission import CallAdmission
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.callbacks import CallbackChecker, CallbackSchedule
from localpair.net.agent.connection import PEER_ENDED, PeerConnection
from localpair.net.agent.counts import AgentCounts, SearchRecord
from localpair.net.agent.dials.check_lists import Checklists
from localpair.net.agent.dials.dial_policy import DialPolicy
from localpair.net.agent.dials.dialer import Dialer, DialRunner, errno_name
from localpair.net.agent.dials.hole_punching import HolePuncher
from localpair.net.agent.facts_exchange import ExchangedFacts, FactsExchange
from localpair.net.agent.flaws import flaw_of
from localpair.net.agent.gathering import AddressReport, SeenByPeer, acquire_addresses
from localpair.net.agent.peers import PeerTable
from localpair.net.agent.run_facts import FactCollector
from localpair.net.agent.scanning import Scanner
from localpair.net.agent.verification import Farewells, PeerVerifier
from localpair.net.agent.wanted import Wanted
from localpair.net.host.hops import HopReader
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.monitor import InterfaceWatch
from localpair.net.host.routes import sources_towards
from localpair.net.transport.listener import Listener
from localpair.net.transport.sockets import Sockets, open_sockets
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import Contexts
from localpair.protocol.checklist import DialOutcome
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import Carrier
from localpair.protocol.keyring import OFFER, Keyring
from localpair.trace import TRACE
from localpair.wire.beacon import INSTANCE_BYTES, Part
from localpair.wire.messages import CallKind


class Agent:
    """One process's sockets at work for one keyring. ``run()`` serves until it is cancelled.

    Its owner gives the configuration, the keyring and where events go, takes verified connections with
    ``next_verified``, and reaches for nothing behind the methods here.
    """

    def __init__(
        self,
        wanted: Wanted,
        keyring: Keyring,
        *,
        on_event: Callable[[Event], None],
        on_network: Callable[[Interfaces], None] = lambda _: None,
        offer_facts: Callable[[], OfferFacts | None] = lambda: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.wanted, self.keyring, self.clock = wanted, keyring, clock
        self.instance = random_bytes(INSTANCE_BYTES)
        self._certificate = SessionCertificate.generate(wanted.earlier_offers)
        self._sockets = sockets = open_sockets(wanted.port, prefer=wanted.prefer_port, apart=wanted.looks)
        self.tcp_port, self.udp_port, self.dial_port = sockets.tcp_port, sockets.udp_port, sockets.dial_port
        self.verified: asyncio.Queue[PeerConnection] = asyncio.Queue()
        self._started = asyncio.Event()
        self.counts = AgentCounts()
        self._on_event, self._on_network = on_event, on_network
        self._changed = asyncio.Event()
        self._farewells = Farewells()
        self._told_failed: set[CallFailed] = set()
        contexts = self._contexts = Contexts(self._certificate)
        self._discovery = self._new_discovery()
        self.announcer = Announcer(self._discovery, sockets, clock, self._changed.set)
        self.checklists = Checklists(clock)
        admission = CallAdmission(keyring)
        self.callbacks = CallbackChecker(
            contexts, admission, wanted.role, self.announcer, clock, self.tcp_port, {}
        )
        self._hole_puncher = self._new_hole_puncher()
        self._policy = DialPolicy(wanted.part, self.announcer, self.checklists, self._hole_puncher, clock)
        schedule = CallbackSchedule(self.callbacks, self.announcer, on_event)
        self._exchange = FactsExchange(
            wanted.part, self.announcer, clock, lambda: self.facts(Ending.RUNNING, offer_facts()),
            self.meets_somebody,
        )  # fmt: skip
        self.peers = PeerTable(wanted.part, self.announcer, schedule, self._policy, self._exchange, on_event)
        self._verifier = PeerVerifier(
            wanted, keyring, self.instance, self.counts, self.peers, self.announcer, clock
        )
        self._hops = HopReader(clock)
        self._collector = FactCollector(wanted.part, self.announcer, self.tcp_port)
        self._scanner = Scanner(self.announcer, self.udp_port, wanted.part)
        self._listener = self._new_listener(contexts, admission)
        self._dials = self._new_dials(contexts, admission)

    def _new_discovery(self) -> Discovery:
        ourselves = _announced(self.wanted, self.instance, self._sockets)
        if TRACE.on:
            TRACE.agent(ourselves)
        discovery = Discovery(ourselves, self.keyring, self.clock())
        if self.wanted.silent:
            discovery.pause_announcing()
        return discovery

    def _new_listener(self, contexts: Contexts, admission: CallAdmission) -> Listener:
        handlers = {
            CallKind.PAIR: self._accepted,
            CallKind.SELF: self.callbacks.answer_self,
            CallKind.CONFIRM: self._confirmation,
        }
        return Listener(
            self._sockets.listeners, contexts, self.wanted.role, handlers, admission.knows, self._call_ended
        )

    def _new_hole_puncher(self) -> HolePuncher:
        def adopt(secret: str, candidate: Candidate, connected: socket.socket) -> Awaitable[bool]:
            return self._dials.dial(secret, candidate, connected)

        return HolePuncher(
            self.announcer, self.wanted.role, self.clock, adopt, self._attempted, self._changed.set
        )

    def _new_dials(self, contexts: Contexts, admission: CallAdmission) -> DialRunner:
        dialer = Dialer(
            contexts, self.wanted.role, self.clock, admission.responder, self._verifier.make_connection,
            self._verifier.verify, self._attempted, lambda: self._listener.met, self.checklists.is_far,
        )  # fmt: skip
        return DialRunner(self.checklists, dialer, self._hole_puncher, self.give_back, self._changed.set)

    # -- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; says goodbye and closes every socket then."""
        try:
            async with InterfaceWatch() as watch:
                self._set_interfaces(watch.current)
                self._collector.begin()
                self.announcer.start()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listener.run())
                    group.create_task(self._follow(watch))
                    group.create_task(self._tick(group))
                    if self.wanted.part is not Part.DISCOVER:
                        group.create_task(self._scanner.run())
                    self._started.set()
        finally:
            self._say_goodbye()
            await self._farewells.end()
            self._close()

    def _say_goodbye(self) -> None:
        """By beacons, and on connections where there is no pair yet: from here on others look in vain."""
        self._discovery.goodbye()
        self.announcer.flush()
        if OFFER in self.keyring:
            self._farewells.say_ended(self._verifier.open_connections())

    async def wait_started(self) -> None:
        """Wait until ``run`` serves."""
        await self._started.wait()

    async def next_verified(self) -> PeerConnection:
        """The next verified connection; its taker ends it with ``connection_ended``, or gives it back."""
        return await self.verified.get()

    def give_back(self, connection: PeerConnection) -> None:
        """Leave a verified connection to the next taker."""
        self.verified.put_nowait(connection)

    async def final_refusal(self) -> RefusedError:
        """Wait until a device that has proven the pair's or the offer's key has refused, and give what it said."""
        await self.counts.final.wait()
        return self.counts.refusals[-1]

    async def issuer_ended(self) -> PeerEndedError:
        """Wait until the issuer of the offer that was read here says that its run ends."""
        await self.peers.issuer_ended.wait()
        return PeerEndedError(PEER_ENDED)

    def peer_said_ended(self, connection: PeerConnection) -> None:
        """The peer of a connection that was taken from ``verified`` says on it that its run ends."""
        self._verifier.note_ended(connection)
        connection.stream.abort()

    async def acquire(
        self,
        on_attempt: Callable[[AddressAttempt], None],
        *,
        everything: bool = True,
        seen_by_peer: SeenByPeer | None = None,
        peer_wait: float = STAGE_THREE_S,
    ) -> AddressReport:
        """Run the stages over our own listener and keep what they found as evidence."""
        report = await acquire_addresses(
            self.announcer.interfaces,
            port=self.tcp_port,
            call=self.callbacks.call_self,
            seen_by_peer=seen_by_peer,
            everything=everything,
            on_attempt=on_attempt,
            stage_three_limit_s=peer_wait,
            clock=self.clock,
        )
        for candidate in report.candidates:
            self.announcer.learn(candidate.address, candidate.scope, candidate.evidence, candidate.origin)
        return report

    def own_candidates(self) -> tuple[Candidate, ...]:
        """Our own addresses with the listener's port, best first."""
        return self.announcer.own(self.tcp_port)

    def ready(self) -> Ready:
        """What tells where this agent listens."""
        return Ready(self.tcp_port, self.udp_port, self.own_candidates())

    @property
    def key_hash(self) -> bytes:
        """The hash of the key that our listener shows, as an offer pins it."""
        return self._certificate.key_hash

    @property
    def interfaces(self) -> Interfaces:
        """This host's network as it is now."""
        return self.announcer.interfaces

    def nearby(self) -> list[NearbyPeer]:
        """The peers that can be chosen now."""
        return list(self.peers.nearby.values())

    def wait_for_peers(self) -> Coroutine[Any, Any, object]:
        """Wait until a peer comes, goes or moves after this call, also where it is awaited only later."""
        return self.peers.wait_for_change()

    def is_heard_by(self, secret: str) -> bool:
        """Whether the other holder of this secret has said that it hears us at the addresses that we have now."""
        return secret in self.peers.heard_by

    def record(self) -> SearchRecord:
        """What is known of the search so far, for an explanation of why nothing came of it."""
        counts, failures = self.counts, self.announcer.failures.items()
        return SearchRecord(
            self.wanted.part, tuple(counts.attempts), bool(self.peers.nearby), self.checklists.held_back(),
            counts.dropped, frozenset(name for (_, carrier), name in failures if carrier is not Carrier.TCP),
            counts.strangers, counts.refusals[-1] if counts.refusals else None,
        )  # fmt: skip

    def facts(self, ending: Ending, offer: OfferFacts | None = None) -> RunFacts:
        """What this run has seen so far, with this host's network as it is now, for a verdict."""
        return self._collector.collect(ending, offer)

    async def exchange_facts(self, *, is_there: bool) -> ExchangedFacts | None:
        """What both sides had seen when they told each other last: now, where the other one ``is_there`` and still
        answers. None where it never told anything. Takes FACTS_WAIT_S at most.
        """
        if is_there:
            await self._exchange.ask_now()
        return self._exchange.latest

    def add(self, secret: str, candidates: Sequence[Candidate], delay: float = 0.0) -> None:
        """Dial these addresses for a secret, in ``delay`` seconds at the earliest."""
        self.checklists.add(secret, candidates, delay)
        self._changed.set()

    def add_target(self, addresses: Iterable[IPAddress], udp_port: int) -> None:
        """Send every beacon to these addresses too, and to this host's own port: the peer may run here."""
        known = tuple(addresses)
        self._scanner.port = udp_port
        # Those to which no route leads are no reason to wait before others are asked.
        network = self.announcer.interfaces
        others = [Candidate(one) for one in known if not (network.is_own(one) or network.near.waits_for(one))]
        self._scanner.has_target |= any(True for _ in sources_towards(others))
        for address in (*known, LOOPBACK):
            self.announcer.add_target(address, udp_port)
        self._changed.set()

    def meets_somebody(self) -> bool:
        """Whether a connection is open on which the peer speaks TLS, with the pinned key where one is known."""
        return any(self._verifier.open_connections())

    def has_sign_of_peer(self) -> bool:
        """Whether a holder of a secret of ours was heard or has called, or a connection is open as above."""
        return self.announcer.recorder.has_heard or self._listener.met or self.meets_somebody()

    def expect_issuer(self, pin: bytes, addresses: Sequence[IPAddress]) -> None:
        """The issuer of the offer has the key of this hash, and ranks its own addresses in this order."""
        self._verifier.pin = pin
        self.checklists.prefer(addresses)

    def pair_only_at(self, address: IPAddress) -> None:
        """Flow post: accept pairing at this own address only, as long as it is one."""
        self._verifier.pair_at = address

    def note_dropped(self, reasons: Iterable[str]) -> None:
        """Keep why addresses that the peer has named are never called, a sentence for each."""
        self.counts.dropped += tuple(reasons)

    def begin_session(self, instance: bytes) -> None:
        """A session with this peer stands: announce nothing, and dial the peer only where it is heard anew."""
        self._verifier.resuming = False
        self.checklists.clear()
        self.peers.stop_dialing()
        self._dials.stop()
        self.pause_dialing(instance)
        self._discovery.pause_announcing()

    def resume_session(self, instance: bytes, secret: str, candidates: Sequence[Candidate]) -> None:
        """Its connection is lost: find the peer again, where it is heard and at these addresses."""
        self._verifier.resuming = True
        self.resume_dialing(instance)
        self.add(secret, candidates)
        self.resume_announcing()

    def pause_dialing(self, instance: bytes) -> None:
        """One of several sessions stands: dial this peer no more where it is known to be."""
        self._policy.pause_dialing(instance)

    def resume_dialing(self, instance: bytes) -> None:
        """One of several sessions has lost its connection: dial this peer again wherever it was heard."""
        self._policy.resume_dialing(instance)

    def peer_ended(self, instance: bytes) -> None:
        """One of several sessions is over: its peer is not there any more."""
        self._policy.ended(instance)

    def rekey(self, name: str, secret: SharedSecret) -> None:
        """From now on this secret and no other: the offer is used up, and a device that comes with it is too late."""
        heard = self.keyring.heard(name)
        for old in self.keyring:
            self.keyring.retire(old, Refusal.ALREADY_CLAIMED)
        self.keyring.put(name, secret, heard)
        self._verifier.secret, self._verifier.pin = name, None

    def resume_announcing(self) -> None:
        """Announce again, from a new burst on."""
        self._discovery.resume_announcing(self.clock())
        self._scanner.scan_soon()
        self._changed.set()

    def ms_since_first_sign(self, connection: PeerConnection) -> float:
        """Milliseconds since the peer of a connection was first heard, or since the connection stood."""
        heard = (
            self._policy.heard_since(connection.verified.instance)
            if connection.verified is not None
            else None
        )
        return (self.clock() - min(connection.since, heard or connection.since)) * 1000

    def connection_ended(
        self, connection: PeerConnection, secret: str, outcome: DialOutcome = DialOutcome.FAILED
    ) -> None:
        """A connection that was taken from ``verified`` ended without a session; its address may be tried again."""
        connection.stream.abort()
        self.checklists.ended(secret, connection.candidate, outcome)
        self._changed.set()

    def connection_lost(self, connection: PeerConnection, secret: str) -> None:
        """A connection that the issuer nominated, or may have nominated, is lost: those that come after it resume."""
        self.connection_ended(connection, secret)
        self._verifier.resuming = True

    def reject(self, connection: PeerConnection, reason: Refusal | None, secret: str = "") -> None:
        """Tell the peer why a connection that was taken from ``verified`` is not wanted, and end it, beside all other
        work: nobody waits for a peer that does not read. With ``secret``, its address may be tried again.
        """
        if reason is not None:
            self.note_refusal(reason)
            self._tell_failed(connection.candidate.address, CallReach.VERIFIED, str(reason))
        then = (lambda: self.connection_ended(connection, secret)) if secret else None
        self._farewells.refuse(connection, reason, then)

    def note_refusal(self, reason: Refusal) -> None:
        """This side has said no, and may: keep it among the facts."""
        self.announcer.recorder.refusal(reason, Whose.OURS, proven=True)

    # -- serving ------------------------------------------------------------------------------------------------

    async def _tick(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._changed.clear()
            self.peers.step(group)
            self._dials.start_due(group)
            await self._wait()

    async def _wait(self) -> None:
        deadlines = (self.peers.deadline(), self.checklists.deadline())
        next_one = min((time for time in deadlines if time is not None), default=None)
        delay = None if next_one is None else max(0.0, next_one - self.clock())
        try:
            async with asyncio.timeout(delay):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _follow(self, watch: InterfaceWatch) -> None:
        async for interfaces in watch:
            self._set_interfaces(interfaces)
            self._changed.set()

    def _set_interfaces(self, interfaces: Interfaces) -> None:
        if interfaces.own_addresses != self.announcer.interfaces.own_addresses:
            self.peers.heard_by.clear()
            if self._started.is_set() and self.wanted.part is not Part.HOST:  # an offer pins the certificate
                # Else a caller on both networks would know that it is one device that has moved.
                self._contexts.show(SessionCertificate.generate())
        self.announcer.set_interfaces(interfaces)
        self._verifier.set_interfaces(interfaces)
        self.checklists.set_interfaces(interfaces)
        self._on_network(interfaces)

    async def _accepted(self, stream: FrameStream) -> None:
        connection = await self._verifier.accept(stream)
        self._listener.admitted()
        self.verified.put_nowait(connection)

    async def _confirmation(self, stream: FrameStream) -> None:
        await self.callbacks.answer_confirm(stream)
        self._changed.set()

    def _attempted(self, attempt: Attempt) -> None:
        if TRACE.on:
            TRACE.attempt(attempt)
        if not self._verifier.met_ourselves(attempt.candidate):
            self.counts.attempts.append(attempt)
            self.announcer.recorder.attempt(attempt, self._hops.hop(attempt.candidate, self.interfaces))
        self._on_event(attempt)

    def _call_ended(self, source: IPAddress, reach: CallReach, error: BaseException | None) -> None:
        phase = Phase.HELLO if reach in (CallReach.ENCRYPTED, CallReach.VERIFIED) else Phase.PREAMBLE
        why = "" if error is None else _reason(error, phase)
        self.announcer.recorder.call(source, reach, why)
        if error is not None:
            self._tell_failed(source, reach, why)

    def _tell_failed(self, source: IPAddress, reach: CallReach, why: str) -> None:
        """Once for each source and reason; of very many the first ones."""
        event = CallFailed(source, reach.value, why)
        if event not in self._told_failed and len(self._told_failed) < CALLS_TOLD:
            self._told_failed.add(event)
            self._on_event(event)

    def _close(self) -> None:
        self.announcer.stop()
        self._hole_puncher.clear()
        self._sockets.close()
        while not self.verified.empty():
            self.verified.get_nowait().stream.abort()


def _reason(error: BaseException, phase: Phase) -> str:
    """Why a call came to nothing, in one word."""
    said = str(error.reason) if isinstance(error, RefusedError) else str(flaw_of(error, phase))
    return errno_name(error) or said


def _announced(wanted: Wanted, instance: bytes, sockets: Sockets) -> Self:
    """What beacons say of this side."""
    return Self(
        wanted.part, instance, random_bytes(32), sockets.tcp_port, sockets.udp_port, sockets.dial_port,
        wanted.announced, wanted.run,
    )  # fmt: skip
