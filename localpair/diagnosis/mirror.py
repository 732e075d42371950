"""A listener of one's own that answers only to oneself, for calls to one's own addresses."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from localpair.address import unscoped
from localpair.limits import SELF_CALL_S, SELF_CODE_BYTES
from localpair.net.calls import connect
from localpair.net.routes import socket_address
from localpair.net.sockets import Sockets, open_sockets
from localpair.net.stages import CallOutcome

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from localpair.address import IPAddress

_STRANGERS: Final = 16  # connections that wait for a code at one time; more are closed at once


class Mirror:
    """Listens on localpair's own ports, TCP and UDP, and gives a code back to the caller that made it up.

    Codes that were not made here are answered by nothing. Raises LocalError where no port can be opened.
    """

    def __init__(self) -> None:
        self.sockets: Sockets = open_sockets()
        self._codes: dict[bytes, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for listener in self.sockets.listeners:
            self._start(self._accept(listener))
        for datagrams in self.sockets.unicast:
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
        self.sockets.close()

    async def call(self, address: IPAddress, scope: int, port: int) -> CallOutcome:
        """Call the listener at ``address`` and wait for the code to come back. Raises OSError or EOFError."""
        code = secrets.token_bytes(SELF_CODE_BYTES)
        arrived = self._expect(code)
        one = await connect(unscoped(address), port, scope, timeout=SELF_CALL_S)
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(one, code)
            returned = await loop.sock_recv(one, SELF_CODE_BYTES)
        finally:
            one.close()
            self._codes.pop(code, None)
        if returned != code or not arrived.done():
            return CallOutcome(False, "something else answered")
        return CallOutcome(True)

    async def datagram(self, address: IPAddress, scope: int) -> None:
        """Send a code to our own UDP port at ``address`` and wait until it has arrived. Raises OSError."""
        code = secrets.token_bytes(SELF_CODE_BYTES)
        arrived = self._expect(code)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.setblocking(False)
                one.sendto(code, socket_address(address, self.sockets.udp_port, scope))
                async with asyncio.timeout(SELF_CALL_S):
                    await arrived
        finally:
            self._codes.pop(code, None)

    def _expect(self, code: bytes) -> asyncio.Future[None]:
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._codes[code] = arrived
        return arrived

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
        loop = asyncio.get_running_loop()
        while True:
            one, _ = await loop.sock_accept(listener)
            if len(self._tasks) > _STRANGERS + len(self.sockets.listeners) + len(self.sockets.unicast):
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
