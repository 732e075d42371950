"""The memory of single beacons to addresses that might be the peer's: how many each has had, and when one is due."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from localpair.limits import PROBE_GAPS_S, PROBED


class Probes:
    """At most PROBED targets, the least recently probed forgotten. Each is probed again after growing gaps, and then
    left alone, or, for one who ``waits``, after the last gap for ever, since its peer may start at any time.
    """

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        self._known: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def is_due(self, target: Hashable, now: float) -> bool:
        """Whether this target may have one more now."""
        tries, due = self._known.get(target, (0, now))
        return now >= due and (tries <= len(PROBE_GAPS_S) or self._waits)

    def count(self, target: Hashable) -> int:
        """How many this target has had."""
        return self._known.get(target, (0, 0.0))[0]

    def note(self, target: Hashable, now: float) -> None:
        """This target gets one now."""
        tries = self.count(target)
        self._keep(target, tries + 1, now + PROBE_GAPS_S[min(tries, len(PROBE_GAPS_S) - 1)])

    def pass_over(self, target: Hashable, now: float) -> None:
        """This target gets none for a while, since none may go there now."""
        self._keep(target, self.count(target), now + PROBE_GAPS_S[0])

    def _keep(self, target: Hashable, tries: int, due: float) -> None:
        self._known[target] = (tries, due)
        self._known.move_to_end(target)
        while len(self._known) > PROBED:
            self._known.popitem(last=False)
