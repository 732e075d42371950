"""Files and folders that a person named, looked at before anything else is tried."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localpair.cli.terminal.text import printable
from localpair.errors import LocalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def check_sendable(paths: Iterable[Path]) -> None:
    """Raise `UsageError` for the first of ``paths`` that cannot be read."""
    for path in paths:
        shown = printable(str(path))
        if not path.exists():
            raise UsageError(f"there is no file or folder {shown}", hint="Check the name.")
        if not os.access(path, os.R_OK):
            raise UsageError(f"{shown} cannot be read", hint="Check its permissions.")


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
