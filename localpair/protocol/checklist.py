"""The checklist: which of the peer's addresses to dial, and when.

Candidates are dialled best first, STAGGER_S apart, or at once where the one before has already failed (RFC 8305,
5). What failed is tried again after growing gaps: networks heal, and the other side may start later. Nothing is
dropped for its rank. A candidate that answered with the wrong key is not tried again. Dials between the two fixed
ports stand outside the queue: the other side dials at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeAlias

from localpair.address import AddressClass, IPAddress, unscoped
from localpair.candidate import Candidate
from localpair.dataclass import dataclass
from localpair.limits import (
    CANDIDATES,
    LOWEST_DIALLED_PORT,
    PARALLEL_DIALS,
    PARALLEL_OPENINGS,
    PUNCH_GAPS_S,
    RETRY_GAPS_S,
    STAGGER_S,
)
from localpair.neighbourhood import NO_NEIGHBOURS, Neighbourhood

Order: TypeAlias = Callable[[Sequence[Candidate]], Sequence[Candidate]]
"""Gives candidates best first."""
Key: TypeAlias = tuple[IPAddress, int, int, int, IPAddress | None]


class DialOutcome(StrEnum):
    """How a dial ended, as far as trying again is concerned."""

    FAILED = "failed"
    UNANSWERED = "unanswered"  # failed, since no answer came in time
    REFUSED = "refused"  # failed, by an answer that said no
    HOPELESS = "hopeless"  # another device answers there


@dataclass(slots=True)
class _ChecklistEntry:
    candidate: Candidate
    ready_at: float
    delay: float  # the head start that others have over it
    tries: int = 0
    running: bool = False
    hopeless: bool = False

    @property
    def timed(self) -> bool:
        """Whether it is dialled from our fixed port, at about the moment when the other side does the same."""
        return self.candidate.dial_from != 0


class Checklist:
    """The candidates of one peer. ``own`` are this host's addresses: they are held back until the peer proves to
    be on this host, since a dial to one's own address never leaves it. ``near`` says which addresses of special purpose
    are neighbours.
    """

    def __init__(
        self, order: Order, own: Iterable[IPAddress] = (), near: Neighbourhood = NO_NEIGHBOURS
    ) -> None:
        self._order = order
        self._own = frozenset(unscoped(address) for address in own)
        self._near = near
        self._entries: dict[Key, _ChecklistEntry] = {}
        self._next_start = 0.0
        self.same_host = False

    def add(self, candidate: Candidate, now: float, delay: float = 0.0) -> bool:
        """Take a candidate; True where it is new. One that is known keeps its state and the better evidence; its first
        dial comes at the earlier time.
        """
        if not self._may_dial(candidate):
            return False
        entry = self._entries.get(candidate.key)
        if entry is not None:
            if candidate.evidence > entry.candidate.evidence:
                entry.candidate = replace(candidate, origin=entry.candidate.origin)
            entry.delay = min(entry.delay, delay)
            if not entry.tries:
                entry.ready_at = min(entry.ready_at, now + delay)
            return False
        if len(self._entries) >= CANDIDATES and not self._make_room():
            return False
        self._entries[candidate.key] = _ChecklistEntry(candidate, now + delay, delay)
        return True

    def drop(self, candidate: Candidate) -> None:
        """Dial this target no more, by whatever way it was dialled. What is under way may end."""
        self.keep(lambda one: (one.address, one.port) != (candidate.address, candidate.port))

    def keep(self, wanted: Callable[[Candidate], bool]) -> None:
        """Dial no others any more. What is under way may end."""
        for key, entry in list(self._entries.items()):
            if not wanted(entry.candidate):
                del self._entries[key]

    def set_network(self, own: Iterable[IPAddress], near: Neighbourhood) -> None:
        """This host's addresses have changed."""
        self._own = frozenset(unscoped(address) for address in own)
        self._near = near

    def due(self, now: float) -> list[Candidate]:
        """The candidates to dial now; each counts as running until ``ended`` is called.

        Between the fixed ports whoever waits longest comes first; of the others the least tried, and the best of those.
        """
        ready = [one for one in self._entries.values() if self._is_idle(one) and one.ready_at <= now]
        waiting = sorted(self._best_first([one for one in ready if one.timed]), key=lambda one: one.ready_at)
        started = waiting[: self._room(timed=True)]
        if now >= self._next_start and self._room(timed=False):
            queue = sorted(
                self._best_first([one for one in ready if not one.timed]), key=lambda one: one.tries
            )
            if queue:
                self._next_start = now + STAGGER_S
                started.append(queue[0])
        for entry in started:
            entry.running = True
            entry.tries += 1
        return [entry.candidate for entry in started]

    def ended(self, candidate: Candidate, outcome: DialOutcome, now: float) -> None:
        """A dial that ``due`` asked for has ended without a session; the next one need not wait for its turn."""
        entry = self._entries.get(candidate.key)
        if entry is None:
            return
        entry.running = False
        entry.hopeless = outcome is DialOutcome.HOPELESS
        gaps = PUNCH_GAPS_S if entry.timed else RETRY_GAPS_S
        # Without a pause: whenever nobody dials from our fixed port, the system refuses the other side's dial.
        again = entry.timed and outcome is DialOutcome.UNANSWERED
        entry.ready_at = now if again else now + gaps[max(0, min(entry.tries, len(gaps)) - 1)]
        if not entry.timed:
            self._next_start = now

    def restart(self, now: float) -> None:
        """The network changed: everything is worth a new try, now; head starts stay what they are."""
        for entry in self._entries.values():
            again = now + entry.delay
            entry.ready_at = again if entry.tries else min(entry.ready_at, again)
            entry.tries = 0
        self._next_start = now

    def deadline(self) -> float | None:
        """When ``due`` may next give something, if anything is left to dial."""
        room = {timed: self._room(timed=timed) for timed in (True, False)}
        idle = [entry for entry in self._entries.values() if self._is_idle(entry) and room[entry.timed]]
        times = [one.ready_at if one.timed else max(self._next_start, one.ready_at) for one in idle]
        return min(times, default=None)

    def candidates(self) -> list[Candidate]:
        """All candidates, best first, held-back ones included."""
        return list(self._order([entry.candidate for entry in self._entries.values()]))

    def _best_first(self, entries: list[_ChecklistEntry]) -> list[_ChecklistEntry]:
        return [self._entries[one.key] for one in self._order([entry.candidate for entry in entries])]

    def _make_room(self) -> bool:
        """Give up the entry that promises least: the weakest evidence, then the most tries."""
        idle = [entry for entry in self._entries.values() if not entry.running]
        if not idle:
            return False
        del self._entries[min(idle, key=lambda one: (one.candidate.evidence, -one.tries)).candidate.key]
        return True

    def _is_idle(self, entry: _ChecklistEntry) -> bool:
        held = not self.same_host and entry.candidate.address in self._own
        return not (entry.running or entry.hopeless or held)

    def _room(self, *, timed: bool) -> int:
        """How many more dials of this kind may be under way."""
        running = sum(entry.running for entry in self._entries.values() if entry.timed is timed)
        return max(0, (PARALLEL_OPENINGS if timed else PARALLEL_DIALS) - running)

    def _may_dial(self, candidate: Candidate) -> bool:
        if candidate.cls is AddressClass.LOOPBACK:
            return self.same_host and candidate.port >= LOWEST_DIALLED_PORT
        return self._near.may_dial(candidate)
