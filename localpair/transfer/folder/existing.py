"""What stands in the receiving folder under a name that a batch brings, and what that means for the batch."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from localpair.choices.terms import Existing
from localpair.limits import NAMES_KEPT
from localpair.protocol.transfer.filenames import numbered
from localpair.transfer.folder.directory_handle import Folder, IsWanted

_NUMBERED = 16  # "name (n)" compared with a file that may be there already


class Standing:
    """Looks at ``folder`` for one batch of ``sender`` (its mark). Paths are those that things really have there."""

    def __init__(self, folder: Folder, sender: str, existing: Existing) -> None:
        self._folder = folder
        self._sender = sender
        self._existing = existing
        self._placed = 0

    def count_placed(self) -> None:
        """Another file of this very batch has got its name."""
        self._placed += 1

    def may_have(self, names: Sequence[str]) -> bool:
        """Whether a file, or a folder that is gone on with, stands here under one of these names."""
        return any(self._is_file((name,)) or self.goes_into((name,)) for name in names)

    def goes_into(self, actual: tuple[str, ...]) -> bool:
        """Whether a folder that stands there is gone on with.

        It is where this sender has sent it, or what it lies in; and where a person has said what becomes of files
        that stand there.
        """
        if len(actual) == 1 and self._existing is Existing.RENAME:
            return self._folder.is_claimed(actual[0], self._sender)
        status = self._folder.status(actual)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def digest(self, actual: tuple[str, ...], size: int, mtime_ns: int, is_wanted: IsWanted) -> bytes | None:
        """The checksum of the file of this size that stands under this name; None where there is none. Raises OSError.

        Where a name that is taken gets a number, numbered ones count: the one with the nearest time of change.
        """
        found: list[tuple[int, tuple[str, ...]]] = []
        for number in range(_NUMBERED if self._existing is Existing.RENAME else 1):
            candidate = (*actual[:-1], numbered(actual[-1], number))
            status = self._folder.status(candidate)
            if status is None:
                break
            if stat.S_ISREG(status.st_mode) and status.st_size == size:
                found.append((abs(status.st_mtime_ns - mtime_ns), candidate))
        return self._folder.digest(min(found)[1], size, is_wanted) if found else None

    def file(self, actual: tuple[str, ...]) -> os.stat_result | None:
        """What stands there, if that is a file which was there before this batch.

        The names that a batch has given are remembered for long, but not for ever: where a file system takes "A" and
        "a" for one, its own files must not be taken for others'.
        """
        status = self._folder.status(actual)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        is_own = self._placed > NAMES_KEPT and status.st_ctime_ns > self._folder.opened_ns
        return None if is_own else status

    def _is_file(self, actual: tuple[str, ...]) -> bool:
        status = self._folder.status(actual)
        return status is not None and stat.S_ISREG(status.st_mode)
