"""The terms on which files are received: how much may come, and under which names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from localpair.dataclass import dataclass
from localpair.errors import UsageError
from localpair.limits import MAX_BATCH_BYTES, MAX_ENTRIES, PATH_DEPTH


class Existing(StrEnum):
    """What becomes of a file whose name is taken in the receiving folder, by another one than the very same."""

    RENAME = "rename"  # it is stored beside the other one, under a free name
    SKIP = "skip"  # it is not stored, and the other one stays
    REPLACE = "replace"  # it takes the other one's place
    ASK = "ask"  # somebody decides for each


@dataclass(frozen=True, slots=True)
class NameConflict:
    """A file of ``size`` bytes whose name is taken, by one of ``standing_size`` at ``path``. Times in ns since 1970."""

    path: Path
    size: int
    mtime_ns: int
    standing_size: int
    standing_mtime_ns: int


Resolver: TypeAlias = Callable[[NameConflict], Awaitable[Existing]]
"""Decides for one file: ``Existing.RENAME``, ``SKIP`` or ``REPLACE``. Called for one file at a time."""


async def keep_both(_: NameConflict) -> Existing:
    """The resolver where nobody decides: nothing is lost."""
    return Existing.RENAME


@dataclass(frozen=True, slots=True)
class Terms:
    """What one transfer may bring. Raises UsageError for terms that make no sense.

    ``files`` counts entries: files, folders, and what the sender could not read. ``size`` is in bytes, of all files
    together. ``depth`` counts the names of a path. A transfer that brings more files or bytes is stopped, and what has
    arrived by then stays; an entry that lies deeper is refused alone. Names that are hidden, or that programs act on
    unasked, get an underscore unless ``allow_hidden``. Files are executable as they were there only with ``modes``.
    ``existing`` says what becomes of files whose names are taken.
    """

    files: int = MAX_ENTRIES
    size: int = MAX_BATCH_BYTES
    depth: int = PATH_DEPTH
    allow_hidden: bool = False
    existing: Existing = Existing.RENAME
    modes: bool = False

    def __post_init__(self) -> None:
        if self.files < 1 or self.size < 0:
            raise UsageError("terms under which nothing can be received", hint="give numbers above 0")
        if not 1 <= self.depth <= PATH_DEPTH:
            raise UsageError(f"a depth of {self.depth}; 1 to {PATH_DEPTH} are possible")

    def excess(self, files: int, size: int) -> str:
        """Why so much may not come; empty where it may."""
        if files > self.files == 1:
            return "it brings more than one file"
        if files > self.files:
            return f"it brings more than {self.files} files and folders"
        if size > self.size:
            return f"it brings more than {self.size} bytes"
        return ""


USUAL: Final = Terms()
"""What holds where nobody says otherwise."""
