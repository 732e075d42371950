"""What a connection does about links that swallow large packets or lose many."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localpair.address import LOOPBACK
from localpair.keys import Role
from localpair.limits import BBR_LOOKS, BULK_BYTES, BULK_QUEUE_BYTES, SEGMENT_BYTES
from localpair.net.transport import congestion
from localpair.net.transport.congestion import CongestionWatch, counters
from localpair.net.transport.sockets import open_sockets
from localpair.net.transport.stream import open_stream
from localpair.net.transport.tcp import connect, exchange_preambles
from localpair.wire.messages import CallKind, Preamble

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's counters are read on Linux only"
)

_CONGESTION = 13
_THIN_LINEAR_TIMEOUTS = 16
_RTO_MAX_MS = 44
_OFFERED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def offered() -> list[str]:
    return _OFFERED.read_text().split() if _OFFERED.exists() else []  # evaluated on every platform


_BBR = pytest.mark.skipif("bbr" not in offered(), reason="this kernel offers no other congestion control")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection, dialled and accepted as localpair does it."""

    async def made() -> tuple[socket.socket, socket.socket]:
        opened = open_sockets()
        try:
            listener = next(one for one in opened.listeners if one.family == socket.AF_INET)
            dialled, (accepted, _) = await asyncio.gather(
                connect(LOOPBACK, opened.tcp_port), asyncio.get_running_loop().sock_accept(listener)
            )
        finally:
            opened.close()
        return dialled, accepted

    pair = asyncio.run(made())
    yield pair
    for one in pair:
        one.close()


def info(
    *,
    again: int = 0,
    acknowledged: int = 0,
    sent: int = 0,
    queued: int = 0,
    trip_us: int = 0,
    shortest_us: int = 0,
) -> bytes:
    data = bytearray(240)
    struct.pack_into("=I", data, 68, trip_us)
    struct.pack_into("=I", data, 100, again)
    struct.pack_into("=Q", data, 120, acknowledged)
    struct.pack_into("=I", data, 136, sent)
    struct.pack_into("=I", data, 144, queued)
    struct.pack_into("=I", data, 148, shortest_us)
    return bytes(data)


def control(one: socket.socket) -> bytes:
    return one.getsockopt(socket.IPPROTO_TCP, _CONGESTION, 16).rstrip(b"\0")


def limits_waits() -> bool:
    with socket.socket() as one:
        try:
            one.getsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS)
        except OSError:
            return False
    return True


def test_segments_fit_the_least_mtu_both_ways(ends: tuple[socket.socket, socket.socket]) -> None:
    for one in ends:
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= SEGMENT_BYTES


def test_the_kernel_counts_where_we_read(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    other.setblocking(False)
    for _ in range(20):
        one.send(b"x")
        assert other.recv(1) == b"x"
    read = counters(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 152))
    assert read is not None
    assert 20 <= read.sent < 60
    assert 1 <= read.acknowledged <= 21  # the handshake's own counts as one
    assert (read.again, read.queued) == (0, 0)
    assert 0 < read.shortest_us <= read.trip_us < 1_000_000
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(65536))
    read = counters(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 152))
    assert read is not None
    assert read.queued > BULK_QUEUE_BYTES


@pytest.mark.parametrize(
    ("again", "sent", "bad"),
    [(0, 10_000, False), (0, 0, False), (1, 12, True), (100, 10_000, False), (600, 10_000, True)],
)
def test_few_losses_are_no_losses(again: int, sent: int, bad: bool) -> None:
    read = counters(info(again=again, sent=sent))
    assert read is not None
    assert read.loses is bad


@pytest.mark.parametrize(
    ("trip_us", "shortest_us", "wrong"),
    [
        pytest.param(23_884, 13, True, id="crossed-on-a-long-link"),
        pytest.param(1_025, 35, False, id="crossed-on-a-lan"),
        pytest.param(697_648, 100_000, False, id="not-crossed"),
    ],
)
def test_a_round_trip_that_was_none_is_told_from_one(trip_us: int, shortest_us: int, wrong: bool) -> None:
    read = counters(info(trip_us=trip_us, shortest_us=shortest_us))
    assert read is not None
    assert read.misjudges is wrong


@pytest.mark.parametrize(
    ("acknowledged", "queued", "much"),
    [(BULK_BYTES - 1, BULK_QUEUE_BYTES - 1, False), (BULK_BYTES, 0, True), (0, BULK_QUEUE_BYTES, True)],
)
def test_a_transfer_is_known_by_its_bytes(acknowledged: int, queued: int, much: bool) -> None:
    read = counters(info(acknowledged=acknowledged, queued=queued))
    assert read is not None
    assert read.carries_much is much


def test_an_old_kernel_s_short_answer_says_nothing() -> None:
    assert counters(info(again=100, sent=100)[:104]) is None


async def looks(one: socket.socket, *seen: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch ``one`` for as many looks as there are answers of the kernel."""
    done = asyncio.Event()
    left = list(seen)

    def looked(_: bytes) -> congestion.Counters | None:
        now = left.pop(0) if left else seen[-1]
        if not left:
            asyncio.get_running_loop().call_soon(done.set)  # once this look has done what it does
        return counters(now)

    monkeypatch.setattr(congestion, "counters", looked)
    monkeypatch.setattr(congestion, "LOSS_LOOK_S", 0.01)
    watch = CongestionWatch(one)
    await done.wait()
    watch.stop()


_MUCH = info(acknowledged=BULK_BYTES, sent=90)
_LOSSY = info(again=1, sent=12)


@pytest.mark.parametrize(
    ("seen", "limited"),
    [
        pytest.param([info(acknowledged=BULK_BYTES - 1, sent=90)], True, id="few-words"),
        pytest.param([_MUCH], False, id="much"),
        pytest.param([b""], True, id="a-kernel-that-does-not-say"),
        pytest.param(
            [_MUCH, info(acknowledged=BULK_BYTES, again=9, sent=90)], True, id="losses-come", marks=_BBR
        ),
    ],
)
@pytest.mark.skipif(not limits_waits(), reason="this kernel does not limit the wait between two tries")
def test_what_is_lost_is_sent_again_within_a_second(
    ends: tuple[socket.socket, socket.socket],
    seen: list[bytes],
    limited: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for a transfer: on a slow link its queue takes longer, and all would be sent twice."""
    one, _ = ends
    usual = one.getsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS)
    asyncio.run(looks(one, *seen, monkeypatch=monkeypatch))
    assert one.getsockopt(socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS) == 1
    assert one.getsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS) == (1000 if limited else usual)
    assert usual > 1000


@_BBR
@pytest.mark.parametrize("lossy", [False, True])
def test_only_a_losing_connection_changes_its_control(
    ends: tuple[socket.socket, socket.socket], lossy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = ends
    one.setsockopt(socket.IPPROTO_TCP, _CONGESTION, b"reno")
    seen = _LOSSY if lossy else info(sent=12)
    asyncio.run(looks(one, seen, seen, monkeypatch=monkeypatch))
    assert control(one) == (b"bbr" if lossy else b"reno")


@_BBR
@pytest.mark.parametrize(
    ("then", "anew"),
    [
        pytest.param(info(again=40, acknowledged=BULK_BYTES, sent=200), True, id="still-lossy"),
        pytest.param(info(again=2, acknowledged=BULK_BYTES, sent=200), False, id="clean-by-now"),
        pytest.param(info(again=10, sent=20), False, id="nothing-to-send"),
    ],
)
def test_a_transfer_that_goes_on_losing_looks_for_its_rate_anew(
    ends: tuple[socket.socket, socket.socket], then: bytes, anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = ends

    class Chosen(socket.socket):
        """Notes what is set."""

        names: list[object]

        def setsockopt(self, level: int, option: int, value: object) -> None:  # type: ignore[override]
            if option == _CONGESTION:
                self.names.append(value)

    noting = Chosen(fileno=os.dup(one.fileno()))
    noting.names = []
    with noting:
        asyncio.run(looks(noting, _LOSSY, *[then] * BBR_LOOKS, monkeypatch=monkeypatch))
    assert noting.names.count(b"reno") == (2 if anew else 1)
    assert noting.names[-1] == b"bbr"


@_BBR
def test_where_nothing_better_is_offered_nothing_changes(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = ends
    one.setsockopt(socket.IPPROTO_TCP, _CONGESTION, b"bbr")  # for any that is not the plain one
    monkeypatch.setattr(congestion, "_CONTROL", b"none-such")
    asyncio.run(looks(one, _LOSSY, _LOSSY, monkeypatch=monkeypatch))
    assert control(one) == b"bbr"


def test_already_the_first_words_are_sent_again_soon(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends

    async def first_byte() -> None:
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(exchange_preambles(one, Preamble(CallKind.PAIR, Role.JOINER, True)))
            assert await asyncio.get_running_loop().sock_recv(other, 1)
            assert one.getsockopt(socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS) == 1
            speaking.cancel()

    asyncio.run(first_byte())


def test_a_connection_is_tuned_from_its_handshake_on(ends: tuple[socket.socket, socket.socket]) -> None:
    """A handshake is what suffers most, so it is done before the first byte."""
    one, other = ends

    async def first_byte() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(open_stream(one, context, server_side=False, timeout=10))
            assert await asyncio.get_running_loop().sock_recv(other, 1)
            assert one.getsockopt(socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS) == 1
            opening.cancel()

    asyncio.run(first_byte())
