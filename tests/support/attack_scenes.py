"""A person who is asked, and a claim that stands, for attacks on it."""

from __future__ import annotations

from typing import Any

from attack_sides import (
    Claimant,
)


async def until(claimant: Claimant, *wanted: type) -> Any:
    """The first event of one of these kinds."""
    while True:
        for event in claimant.handshake.take_events():
            if isinstance(event, wanted):
                return event
        await claimant.step()
