"""Lines from standard input while the event loop runs, on every platform, so that Ctrl-C works at a prompt."""

from __future__ import annotations

import asyncio
import codecs
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from localpair.cli.terminal.messages import Talk

_CHUNK_BYTES: Final = 4096
_LINES: Final = 64  # read ahead of whoever asks for them
_LINE_CHARS: Final = 64 * 1024  # what is kept of a line: standard input may be anything
_UNASKED_BYTES: Final = 1024 * 1024  # what nobody asked for and is read all the same: no answer is as long
_LOOK_S: Final = 0.25  # between two looks whether a job in the background has come to the front


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
        self._asked = 0  # questions so far; one waits for its answer now where ``_asking``
        self._asking = False
        self._ends = 0
        self._on_line: Callable[[str], None] | None = None

    async def line(self) -> str | None:
        """The next line without its end, None where there are no more."""
        self._start()
        line = await self._lines.get()
        self._room.release()
        if line is None:
            self._lines.put_nowait(None)  # the end is the end for whoever asks next, too
        return line

    async def ask(self, question: str) -> str | None:
        """What is typed after ``question``, not before it: an answer is to this question."""
        self._forget_typed()
        # Before the question stands on the screen: a fast answer to it must not look older than it.
        self._asked, self._asking = self._asked + 1, True
        number = self._asked
        self._talk.ask(question)
        line: str | None = None
        try:
            line = await self.line()
        finally:
            if number == self._asked:  # else another question stands there already
                self._asking = False
                self._talk.answered(typed=line is not None)
        return line

    def listen(self, on_line: Callable[[str], None]) -> None:
        """Give ``accept_answer_code`` every line that answers no question, from now on."""
        self._on_line = on_line
        self._start()

    def ignore(self) -> None:
        """Read on and keep nothing, so that the writer of a pipe is never held up."""
        self._ignored = True
        self._room.release(_LINES)

    def _start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._read, name="keyboard", daemon=True).start()

    def _arrived(self, line: str | None, asked: int) -> None:
        """``asked`` is the number of questions when the line was read: it may be older than the last one."""
        if line is None or self._on_line is None or (self._asking and asked == self._asked):
            self._lines.put_nowait(line)
        else:
            self._room.release()
            self._on_line(line)

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
        pending, unasked = "", 0
        while (chunk := self._chunk()) or not self._is_end():
            unasked = 0 if self._on_line is None or self._asking else unasked + len(chunk)
            if unasked > _UNASKED_BYTES:
                return  # whoever writes without end has no answer for us, and may wait
            *lines, pending = (pending + decoder.decode(chunk)).split("\n")
            pending = pending[-_LINE_CHARS:]
            for line in lines:
                self._hand_over(line.rstrip("\r"))
        if pending:
            self._hand_over(pending)
        self._hand_over(None)

    def _chunk(self) -> bytes:
        try:
            self._wait_for_turn()
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""

    def _is_end(self) -> bool:
        """Whether nothing more comes. Ctrl-D answers a question, and where none was asked it means nothing."""
        self._ends += 1
        asked = self._on_line is None or self._asking
        return asked or not self.interactive or self._ends > _LINES

    def _wait_for_turn(self) -> None:
        """Until something was typed and the terminal is ours: a job in the background would be stopped for reading."""
        while self.interactive and sys.platform != "win32":
            select.select([self._descriptor], [], [])
            if _is_in_foreground(self._descriptor):
                return
            time.sleep(_LOOK_S)

    def _hand_over(self, line: str | None) -> None:
        asked = self._asked
        self._room.acquire()
        if self._ignored or self._loop is None:
            self._room.release()
            return
        try:
            self._loop.call_soon_threadsafe(self._arrived, line, asked)
        except RuntimeError:  # the loop has ended
            pass


def _is_in_foreground(descriptor: int) -> bool:
    """Whether this process may read the terminal; one that is not its controlling terminal never stops it."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True


def standard_input(talk: Talk, *, sees: bool = True) -> Keyboard:
    """The keyboard of this process, or the file or pipe in its place. Nobody answers who does not see the question."""
    try:
        descriptor = sys.stdin.fileno()
        return Keyboard(descriptor, talk, interactive=sees and os.isatty(descriptor))
    except (AttributeError, OSError, ValueError):  # no standard input at all
        return Keyboard(-1, talk, interactive=False)
