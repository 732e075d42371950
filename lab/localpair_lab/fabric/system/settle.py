"""Waits until a network that was wired really carries frames: carriers are noticed a little later than
links.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.fabric.system.addresses import tentative

if TYPE_CHECKING:
    from localpair_lab.fabric.system.places import Places

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.001


def settle(places: Places, message: dict[str, Any]) -> dict[str, Any]:
    """Wait for ``links`` (pairs of place and link) to be operational and for ``places`` to have no
    tentative address.

    Raises ``TimeoutError`` naming what is missing.
    """
    wanted: dict[str, set[str]] = {}
    for place, link in message["links"]:
        wanted.setdefault(place, set()).add(link)
    deadline = time.monotonic() + _PATIENCE_S
    while missing := _missing(places, wanted, message["places"]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {_PATIENCE_S:.0f} s the network does not stand: {missing}")
        time.sleep(_PAUSE_S)
    return {}


def _missing(places: Places, wanted: dict[str, set[str]], detecting: list[str]) -> str:
    for place, links in wanted.items():
        working = {link.name for link in places.channel(place).links() if link.operational}
        if links - working:
            return f"{place}: no carrier on {', '.join(sorted(links - working))}"
    for place in detecting:
        if waiting := tentative(places, place):
            return f"{place}: duplicate detection holds back {', '.join(sorted(waiting))}"
    return ""
