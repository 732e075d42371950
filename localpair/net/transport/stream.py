"""FrameStream: TLS and frames on one connected socket, as an asyncio protocol object.

A buffered protocol is used because TLS then decrypts straight into our blocks; asyncio's streams and its plain
protocols copy every byte two or three times more.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Collection
from typing import Final

from localpair.errors import WireError
from localpair.events import Path
from localpair.limits import CLOSE_S, SEND_BUFFER_BYTES, USER_TIMEOUT_S
from localpair.net.host.naming import describe
from localpair.net.transport.congestion import CongestionWatch
from localpair.net.transport.receive_buffer import Piece, ReceiveBuffer
from localpair.trace import TRACE
from localpair.wire.framing import Frame, frame_header

__all__ = ["Frame", "FrameStream", "Piece", "open_stream"]

_TURN_BYTES: Final = 32 * 1024  # written in one turn of the loop by whoever drains
_JOINED_BYTES: Final = 16 * 1024  # smaller frames of one turn share a TLS record and a system call


async def open_stream(
    sock: socket.socket, context: ssl.SSLContext, *, server_side: bool, timeout: float
) -> FrameStream:
    """Run the TLS handshake on ``sock``, connected and non-blocking, within ``timeout`` seconds.

    The TLS role is ``server_side`` and does not follow the direction of the TCP connection. Raises OSError
    (which holds ssl.SSLError, ConnectionError and TimeoutError); the socket is closed then.
    """
    loop = asyncio.get_running_loop()
    _tune(sock)
    wire = _Wire(CongestionWatch(sock))
    try:
        if server_side:
            await loop.connect_accepted_socket(
                lambda: wire, sock, ssl=context, ssl_handshake_timeout=timeout, ssl_shutdown_timeout=CLOSE_S
            )
        else:
            await loop.create_connection(
                lambda: wire,
                sock=sock,
                ssl=context,
                server_hostname="",  # keys are pinned, names mean nothing
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=CLOSE_S,
            )
    except BaseException:
        if wire.is_made:  # cancelled just as it was done: asyncio would wait for the peer's farewell
            wire.transport.abort()
        wire.congestion.stop()
        sock.close()
        raise
    return FrameStream(wire, sock, server_side=server_side)


class FrameStream:
    """Frames both ways over TLS. One task reads at a time; any may write.

    ``local`` and ``remote`` are numeric addresses with ports, as the socket says. ``certificate`` is the DER form
    of the TLS server's certificate; the server itself sets its own. ``path`` may be set by whoever made the
    connection and knows how.
    """

    path: Path | None = None

    def __init__(self, wire: _Wire, sock: socket.socket, *, server_side: bool) -> None:
        self._wire = wire
        self._traced = 0  # bytes of the streamed frame under way
        self.local: tuple[str, int] = _endpoint(wire.transport.get_extra_info("sockname"))
        self.remote: tuple[str, int] = _endpoint(wire.transport.get_extra_info("peername"))
        session = wire.transport.get_extra_info("ssl_object")
        self.certificate: bytes = b"" if server_side else session.getpeercert(binary_form=True) or b""

    async def read(self) -> Frame:
        """The next whole frame. Raises ConnectionError when the connection has ended, WireError on a bad frame."""
        part = await self.receive()
        if not isinstance(part, Frame):
            raise TypeError("pieces of a streamed frame are taken with receive()")
        return part

    async def receive(self) -> Frame | Piece:
        """The next frame, or the next piece of a frame of a streamed type; each piece must be released.

        Cancelling loses nothing. Raises like ``read``.
        """
        while True:
            part = self._wire.take()
            if part is not None:
                if TRACE.on:
                    self._trace(part)
                return part
            if self._wire.ended.is_set():
                raise ConnectionResetError(f"the connection ended ({self._wire.reason})")
            self._wire.arrived.clear()
            await self._wire.arrived.wait()

    def write(self, type: int, *parts: bytes | memoryview) -> None:  # noqa: A002 - the frame's own word
        """Send one frame made of ``parts``; never blocks. Views must stay as they are until ``drain`` returns."""
        if TRACE.on:
            TRACE.frame("out", self.remote, type, sum(map(len, parts)))
        self._wire.send(type, parts)

    async def drain(self) -> None:
        """Wait while more than SEND_BUFFER_BYTES are queued. Raises ConnectionError when the connection ended."""
        self._wire.flush()
        if self._wire.unseen >= _TURN_BYTES:
            # The loop sees a broken connection, and hears the peer, between two turns only.
            self._wire.unseen = 0
            await asyncio.sleep(0)
        await self._wire.writable.wait()
        if self._wire.ended.is_set():
            raise ConnectionResetError(f"the connection ended ({self._wire.reason})")

    def set_limit(self, size: int, streamed: Collection[int] = ()) -> None:
        """The largest frame accepted from the next one on, in bytes; ``streamed`` types come in pieces."""
        self._wire.receive_buffer.expect(size, streamed)

    def is_closing(self) -> bool:
        """Whether the connection has ended or is being closed."""
        return self._wire.ended.is_set() or self._wire.transport.is_closing()

    @property
    def received(self) -> int:
        """Bytes received so far, frame headers included, TLS not."""
        return self._wire.received

    @property
    def sent(self) -> int:
        """Bytes handed to TLS so far."""
        return self._wire.sent

    @property
    def queued(self) -> int:
        """Bytes that wait to leave."""
        return self._wire.transport.get_write_buffer_size()

    @property
    def misjudges(self) -> bool:
        """Whether our kernel takes the round trip for much shorter than it is, so that it would send a file slowly."""
        return self._wire.congestion.misjudges

    @property
    def stalled(self) -> bool:
        """Whether reading is paused because received bytes wait for their reader."""
        return self._wire.stalled

    async def close(self) -> None:
        """Flush, say goodbye in TLS and close, within CLOSE_S; never raises."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._wire.close()
        except TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once; what is queued is lost."""
        self._wire.transport.abort()
        self._wire.receive_buffer.clear()

    def _trace(self, part: Frame | Piece) -> None:
        """One line for a frame, also where it comes in pieces."""
        size = self._traced + len(part.data if isinstance(part, Piece) else part.body)
        is_whole = isinstance(part, Frame) or part.last
        self._traced = 0 if is_whole else size
        if is_whole:
            TRACE.frame("in", self.remote, part.type, size)


class _Wire(asyncio.BufferedProtocol):
    """What asyncio calls. ``ended`` is set once and for all, ``arrived`` whenever a reader should look again."""

    transport: asyncio.Transport

    def __init__(self, congestion: CongestionWatch) -> None:
        self._loop = asyncio.get_running_loop()
        self.congestion = congestion
        self.receive_buffer = ReceiveBuffer(self._wake)
        self.arrived = asyncio.Event()
        self.writable = asyncio.Event()
        self.ended = asyncio.Event()
        self.reason = "closed by the peer"
        self.received = 0
        self.sent = 0
        self.unseen = 0  # sent in this turn of the loop
        self.is_made = False
        self.stalled = False
        self._discarding = False
        self._joined: list[bytes] = []
        self._joined_size = 0

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self.transport = transport
        self.is_made = True
        transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        self.writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.receive_buffer.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        self.receive_buffer.add(nbytes)
        if self._discarding:
            self.receive_buffer.clear()
        elif self.receive_buffer.full:
            self.stalled = True
            self.transport.pause_reading()
        self.arrived.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.reason = describe(exc)
        self.congestion.stop()
        self.ended.set()
        self.arrived.set()
        self.writable.set()

    # --- called by FrameStream

    def take(self) -> Frame | Piece | None:
        try:
            return self.receive_buffer.take()
        except WireError:
            # Whatever follows cannot be told apart any more.
            self._discarding = True
            self.receive_buffer.clear()
            self.transport.abort()
            raise

    def send(self, kind: int, parts: tuple[bytes | memoryview, ...]) -> None:
        if self.ended.is_set() or self.transport.is_closing():
            return  # nobody will read it, and asyncio would complain of each
        size = sum(map(len, parts))
        self.sent += size
        self.unseen += size
        self._joined.append(frame_header(kind, size))
        if size < _JOINED_BYTES:
            if not self._joined_size:
                self._loop.call_soon(self.flush)
            self._joined.extend(map(bytes, parts))
            self._joined_size += size + 1
            if self._joined_size >= _JOINED_BYTES:
                self.flush()
            return
        joined, self._joined, self._joined_size = b"".join(self._joined), [], 0
        self.transport.writelines([joined, *parts])

    def flush(self) -> None:
        if self._joined:
            joined, self._joined, self._joined_size = b"".join(self._joined), [], 0
            if not self.transport.is_closing():
                self.transport.write(joined)

    async def close(self) -> None:
        """Wait until everything has left; input is thrown away, since unread input makes TLS drop the output."""
        self._discarding = True
        self.receive_buffer.clear()
        if self.transport.is_closing():
            return
        self.flush()
        self._resume()
        self.transport.set_write_buffer_limits(high=1, low=0)  # "writable" now means "empty"
        await self.writable.wait()
        self.transport.close()
        await self.ended.wait()

    def _wake(self) -> None:
        if self.stalled:
            # A loop that is closed needs no waking.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._resume)

    def _resume(self) -> None:
        if self.stalled and not self.receive_buffer.full and not self.transport.is_closing():
            self.stalled = False
            self.transport.resume_reading()


def _endpoint(name: object) -> tuple[str, int]:
    """Address and port of a socket's name; an IPv6 scope or a Unix socket's path means nothing here."""
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return "", 0


def _tune(sock: socket.socket) -> None:
    """No waiting for full segments, and a dead peer is noticed by the kernel even while nothing is sent."""
    options = [(socket.SOL_SOCKET, "SO_KEEPALIVE", 1), (socket.IPPROTO_TCP, "TCP_NODELAY", 1)]
    options += [(socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15), (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10)]
    options += [(socket.IPPROTO_TCP, "TCP_KEEPCNT", 3)]
    if sys.platform == "linux":
        options.append((socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", int(USER_TIMEOUT_S * 1000)))
    if sys.platform == "darwin":
        options.append((socket.IPPROTO_TCP, "TCP_KEEPALIVE", 15))
    for level, name, value in options:
        number = getattr(socket, name, None)
        if number is not None:
            # A system that refuses an option still carries the connection.
            with contextlib.suppress(OSError):
                sock.setsockopt(level, number, value)
