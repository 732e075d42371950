"""A program of the person's own that is started for each transfer that has arrived.

It is started directly, never by a shell, and what the other device chose (names, paths) is in its environment only.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL
from typing import TYPE_CHECKING

from localpair.cli.terminal.text import printable
from localpair.dataclass import dataclass
from localpair.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.cli.terminal.messages import Talk
    from localpair.events import Peer, Receipt


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of one transfer, and where it lies."""

    peer: Peer
    receipt: Receipt
    folder: Path

    def environment(self) -> dict[str, str]:
        """What the program is told. A received name holds no line break, so that a line is a path."""
        return {
            **os.environ,
            "LOCALPAIR_PEER_ID": self.peer.device_id,
            "LOCALPAIR_PEER_NAME": self.peer.label,
            "LOCALPAIR_FOLDER": str(self.folder.absolute()),
            "LOCALPAIR_FILES": str(self.receipt.files),
            "LOCALPAIR_BYTES": str(self.receipt.bytes),
            "LOCALPAIR_PATHS": "\n".join(str(one.path.absolute()) for one in self.receipt.first),
        }


def require_program(word: str) -> str:
    """Where the program is. Raises UsageError where there is none that can be started."""
    found = shutil.which(word)
    if found is None:
        raise UsageError(
            f"there is no program {printable(word)} that could be started",
            hint="--on-receive names one, without arguments; a script of yours can hold any.",
        )
    return found


async def run(program: str, arrival: Arrival, talk: Talk) -> None:
    """Start ``program`` and wait for its end. That it fails is told: what has arrived stays all the same."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, env=arrival.environment(), stdin=DEVNULL, stdout=sys.__stderr__ or DEVNULL
        )
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it cannot be told so much"
        talk.warning(f"{printable(program)} could not be started: {reason}")
        return
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        raise
    if code:
        talk.warning(f"{printable(program)} failed with exit code {code}; what has arrived stays")
