"""What an agent does about what discovery hears: dial, confirm over TCP, and tell the person."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from localpair.address import IPAddress, unscoped
from localpair.candidate import Candidate, Evidence, Origin
from localpair.causes.facts import ForeignKind
from localpair.events import Event, NearbyPeer, OwnAddressSeen, PeerEnded, PeerFound, SealedHeard
from localpair.limits import (
    PEER_ADDRESSES,
    PEERS,
)
from localpair.names.aliases import alias
from localpair.names.labels import clean_label
from localpair.net.agent.announcer import Announcer
from localpair.net.agent.callbacks import CallbackSchedule
from localpair.net.agent.dials.dial_policy import DialPolicy
from localpair.net.agent.facts_exchange import FactsExchange
from localpair.protocol.discovery import COUNTERPARTS
from localpair.protocol.discovery_events import Carrier, FactsCame, Foreign, Gone, Heard, HearsUs, Invited
from localpair.protocol.keyring import OFFER
from localpair.trace import TRACE
from localpair.wire.beacon import Part

_log = logging.getLogger("localpair.discovery")


class PeerTable:
    """Turns discovery events into calls of the dial policy, confirmations and events for the person.

    ``nearby`` holds the peers that can be chosen, by instance; ``foreign`` what else was heard, by address;
    ``heard_by`` the secrets whose other holder has said that it hears us at the addresses that we have now.
    ``issuer_ended`` is set once the issuer of the offer that was read here has said that its run ends.
    """

    def __init__(
        self,
        part: Part,
        announcer: Announcer,
        callbacks: CallbackSchedule,
        policy: DialPolicy,
        exchange: FactsExchange,
        emit: Callable[[Event], None],
    ) -> None:
        self.nearby: OrderedDict[bytes, NearbyPeer] = OrderedDict()
        self.foreign: OrderedDict[IPAddress, str] = OrderedDict()
        self.seen_at: OrderedDict[IPAddress, OwnAddressSeen] = OrderedDict()
        self.heard_by: set[str] = set()
        self.issuer_ended = asyncio.Event()
        self._part, self._announcer = part, announcer
        self._callbacks, self._policy, self._emit = callbacks, policy, emit
        self._exchange = exchange
        self._noticed = asyncio.Event()
        self._told_of_sealed = False
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        # Runs with a pair's secret, on this host or met: whether one is this very device; None: not known yet.
        self._ourselves: OrderedDict[bytes, bool | None] = OrderedDict()

    def wait_for_change(self) -> Coroutine[Any, Any, object]:
        """Wait until somebody comes, goes or moves after this call, also where it is awaited only later."""
        self._noticed.clear()
        return self._noticed.wait()

    def step(self, group: asyncio.TaskGroup) -> None:
        """Do what is due: send, hear, and start the confirmations whose time has come."""
        for event in self._announcer.step():
            if TRACE.on:
                TRACE.peer(event)
            match event:
                case Heard():
                    self._heard(event)
                case HearsUs() if not self._ourselves.get(event.instance):
                    self._hears_us(event, group)
                case Gone(instance, said_goodbye, secret):
                    if said_goodbye and secret == OFFER:
                        self.note_ended(instance)
                    self._note_gone(self.nearby.pop(instance, None), said_goodbye and secret is not None)
                    self._noticed.set()
                    if said_goodbye or self._policy.forgets_when_silent(instance):
                        self._policy.ended(instance)
                case Invited():
                    self._policy.invited(event)
                case Foreign(source, reason):
                    self._note_foreign(source, reason)
                case FactsCame():
                    self._exchange.take(event)
        self._policy.step(group)
        self._callbacks.step(group)
        self._exchange.step()

    def met(self, instance: bytes) -> None:
        """It has proven to be another device: whoever runs on this host is told about only now."""
        if instance in self._ourselves and not self._ourselves[instance]:
            held_back, self._ourselves[instance] = self._ourselves[instance] is None, False
            if held_back and instance in self.nearby:
                self._emit(PeerFound(self.nearby[instance]))

    def met_ourselves(self, instance: bytes) -> None:
        """It has proven to have this device's own identity: it is passed over from now on."""
        self._note_whose(instance, ourselves=True)
        self.nearby.pop(instance, None)
        self._policy.ended(instance)

    def note_ended(self, instance: bytes) -> None:
        """A run that holds the offer's secret has said that it ends, over whatever carrier. Whoever hosts is told of
        each once; its offer is as good as before.
        """
        if self._part is Part.JOIN:
            self._announcer.recorder.said_goodbye()
            self.issuer_ended.set()
        elif self._part is Part.HOST and instance not in self._ended:
            self._ended[instance] = None
            while len(self._ended) > PEERS:
                self._ended.popitem(last=False)
            self._emit(PeerEnded(instance.hex(), alias(instance)))

    def stop_dialing(self) -> None:
        """A session stands: nobody needs to be confirmed any more."""
        self._callbacks.clear()
        self._policy.clear()

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        due = (self._announcer.discovery, self._policy, self._callbacks, self._exchange)
        times = (one.deadline() for one in due)
        return min((time for time in times if time is not None), default=None)

    # -- a peer is heard ----------------------------------------------------------------------------------------

    def _heard(self, event: Heard) -> None:
        if self._is_passed_over(event):
            return
        candidates = self._candidates(event)
        peer = NearbyPeer(
            event.instance.hex(), alias(event.instance), event.part, event.tcp_port, candidates,
            clean_label(event.label),
        )  # fmt: skip
        news = event.first or self.nearby.get(event.instance) != peer
        self.nearby[event.instance] = peer
        while len(self.nearby) > PEERS:
            self.nearby.popitem(last=False)
        self._noticed.set()
        if news and self._is_told_of(event.instance):
            self._emit(PeerFound(peer))
        if event.secret is not None:
            self._policy.pursue(event, event.secret, candidates)
        if event.secret is not None and event.part is COUNTERPARTS.get(self._part):
            self._announcer.recorder.came_back()
            self._announcer.recorder.peer_claims(event.claims)
        if event.carrier is not Carrier.TCP:
            self._callbacks.plan(event)

    def _is_passed_over(self, event: Heard) -> bool:
        """Whether it is this very device that is heard, or as good as that: a sender hears a sender on its own host.
        Of whoever else has a pair's secret on this host only a handshake can tell.
        """
        between_pairs = self._part in {Part.SEND, Part.LISTEN} and event.secret is not None
        if (
            between_pairs
            and event.instance not in self._ourselves
            and self._announcer.interfaces.is_own(event.source.address)
        ):
            self._note_whose(event.instance, ourselves=True if event.part is self._part else None)
        return self._ourselves.get(event.instance) is True

    def _is_told_of(self, instance: bytes) -> bool:
        return self._ourselves.get(instance, False) is False

    def _note_whose(self, instance: bytes, *, ourselves: bool | None) -> None:
        self._ourselves[instance] = ourselves
        while len(self._ourselves) > PEERS:
            self._ourselves.popitem(last=False)

    def _candidates(self, event: Heard) -> tuple[Candidate, ...]:
        """Where the peer was seen first, then where it says it is; what was learnt earlier stays."""
        via = event.carrier.value
        over_tcp = event.carrier is Carrier.TCP
        evidence = Evidence.DIALLED_OVER_TCP if over_tcp else Evidence.SEEN_OVER_UDP
        source = event.candidate(event.tcp_port, evidence)
        claims = [
            Candidate(claim, event.tcp_port, origin=Origin.BEACON_CLAIM, via=via)
            for claim in event.claims
            if self._policy.is_near(claim)
        ]
        known = self.nearby.get(event.instance)
        found = {one.key: one for one in (*claims, *(known.addresses if known else ()), source)}
        best = sorted(found.values(), key=lambda one: -one.evidence)
        return tuple(best[: 2 * PEER_ADDRESSES])

    def _note_gone(self, peer: NearbyPeer | None, said_goodbye: bool) -> None:
        """Keep that the other device said goodbye, as only it can, unless another run of it is heard."""
        wanted = COUNTERPARTS.get(self._part)
        others = any(one.role == wanted for one in self.nearby.values())
        if peer is not None and peer.role == wanted and said_goodbye and not others:
            self._announcer.recorder.said_goodbye()

    def _note_foreign(self, source: IPAddress, reason: str) -> None:
        """Keep what cannot be read. Whoever looks around is told that others are near, and no more."""
        self.foreign[source] = reason
        self._announcer.recorder.foreign(source, ForeignKind(reason))
        while len(self.foreign) > PEERS:
            self.foreign.popitem(last=False)
        sealed = reason == "stranger" and not self._announcer.interfaces.is_own(source)
        if sealed and self._part is Part.DISCOVER and not self._told_of_sealed:
            self._told_of_sealed = True
            self._emit(SealedHeard())

    def _hears_us(self, event: HearsUs, group: asyncio.TaskGroup) -> None:
        """Keep where the peer sees us; where it dialled us, also call ourselves there, as the origin asks."""
        address = unscoped(event.address)
        if event.secret is not None:
            self.heard_by.add(event.secret)
        over_tcp = event.called or event.carrier is Carrier.TCP
        evidence = Evidence.DIALLED_OVER_TCP if over_tcp else Evidence.SEEN_OVER_UDP
        seen = OwnAddressSeen(address, evidence, str(event.by))
        known = self.seen_at.get(address)
        if known is None or known.evidence < evidence:
            self.seen_at[address] = seen
            while len(self.seen_at) > PEERS:
                self.seen_at.popitem(last=False)
            self._emit(seen)
        self._announcer.learn(address, 0, evidence, Origin.STAGE_3)
        if event.secret is not None:
            self._announcer.recorder.seen_at(address)
        peer = self.nearby.get(event.instance)
        if peer is not None and self._is_told_of(event.instance):
            self._emit(PeerFound(peer, hears_us=True))
        if event.called and self._announcer.interfaces.is_own(address):
            group.create_task(self._callbacks.confirm_own(address))
