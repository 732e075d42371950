"""Tells when the neighbour table changed: somebody new asked for our hardware address, or answered."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Self

from localpair.limits import NEIGHBOUR_PAUSE_S

if TYPE_CHECKING:
    import socket
    from types import TracebackType


class NeighbourWatch:
    """To be used as a context manager. Where the platform does not tell, every wait lasts its whole time."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._heard: socket.socket | None = None

    def __enter__(self) -> Self:
        if sys.platform.startswith("linux"):
            from localpair.net.host.linux import netlink

            try:
                heard = netlink.open_changes(netlink.NEIGHBOUR_GROUP)
            except OSError:
                return self
            try:
                asyncio.get_running_loop().add_reader(heard, self._hear)
            except NotImplementedError:
                heard.close()
                return self
            self._heard = heard
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heard is not None:
            asyncio.get_running_loop().remove_reader(self._heard)
            self._heard.close()
            self._heard = None

    def notify(self) -> None:
        """End the wait that is under way, or the next one."""
        self._changed.set()

    def take(self) -> bool:
        """Whether the table has changed since the last wait, or the last call of this."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    async def wait(self, limit_s: float) -> None:
        """Until the table changed, at most ``limit_s``; and never less than NEIGHBOUR_PAUSE_S."""
        await asyncio.sleep(min(limit_s, NEIGHBOUR_PAUSE_S))
        try:
            async with asyncio.timeout(limit_s - NEIGHBOUR_PAUSE_S):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def _hear(self) -> None:
        from localpair.net.host.linux import netlink

        if self._heard is not None:
            netlink.drain_changes(self._heard)
            self._changed.set()
