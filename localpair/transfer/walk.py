"""What a path to send consists of: its files and folders, in a steady order, without following links.

A link that was given directly stands for what it points to; one inside a folder is left out, since it may lead
anywhere. So is what has no contents to send: a pipe, a socket, a device. Everything here blocks and is called from
worker threads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localpair.errors import LocalError
from localpair.limits import PATH_DEPTH
from localpair.protocol.filenames import PART_PREFIX, name_key, numbered
from localpair.wire.payload import Kind


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One entry to send. ``parts`` is its path in the batch; with kind MISSING ``reason`` says why it is not sent."""

    path: Path
    parts: tuple[str, ...]
    kind: Kind
    given: bool = False  # named by the caller, so that a link may be followed
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


def walk(tops: Sequence[tuple[Path, str]]) -> Iterator[SourceEntry | LeftOut]:
    """Everything at and below ``tops``, folders before what is in them, names sorted."""
    for path, name in tops:
        yield from _classify(path, (name,), given=True)


def count(tops: Sequence[tuple[Path, str]]) -> Iterator[tuple[int, int]]:
    """Files and bytes so far, again and again, until everything is counted."""
    files = size = 0
    for source in walk(tops):
        if isinstance(source, SourceEntry) and source.kind is Kind.FILE:
            try:
                size += os.stat(source.path).st_size  # noqa: PTH116 - half the time of Path.stat
            except OSError:
                continue
            files += 1
        yield files, size


def _classify(path: Path, parts: tuple[str, ...], *, given: bool = False) -> Iterator[SourceEntry | LeftOut]:
    try:
        status = path.stat() if given else path.lstat()
    except OSError as error:
        yield _missing(path, parts, error.strerror or str(error))
        return
    if stat.S_ISLNK(status.st_mode) or (not given and _is_junction(status)):
        yield LeftOut(path, "link")
    elif stat.S_ISDIR(status.st_mode):
        yield SourceEntry(path, parts, Kind.FOLDER, given)
        yield from _inside(path, parts)
    elif stat.S_ISREG(status.st_mode):
        yield SourceEntry(path, parts, Kind.FILE, given)
    else:
        yield LeftOut(path, "special")


def _inside(folder: Path, parts: tuple[str, ...]) -> Iterator[SourceEntry | LeftOut]:
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
            yield from _classify(path, (*parts, _text(name)))


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
