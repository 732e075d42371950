"""Random bytes on real sockets, in every kind of call."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Any

import pytest

from attack_sides import (
    THEIR_SECRET,
    beacon,
    call,
    running,
)
from localpair.address import LOOPBACK
from localpair.errors import LocalpairError
from localpair.keys import (
    Role,
)
from localpair.net.transport.tcp import connect
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Part, Seen
from localpair.wire.messages import CallKind, Hello, Identity, Preamble, SelfCall

pytestmark = pytest.mark.isolated


def garbage(dice: random.Random) -> bytes:
    """Noise, or something of ours with a few bytes changed, cut or added."""
    samples = (
        Preamble(CallKind.PAIR, Role.JOINER, True).encode(),
        Hello(Role.JOINER, bytes(32), bytes(16)).encode(),
        Identity(bytes(32), bytes(64), bytes(90)).encode(),
        SelfCall(bytes(16), LOOPBACK).encode(),
        Keyring().seal(None, beacon(bytes(16), addresses=(LOOPBACK,), seen=Seen(LOOPBACK, 1), label="x"), bytes(12)),
        Keyring([(OFFER, THEIR_SECRET)]).seal(OFFER, beacon(bytes(16)), bytes(12)),
        dice.randbytes(dice.randrange(400)),
    )  # fmt: skip
    data = bytearray(dice.choice(samples))
    for _ in range(dice.randrange(4)):
        where = dice.randrange(len(data) + 1)
        data[where : where + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.2 else data)


@pytest.mark.parametrize("role", list(Role))
def test_frames_of_garbage_in_every_kind_of_call_end_that_call_only(
    role: Role, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.net.transport.listener.STRANGERS_REFILL_S", 1e-6)  # so that all are heard
    dice = random.Random(4)

    async def one(port: int, kind: CallKind) -> None:
        server_side = kind is CallKind.PAIR and role is Role.JOINER
        try:
            stream = await call(port, Preamble(kind, role.other, True), server_side=server_side)
            for _ in range(3):
                if dice.random() < 0.3:
                    stream._wire.transport.write(garbage(dice))
                else:
                    stream.write(dice.choice((1, 1, 2, 3, 7, 9, 10, 12, dice.randrange(256))), garbage(dice))
            await asyncio.wait_for(stream.read(), 0.05)
        except (OSError, LocalpairError):
            pass
        else:
            stream.abort()

    async def run() -> None:
        async with running(role, Part.HOST if role is Role.ISSUER else Part.JOIN) as agent:
            for _ in range(150):
                await one(agent.tcp_port, dice.choice(list(CallKind)))
            listener = agent._listener
            assert len(listener._waiting) + len(listener._known) + len(listener._strangers) <= 2

    with caplog.at_level("WARNING"):
        asyncio.run(run())
    assert not caplog.records, "no fault of our own, and nothing that fills a screen"


def test_garbage_instead_of_a_preamble_or_of_tls_ends_the_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dice = random.Random(5)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent:
            for number in range(150):
                one = await connect(LOOPBACK, agent.tcp_port)
                start = Preamble(CallKind.PAIR, Role.JOINER, True).encode() if number % 2 else b""
                with contextlib.suppress(OSError):
                    await asyncio.get_running_loop().sock_sendall(one, start + garbage(dice))
                one.close()
                await asyncio.sleep(0)

    with caplog.at_level("WARNING"):
        asyncio.run(run())
    assert not caplog.records, "strangers write nothing into the log that people see"


def test_datagrams_of_garbage_change_nothing() -> None:
    dice = random.Random(6)
    faults: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with running(Role.ISSUER, Part.HOST) as agent:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for number in range(3_000):
                    one.sendto(garbage(dice), (str(LOOPBACK), dice.choice((46_820, agent.udp_port))))
                    if number % 50 == 0:
                        await asyncio.sleep(0)
            await asyncio.sleep(0.05)

    asyncio.run(run())
    assert not faults
