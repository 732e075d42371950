"""A simultaneous open whose kernel misjudges the round trip lets a plain dial come first, where one is under way."""

from __future__ import annotations

import asyncio
import socket
import sys
from ipaddress import ip_address
from typing import cast

import pytest
from streams import certificate, run

from localpair.candidate import Candidate
from localpair.events import Direction
from localpair.keys import Role
from localpair.limits import DIAL_PORTS, PAIRING_PORTS
from localpair.net import dialler
from localpair.net.calls import Contexts, exchange_preambles, start_tls
from localpair.net.dialler import Dialler
from localpair.net.lane import Lane
from localpair.net.stream import FrameStream
from localpair.net.tls import client_context, server_context
from localpair.protocol.handshake import Handshake
from localpair.wire.messages import CallKind, Preamble

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its event loop takes no pairs of sockets")

_CONTEXTS = Contexts(server_context(certificate()), client_context())
_PEER = ip_address("192.168.1.10")
_PLAIN = Candidate(_PEER, PAIRING_PORTS[0])
_TIMED = Candidate(_PEER, DIAL_PORTS[0], dial_from=DIAL_PORTS[0])


class Side:
    """One side's dialler, and in which order its connections came to the handshake."""

    def __init__(self, role: Role, *, met: bool = False) -> None:
        self.order: list[Direction] = []
        self.changed = asyncio.Event()
        self._streams: list[FrameStream] = []
        self._dialler = Dialler(
            _CONTEXTS, role, asyncio.get_running_loop().time, self._lane, self._verify, lambda _: None,
            lambda: met,
        )  # fmt: skip

    def dial(self, to: Candidate, connected: socket.socket) -> asyncio.Task[object]:
        return asyncio.create_task(self._dialler.dial("offer", to, connected))

    def close(self) -> None:
        for stream in self._streams:
            stream.abort()

    def _lane(self, stream: FrameStream, to: Candidate, direction: Direction, _: str | None) -> Lane:
        self._streams.append(stream)
        return Lane(stream, cast("Handshake", None), to, direction)

    async def _verify(self, lane: Lane) -> None:
        self.order.append(lane.direction)
        self.changed.set()


def connection() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair()
    for one in ends:
        one.setblocking(False)
    return ends


@pytest.fixture(autouse=True)
def misjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrameStream, "misjudges", True)


def test_a_plain_dial_under_way_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialler, "GIVE_WAY_S", 1.0)

    async def main() -> list[Direction]:
        host, other = Side(Role.ISSUER), Side(Role.JOINER)
        plain, called = connection()
        slow = host.dial(_PLAIN, plain)
        ours, theirs = connection()
        timed, peer = host.dial(_TIMED, ours), other.dial(_TIMED, theirs)
        await other.changed.wait()  # this one stands at both ends
        await exchange_preambles(called, Preamble(CallKind.PAIR, Role.JOINER, False))
        answer = await start_tls(called, _CONTEXTS, server_side=False)
        await asyncio.gather(timed, peer, slow)
        answer.abort()
        host.close()
        other.close()
        return host.order

    assert run(main()) == [Direction.OUT, Direction.SIMULTANEOUS]


@pytest.mark.parametrize("met", [False, True])
def test_where_there_is_no_other_way_it_goes_on_at_once(met: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialler, "GIVE_WAY_S", 3600.0)

    async def main() -> bool:
        host, other = Side(Role.ISSUER, met=met), Side(Role.JOINER)
        ours, theirs = connection()
        timed, peer = host.dial(_TIMED, ours), other.dial(_TIMED, theirs)
        await peer
        done, _ = await asyncio.wait({timed}, timeout=1.0 if met else None)
        timed.cancel()
        await asyncio.wait({timed})
        host.close()
        other.close()
        return bool(done)

    assert run(main()) is not met
