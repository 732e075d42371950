"""What this device knows its latest offers by: a later run says to their readers that it is the same device."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from localpair.errors import StateError
from localpair.limits import EARLIER_OFFERS
from localpair.trust.state_folder import locked, make_folder, read_private, remove_leftovers, write_private

log = logging.getLogger(__name__)

_FILE: Final = "offers.json"
_BYTES: Final = 4096


def earlier_offers(state: Path) -> list[bytes]:
    """The mark keys of the latest offers, the latest first. A file that makes no sense counts as none: a reader of an
    old offer is then told less.
    """
    try:
        raw = read_private(state / _FILE, _BYTES)
        found = json.loads(raw) if raw is not None and len(raw) <= _BYTES else []
        return [bytes.fromhex(one) for one in found][:EARLIER_OFFERS]
    except (StateError, ValueError, TypeError, RecursionError) as error:
        log.debug("earlier offers are not known: %s", error)
        return []


def note_offer(state: Path, mark_key: bytes) -> None:
    """Remember an offer by its mark key; the oldest goes where there are too many.

    Where that cannot be written, a line in the log says so: pairing does not depend on it.
    """
    try:
        make_folder(state)
        with locked(state):
            listed = [one.hex() for one in (mark_key, *earlier_offers(state))]
            remove_leftovers(state / _FILE)
            write_private(state / _FILE, json.dumps(listed[:EARLIER_OFFERS]).encode())
    except StateError as error:
        log.debug("the offer is not remembered: %s", error)
