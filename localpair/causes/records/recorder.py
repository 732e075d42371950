"""The recorder: counts what happens in a run into facts, each repeat in its row, and leaves out what is too much.

It has no clock: the caller gives the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from typing import Generic, Protocol, TypeVar

from localpair.address import IPAddress, unscoped
from localpair.causes.facts import (
    AttemptFacts,
    CallFacts,
    CallReach,
    CarrierName,
    DialTime,
    ForeignFacts,
    ForeignKind,
    HeardFacts,
    NeighbourState,
    PeerFacts,
    RefusalFacts,
    RunFacts,
    SelfCallFacts,
    SentFacts,
    Whose,
)
from localpair.dataclass import dataclass
from localpair.errors import Refusal
from localpair.events import Attempt
from localpair.limits import FACTS_ROWS


class _Counted(Protocol):
    @property
    def count(self) -> int: ...


_Row = TypeVar("_Row", bound=_Counted)
_Key = TypeVar("_Key")


@dataclass(slots=True)
class RowCounts(Generic[_Row]):
    """Equal rows, counted; at most FACTS_ROWS different ones. ``omitted`` counts what came when there was no room."""

    omitted: int = 0
    _counts: dict[_Row, int] = field(default_factory=dict)

    def add(self, row: _Row) -> None:
        """One more of this row."""
        if row in self._counts:
            self._counts[row] += 1
        elif len(self._counts) < FACTS_ROWS:
            self._counts[row] = 1
        else:
            self.omitted += 1

    def rows(self) -> tuple[_Row, ...]:
        """The rows with their counts, in the order in which they came first."""
        return tuple(replace(row, count=count) for row, count in self._counts.items())  # type: ignore[type-var]


@dataclass(slots=True)
class _FirstOnes(Generic[_Key]):
    """Different things in the order in which they came, as many as there is room for."""

    found: dict[_Key, None] = field(default_factory=dict)

    def add(self, one: _Key) -> None:
        if len(self.found) < FACTS_ROWS:
            self.found[one] = None


@dataclass(frozen=True, slots=True)
class HopFacts:
    """How a dial went: the state of its next hop when it ended, the interface, and our own address."""

    state: NeighbourState | None = None
    index: int | None = None
    source: IPAddress | None = None


@dataclass(slots=True)
class FactRecorder:
    """What one run has seen so far. ``began`` is the time at its start, in seconds."""

    began: float = 0.0
    _sent: RowCounts[SentFacts] = field(default_factory=RowCounts)
    _attempts: RowCounts[AttemptFacts] = field(default_factory=RowCounts)
    _calls: RowCounts[CallFacts] = field(default_factory=RowCounts)
    _strangers: RowCounts[CallFacts] = field(default_factory=RowCounts)
    _refusals: RowCounts[RefusalFacts] = field(default_factory=RowCounts)
    _heard: dict[tuple[CarrierName, int, IPAddress], HeardFacts] = field(default_factory=dict)
    _foreign: _FirstOnes[ForeignFacts] = field(default_factory=_FirstOnes)
    _self_calls: dict[IPAddress, SelfCallFacts] = field(default_factory=dict)
    _dialled: set[object] = field(default_factory=set)
    _claims: _FirstOnes[IPAddress] = field(default_factory=_FirstOnes)
    _sees_us_at: _FirstOnes[IPAddress] = field(default_factory=_FirstOnes)
    _goodbye: bool = False
    _omitted: int = 0

    # -- beacons ------------------------------------------------------------------------------------------------

    def sent(self, carrier: CarrierName, index: int, to: IPAddress, *, named: bool, errno: str = "") -> None:
        """A beacon left, or was refused by this host. ``named``: its address is one that was told, and not merely one
        of many that were asked.
        """
        self._sent.add(SentFacts(carrier, index, to.version, unscoped(to) if named else None, errno))

    def heard(self, carrier: CarrierName, index: int, source: IPAddress, now: float) -> None:
        """A beacon of the other device came."""
        key, seconds = (carrier, index, unscoped(source)), max(0, int(now - self.began))
        known = self._heard.get(key)
        if known is not None:
            self._heard[key] = replace(known, count=known.count + 1, last_s=seconds)
        elif len(self._heard) < FACTS_ROWS:
            self._heard[key] = HeardFacts(*key, 1, seconds, seconds)
        else:
            self._omitted += 1

    @property
    def has_heard(self) -> bool:
        """Whether a beacon of the other device has come."""
        return bool(self._heard)

    def peer_claims(self, addresses: Iterable[IPAddress]) -> None:
        """The other device says that it has these addresses."""
        for address in addresses:
            self._claims.add(unscoped(address))

    def seen_at(self, address: IPAddress) -> None:
        """The other device sees this one at an address."""
        self._sees_us_at.add(unscoped(address))

    def said_goodbye(self) -> None:
        """The other device ends."""
        self._goodbye = True

    def came_back(self) -> None:
        """It, or another run of it, is heard again."""
        self._goodbye = False

    def foreign(self, source: IPAddress, kind: ForeignKind) -> None:
        """A beacon came that cannot be read here."""
        self._foreign.add(ForeignFacts(unscoped(source), kind))

    # -- connections --------------------------------------------------------------------------------------------

    def attempt(self, attempt: Attempt, hop: HopFacts) -> None:
        """A dial has ended."""
        candidate = attempt.candidate
        again = candidate.key in self._dialled
        if len(self._dialled) < FACTS_ROWS:
            self._dialled.add(candidate.key)
        self._attempts.add(
            AttemptFacts(
                unscoped(candidate.address), candidate.port, candidate.origin, attempt.direction, attempt.phase,
                attempt.outcome, attempt.errno, attempt.flaw, again, DialTime.of(attempt.ms),
                bool(candidate.dial_from), hop.state, hop.index, hop.source,
            )
        )  # fmt: skip

    def call(self, source: IPAddress, reach: CallReach, why: str) -> None:
        """An incoming connection has ended, or was taken over. Strangers take no room from holders of a secret."""
        told = self._calls if reach.holds_secret else self._strangers
        told.add(CallFacts(unscoped(source), reach, why))

    def self_call(self, address: IPAddress, *, confirmed: bool, errno: str = "") -> None:
        """A call to an own address has ended; one that was confirmed once stays so."""
        known = self._self_calls.get(unscoped(address))
        if (known is None and len(self._self_calls) < FACTS_ROWS) or (
            known is not None and not known.confirmed
        ):
            self._self_calls[unscoped(address)] = SelfCallFacts(unscoped(address), confirmed, errno)

    def refusal(self, reason: Refusal, by: Whose, *, proven: bool) -> None:
        """One side has said no."""
        self._refusals.add(RefusalFacts(reason, by, proven))

    # -- the record ---------------------------------------------------------------------------------------------

    def places(self) -> tuple[tuple[IPAddress, int], ...]:
        """The addresses of the other device that came up, those that were dialled first, each with the interface by
        which it was tried or heard (0: any).
        """
        found: dict[IPAddress, int] = {}
        for attempt in self._attempts.rows():
            found.setdefault(attempt.address, attempt.index or 0)
        for voice in self._heard.values():
            found.setdefault(voice.source, voice.index)
        for claim in self._claims.found:
            found.setdefault(claim, 0)
        return tuple(found.items())

    def fill(self, facts: RunFacts) -> RunFacts:
        """``facts`` with all that was recorded."""
        omitted = sum(one.omitted for one in (self._sent, self._attempts, self._calls, self._strangers))
        return replace(
            facts,
            sent=self._sent.rows(),
            attempts=self._attempts.rows(),
            calls=(*self._calls.rows(), *self._strangers.rows())[:FACTS_ROWS],
            refusals=self._refusals.rows(),
            heard=tuple(self._heard.values()),
            foreign=tuple(self._foreign.found),
            self_calls=tuple(self._self_calls.values()),
            peer=PeerFacts(tuple(self._claims.found), tuple(self._sees_us_at.found), self._goodbye),
            omitted=omitted + self._omitted,
        )
