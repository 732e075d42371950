"""Attacks by strangers, who know no secret, on places and time: what they open, hold, say slowly or say wrongly."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

import pytest

from attack_sides import THEIR_SECRET, call, claim, contexts, running
from localpair.address import LOOPBACK
from localpair.keys import Role, random_bytes
from localpair.limits import PREAUTH_CONNECTIONS
from localpair.net.agent.agent import Agent
from localpair.net.transport import tcp
from localpair.net.transport.tcp import connect, exchange_preambles, start_tls
from localpair.protocol.admission import respond
from localpair.wire.beacon import Part
from localpair.wire.messages import CallKind, Preamble

pytestmark = pytest.mark.isolated


# -- connections that strangers open, hold, trickle or finish ---------------------------------------------------


@contextlib.asynccontextmanager
async def crowd() -> AsyncIterator[Callable[..., Awaitable[socket.socket]]]:
    """Opens connections of strangers, from whatever loopback address; all are closed at the end."""
    opened: list[socket.socket] = []

    async def stranger(port: int, source: str) -> socket.socket:
        one = await connect(LOOPBACK, port, local=ip_address(source))
        opened.append(one)
        return one

    try:
        yield stranger
    finally:
        for one in opened:
            one.close()


async def is_closed(one: socket.socket) -> None:
    """Until the other side has ended this connection."""
    with contextlib.suppress(ConnectionResetError):
        while await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 100), 8):
            pass


async def verified(agent: Agent) -> None:
    """Whoever holds the secret gets through to the verified proof."""
    bob = await claim(agent.tcp_port)
    await bob.until_verified()
    await asyncio.wait_for(agent.verified.get(), 5)
    bob.stream.abort()


def test_silent_connections_take_no_place_of_who_is_about_to_show_the_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eve opens as many as she likes while Bob's response is under way."""
    monkeypatch.setattr("localpair.net.transport.listener.WAITING_CALLS", 4)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent, crowd() as stranger:
            port = agent.tcp_port
            first = [await stranger(port, f"127.0.0.{number}") for number in (2, 3)]
            bob = await stranger(port, "127.0.0.1")
            loop, preamble = asyncio.get_running_loop(), Preamble(CallKind.PAIR, Role.JOINER, True)
            await loop.sock_sendall(bob, preamble.encode())
            heard = await asyncio.wait_for(loop.sock_recv(bob, 100), 5)
            for number in range(40):
                await stranger(port, f"127.0.0.{2 + number % 2}")
            for one in first:
                await is_closed(one)
            challenge = heard[Preamble.BYTES :]
            await loop.sock_sendall(bob, respond(THEIR_SECRET, preamble, challenge, random_bytes(16)))
            stream = await start_tls(bob, contexts(), server_side=False)
            stream.abort()

    asyncio.run(run())


@pytest.mark.parametrize("role", list(Role))
def test_strangers_that_finish_tls_and_stall_take_places_from_each_other_only(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The joiner listens as well, and the host calls it."""
    monkeypatch.setattr("localpair.net.transport.listener._GRACE_S", 3600.0)
    monkeypatch.setattr("localpair.net.agent.verification.HANDSHAKE_S", 3600.0)

    async def run() -> None:
        part = Part.HOST if role is Role.ISSUER else Part.JOIN
        async with running(role, part) as agent, crowd() as stranger:
            port, preamble = agent.tcp_port, Preamble(CallKind.PAIR, role.other, True)
            held = []
            for number in range(PREAUTH_CONNECTIONS):
                one = await stranger(port, f"127.0.1.{number}")
                await exchange_preambles(one, preamble)
                held.append(await start_tls(one, contexts(), server_side=role is Role.JOINER))
            late = await stranger(port, "127.0.1.100")
            await exchange_preambles(late, preamble)
            await is_closed(late)
            stream = await call(port, preamble, server_side=role is Role.JOINER, secret=THEIR_SECRET)
            if role is Role.ISSUER:
                await verified(agent)
            for other in (stream, *held):
                assert not other.is_closing()
                other.abort()

    asyncio.run(run())


def test_strangers_get_few_tls_handshakes_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a hundred times what a challenge costs: 30,000 of them kept a process busy for 40 s."""
    monkeypatch.setattr("localpair.net.transport.listener.STRANGERS_REFILL_S", 3600.0)
    begun: list[socket.socket] = []

    async def begin(one: socket.socket, *_: object, **__: object) -> None:
        begun.append(one)
        raise ConnectionResetError

    monkeypatch.setattr("localpair.net.transport.listener.start_tls", begin)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent, crowd() as stranger:
            for number in range(100):
                one = await stranger(agent.tcp_port, f"127.0.1.{number}")
                await exchange_preambles(one, Preamble(CallKind.PAIR, Role.JOINER, True))
                await is_closed(one)

    asyncio.run(run())
    assert len(begun) == PREAUTH_CONNECTIONS


def test_a_caller_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte whenever it is due, as slowly as the time allows, also after its preamble."""
    monkeypatch.setattr("localpair.net.transport.tcp.hear_call.__kwdefaults__", {"timeout": 0.5})

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent, crowd() as stranger:
            one = await stranger(agent.tcp_port, "127.0.0.2")
            words = Preamble(CallKind.PAIR, Role.JOINER, True).encode() + bytes(31)
            ending = asyncio.create_task(is_closed(one))
            for number in range(len(words)):
                with contextlib.suppress(OSError):
                    await asyncio.get_running_loop().sock_sendall(one, words[number : number + 1])
                if (await asyncio.wait({ending}, timeout=0.05))[0]:
                    break
            assert ending.done()
            await ending

    asyncio.run(run())


def test_where_descriptors_run_out_those_who_wait_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError(errno.EMFILE, "Too many open files")]
    accepted = asyncio.Event()

    async def accept_some(listening: socket.socket) -> list[tuple[socket.socket, str]]:
        if accepted.is_set() and failures:
            raise failures.pop()
        calls = await tcp.accept_some(listening)
        accepted.set()
        return calls

    monkeypatch.setattr("localpair.net.transport.listener.accept_some", accept_some)

    async def run() -> None:
        async with running(Role.ISSUER, Part.HOST) as agent, crowd() as stranger:
            silent = await stranger(agent.tcp_port, "127.0.0.2")
            await is_closed(silent)
            await verified(agent)

    asyncio.run(run())
    assert not failures
