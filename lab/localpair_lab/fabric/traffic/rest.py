"""Waits until nothing is on its way any more: wires and tunnels are programs, and carry a little later than kernels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import channel

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

_PATIENCE_S: Final = 10.0
_QUIET_ROUNDS: Final = 2  # a frame may pass several of them, and be answered


def wait(carriers: Sequence[socket.socket]) -> None:
    """Ask all ``carriers`` (see ``impairment.run``) again and again until they carried nothing more.

    Raises ``TimeoutError`` where they go on and on.
    """
    deadline = time.monotonic() + _PATIENCE_S
    quiet, before = 0, -1
    while quiet < _QUIET_ROUNDS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {_PATIENCE_S:.0f} s packets are still on their way")
        carried = sum(channel.ask(carrier, {})[0]["carried"] for carrier in carriers)
        quiet = quiet + 1 if carried == before else 0
        before = carried
