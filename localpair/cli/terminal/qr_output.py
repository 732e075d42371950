"""Where the QR code of an offer or of an answer goes: the terminal, a picture, or nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localpair.cli.terminal.text import printable

if TYPE_CHECKING:
    from localpair.cli.output.output import Output


class Codes:
    """``wanted`` is what ``--qr`` says; None: the terminal where a person looks at one."""

    def __init__(self, wanted: str | None, output: Output) -> None:
        default = "terminal" if not output.json and sys.stdout.isatty() else "none"
        self._where = default if wanted is None else wanted
        self._output = output

    def write(self, text: str) -> None:
        """Write the code of ``text`` into the picture, if that is wanted. Raises LocalError where that fails."""
        if self._where in {"terminal", "none"}:
            return
        from localpair.qr import write_image

        write_image(text, Path(self._where))
        self._output.talk.note(f"The code is in {printable(self._where)}.")

    def draw(self, text: str) -> None:
        """Draw the code of ``text`` in the terminal, if that is wanted."""
        if self._where != "terminal":
            return
        from localpair.qr import colour_wanted, render_terminal

        drawing = render_terminal(text, colour=colour_wanted() and not self._output.json)
        if self._output.can_show(drawing):
            self._output.draw(drawing)
        else:
            self._output.talk.warning("this terminal cannot draw the code: use --qr FILE, or the text")
