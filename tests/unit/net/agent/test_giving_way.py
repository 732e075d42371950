"""A simultaneous open whose kernel misjudges the round trip lets a plain dial come first, where one is under way; a
dial over a link on which the address does not lie lets a nearer one.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import ip_address
from typing import cast

import pytest

from localpair.address import LOOPBACK
from localpair.candidate import Candidate
from localpair.events import Direction
from localpair.keys import Role
from localpair.limits import DIAL_PORTS, PAIRING_PORTS
from localpair.net.agent.connection import PeerConnection
from localpair.net.agent.dials import dialer
from localpair.net.agent.dials.dialer import Dialer
from localpair.net.transport.listener import Listener
from localpair.net.transport.sockets import open_sockets
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import (
    Contexts,
    connect,
    exchange_preambles,
    hear_call,
    respond_as_stranger,
    start_tls,
)
from localpair.protocol.handshake import Handshake
from localpair.wire.messages import CallKind, Preamble
from streams import certificate, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its event loop takes no pairs of sockets")

_CONTEXTS = Contexts(certificate())
_PEER = ip_address("192.168.1.10")
_PLAIN = Candidate(_PEER, PAIRING_PORTS[0])
_FAR = Candidate(ip_address("172.18.0.1"), PAIRING_PORTS[0], bind_to=3)
_TIMED = Candidate(_PEER, DIAL_PORTS[0], dial_from=DIAL_PORTS[0])


class Side:
    """One side's dialer, and in which order its connections came to the handshake."""

    def __init__(self, role: Role, *, met: bool = False) -> None:
        self.order: list[Direction] = []
        self.dialled: list[Candidate] = []
        self.streams: list[FrameStream] = []
        self._dialer = Dialer(
            _CONTEXTS, role, asyncio.get_running_loop().time, lambda _: respond_as_stranger, self._connection,
            self._verify, lambda _: None, lambda: met, _FAR.__eq__,
        )  # fmt: skip

    def dial(self, to: Candidate, connected: socket.socket, *, peer: str = "offer") -> asyncio.Task[object]:
        return asyncio.create_task(self._dialer.dial(peer, to, connected))

    def close(self) -> None:
        for stream in self.streams:
            stream.abort()

    def _connection(
        self, stream: FrameStream, to: Candidate, direction: Direction, _: str | None
    ) -> PeerConnection:
        self.streams.append(stream)
        return PeerConnection(stream, cast("Handshake", None), to, direction)

    async def _verify(self, connection: PeerConnection) -> None:
        self.order.append(connection.direction)
        self.dialled.append(connection.candidate)


def connection() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair()
    for one in ends:
        one.setblocking(False)
    return ends


@pytest.fixture(autouse=True)
def misjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameStream, "misjudges", True)


async def simultaneous(host: Side) -> asyncio.Task[object]:
    """The host's dial on a connection that both sides have opened, once its other end is ready for the handshake."""
    other = Side(Role.JOINER)
    ours, theirs = connection()
    dialled = host.dial(_TIMED, ours)
    await other.dial(_TIMED, theirs)
    host.streams += other.streams  # closed together
    return dialled


async def answer(called: socket.socket) -> FrameStream:
    """What a listener does with a call."""
    await hear_call(called, Role.JOINER)
    return await start_tls(called, _CONTEXTS, server_side=False)


@pytest.mark.parametrize("met", [False, True], ids=["dialled", "called-before"])
def test_a_plain_connection_comes_first(met: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this side has dialled plainly, or was called so."""
    monkeypatch.setattr(dialer, "GIVE_WAY_S", 3600.0)

    async def main() -> list[Direction]:
        host = Side(Role.ISSUER, met=met)
        plain, called = connection()
        plainly = None if met else host.dial(_PLAIN, plain)
        both = await simultaneous(host)
        plainly = plainly or host.dial(_PLAIN, plain)
        answered = await answer(called)
        await plainly
        both.cancel()
        await asyncio.wait({both})
        answered.abort()
        host.close()
        return host.order

    assert run(main()) == [Direction.OUT]


@pytest.mark.parametrize(("met", "limit"), [(False, 3600.0), (True, 0.01)], ids=["no-other-way", "in-time"])
def test_a_simultaneous_open_goes_on(met: bool, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once where no other connection ever stood, else after the wait."""
    monkeypatch.setattr(dialer, "GIVE_WAY_S", limit)

    async def main() -> list[Direction]:
        host = Side(Role.ISSUER, met=met)
        await (await simultaneous(host))
        host.close()
        return host.order

    assert run(main()) == [Direction.SIMULTANEOUS]


@pytest.mark.parametrize(
    ("kind", "known", "met"),
    [
        (CallKind.SELF, True, False),
        (CallKind.CONFIRM, True, True),
        (CallKind.PAIR, True, True),
        (CallKind.PAIR, False, False),  # strangers would make this side wait
    ],
)
def test_only_calls_of_somebody_else_who_holds_the_secret_count(
    kind: CallKind, known: bool, met: bool
) -> None:
    async def main() -> bool:
        served = asyncio.Event()

        async def serve(stream: FrameStream) -> None:
            served.set()
            await stream.close()

        opened = open_sockets()
        handlers = dict.fromkeys(CallKind, serve)
        listener = Listener(opened.listeners, _CONTEXTS, Role.ISSUER, handlers, lambda _: known)
        serving = asyncio.create_task(listener.run())
        one = await connect(LOOPBACK, opened.tcp_port)
        await exchange_preambles(one, Preamble(kind, Role.JOINER, True))
        stream = await start_tls(one, _CONTEXTS, server_side=False)
        await served.wait()
        stream.abort()
        serving.cancel()
        await asyncio.wait({serving})
        opened.close()
        return listener.met

    assert run(main()) is met


@pytest.mark.parametrize(
    ("limit", "peer", "order"),
    [
        (3600.0, "offer", [_PLAIN, _FAR]),
        (0.01, "offer", [_FAR, _PLAIN]),  # not for ever: what stands nearer may be no localpair
        (3600.0, "another", [_FAR, _PLAIN]),  # that is another peer
    ],
    ids=["nearer-first", "in-time", "another-peer"],
)
def test_a_connection_over_another_link_lets_a_nearer_one_come_first(
    limit: float, peer: str, order: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer one stands already, and its peer is slow; the other has finished TLS."""
    monkeypatch.setattr(dialer, "FAR_GIVES_WAY_S", limit)

    async def main() -> list[Candidate]:
        side = Side(Role.ISSUER)
        (plain, called), (far, called_far) = connection(), connection()
        near = side.dial(_PLAIN, plain, peer=peer)
        await asyncio.sleep(0)  # it stands
        other = side.dial(_FAR, far)
        answered = [await answer(called_far)]
        if order[0] is _FAR:
            await other
        answered.append(await answer(called))
        await asyncio.wait({near, other})
        for stream in answered:
            stream.abort()
        side.close()
        return side.dialled

    assert run(main()) == order


def test_a_connection_over_another_link_goes_on_where_no_nearer_one_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does it wait for a dial that has ended."""
    monkeypatch.setattr(dialer, "FAR_GIVES_WAY_S", 3600.0)

    async def main() -> list[Candidate]:
        side = Side(Role.ISSUER)
        (plain, called), (far, called_far) = connection(), connection()
        called.close()
        await side.dial(_PLAIN, plain)
        other = side.dial(_FAR, far)
        answered = await answer(called_far)
        await other
        answered.abort()
        side.close()
        return side.dialled

    assert run(main()) == [_FAR]
