"""The rendezvous: two sides whose firewalls refuse every call agree on the moment at which both dial.

A stateful firewall lets the peer's SYN in once our own has gone out. One that drops gives the two all the time they
need; one that refuses ends our dial with its answer, so the two SYNs must cross on the way. The issuer calls with the
ports it will dial from; the joiner answers with its own and with its clock; the issuer, who knows by the round trip
how far the two clocks are apart, names the moment. Every round takes new ports, since both firewalls
remember a refused dial.

On a cable that is faster than the two schedulers are exact no SYN ever crosses another. So every second round the
issuer dials first and veiled: its SYN opens its own firewall, and the joiner's host throws it away without a reset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from localpair.dataclass import dataclass
from localpair.limits import (
    LOWEST_DIALLED_PORT,
    RENDEZVOUS_ANSWER_S,
    RENDEZVOUS_GAPS_S,
    RENDEZVOUS_LEAD_S,
    RENDEZVOUS_ROUNDS,
    SIMULTANEOUS_DIALS,
    VEILED_DIALS,
)
from localpair.protocol.rate_limits import Bucket
from localpair.wire.beacon import Rendezvous, RendezvousStep

_US = 1_000_000
_LATEST_US = 2**64 - 1  # what a word has room for; the peer may have said that its clock stands there

Load: TypeAlias = Callable[[int], tuple[int, ...]]
"""Makes a simultaneous open of so many dials ready and gives its own ports; one that was not fired before is given
up.
"""


@dataclass(frozen=True, slots=True)
class Fire:
    """Dial now, from each of these ports to the peer's port in the same place; ``at`` is when."""

    ports: tuple[int, ...]
    at: float
    veiled: bool = False


RendezvousAction: TypeAlias = Rendezvous | Fire


class Meeting:
    """One side's part. ``leads`` is True at the issuer. What to say and to do is given by ``take``, in order.

    ``budget`` limits the rounds, and may be shared by the meetings that follow each other with one peer.
    """

    def __init__(self, load: Load, now: float, *, leads: bool, budget: Bucket | None = None) -> None:
        self._load, self._leads, self._epoch = load, leads, now
        self._round = 0
        self._called_at: float | None = None
        self._next_call: float | None = None
        self._firing = False
        self._loaded: Rendezvous | None = None
        self._came_at = now
        self._best: tuple[float, float] | None = None
        self._budget = budget or new_budget()
        self._silence = 0  # calls since the last answer
        self._goes_on = False  # round after round, until the two have met
        self._actions: deque[RendezvousAction] = deque()

    def refused(self, now: float) -> None:
        """An ordinary simultaneous dial was refused, so a rendezvous is needed."""
        self._goes_on = True
        if self._leads:
            self._want(now)
        else:
            self._actions.append(Rendezvous(RendezvousStep.ASK))

    def unanswered(self, now: float) -> None:
        """Ordinary simultaneous dials got no answer, again: a firewall may remember earlier ones in such a way that it
        drops all that come between these ports. The side that leads tries others, once.
        """
        if self._leads:
            self._want(now)

    def receive(self, message: Rendezvous, now: float) -> None:
        """Take the peer's word, which came at ``now``. One that does not fit what is under way is passed over."""
        match message.step:
            case RendezvousStep.ASK if self._leads:
                self._goes_on = True
                self._want(now)
            case RendezvousStep.CALL if not self._leads and _may_dial(message.ports):
                self._get_ready(message, now)
            case RendezvousStep.READY if (
                self._leads and message.round == self._round & 255 and _may_dial(message.ports)
            ):
                self._go(message, now)
            case RendezvousStep.GO if self._loaded is not None and message.round == self._loaded.round:
                ports, self._loaded = self._loaded.ports, None
                at = self._epoch + message.at / _US
                self._actions.append(Fire(ports, min(at, now + RENDEZVOUS_ANSWER_S)))
            case _:
                pass

    def missed(self, now: float) -> None:
        """The simultaneous open that was asked for has opened nothing."""
        self._firing = False
        if self._leads and self._goes_on:
            self._next_call = now + RENDEZVOUS_GAPS_S[self._round >= RENDEZVOUS_ROUNDS]

    def timer(self, now: float) -> None:
        """Do what is due."""
        if self._next_call is None or now < self._next_call:
            return
        if not self._budget.take(now):
            self._next_call = now + RENDEZVOUS_GAPS_S[-1]
            return
        self._round += 1
        self._silence += 1
        # Whoever is not there any more, or never was, is not called for ever: only where it asks, or refuses us again.
        again = self._goes_on and self._silence < RENDEZVOUS_ROUNDS
        self._next_call = now + RENDEZVOUS_ANSWER_S if again else None
        ports = self._load(VEILED_DIALS if self._veiled() else SIMULTANEOUS_DIALS)
        self._actions.append(Rendezvous(RendezvousStep.CALL, self._round & 255, ports))

    def deadline(self) -> float | None:
        """When ``timer`` wants to be called next, if ever."""
        return self._next_call

    def take(self) -> list[RendezvousAction]:
        """What to say to the peer and to do, in this order."""
        actions = list(self._actions)
        self._actions.clear()
        return actions

    def stamp(self, message: Rendezvous, now: float) -> Rendezvous:
        """The word as it leaves ``now``: with our clock, where it tells of it."""
        if message.step is RendezvousStep.CALL:
            self._called_at = now
        if message.step is not RendezvousStep.READY:
            return message
        at, took = round((now - self._epoch) * _US), round((now - self._came_at) * _US)
        return replace(message, at=at, took=took)

    def _want(self, now: float) -> None:
        if self._next_call is None and not self._firing:
            self._next_call = now

    def _get_ready(self, message: Rendezvous, now: float) -> None:
        if self._loaded is not None and self._loaded.round == message.round:
            return  # a copy
        if not self._budget.take(now):
            return  # whoever has the secret must not make us dial without end
        self._loaded, self._came_at = message, now
        self._actions.append(Rendezvous(RendezvousStep.READY, message.round, self._load(SIMULTANEOUS_DIALS)))

    def _go(self, message: Rendezvous, now: float) -> None:
        """The joiner's clock is read as halfway through the way there and back; the quickest round knows best."""
        if self._called_at is None:
            return
        trip = max(0.0, now - self._called_at - message.took / _US)
        if trip > RENDEZVOUS_ANSWER_S:
            return
        ahead = message.at / _US - (now - trip / 2)
        if self._best is None or trip < self._best[0]:
            self._best = (trip, ahead)
        self._called_at, self._next_call, self._firing, self._silence = None, None, True, 0
        moment = now + RENDEZVOUS_LEAD_S + trip
        there = min(max(0, round((moment + self._best[1]) * _US)), _LATEST_US)
        go = Rendezvous(RendezvousStep.GO, message.round, at=there)
        fire = Fire(message.ports, now if self._veiled() else moment, self._veiled())
        self._actions += [fire, go] if fire.veiled else [go, fire]

    def _veiled(self) -> bool:
        return self._round % 2 == 0


def new_budget() -> Bucket:
    """What limits the rounds with one peer: RENDEZVOUS_ROUNDS, and one more every second."""
    return Bucket(RENDEZVOUS_ROUNDS, RENDEZVOUS_GAPS_S[-1])


def _may_dial(ports: tuple[int, ...]) -> bool:
    return bool(ports) and min(ports) >= LOWEST_DIALLED_PORT
