"""The connection that a session runs over at the moment, and whether anybody is alive at its other end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from localpair.errors import WireError
from localpair.limits import DEAD_S, FRAME_BYTES, NOTES_AHEAD_BYTES, PING_S, SEND_BUFFER_BYTES
from localpair.net.transport.stream import Frame, FrameStream, Piece
from localpair.trace import TRACE
from localpair.wire.payload import DATA, Attach, Payload, Ping, decode_payload

_FRAME_OVERHEAD = 64  # a message of FRAME_BYTES has a number in front
_BULK_BYTES = NOTES_AHEAD_BYTES + SEND_BUFFER_BYTES  # messages wait for nothing but their window, files drain


class SessionChannel:
    """Sends and receives a session's messages while a connection stands.

    Messages sent while none stands are dropped: whatever matters is told again by `Attach` on the next one. From our
    own `Attach` on they are sent.
    """

    def __init__(self) -> None:
        self.ready = asyncio.Event()  # messages are sent
        self._stream: FrameStream | None = None

    async def attach(self, stream: FrameStream, own: Attach, *, timeout: float | None) -> Attach:
        """Begin on a new connection: say ``own``, wait for the peer's. Raises ConnectionError and WireError."""
        if TRACE.on:
            TRACE.session("attach", stream.remote)
        stream.set_limit(FRAME_BYTES + _FRAME_OVERHEAD, {DATA})
        stream.write(own.TYPE, own.encode())
        self._stream = stream
        self.ready.set()
        try:
            async with asyncio.timeout(timeout):
                frame = await stream.receive()
        except TimeoutError:
            raise ConnectionResetError("the peer said nothing on the new connection") from None
        message = decode_payload(frame) if isinstance(frame, Frame) else None
        if not isinstance(message, Attach):
            raise WireError("a session that does not begin with its state")
        return message

    def detach(self) -> None:
        """The connection is gone."""
        if self._stream is not None:
            if TRACE.on:
                TRACE.session("detach", self._stream.remote)
            self._stream.abort()
        self._stream = None
        self.ready.clear()

    def send(self, messages: Iterable[Payload]) -> None:
        """Send ``messages`` if a connection stands; never blocks."""
        if self._stream is not None:
            for message in messages:
                self._stream.write(message.TYPE, message.encode())

    def send_data(self, data: bytes | memoryview) -> None:
        """Send bytes of the file under way."""
        if self._stream is not None:
            self._stream.write(DATA, data)

    async def drain(self) -> None:
        """Wait until more may be queued. Raises ConnectionError where no connection stands."""
        if self._stream is None:
            raise ConnectionResetError("the connection is broken")
        await self._stream.drain()

    @property
    def flooded(self) -> bool:
        """Whether answers pile up, beyond anything that is sent in bulk: the peer does not read them.

        Whoever reads waits then. Messages and files must never bring it there: where both sides send them, and both
        wait, neither reads any more.
        """
        return self._stream is not None and self._stream.queued > _BULK_BYTES + SEND_BUFFER_BYTES

    async def receive(self) -> Payload | Piece:
        """The next message or piece of a file. Raises ConnectionError and WireError."""
        if self._stream is None:
            raise ConnectionResetError("the connection is broken")
        part = await self._stream.receive()
        return decode_payload(part) if isinstance(part, Frame) else part

    async def watch(self) -> None:
        """Say that we live when nothing else was said, and end a connection on which nothing arrives.

        A side that has stopped reading, since its disk is slow, hears nothing and draws no conclusion from it.
        """
        stream = self._stream
        silent = 0.0
        while stream is not None:
            sent, received = stream.sent, stream.received
            await asyncio.sleep(PING_S)
            silent = silent + PING_S if stream.received == received and not stream.stalled else 0.0
            if silent >= DEAD_S:
                stream.abort()
                return
            if stream.sent == sent:
                stream.write(Ping.TYPE, b"")
