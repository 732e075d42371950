"""The folders that this device has received into: where to look for what was left there."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from localpair.errors import StateError
from localpair.limits import RECEIVING_FOLDERS
from localpair.trust.state_folder import locked, make_folder, read_private, remove_leftovers, write_private

log = logging.getLogger(__name__)

_FILE: Final = "folders.json"
_BYTES: Final = 1024 * 1024


def known_folders(state: Path) -> list[Path]:
    """Those that were noted, the latest first. A file that makes no sense counts as none: nothing depends on it."""
    raw = read_private(state / _FILE, _BYTES)
    try:
        found = json.loads(raw) if raw is not None and len(raw) <= _BYTES else []
    except (ValueError, RecursionError):
        found = []
    if not isinstance(found, list):
        return []
    return [Path(one) for one in found if isinstance(one, str) and one and "\0" not in one]


def note_folder(state: Path, folder: Path) -> None:
    """Remember ``folder``; the one that was used longest ago goes where there are too many.

    Where that cannot be written, a line in the log says so: receiving does not depend on it.
    """
    try:
        whole = str(folder.absolute())
        whole.encode()  # a name that is no text cannot be kept in JSON
        make_folder(state)
        with locked(state):
            known = [str(one) for one in known_folders(state)]
            if known[:1] == [whole]:
                return
            remove_leftovers(state / _FILE)
            listed = [whole, *(one for one in known if one != whole)][:RECEIVING_FOLDERS]
            write_private(state / _FILE, json.dumps(listed).encode())
    except (StateError, UnicodeEncodeError) as error:
        log.debug("the folder is not remembered: %s", error)
