"""What an accepted call says before TLS, and what it is told."""

from __future__ import annotations

import asyncio
import socket

import pytest

from localpair.errors import ForeignVersionError, NoLocalpairError
from localpair.keys import Role
from localpair.net.transport.tcp import hear_call
from localpair.wire.messages import CallKind, Preamble

OURS = Preamble(CallKind.PAIR, Role.ISSUER, dialled=False).encode()


async def called_with(said: bytes) -> tuple[type[BaseException], bytes]:
    """How a call ends that says these bytes, and what it hears."""
    caller, accepted = socket.socketpair()
    with caller, accepted:
        caller.setblocking(False)
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(caller, said)
        with pytest.raises(Exception) as caught:
            await hear_call(accepted, Role.ISSUER, timeout=1.0)
        accepted.close()
        heard = b""
        while part := await loop.sock_recv(caller, 64):
            heard += part
        return caught.type, heard


def test_a_caller_of_another_version_hears_ours() -> None:
    error, heard = asyncio.run(called_with(b"LPAI\x09\x01\x01\x01"))
    assert error is ForeignVersionError
    assert heard == OURS


def test_whoever_says_something_else_hears_nothing() -> None:
    assert asyncio.run(called_with(b"GET / HT")) == (NoLocalpairError, b"")
