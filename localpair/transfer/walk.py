"""What a path to send consists of: its files and folders, in a steady order.

A link that was given directly stands for what it points to; one inside a folder is left out, since it may lead
anywhere, unless links are to be followed. What has no contents to send is left out: a pipe, a socket, a device.
Everything here blocks and is called from worker threads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from localpair.choices.selection import EVERYTHING, Links, Selection
from localpair.dataclass import dataclass
from localpair.errors import LocalError
from localpair.limits import PATH_DEPTH
from localpair.protocol.transfer.filenames import PART_PREFIX, name_key, numbered
from localpair.wire.payload import Kind


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One entry to send. ``parts`` is its path in the batch; with kind MISSING ``reason`` says why it is not sent."""

    path: Path
    parts: tuple[str, ...]
    kind: Kind
    is_followed: bool = False  # named by the caller, or a link that is to be followed
    reason: str = ""
    theirs: bytes | None = (
        None  # checksum of what the receiver has under this name; empty: nothing of this size
    )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was found and is not sent, which is no failure. ``reason`` is that of `Skipped`."""

    path: Path
    reason: str


def top_sources(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """The given paths with a name of its own for each. Raises LocalError for one that cannot be sent."""
    named: list[tuple[Path, str]] = []
    taken: set[str] = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise LocalError(f"{path} cannot be sent: {error.strerror or error}") from error
        if not _has_contents(status):
            raise LocalError(f"{path} cannot be sent: it is a pipe, a socket or a device")
        name = _text(path.name if path.name not in {"", "..", "."} else path.resolve().name) or "files"
        number = 0
        while name_key(numbered(name, number)) in taken:
            number += 1
        taken.add(name_key(numbered(name, number)))
        named.append((path, numbered(name, number)))
    return named


def offered(tops: Sequence[tuple[Path, str]], selection: Selection) -> list[str]:
    """The names of those that are not left out as a whole."""
    return [name for path, name in tops if not selection.excludes((name,), is_folder=path.is_dir())]


def walk(
    tops: Sequence[tuple[Path, str]], selection: Selection = EVERYTHING
) -> Iterator[SourceEntry | LeftOut]:
    """Everything at and below ``tops`` that is selected, folders before what is in them, names sorted."""
    walker = _TreeWalk(selection)
    for path, name in tops:
        yield from walker.entry(path, (name,), is_followed=True)


def count(tops: Sequence[tuple[Path, str]], selection: Selection = EVERYTHING) -> Iterator[tuple[int, int]]:
    """Files and bytes so far, again and again, until everything is counted."""
    files = size = 0
    for source in walk(tops, selection):
        if isinstance(source, SourceEntry) and source.kind is Kind.FILE:
            try:
                size += os.stat(source.path).st_size  # noqa: PTH116 - half the time of Path.stat
            except OSError:
                continue
            files += 1
        yield files, size


class _TreeWalk:
    """Goes through one path after another."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._above: list[os.stat_result] = []  # the folders that lead to where it is

    def entry(
        self, path: Path, parts: tuple[str, ...], *, is_followed: bool = False
    ) -> Iterator[SourceEntry | LeftOut]:
        """What stands at ``path``; where that is a link, what it points to if it ``is_followed``."""
        try:
            status = path.stat() if is_followed else path.lstat()
        except OSError as error:
            yield _missing(path, parts, error.strerror or str(error))
            return
        is_link = stat.S_ISLNK(status.st_mode) or (not is_followed and _is_junction(status))
        if self._selection.excludes(parts, is_folder=stat.S_ISDIR(status.st_mode) and not is_link):
            yield LeftOut(path, "excluded")
        elif is_link:
            yield from self._link(path, parts)
        elif stat.S_ISDIR(status.st_mode):
            yield SourceEntry(path, parts, Kind.FOLDER, is_followed)
            self._above.append(status)
            yield from self._inside(path, parts)
            self._above.pop()
        elif stat.S_ISREG(status.st_mode):
            yield SourceEntry(path, parts, Kind.FILE, is_followed)
        else:
            yield LeftOut(path, "special")

    def _link(self, path: Path, parts: tuple[str, ...]) -> Iterator[SourceEntry | LeftOut]:
        """One that leads nowhere, or back to where it lies, is left out in any case."""
        if self._selection.links is Links.FOLLOW and self._leads_on(path):
            yield from self.entry(path, parts, is_followed=True)
        else:
            yield LeftOut(path, "link")

    def _leads_on(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False
        return not any(os.path.samestat(status, above) for above in self._above)

    def _inside(self, folder: Path, parts: tuple[str, ...]) -> Iterator[SourceEntry | LeftOut]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            yield _missing(folder, parts, error.strerror or str(error))
            return
        for name in names:
            path = folder / name
            if len(parts) >= PATH_DEPTH:
                yield _missing(path, parts, f"it lies deeper than {PATH_DEPTH} folders")
            elif name.startswith(PART_PREFIX):
                yield LeftOut(path, "part")
            else:
                yield from self.entry(path, (*parts, _text(name)))


def _missing(path: Path, parts: tuple[str, ...], reason: str) -> SourceEntry:
    return SourceEntry(path, parts, Kind.MISSING, reason=reason)


def _has_contents(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _is_junction(status: os.stat_result) -> bool:
    """A reparse point of Windows that ``lstat`` shows as a folder."""
    attributes = getattr(status, "st_file_attributes", 0)
    return bool(attributes & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)) and stat.S_ISDIR(
        status.st_mode
    )


def _text(name: str) -> str:
    """``name`` as text that can be sent; bytes that are no UTF-8 come out as replacement characters."""
    return os.fsencode(name).decode(errors="replace") if not name.isascii() else name
