"""What receiving has left in a folder: listed, or removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from localpair.errors import LocalError
from localpair.transfer.folder.directory_handle import open_folder
from localpair.transfer.folder.inbox import remove_kept
from localpair.transfer.folder.kept import KeptPart, overdue
from localpair.transfer.folder.kept import kept_parts as standing

__all__ = ["KeptPart", "kept_parts", "overdue_parts", "remove_parts"]


def kept_parts(folder: Path) -> list[KeptPart]:
    """The parts of files that are kept in ``folder``, the latest first. Raises LocalError where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return standing(entries)
    except OSError as error:
        raise _unusable(folder, error) from error


def overdue_parts(parts: list[KeptPart]) -> list[KeptPart]:
    """Those of one folder that are too old or too many, so that the next transfer into it removes them."""
    return overdue(parts, time.time())


def remove_parts(folder: Path, parts: Iterable[KeptPart]) -> list[KeptPart]:
    """Remove parts from ``folder``; those that are gone then. One that a session writes to stays. Raises LocalError."""
    try:
        held = open_folder(folder)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        return [part for part in parts if remove_kept(held, part.name)]
    finally:
        held.close()


def _unusable(folder: Path, error: OSError) -> LocalError:
    return LocalError(f"{folder} cannot be looked through: {error.strerror or error}")
