"""A listener of one's own that answers only to oneself, for calls to one's own addresses."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from localpair.address import unscoped
from localpair.limits import SELF_CALL_S, SELF_CODE_BYTES
from localpair.net.host.routes import socket_address
from localpair.net.netcheck.timed import TimedCall, attempt_soon
from localpair.net.transport.sockets import Sockets, open_sockets
from localpair.net.transport.tcp import accept, connect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from types import TracebackType

    from localpair.address import IPAddress

_STRANGERS: Final = 16  # connections that wait for a code at one time; more are closed at once


class SelfListener:
    """Listens on localpair's own ports, TCP and UDP, and gives a code back to the caller that made it up.

    Codes that were not made here are answered by nothing. Raises LocalError where no port can be opened.
    """

    def __init__(self) -> None:
        self._sockets: Sockets = open_sockets(apart=True)
        self._codes: dict[bytes, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for listener in self._sockets.listeners:
            self._start(self._accept(listener))
        for datagrams in self._sockets.unicast:
            self._start(self._hear(datagrams))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sockets.close()

    @property
    def port(self) -> int:
        """The TCP and UDP port that it listens on."""
        return self._sockets.tcp_port

    async def call(self, address: IPAddress, scope: int = 0, port: int = 0) -> TimedCall:
        """Call the listener at ``address`` and wait for the code to come back. ``port`` 0 is our own.

        The error of a call that something else answered is ECONNRESET.
        """
        return await attempt_soon(self._call(address, scope, port or self._sockets.tcp_port))

    async def datagram(self, address: IPAddress, scope: int = 0) -> TimedCall:
        """Send a code to our own UDP port at ``address`` and wait until it has arrived."""
        return await attempt_soon(self._datagram(address, scope))

    async def _call(self, address: IPAddress, scope: int, port: int) -> None:
        with self._expected() as (code, arrived):
            one = await connect(unscoped(address), port, scope, timeout=SELF_CALL_S)
            with one:
                loop = asyncio.get_running_loop()
                async with asyncio.timeout(SELF_CALL_S):
                    await loop.sock_sendall(one, code)
                    returned = await loop.sock_recv(one, SELF_CODE_BYTES)
            if returned != code or not arrived.done():
                raise ConnectionResetError(errno.ECONNRESET, "something else answered")

    async def _datagram(self, address: IPAddress, scope: int) -> None:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with self._expected() as (code, arrived), socket.socket(family, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.sendto(code, socket_address(address, self._sockets.udp_port, scope))
            async with asyncio.timeout(SELF_CALL_S):
                await arrived

    @contextmanager
    def _expected(self) -> Iterator[tuple[bytes, asyncio.Future[None]]]:
        """A code made here, and what is done once it has arrived."""
        code = secrets.token_bytes(SELF_CODE_BYTES)
        self._codes[code] = asyncio.get_running_loop().create_future()
        try:
            yield code, self._codes[code]
        finally:
            del self._codes[code]

    def _arrived(self, code: bytes) -> bool:
        """Whether ``code`` was made here; whoever waits for it is told."""
        waiting = self._codes.get(code)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        return waiting is not None

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            one, _ = await accept(listener)
            if len(self._tasks) > _STRANGERS + len(self._sockets.listeners) + len(self._sockets.unicast):
                one.close()
                continue
            self._start(self._answer(one))

    async def _answer(self, one: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with one, suppress(OSError, TimeoutError):
            one.setblocking(False)
            async with asyncio.timeout(SELF_CALL_S):
                code = await loop.sock_recv(one, SELF_CODE_BYTES)
                if self._arrived(code):
                    await loop.sock_sendall(one, code)

    async def _hear(self, datagrams: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, _ = await loop.sock_recvfrom(datagrams, SELF_CODE_BYTES)
            except OSError:
                await asyncio.sleep(0)  # Windows tells of a longer datagram, or of an ICMP error, here
                continue
            self._arrived(data)
