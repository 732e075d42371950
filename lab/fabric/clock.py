"""A wall clock that is wrong on purpose: libfaketime, where it is installed. Monotonic clocks stay right."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LIBRARIES: Final = (
    "usr/lib/*/faketime/libfaketime.so.1",
    "usr/lib/faketime/libfaketime.so.1",
    "usr/lib64/faketime/libfaketime.so.1",
)


def library() -> str:
    """Where libfaketime is; empty if it is not."""
    found = (str(path) for pattern in _LIBRARIES for path in sorted(Path("/").glob(pattern)))
    return next(found, "")


def shifted(offset_s: float, path: str) -> dict[str, str]:
    """The environment that shifts a program's wall clock by so many seconds with the library at ``path``."""
    if not offset_s:
        return {}
    return {
        "LD_PRELOAD": path,
        "FAKETIME": f"{offset_s:+g}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else it takes timed waits on the monotonic clock for ones on the wall clock: Python's threads then wait for
        # each other by seconds instead of milliseconds.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
