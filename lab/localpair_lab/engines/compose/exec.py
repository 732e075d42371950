"""A program in a container, by ``docker exec`` over the SDK: streams, signals, its exact status.

The container's own init starts it (``fabric.contained.run``), so a program is the same child of the
same parent in both engines, and can be signalled by name.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.engines.lines import Lines
from localpair_lab.fabric.server.container import BY_SIGNAL, START, STARTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from localpair_lab.engines.base import OutputLine
    from localpair_lab.engines.compose.docker_host import DockerHost

FABRIC_PROGRAM: Final = ("python3", "-IBS", "/opt/lab/localpair_lab/fabric/__main__.py")
_FRAME: Final = struct.Struct(">BxxxI")
_KILLED: Final = -9


class Stream:
    """Both ways of a ``docker exec``: a thread carries its output into ``Lines``."""

    def __init__(
        self,
        host: DockerHost,
        container: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        api = host.client.api
        created = api.exec_create(container, list(argv), stdin=True, environment=dict(environment))
        self.identity = str(created["Id"])
        self._api = api
        self._loop = loop
        self.lines = Lines(marker=STARTED)
        self.ended = asyncio.Event()
        self._socket: socket.socket | None = None
        self._found: Any = None

    async def open(self) -> None:
        """Start it."""
        found: Any = await asyncio.to_thread(self._api.exec_start, self.identity, socket=True)
        self._socket = getattr(found, "_sock", found)
        self._found = found
        if self._socket is not None and hasattr(self._socket, "settimeout"):
            self._socket.settimeout(None)
        threading.Thread(target=self._carry, daemon=True).start()

    async def write(self, data: bytes) -> None:
        """To its stdin; one that is gone is no error."""
        if self._socket is not None:
            try:
                await asyncio.to_thread(self._socket.sendall, data)
            except OSError:
                pass

    async def close_stdin(self) -> None:
        """End of its stdin."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def status(self) -> int:
        """The exit status as the engine has it; call after ``ended``."""
        found = self._api.exec_inspect(self.identity)["ExitCode"]
        return _KILLED if found is None else int(found)

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _carry(self) -> None:
        try:
            while head := self._exactly(_FRAME.size):
                kind, size = _FRAME.unpack(head)
                data = self._exactly(size)
                self._soon(self.lines.feed, "stderr" if kind == 2 else "stdout", data)
        except OSError:
            pass
        self._hang_up()
        self._soon(self.lines.end, "stdout")
        self._soon(self.lines.end, "stderr")
        self._soon(self.ended.set)

    def _hang_up(self) -> None:
        for one in (getattr(self._found, "_response", None), self._found, self._socket):
            if one is not None:
                one.close()

    def _exactly(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size and self._socket is not None:
            part = self._socket.recv(size - len(parts))
            if not part:
                return b""
            parts += part
        return parts

    def _soon(self, call: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed: nobody listens any more
            pass


class Execution:
    """A program running in a node's container."""

    def __init__(
        self,
        node: str,
        host: DockerHost,
        container: str,
        argv: list[str],
        environment: dict[str, str],
        *,
        is_product: bool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.node = node
        self._host = host
        self._container = container
        self._token = secrets.token_hex(4)
        start = {
            "do": "start",
            "argv": argv,
            "environment": environment,
            "product": is_product,
            "token": self._token,
        }
        self._stream = Stream(host, container, [*FABRIC_PROGRAM, "run"], {START: json.dumps(start)}, loop)

    async def open(self) -> None:
        """Start it; returns when the program itself runs, so that signals mean it."""
        await self._stream.open()
        await self._stream.lines.marked.wait()

    def lines(self) -> AsyncIterator[OutputLine]:
        """See ``Process``."""
        return self._stream.lines.read()

    async def write(self, data: bytes) -> None:
        """See ``Process``."""
        await self._stream.write(data)

    async def close_stdin(self) -> None:
        """See ``Process``."""
        await self._stream.close_stdin()

    async def signal(self, number: int) -> None:
        """See ``Process``."""
        if not self._stream.ended.is_set():
            message = {"do": "signal", "token": self._token, "number": number}
            await tell(self._host, self._container, message)

    async def wait(self) -> int:
        """See ``Process``."""
        await self._stream.ended.wait()
        status = await asyncio.to_thread(self._stream.status)
        return BY_SIGNAL - status if status > BY_SIGNAL else status

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.close()


async def tell(host: DockerHost, container: str, message: Mapping[str, Any]) -> None:
    """Tell a container's init something, and wait until it is done."""
    loop = asyncio.get_running_loop()
    argv = [*FABRIC_PROGRAM, "tell", json.dumps(message)]
    stream = await asyncio.to_thread(Stream, host, container, argv, {}, loop)
    await stream.open()
    await stream.ended.wait()
