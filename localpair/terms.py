"""The terms on which files are received: how much may come, and under which names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localpair.errors import UsageError
from localpair.limits import MAX_BATCH_BYTES, MAX_ENTRIES, PATH_DEPTH


@dataclass(frozen=True, slots=True)
class Terms:
    """What one transfer may bring. Raises UsageError for terms that make no sense.

    ``files`` counts entries: files, folders, and what the sender could not read. ``size`` is in bytes, of all files
    together. ``depth`` counts the names of a path. A transfer that brings more files or bytes is stopped, and what has
    arrived by then stays; an entry that lies deeper is refused alone. Names that are hidden, or that programs act on
    unasked, get an underscore unless ``allow_hidden``.
    """

    files: int = MAX_ENTRIES
    size: int = MAX_BATCH_BYTES
    depth: int = PATH_DEPTH
    allow_hidden: bool = False

    def __post_init__(self) -> None:
        if self.files < 1 or self.size < 0:
            raise UsageError("terms under which nothing can be received", hint="give numbers above 0")
        if not 1 <= self.depth <= PATH_DEPTH:
            raise UsageError(f"a depth of {self.depth}; 1 to {PATH_DEPTH} are possible")

    def excess(self, files: int, size: int) -> str:
        """Why so much may not come; empty where it may."""
        if files > self.files:
            return f"it brings more than {self.files} files and folders"
        if size > self.size:
            return f"it brings more than {self.size} bytes"
        return ""


USUAL: Final = Terms()
"""What holds where nobody says otherwise."""
