"""The exchange of facts: where nothing comes of a pairing after some seconds, both sides tell what they have seen.

The joiner or sender asks, the host or listener answers and asks back, over beacons that are sealed with the secret of
the two. Both then hold the same two records, taken within one round trip, and judge them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import field, replace
from typing import Final

from localpair.causes.facts import Ending, RunFacts
from localpair.causes.records.codec import FactsError
from localpair.causes.records.compact import decode
from localpair.causes.records.telling import concerning, packed
from localpair.dataclass import dataclass
from localpair.keys import random_bytes
from localpair.limits import (
    FACTS_AFTER_S,
    FACTS_ASK_S,
    FACTS_BEACONS,
    FACTS_BEACONS_REFILL_S,
    FACTS_COMPACT_BYTES,
    FACTS_SAME_S,
    FACTS_WAIT_S,
    PEERS,
)
from localpair.net.agent.announcer import Announcer, Clock
from localpair.protocol.discovery_events import Counterpart, FactsCame
from localpair.protocol.facts_talk import FactsTalk
from localpair.protocol.rate_limits import Bucket
from localpair.wire.beacon import FACTS_TOKEN_BYTES, NO_TOKEN, FactsPart, Part

_log = logging.getLogger("localpair.agent")
_SEEKERS: Final = (Part.JOIN, Part.SEND)


@dataclass(frozen=True, slots=True)
class ExchangedFacts:
    """What both sides had seen at one moment. ``theirs`` is what the other one says of itself."""

    mine: RunFacts
    theirs: RunFacts


@dataclass(slots=True)
class _Talker:
    """One peer: since when it is heard, and when it is asked next."""

    due: float
    gap: float = FACTS_AFTER_S
    talk: FactsTalk = field(default_factory=FactsTalk)


class FactsExchange:
    """Tells this side's facts and keeps the other one's. ``collect`` gives the record as it is now; ``is_met`` says
    whether a connection to a holder of the secret stands, so that no facts are needed.
    """

    def __init__(
        self, part: Part, announcer: Announcer, clock: Clock, collect: Callable[[], RunFacts],
        is_met: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.latest: ExchangedFacts | None = None
        self._seeks = part in _SEEKERS
        self._announcer, self._clock, self._collect, self._is_met = announcer, clock, collect, is_met
        self._talkers: OrderedDict[bytes, _Talker] = OrderedDict()
        self._budget = Bucket(FACTS_BEACONS, FACTS_BEACONS_REFILL_S)
        self._snapshot: tuple[float, RunFacts] | None = None
        self._came = asyncio.Event()

    def take(self, event: FactsCame) -> None:
        """A peer has told a part of its facts, or asks for ours."""
        peer = next((one for one in self._heard() if one.instance == event.instance), None)
        if peer is None or peer.secret != event.secret or self._is_met():
            return
        talker = self._talker(peer.instance)
        data = talker.talk.take(event.part)
        if data is not None:
            self._keep(data, peer)
        question = talker.talk.asked(event.part)
        # The first beacon is paid for before the record is made: a question that gets no answer costs nothing.
        if question is not None and self._budget.take(self._clock()):
            back = random_bytes(FACTS_TOKEN_BYTES) if event.part.answers == NO_TOKEN else NO_TOKEN
            facts = packed(self._record_for(peer), FACTS_COMPACT_BYTES)
            self._tell(peer, talker.talk.answer(question, facts, back), paid=1)

    def step(self) -> None:
        """Ask each peer that is due."""
        if not self._seeks or self._announcer.discovery.is_paused:
            return
        now = self._clock()
        for peer in self._heard():
            talker = self._talker(peer.instance)
            if now >= talker.due:
                talker.due, talker.gap = now + talker.gap, 2 * talker.gap
                if not self._is_met():
                    self._ask(peer, talker)

    def deadline(self) -> float | None:
        """When ``step`` wants to be called next."""
        if not self._seeks or self._announcer.discovery.is_paused:
            return None
        return min((self._talker(one.instance).due for one in self._heard()), default=None)

    async def ask_now(self) -> None:
        """At the end of a run: both sides' records as they are now, or the latest ones where no answer comes."""
        self._came.clear()
        self._snapshot = None
        try:
            async with asyncio.timeout(FACTS_WAIT_S):
                while not self._came.is_set() and self._ask_all():
                    await _until(self._came, FACTS_ASK_S)
        except TimeoutError:
            pass

    def _ask_all(self) -> bool:
        found = self._heard()
        for peer in found:
            self._ask(peer, self._talker(peer.instance))
        return bool(found) and not self._is_met()

    def _ask(self, peer: Counterpart, talker: _Talker) -> None:
        self._tell(peer, [talker.talk.ask(random_bytes(FACTS_TOKEN_BYTES))])

    def _tell(self, peer: Counterpart, parts: list[FactsPart], *, paid: int = 0) -> None:
        """Send these to where the peer was heard last; all of them or none. ``paid``: for so many there is a place."""
        to = self._announcer.targets(peer.address, peer.port, peer.scope)[:1]
        if to and self._budget.take(self._clock(), len(parts) - paid):
            for part in parts:
                self._announcer.discovery.tell_facts(peer.secret, to, part)
            self._announcer.flush()

    def _keep(self, data: bytes, peer: Counterpart) -> None:
        try:
            theirs = decode(data)
        except FactsError as error:
            _log.info("the other device told facts that cannot be read: %s", error)
            return
        if theirs.ending is Ending.PAIRED:  # there is no pair, whatever it says
            theirs = replace(theirs, ending=Ending.RUNNING)
        self.latest = ExchangedFacts(self._record_for(peer), theirs)
        self._came.set()

    def _record_for(self, peer: Counterpart) -> RunFacts:
        """Our record as this peer is told it: whoever is paired with several tells none of another one."""
        several = len(self._announcer.discovery.keyring) > 1
        return concerning(self._now(), peer.places) if several else self._now()

    def _now(self) -> RunFacts:
        """Our record, and for a moment the same one, so that what is told is what is judged."""
        now = self._clock()
        if self._snapshot is None or now - self._snapshot[0] > FACTS_SAME_S:
            self._snapshot = (now, self._collect())
        return self._snapshot[1]

    def _heard(self) -> list[Counterpart]:
        return self._announcer.discovery.counterparts()

    def _talker(self, instance: bytes) -> _Talker:
        if instance not in self._talkers:
            self._talkers[instance] = _Talker(self._clock() + FACTS_AFTER_S)
            while len(self._talkers) > PEERS:
                self._talkers.popitem(last=False)
        return self._talkers[instance]


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
