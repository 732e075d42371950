"""Accepting a call that comes together with the end of the waiting."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import pytest

from localpair.net.transport.tcp import accept

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its event loop accepts by itself")


def test_a_call_that_comes_as_the_waiting_ends_is_there_for_whoever_waits_next() -> None:
    complaints: list[dict[str, Any]] = []

    async def waits(listening: socket.socket, caller: socket.socket) -> tuple[socket.socket, str]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        first = asyncio.create_task(accept(listening))
        await asyncio.sleep(0)
        caller.connect(listening.getsockname())
        loop.call_soon(first.cancel)  # runs before what the next look at the sockets brings
        with pytest.raises(asyncio.CancelledError):
            await first
        async with asyncio.timeout(10):
            return await accept(listening)

    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as caller:
        listening.setblocking(False)
        caller.settimeout(10)
        accepted, host = asyncio.run(waits(listening, caller))
        with accepted:
            assert (host, accepted.getblocking()) == ("127.0.0.1", False)
            assert accepted.getpeername() == caller.getsockname()
    assert complaints == []
