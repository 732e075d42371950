"""Recordings: beacons of a paired device that somebody has heard before and sends again, here or elsewhere.

A pair's key outlives every run, so that what was recorded of one device once would make the other one answer for
ever. Therefore beacons of a pair are numbered through all runs of a device, and what is numbered no higher than one
that was heard already may be a recording. It is heeded only where it names the run that hears it now: no recording
does. Each part is counted apart, since a device may listen and send at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from localpair.limits import DOUBTED_S, PEERS
from localpair.trust.marks import Marks, raised
from localpair.wire.beacon import Beacon, Part

PARTS: Final = (Part.HOST, Part.JOIN, Part.LISTEN, Part.SEND)
"""The order of the marks."""


def marks_of(beacon: Beacon) -> Marks:
    """What is known once this beacon was heard."""
    return tuple(beacon.number if part is beacon.part else 0 for part in PARTS)


def is_later(beacon: Beacon, marks: Marks) -> bool:
    """Whether nothing was heard yet that was said at the same time or later."""
    return raised(marks, marks_of(beacon)) != marks


class Doubts:
    """Runs of paired devices that may be recordings: named as heard for a while, since a run that is alive says then
    that it hears us. ``secret`` is the name of the pair's key, ``instance`` the run's.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[tuple[str | None, bytes], float] = OrderedDict()

    def note(self, secret: str | None, instance: bytes, now: float) -> None:
        """This run is doubted, as of ``now`` (monotonic seconds). The longest doubted give way to new ones."""
        self._since[secret, instance] = now
        self._since.move_to_end((secret, instance))
        while len(self._since) > PEERS:
            self._since.popitem(last=False)

    def settle(self, secret: str | None, instance: bytes) -> None:
        """This run is alive."""
        self._since.pop((secret, instance), None)

    def of(self, secret: str | None) -> Iterator[bytes]:
        """The doubted runs of a pair, the latest first."""
        return (instance for name, instance in reversed(self._since) if name == secret)

    def expire(self, now: float) -> None:
        """Forget those of which nothing was heard for DOUBTED_S."""
        while self._since and next(iter(self._since.values())) < now - DOUBTED_S:
            self._since.popitem(last=False)
