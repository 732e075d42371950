"""A wall clock that is wrong on purpose, from the start on or by a jump: libfaketime, where it is installed.
Monotonic clocks stay right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LIBRARIES: Final = (
    "usr/lib/*/faketime/libfaketime.so.1",
    "usr/lib/faketime/libfaketime.so.1",
    "usr/lib64/faketime/libfaketime.so.1",
)
FILE: Final = "wall-clock"
"""In a node's state folder, where its clock is to jump: how far it is off, as ``reading`` writes it."""


def library() -> str:
    """Where libfaketime is; empty if it is not."""
    found = (str(path) for pattern in _LIBRARIES for path in sorted(Path("/").glob(pattern)))
    return next(found, "")


def reading(offset_s: float) -> str:
    """An offset as the library reads it."""
    return f"{offset_s:+g}s"


def shifted(offset_s: float, path: str, *, moves: bool = False) -> dict[str, str]:
    """The environment that shifts a program's wall clock by so many seconds with the library at ``path``, or, where
    it ``moves``, by what ``FILE`` says at each moment.
    """
    if not offset_s and not moves:
        return {}
    file = {"FAKETIME_TIMESTAMP_FILE": f"@state/{FILE}", "FAKETIME_NO_CACHE": "1"}
    return {
        "LD_PRELOAD": path,
        **(file if moves else {"FAKETIME": reading(offset_s)}),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else it takes timed waits on the monotonic clock for ones on the wall clock: Python's threads then wait for
        # each other by seconds instead of milliseconds.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
