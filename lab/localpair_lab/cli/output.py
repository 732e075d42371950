"""How the lab talks: data on stdout, talk on stderr, an error followed by a hint, readable without colour."""

from __future__ import annotations

import os
import re
import sys

from localpair_lab.errors import LabError
from localpair_lab.visible_text import lines

GREEN, RED, DIM = "32", "31", "2"
_PAINT = re.compile(r"(\033\[(?:0|1|2|31|32)m)")


def out(text: str = "") -> None:
    """A line of data."""
    sys.stdout.write(f"{_harmless(text)}\n")


def talk(text: str) -> None:
    """A line for the person."""
    sys.stderr.write(f"{_harmless(text)}\n")
    sys.stderr.flush()


def _harmless(text: str) -> str:
    """``text``, which may hold words of a stranger's scenario, with nothing but our own colours in it."""
    return "".join(part if number % 2 else lines(part) for number, part in enumerate(_PAINT.split(text)))


def painted(text: str, colour: str) -> str:
    """``text`` in colour where a terminal shows it and nobody said no."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\033[{colour}m{text}\033[0m"


def counted(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def complain(error: LabError) -> int:
    """An error of the lab's own; the exit code for it."""
    talk(f"error: {error.message}")
    if error.hint:
        talk(f"hint: {error.hint}")
    return 3
