"""The dial policy: where, when and by which way a peer that was heard is dialled."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import field

from localpair.address import AddressClass, IPAddress, classify
from localpair.candidate import Candidate, Evidence
from localpair.dataclass import dataclass
from localpair.limits import (
    CANDIDATES,
    FAR_ALTERNATE_AFTER_S,
    LOWEST_DIALLED_PORT,
    PEERS,
    PUNCH_FIRST_S,
    PUNCH_SECOND_S,
    REVERSE_DIAL_AFTER_S,
    SIMULTANEOUS_AFTER_S,
)
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.dials.check_lists import Checklists
from localpair.net.agent.dials.hole_punching import HolePuncher
from localpair.protocol.discovery_events import Carrier, Heard, Invited
from localpair.wire.beacon import Part

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


class DialPolicy:
    """Feeds the checklists, the beacons' targets and the hole puncher with what is heard of each peer."""

    def __init__(
        self,
        part: Part,
        announcer: Announcer,
        checklists: Checklists,
        hole_puncher: HolePuncher,
        clock: Clock,
    ) -> None:
        self._part, self._announcer, self._checklists = part, announcer, checklists
        self._hole_puncher, self._clock = hole_puncher, clock
        self._pursuits: OrderedDict[bytes, _Pursuit] = OrderedDict()

    def step(self, group: asyncio.TaskGroup) -> None:
        """Do what is due for firewalls that refuse."""
        self._hole_puncher.step(group)

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        return self._hole_puncher.deadline()

    def invited(self, event: Invited) -> None:
        """A peer has said a word of the rendezvous."""
        self._hole_puncher.hear(event, self._checklists.way_back)

    def clear(self) -> None:
        """A session stands: no firewall needs to be opened any more."""
        self._hole_puncher.clear()

    def pursue(self, event: Heard, secret: str, candidates: tuple[Candidate, ...]) -> None:
        """A peer that holds the secret is dialled and gets beacons by unicast, wherever it is known to be."""
        if event.udp_port >= LOWEST_DIALLED_PORT:
            self._announcer.add_target(event.source.address, event.udp_port, event.source.scope)
        for claim in event.claims:
            usable = event.udp_port >= LOWEST_DIALLED_PORT and self.is_near(claim)
            if usable and not self._announcer.interfaces.is_own(claim):
                self._announcer.add_target(claim, event.udp_port)
        if _COUNTERPART.get(self._part) is not event.part:
            return
        if self._announcer.interfaces.is_own(event.source.address):
            self._checklists.on_this_host(secret)
        # The issuer gives the joiner's dial a head start: usually it is under way already. Not so where the joiner
        # could merely answer.
        first = self._part in (Part.JOIN, Part.SEND) or event.answers
        delay = 0.0 if first else REVERSE_DIAL_AFTER_S
        self._dial(event.instance, secret, candidates, delay)
        seen = event.candidate(event.tcp_port, Evidence.SEEN_OVER_UDP)
        self._dial_back(event, secret, seen, delay)
        self._open_simultaneously(event, secret)

    def is_near(self, claim: IPAddress) -> bool:
        """Whether it may be on the local network. A public address is only if it is in one of our own subnets."""
        if self._announcer.interfaces.near.why_not(claim):
            return False
        return classify(claim) is not AddressClass.GLOBAL or bool(self._announcer.interfaces.on_link(claim))

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

    def forgets_when_silent(self, instance: bytes) -> bool:
        """Whether a peer that is heard no more is forgotten at once. A listener runs for days: without this, a stranger
        who replays recorded beacons could make it call an address for good.
        """
        pursuit = self._pursuits.get(instance)
        return self._part is Part.LISTEN and pursuit is not None and not pursuit.paused

    def _dial(self, instance: bytes, secret: str, candidates: Sequence[Candidate], delay: float) -> None:
        """Dial a peer; one that has a session only where it was not known to be: it may have moved."""
        pursuit = self._pursuit(instance)
        if not pursuit.secret:
            pursuit.since = self._clock()
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
        pursuit = self._pursuits.setdefault(instance, _Pursuit("", self._clock()))
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
            or self._announcer.interfaces.is_own(source.address)
        ):
            return
        candidate = event.candidate(event.dial_port, dial_from=own_port)
        delay = SIMULTANEOUS_AFTER_S
        if self._part not in (Part.JOIN, Part.SEND):
            delay = PUNCH_SECOND_S if event.answers else PUNCH_FIRST_S
        self._dial(event.instance, secret, [candidate], delay)
        self._dial_back(event, secret, candidate, delay)
        if event.udp_port >= LOWEST_DIALLED_PORT and self._announcer.interfaces.near.may_dial(candidate):
            self._hole_puncher.know(
                secret, self._checklists.way_back(candidate, source.interface), source, event.udp_port
            )
