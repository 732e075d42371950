"""Two ends of one TLS connection in one process, with a wire between them that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, TypeVar

from localpair.events import Direction, Event, Path, Peer
from localpair.keys import SessionCertificate
from localpair.net.transport.stream import FrameStream, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.session import Session

T = TypeVar("T")
WAY = Path("here", "there", Direction.OUT, "offer")


@cache
def certificate() -> SessionCertificate:
    """One for all tests: making it takes longer than a connection."""
    return SessionCertificate.generate()


def run(main: Coroutine[Any, Any, T], limit: float = 60.0) -> T:
    """Run ``main`` and make sure that it leaves no task, no thread and no unhandled error behind."""
    faults: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with asyncio.timeout(limit):
            result = await main
        leaked = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leaked, f"tasks are left: {leaked}"
        return result

    result = asyncio.run(watched())
    assert not faults, faults
    deadline = time.monotonic() + 5
    while (left := [one.name for one in threading.enumerate() if one.name.startswith("localpair-")]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.01)
    assert not left, f"threads are left: {left}"
    return result


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until ``condition`` holds: for what has no event of its own."""
    while not condition():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.001)


async def tls_pair(server: socket.socket, client: socket.socket) -> tuple[FrameStream, FrameStream]:
    """TLS on two connected sockets."""
    for sock in (server, client):
        sock.setblocking(False)
    opened = await asyncio.gather(
        open_stream(server, server_context(certificate()), server_side=True, timeout=10),
        open_stream(client, client_context(), server_side=False, timeout=10),
    )
    return opened[0], opened[1]


async def stream_pair() -> tuple[FrameStream, FrameStream]:
    """Two streams, one connection."""
    return await tls_pair(*socket.socketpair())


class Wire:
    """Carries bytes between two sockets of its own until it is cut; ``cut_after`` bytes to the second end, if given."""

    def __init__(self, cut_after: int | None = None) -> None:
        self.ends: list[socket.socket] = []
        self._inner: list[socket.socket] = []
        for _ in range(2):
            outer, inner = socket.socketpair()
            inner.setblocking(False)
            self.ends.append(outer)
            self._inner.append(inner)
        self.carried = 0
        self.cut_after = cut_after
        self.frozen = asyncio.Event()
        self.frozen.set()
        self._tasks = [asyncio.create_task(self._carry(0, 1)), asyncio.create_task(self._carry(1, 0))]

    async def _carry(self, source: int, target: int) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self._inner[source], 64 * 1024):
                await self.frozen.wait()
                if source == 0:
                    data = self._count(data)
                await loop.sock_sendall(self._inner[target], data)
                if source == 0 and self.carried == self.cut_after:
                    break
        self.cut()

    def _count(self, data: bytes) -> bytes:
        if self.cut_after is not None:
            data = data[: self.cut_after - self.carried]
        self.carried += len(data)
        return data

    def cut(self) -> None:
        """The connection is gone for both ends."""
        for sock in self._inner:
            sock.close()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def close(self) -> None:
        """Cut it and wait."""
        self.cut()
        await asyncio.wait(self._tasks)


class Net:
    """A network in which two sides find each other again; ``cuts`` says after how many bytes each wire breaks."""

    def __init__(self, cuts: list[int] | None = None) -> None:
        self.cuts = list(cuts or [])
        self.wires: list[Wire] = []
        self._waiting: list[asyncio.Queue[FrameStream]] = [asyncio.Queue(), asyncio.Queue()]
        self._lock = asyncio.Lock()
        self.broken: BaseException | None = None

    @property
    def carried(self) -> int:
        """Bytes to the second side, TLS and all."""
        return sum(wire.carried for wire in self.wires)

    async def connect(self) -> tuple[FrameStream, FrameStream]:
        """A new connection for both sides; the wire's bytes count from after the TLS handshake."""
        wire = Wire()
        self.wires.append(wire)
        first, second = await tls_pair(*wire.ends)
        if self.cuts:
            wire.cut_after = wire.carried + self.cuts.pop(0)
        return first, second

    def reconnect(self, side: int) -> Callable[[], Awaitable[FrameStream]]:
        """What a session of ``side`` calls."""

        async def again() -> FrameStream:
            if self.broken is not None:
                raise self.broken
            async with self._lock:
                if self._waiting[side].empty():
                    streams = await self.connect()
                    self._waiting[1 - side].put_nowait(streams[1 - side])
                    return streams[side]
                return self._waiting[side].get_nowait()

        return again

    async def close(self) -> None:
        """End all wires, and what nobody took."""
        for queue in self._waiting:
            while not queue.empty():
                queue.get_nowait().abort()
        for wire in self.wires:
            await wire.close()


def new_session(stream: FrameStream, events: list[Event] | None = None, **more: Any) -> Session:
    """A session with a peer of no name."""
    on_event = None if events is None else events.append
    return Session(stream, peer=Peer("peer", "Peer"), path=WAY, on_event=on_event, **more)


async def session_pair(
    net: Net | None = None, events: tuple[list[Event], list[Event]] | None = None, **more: Any
) -> tuple[Session, Session]:
    """Two sessions, one connection; with ``net`` they find each other again."""
    streams = await (net.connect() if net is not None else stream_pair())
    both = []
    for side, stream in enumerate(streams):
        again = net.reconnect(side) if net is not None else None
        both.append(new_session(stream, events[side] if events else None, reconnect=again, **more))
    return both[0], both[1]
