"""TCP connections, dialled or accepted, up to the moment when the encrypted frames start.

Both directions begin with a preamble; then TLS starts on the same socket, in the role that the pairing gives and
not the one that dialling gave.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

from localpair.address import IPAddress
from localpair.endpoint import plain_address
from localpair.errors import ForeignVersionError, WireError
from localpair.keys import Role, SessionCertificate, random_bytes
from localpair.limits import CONNECT_TIMEOUT_S, IDENTIFY_S
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.congestion import hasten
from localpair.net.transport.sockets import bind_to_interface, limit_segments
from localpair.net.transport.stream import FrameStream, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.protocol.admission import CHALLENGE_BYTES, RESPONSE_BYTES, Call
from localpair.wire.messages import CallKind, Preamble

# struct linger: on, 0 s; WINSOCK 2 has shorts (https://learn.microsoft.com/windows/win32/api/winsock2/ns-winsock2-linger)
_AT_ONCE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
ACCEPTED_AT_ONCE: Final = 256  # then other work has its turn, however many wait

Responder: TypeAlias = Callable[[Preamble, bytes], bytes]
"""Gives the response to a challenge, on a connection that this side has opened with that preamble."""


class Contexts:
    """The two TLS contexts of a process, and the certificate that it shows as the server."""

    def __init__(self, certificate: SessionCertificate) -> None:
        self._client = client_context()
        self.show(certificate)

    def show(self, certificate: SessionCertificate) -> None:
        """Show this certificate from now on. Connections that stand keep theirs."""
        self._server = server_context(certificate)
        self.certificate = certificate

    def for_role(self, *, server_side: bool) -> ssl.SSLContext:
        """The context of one side."""
        return self._server if server_side else self._client


async def connect(
    address: IPAddress, port: int, scope: int = 0, *, source_port: int | None = None, bind_to: int = 0,
    local: IPAddress | None = None, timeout: float = CONNECT_TIMEOUT_S,
) -> socket.socket:  # fmt: skip
    """A connected, non-blocking socket. Raises OSError with its errno; ETIMEDOUT where our own timer ended it.

    ``source_port`` binds the dialling end to a fixed port, ``bind_to`` to an interface, by its index, ``local`` to an
    own address. No name is ever resolved.
    """
    one = new_dial(address, bind_to, source_port, local)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(one, target_of(address, port, scope))
    except TimeoutError:
        _abandon(one, source_port)
        raise OSError(errno.ETIMEDOUT, "no answer") from None
    except BaseException:
        _abandon(one, source_port)
        raise
    return one


def _abandon(one: socket.socket, source_port: int | None) -> None:
    """Close a dial. Half-open it would keep its ports for a minute, and the next dial has the same fixed ones."""
    if source_port:
        leave_nothing(one)
    one.close()


def leave_nothing(one: socket.socket) -> None:
    """When it is closed, the kernel keeps nothing of the connection, and the other side notices at once."""
    with suppress(OSError):  # it is closed already
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


async def accept(listening: socket.socket) -> tuple[socket.socket, str]:
    """The next call to ``listening``, connected and non-blocking, and the address that it comes from. Raises OSError.

    Cancelling loses nothing: asyncio's own accepts a call that comes together with its cancellation, forgets it and
    logs an error (``_sock_accept`` of selector event loops).
    """
    (first,) = await accept_some(listening, 1)
    return first


async def accept_some(
    listening: socket.socket, most: int = ACCEPTED_AT_ONCE
) -> list[tuple[socket.socket, str]]:
    """The calls to ``listening`` that wait, ``most`` of them and at least one; otherwise as ``accept``."""
    if sys.platform == "win32":  # its event loop waits for completion, not for readiness
        one, (host, *_) = await asyncio.get_running_loop().sock_accept(listening)
        return [(one, host)]
    found: list[tuple[socket.socket, str]] = []
    while not found:
        await ready(listening, writing=False)
        try:
            while len(found) < most:
                one, (host, *_) = listening.accept()
                one.setblocking(False)
                found.append((one, host))
        except BlockingIOError:
            pass  # those were all, or the caller has gone again
        except OSError:
            if not found:
                raise
            return found  # the next call meets the error again
    return found


async def ready(one: socket.socket, *, writing: bool) -> None:
    """Wait until ``one`` can be read from, or written to. Not on Windows."""
    loop = asyncio.get_running_loop()
    found = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(one, found.set)
    try:
        await found.wait()
    finally:
        remove(one)


def new_dial(
    address: IPAddress, bind_to: int = 0, source_port: int | None = None, local: IPAddress | None = None
) -> socket.socket:
    """A non-blocking socket to dial ``address`` with, bound to a source port where one is given (0: any free one), and
    to the address ``local`` of ours where one is given.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        limit_segments(one)
        if bind_to:
            bind_to_interface(one, bind_to)
        if source_port is not None or local is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            anywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - that is what dialling does
            one.bind((str(local) if local is not None else anywhere, source_port or 0))
    except BaseException:
        one.close()
        raise
    return one


def target_of(address: IPAddress, port: int, scope: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What a socket of the address's family takes as the other end."""
    return (str(address), port, 0, scope) if address.version == 6 else (str(address), port)


def respond_as_stranger(preamble: Preamble, challenge: bytes) -> bytes:
    """A response of somebody who holds no secret: to everybody else it looks like any other."""
    return random_bytes(RESPONSE_BYTES)


async def exchange_preambles(
    one: socket.socket,
    own: Preamble,
    respond: Responder = respond_as_stranger,
    *,
    timeout: float = IDENTIFY_S,
) -> Preamble:
    """Say our preamble on a connection that we have opened, hear the peer's, and meet its challenge, if it has one:
    where both sides have opened it there is none.

    Raises WireError, OSError, or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    hasten(one)
    async with asyncio.timeout(timeout):
        await loop.sock_sendall(one, own.encode())
        peer = Preamble.decode(await _read_exactly(one, Preamble.BYTES))
        if not peer.dialled:
            challenge = await _read_exactly(one, CHALLENGE_BYTES)
            await loop.sock_sendall(one, respond(own, challenge))
    return peer


async def hear_call(one: socket.socket, role: Role, *, timeout: float = IDENTIFY_S) -> Call:
    """Hear what an accepted call is for, and challenge the caller. Whoever says something else hears nothing; a
    localpair of another version is told ours, so that its person learns why.

    Raises WireError, OSError, or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    hasten(one)
    async with asyncio.timeout(timeout):
        try:
            preamble = Preamble.decode(await _read_exactly(one, Preamble.BYTES))
        except ForeignVersionError:
            await loop.sock_sendall(one, Preamble(CallKind.PAIR, role, False).encode())
            raise
        challenge = random_bytes(CHALLENGE_BYTES)
        await loop.sock_sendall(one, Preamble(preamble.kind, role, False).encode() + challenge)
        return Call(preamble, challenge, await _read_exactly(one, RESPONSE_BYTES))


async def start_tls(
    one: socket.socket, contexts: Contexts, *, server_side: bool, timeout: float = IDENTIFY_S
) -> FrameStream:
    """TLS on a connected socket. Raises ssl.SSLError, OSError or TimeoutError; the socket is closed then."""
    context, shown = contexts.for_role(server_side=server_side), contexts.certificate.der
    try:
        stream = await open_stream(one, context, server_side=server_side, timeout=timeout)
    except BaseException:
        one.close()
        raise
    if server_side:
        stream.certificate = shown
    return stream


async def call(
    contexts: Contexts, kind: CallKind, role: Role, address: IPAddress, port: int, scope: int = 0,
    *, respond: Responder = respond_as_stranger, timeout: float = CONNECT_TIMEOUT_S,
) -> FrameStream:  # fmt: skip
    """Dial a listener for a SELF or a CONFIRM call, in which whoever accepted is the TLS server."""
    one = await connect(address, port, scope, timeout=timeout)
    try:
        peer = await exchange_preambles(one, Preamble(kind, role, True), respond, timeout=timeout)
        if peer.dialled:
            raise WireError("a call met another call")
    except BaseException:
        one.close()
        raise
    return await start_tls(one, contexts, server_side=False, timeout=timeout)


def remote_address(stream: FrameStream) -> IPAddress:
    """The peer's address as the socket says it, without scope."""
    return plain_address(stream.remote[0])


def local_address(stream: FrameStream) -> IPAddress:
    """Our address as the socket says it, without scope."""
    return plain_address(stream.local[0])


def is_stranded(stream: FrameStream, interfaces: Interfaces) -> bool:
    """Whether our own end has lost its address, so that nothing can come any more."""
    address = local_address(stream)
    return bool(interfaces.interfaces) and not address.is_loopback and address not in interfaces.own_addresses


async def _read_exactly(one: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(one, size - len(data))
        if not part:
            raise ConnectionResetError(errno.ECONNRESET, "closed before it said what it is")
        data += part
    return data
