"""FrameStream over real sockets: limits, backpressure, and every way a connection can end."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time

import pytest

from localpair.errors import WireError
from localpair.limits import (
    CHUNK_BYTES,
    FRAME_BYTES,
    FRAME_PREAUTH_BYTES,
    RECEIVE_BLOCKS,
    SEND_BUFFER_BYTES,
)
from localpair.net.transport import stream as streaming
from localpair.net.transport.stream import Frame, FrameStream, Piece, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.wire.framing import encode_frame
from streams import Wire, certificate, run, stream_pair, tls_pair, until

DATA = 43


def raw(stream: FrameStream, data: bytes) -> None:
    """Bytes inside TLS that are no frames of ours."""
    stream._wire.transport.write(data)


async def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    return dialled, accepted


async def end(*streams: FrameStream) -> None:
    await asyncio.gather(*(stream.close() for stream in streams))


async def read_to_the_end(stream: FrameStream) -> None:
    while True:
        await stream.read()


@pytest.mark.parametrize("server_dials", [False, True], ids=["accepts", "dials"])
def test_the_tls_role_does_not_follow_the_tcp_direction(server_dials: bool) -> None:
    async def main() -> None:
        dialled, accepted = await tcp_pair()
        names = dialled.getsockname(), dialled.getpeername()
        pair = (dialled, accepted) if server_dials else (accepted, dialled)
        server, client = await tls_pair(*pair)
        server.write(1, b"from ", b"the server")
        client.write(2, b"from the client")
        assert await client.read() == Frame(1, b"from the server")
        assert await server.read() == Frame(2, b"from the client")
        assert client.certificate == certificate().der
        assert server.certificate == b""
        assert (
            (server if server_dials else client).local,
            (server if server_dials else client).remote,
        ) == names
        await end(server, client)

    run(main())


def test_thousands_of_small_frames_come_in_order() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        for number in range(5000):
            one.write(5, number.to_bytes(4, "big"))
        for number in range(5000):
            assert int.from_bytes((await other.read()).body, "big") == number
        await end(one, other)

    run(main())


def test_a_cancelled_read_loses_nothing() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await other.read()
            waiting = asyncio.create_task(other.read())
            await asyncio.sleep(0)
            one.write(5, b"x")
            one._wire.flush()
            waiting.cancel()
            await asyncio.wait([waiting])
            assert await other.read() == Frame(5, b"x")
        await end(one, other)

    run(main())


@pytest.mark.parametrize(
    "data", [b"\x00\x00\x00\x00\x01", b"\xff\xff\xff\xff", encode_frame(5, bytes(FRAME_PREAUTH_BYTES))]
)
def test_a_bad_length_is_one_error_and_the_end(data: bytes) -> None:
    async def main() -> None:
        one, other = await stream_pair()
        raw(one, encode_frame(4, b"good") + data + encode_frame(5, b"never read"))
        assert await other.read() == Frame(4, b"good")
        with pytest.raises(WireError):
            await other.read()
        with pytest.raises(ConnectionError):
            await other.read()
        with pytest.raises(ConnectionError):
            await one.read()
        await end(one, other)

    run(main())


def test_a_new_limit_holds_for_what_has_arrived_already() -> None:
    """The peer may send its first large frame in one packet with its last small one."""

    async def main() -> None:
        one, other = await stream_pair()
        raw(one, encode_frame(1, b"done") + encode_frame(35, bytes(100_000)))
        assert await other.read() == Frame(1, b"done")
        await other._wire.arrived.wait()
        other.set_limit(FRAME_BYTES)
        assert len((await other.read()).body) == 100_000
        await end(one, other)

    run(main())


def test_a_stranger_gets_little_memory() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        raw(one, encode_frame(5, b"x" * 4000) * 1000)
        await until(lambda: other.stalled)
        held = other._wire.receive_buffer._held
        assert held <= RECEIVE_BLOCKS
        assert len(other._wire.receive_buffer._unread) <= 4 * RECEIVE_BLOCKS
        assert sum(stop - start for _, start, stop in other._wire.receive_buffer._unread) <= 256 * 1024
        for _ in range(1000):
            await other.read()
        await end(one, other)

    run(main())


def test_pieces_that_are_not_released_stop_the_sender() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        other.set_limit(FRAME_BYTES, {DATA})
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(64):
                one.write(DATA, bytes(CHUNK_BYTES))
                await one.drain()
                sent += CHUNK_BYTES
            one.write(5, b"end")

        sending = asyncio.create_task(send())
        pieces: list[Piece] = []
        while not other.stalled:
            part = await other.receive()
            assert isinstance(part, Piece)
            pieces.append(part)
        before = sent
        await asyncio.sleep(0.05)
        assert sent - before <= SEND_BUFFER_BYTES
        assert sent < 24 * CHUNK_BYTES
        received = 0
        while True:
            for piece in pieces:
                assert not any(piece.data[:64])
                received += len(piece.data)
                piece.release()
            part = await other.receive()
            if isinstance(part, Frame):
                break
            pieces = [part]
        assert received == 64 * CHUNK_BYTES
        assert part == Frame(5, b"end")
        await sending
        await end(one, other)

    run(main())


def test_released_blocks_are_used_again_and_never_before() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        other.set_limit(FRAME_BYTES, {DATA})
        kept: list[tuple[Piece, bytes]] = []

        async def send() -> None:
            for number in range(200):
                one.write(DATA, bytes([number]) * 100_000)
                await one.drain()

        sending = asyncio.create_task(send())
        number = left = 0
        while number < 200 or left:
            if not left:
                number, left = number + 1, 100_000
            part = await other.receive()
            assert isinstance(part, Piece)
            left -= len(part.data)
            kept.append((part, bytes(part.data)))
            assert set(part.data) == {number - 1}
            if len(kept) > 8:
                piece, was = kept.pop(0)
                assert bytes(piece.data) == was
                piece.release()
        await sending
        assert other._wire.receive_buffer._held <= RECEIVE_BLOCKS
        await end(one, other)

    run(main())


def test_drain_waits_for_a_reader_and_raises_when_it_is_gone() -> None:
    async def main() -> None:
        one, other = await stream_pair()

        async def fill() -> None:
            while True:
                one.write(35, bytes(CHUNK_BYTES))
                await one.drain()

        filling = asyncio.create_task(fill())
        await until(lambda: not one._wire.writable.is_set())
        assert one.sent <= SEND_BUFFER_BYTES + 8 * CHUNK_BYTES
        other.abort()
        with pytest.raises(ConnectionError):
            await filling
        await end(one, other)

    run(main())


def test_what_was_sent_before_the_end_is_read_first() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        for number in range(100):
            one.write(5, bytes([number]))
        await one.close()
        for number in range(100):
            assert (await other.read()).body == bytes([number])
        with pytest.raises(ConnectionError):
            await other.read()
        await end(other)

    run(main())


def test_an_end_inside_a_frame_is_an_end() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        raw(one, encode_frame(5, b"hello")[:7])
        await one.close()
        with pytest.raises(ConnectionError):
            await other.read()
        await end(other)

    run(main())


def test_the_last_frame_gets_through_although_the_peer_still_sends() -> None:
    """Unread input makes TLS fail while it says goodbye, and what is queued would be lost."""

    async def main() -> None:
        one, other = await stream_pair()
        other.set_limit(FRAME_BYTES)
        one.set_limit(FRAME_BYTES)
        for _ in range(40):
            other.write(35, bytes(CHUNK_BYTES))
        await until(lambda: one.stalled)
        one.write(5, b"refused")
        closing = asyncio.create_task(one.close())
        assert await other.read() == Frame(5, b"refused")
        await closing
        await end(other)

    run(main())


def test_closing_is_bounded_when_the_peer_does_not_read() -> None:
    async def main() -> None:
        wire = Wire()
        one, other = await tls_pair(*wire.ends)
        wire.frozen.clear()
        for _ in range(20):
            one.write(35, bytes(CHUNK_BYTES))
        began = time.monotonic()
        await one.close()
        assert time.monotonic() - began < 3
        wire.frozen.set()
        await wire.close()
        await end(other)

    run(main())


def test_closing_and_aborting_again_and_again_raises_nothing() -> None:
    async def main() -> None:
        one, other = await stream_pair()
        one.write(5, b"x")
        await asyncio.gather(one.close(), other.close())
        for stream in (one, other):
            stream.abort()
            stream.write(5, b"into the void")
            await stream.close()
            stream.abort()
            assert stream.is_closing()
            with pytest.raises(ConnectionError):
                await stream.drain()

    run(main())


def test_abort_with_much_queued_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        one, other = await stream_pair()
        other.set_limit(FRAME_BYTES)
        for _ in range(20):
            one.write(35, bytes(CHUNK_BYTES))
        one.abort()
        with pytest.raises(ConnectionError):
            await read_to_the_end(other)
        await end(one, other)

    run(main())
    assert not caplog.records


@pytest.mark.parametrize("server_side", [False, True])
def test_a_silent_peer_fails_the_handshake_in_time(server_side: bool) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        context = server_context(certificate()) if server_side else client_context()
        began = time.monotonic()
        with pytest.raises(OSError, match=r"."):
            await open_stream(ours, context, server_side=server_side, timeout=0.1)
        assert time.monotonic() - began < 3
        assert ours.fileno() == -1
        theirs.close()

    run(main())


def test_a_peer_that_speaks_no_tls_fails_the_handshake() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await open_stream(ours, server_context(certificate()), server_side=True, timeout=5)
        theirs.close()

    run(main())


def test_a_cancelled_handshake_closes_the_socket() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        opening = asyncio.create_task(open_stream(ours, client_context(), server_side=False, timeout=5))
        await asyncio.sleep(0.01)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert ours.fileno() == -1
        theirs.close()

    run(main())


@pytest.mark.parametrize("server_side", [False, True])
def test_a_handshake_that_is_cancelled_as_it_is_done_leaves_no_transport(
    server_side: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio would wait for the peer's farewell then, on a socket that is closed."""
    tasks: dict[bool, asyncio.Task[FrameStream]] = {}

    def connection_made(self: object, transport: asyncio.BaseTransport) -> None:
        original(self, transport)
        if transport.get_extra_info("ssl_object").server_side is server_side:
            tasks[server_side].cancel()

    wire = vars(streaming)["_Wire"]
    original = wire.connection_made
    monkeypatch.setattr(wire, "connection_made", connection_made)

    async def main() -> None:
        ends = dict(zip((False, True), socket.socketpair(), strict=True))
        contexts = {False: client_context(), True: server_context(certificate())}
        for side, end in ends.items():
            end.setblocking(False)
            opening = open_stream(end, contexts[side], server_side=side, timeout=5)
            tasks[side] = asyncio.create_task(opening)
        with pytest.raises(asyncio.CancelledError):
            await tasks[server_side]
        assert ends[server_side].fileno() == -1
        with pytest.raises(ConnectionError):
            await (await tasks[not server_side]).read()

    run(main())
    gc.collect()  # a transport that is left warns, and a warning is an error
