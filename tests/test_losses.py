"""What a connection does about links that swallow large packets or lose many."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from localpair.address import LOOPBACK
from localpair.limits import LOSS_LEAST, SEGMENT_BYTES
from localpair.net import losses
from localpair.net.calls import connect
from localpair.net.losses import LossWatch, loses
from localpair.net.sockets import open_sockets

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel's counters are read on Linux only"
)

_CONGESTION = 13


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


def info(again: int, sent: int) -> bytes:
    data = bytearray(240)
    struct.pack_into("=I", data, 100, again)
    struct.pack_into("=I", data, 136, sent)
    return bytes(data)


def control(one: socket.socket) -> bytes:
    return one.getsockopt(socket.IPPROTO_TCP, _CONGESTION, 16).rstrip(b"\0")


def offers_bbr() -> bool:
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_TCP, _CONGESTION, b"bbr")
        except OSError:
            return False
    return True


def test_segments_fit_the_least_mtu_both_ways(ends: tuple[socket.socket, socket.socket]) -> None:
    for one in ends:
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= SEGMENT_BYTES


def test_the_kernel_counts_where_we_read(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    for _ in range(20):
        one.send(b"x")
        assert other.recv(1) == b"x"
    read = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 140)
    assert 20 <= struct.unpack_from("=I", read, 136)[0] < 60
    assert struct.unpack_from("=I", read, 100)[0] == 0
    assert not loses(read)


@pytest.mark.parametrize(
    ("again", "sent", "bad"),
    [
        (0, 10_000, False), (2, 3, False), (LOSS_LEAST, 10, True), (100, 10_000, False), (600, 10_000, True),
    ],
)  # fmt: skip
def test_few_losses_are_no_losses(again: int, sent: int, bad: bool) -> None:
    assert loses(info(again, sent)) is bad


def test_an_old_kernel_s_short_answer_says_nothing() -> None:
    assert not loses(info(100, 100)[:104])


@pytest.mark.skipif(not offers_bbr(), reason="this kernel offers no other congestion control")
@pytest.mark.parametrize("lossy", [False, True])
def test_only_a_losing_connection_changes(
    ends: tuple[socket.socket, socket.socket], lossy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = ends
    looked = asyncio.Event()

    def looks(data: bytes) -> bool:
        looked.set()
        return lossy and len(data) >= 140

    monkeypatch.setattr(losses, "loses", looks)
    monkeypatch.setattr(losses, "LOSS_LOOK_S", 0.01)

    async def watched() -> None:
        watch = LossWatch(one)
        await looked.wait()
        watch.stop()

    one.setsockopt(socket.IPPROTO_TCP, _CONGESTION, b"reno")
    asyncio.run(watched())
    assert control(one) == (b"bbr" if lossy else b"reno")
