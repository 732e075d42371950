"""Lines from standard input while the event loop runs, on every platform, so that Ctrl-C works at a prompt."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from localpair.cli.talk import Talk

_CHUNK_BYTES: Final = 4096
_LINES: Final = 64  # read ahead of whoever asks for them
_LINE_CHARS: Final = 64 * 1024  # what is kept of a line: standard input may be anything


class Keyboard:
    """Reads a file descriptor in a thread that dies with the process: a blocked read cannot be cancelled.

    The descriptor is read directly. Python's own buffered standard input aborts the interpreter at its end if a
    thread still waits in it. ``interactive`` says whether a person sits there.
    """

    def __init__(self, descriptor: int, talk: Talk, *, interactive: bool) -> None:
        self.interactive = interactive
        self._descriptor = descriptor
        self._talk = talk
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_LINES)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ignored = False

    async def line(self) -> str | None:
        """The next line without its end, None where there are no more."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._read, name="keyboard", daemon=True).start()
        line = await self._lines.get()
        self._room.release()
        if line is None:
            self._lines.put_nowait(None)  # the end is the end for whoever asks next, too
        return line

    async def ask(self, question: str) -> str | None:
        """What is typed after ``question``, not before it: an answer is to this question."""
        self._forget_typed()
        self._talk.ask(question)
        line: str | None = None
        try:
            line = await self.line()
        finally:
            self._talk.answered(typed=line is not None)
        return line

    def ignore(self) -> None:
        """Read on and keep nothing, so that the writer of a pipe is never held up."""
        self._ignored = True
        self._room.release(_LINES)

    def _forget_typed(self) -> None:
        while not self._lines.empty():
            if self._lines.get_nowait() is None:
                self._lines.put_nowait(None)
                break
            self._room.release()
        if self.interactive and sys.platform != "win32":
            import termios

            try:
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
            except termios.error:  # no terminal after all
                pass

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pending = ""
        while chunk := self._chunk():
            *lines, pending = (pending + decoder.decode(chunk)).split("\n")
            pending = pending[-_LINE_CHARS:]
            for line in lines:
                self._hand_over(line.rstrip("\r"))
        if pending:
            self._hand_over(pending)
        self._hand_over(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""

    def _hand_over(self, line: str | None) -> None:
        self._room.acquire()
        if self._ignored or self._loop is None:
            self._room.release()
            return
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop has ended
            pass


def standard_input(talk: Talk) -> Keyboard:
    """The keyboard of this process, or the file or pipe in its place."""
    try:
        descriptor = sys.stdin.fileno()
        return Keyboard(descriptor, talk, interactive=os.isatty(descriptor))
    except (AttributeError, OSError, ValueError):  # no standard input at all
        return Keyboard(-1, talk, interactive=False)
