"""Where the QR code of an offer or of an answer goes: the terminal, a picture, or nowhere."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.cli.terminal.text import printable

if TYPE_CHECKING:
    from localpair.cli.output.output import Output

_GAP: Final = "  "
_NARROWEST: Final = 24  # columns in which a sentence reads well


class Codes:
    """``wanted`` is what ``--qr`` says; None: the terminal where a person looks at one."""

    def __init__(self, wanted: str | None, output: Output) -> None:
        default = "terminal" if not output.json and sys.stdout.isatty() else "none"
        self._where = default if wanted is None else wanted
        self._output = output
        self._above = 0  # lines of talk about the code that are to stay on the screen with it

    def write(self, text: str) -> None:
        """Write the code of ``text`` into the picture, if that is wanted. Raises LocalError where that fails."""
        if self._where in {"terminal", "none"}:
            return
        from localpair.qr import write_image

        write_image(text, Path(self._where))
        self._output.talk.note(f"The code is in {printable(self._where)}.")

    def draw_with(self, text: str, said: str) -> bool:
        """Draw the code of ``text`` with what is ``said`` and the text beside it, where the terminal is too low for one
        above the other, and wide enough. Whether that was done.
        """
        if self._where != "terminal" or self._output.json or not sys.stdout.isatty():
            return False
        from localpair.qr import colour_wanted, render_terminal

        rows = render_terminal(text, colour=colour_wanted()).split("\n")
        wide = len(render_terminal(text, colour=False).partition("\n")[0])
        columns, lines = _size()
        beside = _column(said, text, columns - wide - len(_GAP))
        above = len(textwrap.wrap(said, columns)) + -(-len(text) // columns)
        fits = above + len(rows) + 1 <= lines
        self._above = above if fits else 0
        if fits or not 0 < len(beside) <= len(rows) or not self._output.can_show("".join(rows)):
            return False
        beside += [""] * (len(rows) - len(beside))
        self._show(
            "\n".join((row + _GAP + line).rstrip() for row, line in zip(rows, beside, strict=True)), lines
        )
        return True

    def draw(self, text: str) -> None:
        """Draw the code of ``text`` in the terminal, if that is wanted."""
        if self._where != "terminal":
            return
        from localpair.qr import colour_wanted, render_terminal

        drawing = render_terminal(text, colour=colour_wanted() and not self._output.json)
        columns, lines = _size()
        if len(render_terminal(text, colour=False).partition("\n")[0]) > columns:
            self._output.talk.warning(
                "this terminal is too narrow for the code: make it wider, use --qr FILE, or the text"
            )
        elif self._output.can_show(drawing):
            self._show(drawing, lines)
        else:
            self._output.talk.warning("this terminal cannot draw the code: use --qr FILE, or the text")

    def _show(self, drawing: str, lines: int) -> None:
        self._output.status.keeps_code = True
        self._output.status.room = max(1, min(3, lines - drawing.count("\n") - 1 - self._above))
        self._output.draw(drawing)


def _column(said: str, text: str, width: int) -> list[str]:
    """A sentence and a long text in so many columns; nothing where they are too few."""
    if width < _NARROWEST:
        return []
    letters = [text[start : start + width] for start in range(0, len(text), width)]
    return [*textwrap.wrap(said, width, break_on_hyphens=False), "", *letters]


def _size() -> tuple[int, int]:
    """Columns and lines of the terminal; plenty of both where there is none."""
    try:
        found = os.get_terminal_size(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):
        return 1000, 1000
    return (found.columns or 1000, found.lines or 1000)
