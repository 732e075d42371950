"""Where the machine's network tools are: also in ``sbin``, which is not on the PATH of ordinary users."""

from __future__ import annotations

import os
import shutil
from typing import Final

_SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def path() -> str:
    """The PATH with all of ``sbin``."""
    own = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*own, *(folder for folder in _SBIN if folder not in own)])


def find(name: str) -> str:
    """The tool's own path; empty where it is not installed."""
    return shutil.which(name, path=path()) or ""
