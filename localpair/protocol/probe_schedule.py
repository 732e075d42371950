"""The memory of single beacons to addresses that might be the peer's: how many each has had, and when one is due."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from math import inf

from localpair.limits import BEACON_SLOW_AFTER_S, BEACON_SLOW_BEAT_S, PROBE_GAPS_S, PROBE_WAITING_S, PROBED


class Probes:
    """At most PROBED targets, the least recently probed forgotten. Each is probed again after growing gaps, and then
    left alone; or, for one who ``waits``, again and again, since its peer may start at any time.
    """

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        self._known: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def due(self, target: Hashable) -> float:
        """Since when, or from when on, this target may have one more; a new one at any time."""
        return self._known.get(target, (0, -inf))[1]

    def is_due(self, target: Hashable, now: float) -> bool:
        """Whether this target may have one more now."""
        return now >= self.due(target) and (self.count(target) <= len(PROBE_GAPS_S) or self._waits)

    def count(self, target: Hashable) -> int:
        """How many this target has had."""
        return self._known.get(target, (0, 0.0))[0]

    def note(self, target: Hashable, now: float, since: float) -> None:
        """This target gets one now, in a search that began at the time ``since``."""
        tries = self.count(target)
        self._keep(target, tries + 1, now + self._gap(tries, now - since))

    def pass_over(self, target: Hashable, now: float) -> None:
        """This target gets none for a while, since none may go there now."""
        self._keep(target, self.count(target), now + PROBE_GAPS_S[0])

    def _gap(self, tries: int, elapsed: float) -> float:
        if self._waits:
            return BEACON_SLOW_BEAT_S if elapsed > BEACON_SLOW_AFTER_S else PROBE_WAITING_S
        return PROBE_GAPS_S[min(tries, len(PROBE_GAPS_S) - 1)]

    def _keep(self, target: Hashable, tries: int, due: float) -> None:
        self._known[target] = (tries, due)
        self._known.move_to_end(target)
        while len(self._known) > PROBED:
            self._known.popitem(last=False)
