"""Opening two firewalls that refuse: the rendezvous of each peer, over UDP, and the simultaneous opens that it agrees
on.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import field, replace

from localpair.address import IPAddress
from localpair.candidate import Candidate
from localpair.dataclass import dataclass
from localpair.events import Attempt, Direction, Phase
from localpair.keys import Role
from localpair.limits import PEER_ADDRESSES
from localpair.net.agent.announcer import Announcer, Clock
from localpair.net.agent.dials.simultaneous_open import SimultaneousOpen
from localpair.protocol.discovery_events import BeaconSource, Invited
from localpair.protocol.rate_limits import Bucket
from localpair.protocol.rendezvous import Fire, Meeting, new_budget

_SPIN_S = 0.002  # the end of a wait is spent awake: the event loop wakes too late for a LAN

Adopt = Callable[[str, Candidate, socket.socket], Awaitable[bool]]
"""Makes a peer connection of an open TCP connection and verifies it; False where that failed."""
WayBack = Callable[[Candidate, int], Candidate]
"""The way to dial an address out of the interface, by index, by which something came from there (0: unknown)."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a peer was heard: over UDP at ``source``, its UDP port, and ``way`` for dials. ``local`` is the address of
    ours that it wrote to, where that is known.
    """

    way: Candidate
    source: BeaconSource
    port: int
    local: IPAddress | None = None


@dataclass(slots=True)
class _PunchedPeer:
    """How one peer is reached: at the last of ``places`` first, the latest one, or the one that has answered.

    A place that a neighbour has faked, by repeating what it heard, answers nothing: the next one has its turn then.
    """

    meeting: Meeting
    places: OrderedDict[IPAddress, _Place] = field(default_factory=OrderedDict)
    waiting: bool = False  # for an answer to what was said last
    simultaneous: SimultaneousOpen | None = None

    @property
    def place(self) -> _Place:
        """Where words and dials go now."""
        return next(reversed(self.places.values()))

    def know(self, place: _Place) -> None:
        """It was heard here."""
        address = place.source.address
        self.places.pop(address, None)
        self.places[address] = place
        if len(self.places) > PEER_ADDRESSES:
            self.places.popitem(last=False)

    def answers(self, source: BeaconSource, way_back: WayBack) -> None:
        """A word of it came from there. Of several cards and addresses of ours, it dials to those that it wrote to; any
        card may have answered the question for an address of another one.
        """
        self.waiting = False
        place = self.places.get(source.address)
        if place is not None:
            way = way_back(replace(place.way, bind_to=0), source.interface)
            self.places[source.address] = replace(place, way=way, local=source.local)
            self.places.move_to_end(source.address)

    def ask(self) -> None:
        """Something is said that wants an answer: at another place where the last one had none."""
        if self.waiting:
            self.places.move_to_end(self.place.source.address, last=False)
        self.waiting = True


class HolePuncher:
    """Holds a rendezvous with each peer that is known by a secret, once a dial between fixed ports was refused, or
    again got no answer.
    """

    def __init__(
        self, announcer: Announcer, role: Role, clock: Clock, adopt: Adopt,
        attempted: Callable[[Attempt], None], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._announcer, self._leads, self._clock = announcer, role is Role.ISSUER, clock
        self._adopt, self._attempted, self._changed = adopt, attempted, changed
        self._peers: dict[str, _PunchedPeer] = {}
        # They outlive a peer that goes and comes, which costs it nothing.
        self._budgets: dict[str, Bucket] = {}

    def know(self, secret: str, way: Candidate, source: BeaconSource, port: int) -> None:
        """A peer was heard there, and hears at that port."""
        peer = self._peers.get(secret)
        if peer is None:
            budget = self._budgets.setdefault(secret, new_budget())
            meeting = Meeting(
                lambda count: self._load(secret, count), self._clock(), leads=self._leads, budget=budget
            )
            peer = self._peers[secret] = _PunchedPeer(meeting)
        peer.know(_Place(way, source, port))

    def forget(self, secret: str) -> None:
        """The peer has a session, or has ended."""
        peer = self._peers.pop(secret, None)
        if peer is not None and peer.simultaneous is not None:
            peer.simultaneous.close()

    def refused(self, secret: str, address: IPAddress) -> None:
        """A dial between the fixed ports was answered with a refusal. It says nothing of the peer's firewall where the
        peer was not heard at that address: an offered one may lead nowhere.
        """
        peer = self._heard_at(secret, address)
        if peer is not None:
            if not self._leads:
                peer.ask()
            peer.meeting.refused(self._clock())

    def unanswered(self, secret: str, address: IPAddress) -> None:
        """Dials between the fixed ports got no answer there, more than once."""
        peer = self._heard_at(secret, address)
        if peer is not None:
            peer.meeting.unanswered(self._clock())

    def _heard_at(self, secret: str, address: IPAddress) -> _PunchedPeer | None:
        peer = self._peers.get(secret)
        near = peer is not None and any(place.way.address == address for place in peer.places.values())
        return peer if near else None

    def hear(self, event: Invited, way_back: WayBack) -> None:
        """The peer has said a word of the rendezvous."""
        peer = self._peers.get(event.secret)
        if peer is not None:
            peer.answers(event.source, way_back)
            peer.meeting.receive(event.message, event.at)

    def step(self, group: asyncio.TaskGroup) -> None:
        """Say and do what is due."""
        for secret, peer in list(self._peers.items()):
            peer.meeting.timer(self._clock())
            for action in peer.meeting.take():
                if isinstance(action, Fire):
                    self._fire(secret, peer, action, group)
                else:
                    message = peer.meeting.stamp(action, self._clock())
                    place = peer.place
                    to = self._announcer.targets(place.source.address, place.port, place.source.scope)
                    self._announcer.discovery.invite(secret, to, message)
                    self._announcer.flush()

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        times = [peer.meeting.deadline() for peer in self._peers.values()]
        return min((time for time in times if time is not None), default=None)

    def clear(self) -> None:
        """Open nothing more."""
        for secret in list(self._peers):
            self.forget(secret)

    def _fire(self, secret: str, peer: _PunchedPeer, action: Fire, group: asyncio.TaskGroup) -> None:
        """A wait that the event loop can keep is its own; a short one is spent here, since every packet counts."""
        simultaneous, peer.simultaneous = peer.simultaneous, None
        if simultaneous is None:
            peer.meeting.missed(self._clock())
        elif action.at - self._clock() > _SPIN_S:
            group.create_task(self._fire_later(secret, peer, simultaneous, action))
        else:
            self._fire_now(simultaneous, action)
            group.create_task(self._collect(secret, peer, simultaneous))

    async def _fire_later(
        self, secret: str, peer: _PunchedPeer, simultaneous: SimultaneousOpen, action: Fire
    ) -> None:
        try:
            await asyncio.sleep(action.at - self._clock() - _SPIN_S)
            self._fire_now(simultaneous, action)
        except BaseException:
            simultaneous.close()
            raise
        await self._collect(secret, peer, simultaneous)

    def _fire_now(self, simultaneous: SimultaneousOpen, action: Fire) -> None:
        while self._clock() < action.at:
            pass
        simultaneous.fire(action.ports, veiled=action.veiled)

    async def _collect(self, secret: str, peer: _PunchedPeer, simultaneous: SimultaneousOpen) -> None:
        started = self._clock()
        opened = await simultaneous.opened()
        if opened is None:
            name = errno.errorcode.get(simultaneous.error, "ETIMEDOUT")
            ms = (self._clock() - started) * 1000
            self._attempted(
                Attempt(simultaneous.candidate, Direction.SIMULTANEOUS, Phase.CONNECT, "failed", ms, name)
            )
        elif await self._adopt(
            secret, replace(simultaneous.candidate, dial_from=opened.getsockname()[1]), opened
        ):
            return
        peer.meeting.missed(self._clock())
        self._changed()

    def _load(self, secret: str, count: int) -> tuple[int, ...]:
        peer = self._peers[secret]
        if peer.simultaneous is not None:
            peer.simultaneous.close()
            peer.simultaneous = None
        if self._leads:
            peer.ask()  # a call goes out with these ports
        try:
            place = peer.place
            peer.simultaneous = SimultaneousOpen(place.way, count, leads=self._leads, local=place.local)
        except OSError:
            return ()
        return peer.simultaneous.ports
