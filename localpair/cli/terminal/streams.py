"""The standard streams as they are: open, closed from the start, or broken on the way.

A daemon, a launcher or a shell (``>&-``) may start a program without some of them. Python then has no ``sys.stdout``
or ``sys.stderr``, and the first file or connection that is opened gets the number of the missing one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

READER_GONE: Final = 141  # the exit code: 128 and SIGPIPE, which Python ignores and Windows does not know
_NAMES: Final = {"stdout": "standard output", "stderr": "standard error"}


def complete() -> frozenset[str]:
    """Put the null device in the place of every standard stream that is missing; the names of those for writing."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    missing = frozenset(name for name in _NAMES if getattr(sys, name) is None)
    for name in missing:
        setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    return missing


def why_not_written(error: Exception) -> str:
    """What a person is told about a write that failed, ``standard output`` left out."""
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be written: {reason or 'it is closed'}"


def say(text: str, missing: frozenset[str]) -> int:
    """Write ``text``, which is all that was asked for, to standard output; the exit code."""
    problem = "is closed" if "stdout" in missing else _problem(sys.stdout, text)
    if problem:
        _problem(sys.stderr, f"error: standard output {problem}\n")
    forget_unwritten()
    return 0 if problem is None else 1 if problem else READER_GONE


def forget_unwritten() -> None:
    """What a stream does not take is lost: keep the interpreter from complaining about that at its end."""
    for stream in (sys.stdout, sys.stderr):
        if _problem(stream) is not None:
            with contextlib.suppress(OSError, ValueError):  # no descriptor behind it
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)


def _problem(stream: TextIO, text: str = "") -> str | None:
    """What is wrong with a stream as all of ``text`` is written to it: None if nothing is, empty where nobody reads."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        return ""
    except (OSError, ValueError) as error:
        return why_not_written(error)
    return None
