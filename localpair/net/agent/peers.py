"""What an agent does about what discovery hears: dial, confirm over TCP, and tell the person."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.aliases import alias
from localpair.candidate import Candidate, Evidence, Origin
from localpair.errors import LocalpairError
from localpair.events import AddressAttempt, Event, NearbyPeer, OwnAddressSeen, PeerFound, SealedHeard
from localpair.labels import clean_label
from localpair.limits import (
    CANDIDATES,
    CONFIRM_AFTER_S,
    FAR_ALTERNATE_AFTER_S,
    LOWEST_DIALLED_PORT,
    PACKET_DIALS_TOTAL,
    PEER_ADDRESSES,
    PEERS,
    PUNCH_FIRST_S,
    PUNCH_SECOND_S,
    REVERSE_DIAL_AFTER_S,
    SIMULTANEOUS_AFTER_S,
)
from localpair.net.agent.announcer import Announcer
from localpair.net.agent.callbacks import CallbackChecker
from localpair.net.agent.check_lists import Checklists
from localpair.net.agent.dialer import errno_name
from localpair.net.agent.hole_punching import HolePuncher
from localpair.protocol.discovery_events import Carrier, Foreign, Gone, Heard, HearsUs, Invited
from localpair.protocol.rate_limits import PerSource
from localpair.ranking import scope_of
from localpair.wire.beacon import Part

_log = logging.getLogger("localpair.discovery")
_COUNTERPART = {Part.HOST: Part.JOIN, Part.JOIN: Part.HOST, Part.LISTEN: Part.SEND, Part.SEND: Part.LISTEN}


@dataclass(slots=True)
class _Pursuit:
    """What is dialled for one instance of a peer, first heard at ``since`` with ``secret`` (empty: not heard yet).
    ``paused`` while it has a session.
    """

    secret: str
    since: float
    candidates: dict[tuple[IPAddress, int, int], Candidate] = field(default_factory=dict)
    paused: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """A confirmation that is due."""

    due: float
    secret: str | None
    address: IPAddress
    port: int
    scope: int


class PeerTable:
    """Turns discovery events into dials, confirmations and events for the person.

    ``nearby`` holds the peers that can be chosen, by instance; ``foreign`` what else was heard, by address;
    ``heard_by`` the secrets whose other holder has said that it hears us at the addresses that we have now.
    """

    def __init__(
        self,
        part: Part,
        announcer: Announcer,
        checklists: Checklists,
        callbacks: CallbackChecker,
        hole_puncher: HolePuncher,
        emit: Callable[[Event], None],
    ) -> None:
        self.nearby: OrderedDict[bytes, NearbyPeer] = OrderedDict()
        self.foreign: OrderedDict[IPAddress, str] = OrderedDict()
        self.seen_at: OrderedDict[IPAddress, OwnAddressSeen] = OrderedDict()
        self.heard_by: set[str] = set()
        self._part, self._announcer, self._checklists = part, announcer, checklists
        self._callbacks, self._hole_puncher, self._emit = callbacks, hole_puncher, emit
        self._budget = PerSource(total=PACKET_DIALS_TOTAL)
        self._pursuits: OrderedDict[bytes, _Pursuit] = OrderedDict()
        self._calls: list[_Call] = []
        self._called: OrderedDict[tuple[IPAddress, int], None] = OrderedDict()
        self._noticed = asyncio.Event()
        self._told_of_sealed = False
        # Runs with a pair's secret, on this host or met: whether one is this very device; None: not known yet.
        self._ourselves: OrderedDict[bytes, bool | None] = OrderedDict()

    def wait_for_change(self) -> Coroutine[Any, Any, object]:
        """Wait until somebody comes, goes or moves after this call, also where it is awaited only later."""
        self._noticed.clear()
        return self._noticed.wait()

    def step(self, group: asyncio.TaskGroup) -> None:
        """Do what is due: send, hear, and start the confirmations whose time has come."""
        for event in self._announcer.step():
            match event:
                case Heard():
                    self._heard(event)
                case HearsUs() if not self._ourselves.get(event.instance):
                    self._hears_us(event, group)
                case Gone(instance, said_goodbye):
                    self.nearby.pop(instance, None)
                    self._noticed.set()
                    if said_goodbye or self._waits_for_anybody(instance):
                        self.ended(instance)
                case Invited():
                    self._hole_puncher.hear(event, self._checklists.way_back)
                case Foreign(source, reason):
                    self._note_foreign(source, reason)
        self._hole_puncher.step(group)
        now = self._callbacks.clock()
        due = [call for call in self._calls if call.due <= now]
        self._calls = [call for call in self._calls if call.due > now]
        for call in due:
            if call.secret is None or call.secret in self._announcer.discovery.keyring:
                group.create_task(self._confirm(call))

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
        self.ended(instance)

    def stop_dialing(self) -> None:
        """A session stands: nobody needs to be confirmed any more."""
        self._calls.clear()
        self._hole_puncher.clear()

    def heard_since(self, instance: bytes) -> float | None:
        """When this peer was first heard with a secret of ours."""
        pursuit = self._pursuits.get(instance)
        return pursuit.since if pursuit is not None and pursuit.secret else None

    def pause_dialing(self, instance: bytes) -> None:
        """It has a session: dial it no more where it is known to be, until ``resume_dialing``."""
        pursuit = self._pursuit(instance)
        pursuit.paused = True
        self._checklists.drop(pursuit.secret, pursuit.candidates.values())
        self._hole_puncher.forget(pursuit.secret)

    def resume_dialing(self, instance: bytes) -> None:
        """Its session has lost its connection: dial it again wherever it was heard, and is heard from now on."""
        pursuit = self._pursuits.get(instance)
        if pursuit is not None:
            pursuit.paused = False
            if pursuit.secret in self._announcer.discovery.keyring:
                self._checklists.add(pursuit.secret, pursuit.candidates.values())

    def ended(self, instance: bytes) -> None:
        """It said goodbye: nobody listens there any more."""
        if instance in self._pursuits:
            self.pause_dialing(instance)
            self._pursuits.pop(instance)

    def _waits_for_anybody(self, instance: bytes) -> bool:
        """Whoever listens does so for days: what it hears no more, and has no session with, it calls no more, and so
        nobody can point it at an address for good with what he has recorded.
        """
        pursuit = self._pursuits.get(instance)
        return self._part is Part.LISTEN and pursuit is not None and not pursuit.paused

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        times = [call.due for call in self._calls]
        others = (self._announcer.discovery.deadline(), self._hole_puncher.deadline())
        return min([*times, *(time for time in others if time is not None)], default=None)

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
            self._pursue(event, event.secret, candidates)
        if event.carrier is not Carrier.TCP:
            self._plan_confirmation(event)

    def _is_passed_over(self, event: Heard) -> bool:
        """Whether it is this very device that is heard, or as good as that: a sender hears a sender on its own host.
        Of whoever else has a pair's secret on this host only a handshake can tell.
        """
        between_pairs = self._part in {Part.SEND, Part.LISTEN} and event.secret is not None
        if (
            between_pairs
            and event.instance not in self._ourselves
            and self._announcer.is_own(event.source.address)
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
        source = Candidate(
            unscoped(event.source.address), event.tcp_port, origin=Origin.BEACON_SOURCE, evidence=evidence, via=via,
            scope=scope_of(event.source.address, event.source.scope),
        )  # fmt: skip
        claims = [
            Candidate(claim, event.tcp_port, origin=Origin.BEACON_CLAIM, via=via)
            for claim in event.claims
            if self._is_near(claim)
        ]
        known = self.nearby.get(event.instance)
        found = {one.key: one for one in (*claims, *(known.addresses if known else ()), source)}
        best = sorted(found.values(), key=lambda one: -one.evidence)
        return tuple(best[: 2 * PEER_ADDRESSES])

    def _pursue(self, event: Heard, secret: str, candidates: tuple[Candidate, ...]) -> None:
        """A peer that holds the secret is dialled and gets beacons by unicast, wherever it is known to be."""
        if event.udp_port >= LOWEST_DIALLED_PORT:
            self._announcer.add_target(event.source.address, event.udp_port, event.source.scope)
        for claim in event.claims:
            usable = event.udp_port >= LOWEST_DIALLED_PORT and self._is_near(claim)
            if usable and not self._announcer.is_own(claim):
                self._announcer.add_target(claim, event.udp_port)
        if _COUNTERPART.get(self._part) is not event.part:
            return
        if self._announcer.is_own(event.source.address):
            self._checklists.on_this_host(secret)
        # Whoever shows the offer gives the other side's dial a head start: usually it is under way already. Not so
        # where the other side could merely answer.
        first = self._part in (Part.JOIN, Part.SEND) or event.answers
        delay = 0.0 if first else REVERSE_DIAL_AFTER_S
        self._dial(event.instance, secret, candidates, delay)
        seen = Candidate(
            unscoped(event.source.address), event.tcp_port, origin=Origin.BEACON_SOURCE, via=event.carrier.value,
            evidence=Evidence.SEEN_OVER_UDP, scope=scope_of(event.source.address, event.source.scope),
        )  # fmt: skip
        self._dial_back(event, secret, seen, delay)
        self._open_simultaneously(event, secret)

    def _dial(self, instance: bytes, secret: str, candidates: Sequence[Candidate], delay: float) -> None:
        """Dial a peer; one that has a session only where it was not known to be: it may have moved."""
        pursuit = self._pursuit(instance)
        if not pursuit.secret:
            pursuit.since = self._callbacks.clock()
        pursuit.secret = secret
        found = {(one.address, one.port, one.dial_from): one for one in candidates}
        new = [one for key, one in found.items() if key not in pursuit.candidates]
        pursuit.candidates |= found
        while len(pursuit.candidates) > CANDIDATES:
            pursuit.candidates.pop(next(iter(pursuit.candidates)))
        self._checklists.add(secret, new if pursuit.paused else candidates, delay)

    def _dial_back(self, event: Heard, secret: str, candidate: Candidate, delay: float) -> None:
        """Dial it also on the way by which its beacon came. That way is no place of its own: it is not kept, and no
        peer that has a session is dialled for its sake.
        """
        if not self._pursuit(event.instance).paused:
            arrived = event.source.interface
            ways = self._checklists.ways_heard(candidate, arrived, event.source.local)
            others = self._pursuit(event.instance).candidates.values()
            if self._checklists.has_nearer(candidate, arrived, others):
                delay += FAR_ALTERNATE_AFTER_S
            self._checklists.add(secret, ways, delay)

    def _pursuit(self, instance: bytes) -> _Pursuit:
        """What is dialled for that instance; nothing yet where it was never heard."""
        pursuit = self._pursuits.setdefault(instance, _Pursuit("", self._callbacks.clock()))
        while len(self._pursuits) > PEERS:
            self._pursuits.popitem(last=False)
        return pursuit

    def _open_simultaneously(self, event: Heard, secret: str) -> None:
        """Both sides dial from one fixed port to the other's: two closed firewalls let that through."""
        own_port, source = self._announcer.dial_port, event.source
        if (
            not own_port
            or not event.dial_port
            or event.carrier is Carrier.TCP
            or self._announcer.is_own(source.address)
        ):
            return
        scope = scope_of(source.address, source.scope)
        candidate = Candidate(
            unscoped(source.address), event.dial_port, scope=scope, origin=Origin.BEACON_SOURCE,
            via=event.carrier.value, dial_from=own_port,
        )  # fmt: skip
        delay = SIMULTANEOUS_AFTER_S
        if self._part not in (Part.JOIN, Part.SEND):
            delay = PUNCH_SECOND_S if event.answers else PUNCH_FIRST_S
        self._dial(event.instance, secret, [candidate], delay)
        self._dial_back(event, secret, candidate, delay)
        if event.udp_port >= LOWEST_DIALLED_PORT and self._announcer.interfaces.near.may_dial(candidate):
            self._hole_puncher.know(
                secret, self._checklists.way_back(candidate, source.interface), source, event.udp_port
            )

    def _is_near(self, claim: IPAddress) -> bool:
        """Whether it may be on the local network. A public address is only if it is in one of our own subnets."""
        if self._announcer.interfaces.near.why_not(claim):
            return False
        return classify(claim) is not AddressClass.GLOBAL or bool(self._announcer.interfaces.on_link(claim))

    def _note_foreign(self, source: IPAddress, reason: str) -> None:
        """Keep what cannot be read. Whoever looks around is told that others are near, and no more."""
        self.foreign[source] = reason
        while len(self.foreign) > PEERS:
            self.foreign.popitem(last=False)
        sealed = reason == "stranger" and not self._announcer.is_own(source)
        if sealed and self._part is Part.DISCOVER and not self._told_of_sealed:
            self._told_of_sealed = True
            self._emit(SealedHeard())

    # -- confirmations ------------------------------------------------------------------------------------------

    def _plan_confirmation(self, event: Heard) -> None:
        """Call the peer back where it was seen, and nowhere that it merely claims to be."""
        source = event.source
        scope = scope_of(source.address, source.scope)
        key = (unscoped(source.address), event.tcp_port)
        own = self._announcer.is_own(source.address)
        probe = Candidate(unscoped(source.address), event.tcp_port)
        now = self._callbacks.clock()
        if own or key in self._called or not self._announcer.interfaces.near.may_dial(probe):
            return
        if not self._budget.take(source.address, now):
            return
        self._called[key] = None
        while len(self._called) > PEERS:
            self._called.popitem(last=False)
        self._calls.append(_Call(now + CONFIRM_AFTER_S, event.secret, key[0], event.tcp_port, scope))

    async def _confirm(self, call: _Call) -> None:
        try:
            await self._callbacks.confirm_to(call.address, call.port, call.scope, call.secret)
        except (OSError, TimeoutError, LocalpairError) as error:
            _log.info("confirmation to %s failed: %s", call.address, errno_name(error) or error)

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
        peer = self.nearby.get(event.instance)
        if peer is not None and self._is_told_of(event.instance):
            self._emit(PeerFound(peer, hears_us=True))
        if event.called and self._announcer.is_own(address):
            group.create_task(self._confirm_own(address))

    async def _confirm_own(self, address: IPAddress) -> None:
        started = self._callbacks.clock()
        owner = self._announcer.interfaces.owner(address)
        scope = scope_of(address, owner.index) if owner is not None else 0
        outcome = await self._callbacks.call_self(address, scope, self._callbacks.own_port)
        ms = (self._callbacks.clock() - started) * 1000
        message, reason = (
            ("confirmed", "the peer called us there, and so did we") if outcome.confirmed else ("failed", "")
        )
        self._emit(
            AddressAttempt(
                3, address, owner.name if owner else None, message, reason or outcome.reason, ms,
                cls=Candidate(address).cls, evidence=Evidence.DIALLED_OVER_TCP,
            )
        )  # fmt: skip
