"""Text for people: names made harmless, sizes and times made short."""

from __future__ import annotations

import os
from typing import Final, TextIO

from localpair.names.units import size as size  # one of the words of this module
from localpair.names.visible import escaped

_NARROWEST: Final = 20  # columns; a terminal that says less does not know


def printable(text: str, limit: int = 200) -> str:
    """``text`` for a screen: what could move the cursor, turn the text around or hide is written as an escape, by
    the rule of ``visible.escaped``.

    More than ``limit`` characters are cut, with an ellipsis in their place.
    """
    shown = escaped(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def seconds(ms: float) -> str:
    """A duration given in milliseconds, such as ``0.21 s``."""
    return f"{ms / 1000:.2f} s"


def wrapped(text: str, stream: TextIO) -> str:
    """``text`` broken between words where ``stream`` is a terminal and too narrow for it; one line otherwise."""
    if len(text) < _NARROWEST or "\n" in text or not stream.isatty():
        return text
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return text
    if not _NARROWEST <= width < len(text):
        return text
    import textwrap

    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(rows: list[tuple[str, ...]], indent: str = "  ") -> list[str]:
    """``rows`` as lines, columns aligned, without rules: a screen reader reads it and ``cut`` cuts it."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
