"""The clipboard, through the tool that the system has for it: it reads the text, which is never an argument."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Final, TypeAlias

from localpair.errors import LocalError, UsageError

_Commands: TypeAlias = tuple[list[str], ...]
_PATIENCE_S: Final = 5.0
_WAYLAND: Final[_Commands] = (["wl-copy"],)
_X11: Final[_Commands] = (["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"])
_SYSTEMS: Final[dict[str, _Commands]] = {"darwin": (["pbcopy"],), "win32": (["clip"],)}


def require_tool() -> list[str]:
    """The command that takes a text from its standard input. Raises UsageError where there is none."""
    wayland = _WAYLAND if os.environ.get("WAYLAND_DISPLAY") else ()
    x11 = _X11 if os.environ.get("DISPLAY") else ()
    for command in _SYSTEMS.get(sys.platform, (*wayland, *x11)):
        if shutil.which(command[0]) is not None:
            return command
    raise UsageError(
        "there is no clipboard that can be written to here",
        hint="Leave out --to-clipboard, or install wl-clipboard, xclip or xsel and run in a desktop session.",
    )


async def put(text: str) -> None:
    """Put ``text`` into the clipboard. Raises LocalError where the tool fails."""
    command = require_tool()
    encoding = "utf-16-le" if sys.platform == "win32" else "utf-8"
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)
    except OSError as error:
        raise LocalError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await process.communicate(text.encode(encoding))
    except TimeoutError:
        process.kill()
        await process.wait()
    if process.returncode:
        raise LocalError(f"{command[0]} did not take the text")
