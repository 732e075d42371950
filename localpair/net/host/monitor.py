"""Notices that the network changed: interfaces that come, go, lose their carrier or change address.

Where the platform tells (Linux), a change is known within milliseconds; elsewhere the interfaces are read every few
seconds. Both say the same: a new snapshot, and only where something that matters is different. Interfaces are told
apart by index and addresses and not by name, since a name that was deleted and made again has lost its groups.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeAlias

from localpair.limits import WATCH_POLL_S, WATCH_SETTLE_MAX_S, WATCH_SETTLE_S
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.read import read_interfaces

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from localpair.candidate import Interface

Reader: TypeAlias = Callable[[], Interfaces]
_Key: TypeAlias = frozenset[tuple[object, ...]]


class InterfaceWatch:
    """An async iterator over changed snapshots, to be used as an async context manager.

    ``current`` is the latest snapshot: the first one is taken on entering, after the subscription, so that no
    change falls between. The iteration ends when the context is left; one task iterates.
    """

    def __init__(
        self,
        read: Reader = read_interfaces,
        *,
        poll_s: float = WATCH_POLL_S,
        settle_s: float = WATCH_SETTLE_S,
        polling: bool = False,
    ) -> None:
        """``polling`` leaves the platform's own notices unused."""
        self._read = read
        self._poll_s = poll_s
        self._settle_s = settle_s
        self._heard: socket.socket | None = None
        self._polling = polling
        self._noticed = asyncio.Event()
        self._deleted: set[int] = set()
        self._closed = False
        self.current = Interfaces(source="none")

    @property
    def told(self) -> bool:
        """Whether the platform tells of changes; if not, they are found by polling."""
        return self._heard is not None

    async def __aenter__(self) -> Self:
        self._subscribe()
        self.current = await self._snapshot()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe and end the iteration. Safe to call twice."""
        self._closed = True
        if self._heard is not None:
            asyncio.get_running_loop().remove_reader(self._heard)
            self._heard.close()
            self._heard = None
        self._noticed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Interfaces:
        while True:
            await self._change()
            if self._closed:
                raise StopAsyncIteration
            deleted = self._take_deleted()
            found = await self._snapshot()
            replaced = bool(deleted & found.by_index.keys() & self.current.by_index.keys())
            changed = replaced or significant(found) != significant(self.current)
            self.current = found
            if changed:
                return found

    def _subscribe(self) -> None:
        if not self._polling and sys.platform.startswith("linux"):
            from localpair.net.host.linux import netlink

            try:
                heard = netlink.open_changes()
            except OSError:
                return
            try:
                asyncio.get_running_loop().add_reader(heard, self._hear)
            except NotImplementedError:
                heard.close()
                return
            self._heard = heard

    def _hear(self) -> None:
        from localpair.net.host.linux import netlink

        if self._heard is not None:
            self._deleted |= netlink.drain_changes(self._heard)
            self._noticed.set()

    def _take_deleted(self) -> frozenset[int]:
        deleted = frozenset(self._deleted)
        self._deleted.clear()
        return deleted

    async def _change(self) -> None:
        """Until something may have changed and the network has come to rest."""
        if not self.told:
            await self._wait(self._poll_s)
            return
        await self._noticed.wait()
        loop = asyncio.get_running_loop()
        latest = loop.time() + WATCH_SETTLE_MAX_S
        while not self._closed and loop.time() < latest:
            self._noticed.clear()
            if not await self._wait(min(self._settle_s, latest - loop.time())):
                return

    async def _wait(self, limit_s: float) -> bool:
        """Whether something was noticed within ``limit_s``."""
        try:
            async with asyncio.timeout(limit_s):
                await self._noticed.wait()
        except TimeoutError:
            return False
        return True

    async def _snapshot(self) -> Interfaces:
        """The routing socket answers within a millisecond; other platforms may take longer than a loop can wait."""
        if self.told:
            return self._read()
        return await asyncio.to_thread(self._read)


def significant(interfaces: Interfaces) -> _Key:
    """What matters about a snapshot: two snapshots with the same value need no new groups, beacons or offers.

    A card without any address takes no part; container hosts make and drop such cards all day.
    """
    return frozenset(_significant(one) for one in interfaces.interfaces if one.addresses)


def _significant(interface: Interface) -> tuple[object, ...]:
    """Neighbours come and go all the time, and are left out."""
    return (
        interface.index,
        interface.name,
        interface.up,
        interface.carrier,
        interface.multicast,
        interface.gateway,
        frozenset((one.address, one.prefix, one.tentative, one.deprecated) for one in interface.addresses),
    )
