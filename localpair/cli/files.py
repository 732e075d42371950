"""Files and folders that a person named, looked at before anything else is tried."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.cli.options.piped import STANDARD
from localpair.cli.terminal.text import printable
from localpair.errors import LocalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localpair.cli.terminal.messages import Talk

_OWN_FOLDER: Final = "localpair-received"
_SETTINGS: Final = {"win32": ("appdata",), "darwin": ("library",)}  # in a home, beside hidden folders
_LEFT_ANYWHERE: Final = (
    ".localpair-", "._", ".ds_store", ".localized", ".directory", ".hidden", ".nomedia", ".thumbnails", ".trash",
    ".fseventsd", ".spotlight-v100", ".stfolder", ".stversions", ".nfs", ".fuse_hidden", ".~lock.",
)  # fmt: skip


def sendable(paths: Iterable[Path], talk: Talk) -> tuple[Path, ...]:
    """The paths, each once, whatever it was called; a link counts by its own name. Raises `UsageError` for the first
    that cannot be read.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path == STANDARD:
            found.setdefault(path, path)
            continue
        _check_readable(path)
        real = path.parent.resolve() / path.name if path.is_symlink() else path.resolve()
        if real in found:
            talk.note(f"{printable(str(path))} was given twice; it is sent once.")
        found.setdefault(real, path)
    return tuple(found.values())


def check_report_file(path: Path) -> None:
    """Raise `UsageError` where no report could be written to ``path``, before anything is measured for it."""
    shown = printable(str(path))
    if path.is_dir():
        raise UsageError(f"{shown} is a folder", hint="Name a file for the report.")
    if not path.parent.is_dir():
        raise UsageError(
            f"there is no folder {printable(str(path.parent))} for the report",
            hint="Make it, or name another file.",
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"the report cannot be written to {shown}", hint="Choose another file.")


def _check_readable(path: Path) -> None:
    shown = printable(str(path))
    if not path.exists():
        raise UsageError(f"there is no file or folder {shown}", hint="Check the name.")
    if not (path.is_file() or path.is_dir()):
        raise UsageError(f"{shown} is neither a file nor a folder", hint="Name files and folders.")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{shown} cannot be read", hint="Check its permissions.")


def landing_folder(folder: Path, talk: Talk, *, allow_hidden: bool) -> Path:
    """Where to store what is to come into ``folder``: there, or in a folder of its own in it where programs look for
    what to act on. Made if missing. Raises `UsageError` or `LocalError` where nothing can be stored.
    """
    prepare_folder(folder)
    why = "" if allow_hidden else _why_not_here(folder)
    if not why:
        return folder
    inner = folder / _OWN_FOLDER
    prepare_folder(inner)
    talk.note(
        f"Storing in {printable(str(inner))}: {why}. `--allow-hidden` stores in {printable(str(folder))} itself."
    )
    return inner


def _why_not_here(folder: Path) -> str:
    """Why what a stranger names should not lie in ``folder`` itself; empty where nothing speaks against it."""
    real, home = folder.resolve(), Path.home().resolve()
    if real == home or real in home.parents:
        return "your home is here"
    inside = real.relative_to(home).parts if home in real.parents else (real.name,)
    if any(part.startswith(".") for part in inside) or inside[0].lower() in _SETTINGS.get(sys.platform, ()):
        return "programs keep their settings here"
    with os.scandir(real) as entries:
        hidden = next((entry.name for entry in entries if _is_telling(entry.name)), "")
    return f"{printable(hidden, 60)} is here" if hidden else ""


def _is_telling(name: str) -> bool:
    """Whether a hidden file shows that programs use the folder, beyond what desktops leave in any."""
    return name.startswith(".") and not name.lower().startswith(_LEFT_ANYWHERE)


def prepare_folder(folder: Path) -> None:
    """Make ``folder`` if it is missing. Raises `UsageError` or `LocalError` where nothing can be stored there."""
    shown = printable(str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{shown} is no folder", hint="Choose a folder to receive into.") from None
    except OSError as error:
        raise LocalError(
            f"the folder {shown} cannot be made: {error.strerror}", hint="Choose another one."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LocalError(f"nothing can be stored in {shown}", hint="Choose a folder that you may write to.")
