"""What sending some paths would do, seen from here alone: nobody is called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from localpair.choices.selection import EVERYTHING, PlannedEntry, Selection
from localpair.errors import WireError
from localpair.protocol.transfer.filenames import NameTree
from localpair.transfer.walk import LeftOut, SourceEntry, top_sources, walk
from localpair.wire.payload import Kind


def preview_files(paths: Sequence[Path], selection: Selection = EVERYTHING) -> Iterator[PlannedEntry]:
    """Everything that ``send_files`` would come across, in its order. Raises LocalError like it."""
    names = NameTree(allow_hidden=False)
    for entry in walk(top_sources(paths), selection):
        if isinstance(entry, LeftOut):
            yield PlannedEntry(entry.path, "skip", _is_folder(entry.path), reason=entry.reason)
        elif entry.kind is Kind.MISSING:
            yield PlannedEntry(entry.path, "fail", reason=entry.reason)
        else:
            yield _planned(entry, names)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _planned(entry: SourceEntry, names: NameTree) -> PlannedEntry:
    is_folder = entry.kind is Kind.FOLDER
    try:
        called = names.folder(entry.parts) if is_folder else names.file(entry.parts)
        size = 0 if is_folder else entry.path.stat().st_size
        if not os.access(entry.path, os.R_OK):
            return PlannedEntry(entry.path, "fail", is_folder, size, reason="Permission denied")
    except WireError as error:
        return PlannedEntry(entry.path, "fail", is_folder, reason=error.message)
    except OSError as error:
        return PlannedEntry(entry.path, "fail", is_folder, reason=error.strerror or str(error))
    own = entry.parts[-1] if entry.path.name in {"", ".."} else entry.path.name
    return PlannedEntry(entry.path, "send", is_folder, size, "/".join(called), called[-1] != own)
