"""Recordings: beacons of a paired device that somebody has heard before and sends again, here or elsewhere.

A pair's key outlives every run, so that what was recorded of one device once would make the other one answer for
ever. Therefore beacons of a pair are numbered through all runs of a device, and what is numbered no higher than one
that was heard already may be a recording. It is heeded only where it names the run that hears it now: no recording
does. Each part is counted apart, since a device may listen and send at once.
"""

from __future__ import annotations

from typing import Final

from localpair.marks import Marks, raised
from localpair.wire.beacon import Beacon, Part

PARTS: Final = (Part.HOST, Part.JOIN, Part.LISTEN, Part.SEND)
"""The order of the marks."""


def marks_of(beacon: Beacon) -> Marks:
    """What is known once this beacon was heard."""
    return tuple(beacon.number if part is beacon.part else 0 for part in PARTS)


def is_later(beacon: Beacon, marks: Marks) -> bool:
    """Whether nothing was heard yet that was said at the same time or later."""
    return raised(marks, marks_of(beacon)) != marks
