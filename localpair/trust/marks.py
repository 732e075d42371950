"""How far the beacons of a paired device were heard: what the trust store keeps and ``protocol.replays`` reads."""

from __future__ import annotations

from typing import Final, TypeAlias

Marks: TypeAlias = tuple[int, ...]
"""The highest number heard of a device in each part that it may play: host, join, listen, send."""

NOTHING_HEARD: Final[Marks] = (0, 0, 0, 0)


def raised(marks: Marks, other: Marks) -> Marks:
    """The higher ones of both."""
    return tuple(map(max, marks, other))
