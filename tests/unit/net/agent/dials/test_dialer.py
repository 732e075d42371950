"""Dials that come to nothing: what they leave behind, and what they are taken for."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from subprocess import PIPE
from typing import Any, NoReturn

import pytest

from localpair.candidate import Candidate
from localpair.events import Attempt, Flaw, Phase
from localpair.keys import Role
from localpair.net.agent.dials import dialer
from localpair.net.transport.tcp import Responder, exchange_preambles, respond_as_stranger
from localpair.pairing.failure.no_path import describe
from localpair.protocol.checklist import DialOutcome
from localpair.wire.messages import NO_LOCALPAIR, CallKind, Preamble
from netns import lan

# Dials without end from the port that is dialled; the first SYN that meets the other side's dial opens it halfway.
MEET = """
import socket, sys
one = socket.socket()
one.bind(("", 46830))
one.setblocking(False)
one.connect_ex((sys.argv[1], 46830))
print("ready", flush=True)
sys.stdin.read()
"""

DIAL = """
import asyncio, errno, json, sys
from ipaddress import ip_address
from localpair.net.transport.tcp import connect

SYN_RECV = "03"

def states():
    rows = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    return {row[3] for row in rows if row[1].endswith(":B6EE")}

async def dial(limit):
    try:
        await connect(ip_address(sys.argv[1]), 46830, source_port=46830, timeout=limit)
    except OSError as error:
        return errno.errorcode[error.errno]

async def main():
    half_open = False
    for _ in range(20):
        first = asyncio.create_task(dial(1.0))
        while not first.done():
            half_open = half_open or SYN_RECV in states()
            await asyncio.sleep(0.01)
        if half_open:
            break
    print(json.dumps([half_open, await first, await dial(0.1), sorted(states())]))

asyncio.run(main())
"""


def _is_far(_: Candidate) -> bool:
    """No candidate is."""
    return False


def _stranger(_: str) -> Responder:
    """Holds no secret."""
    return respond_as_stranger


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errno.ECONNREFUSED, DialOutcome.REFUSED),
        (errno.EHOSTUNREACH, DialOutcome.REFUSED),
        (errno.ETIMEDOUT, DialOutcome.UNANSWERED),
        (errno.EADDRNOTAVAIL, DialOutcome.FAILED),
        (errno.EADDRINUSE, DialOutcome.FAILED),
        (errno.ENODEV, DialOutcome.FAILED),
    ],
)
def test_what_this_host_itself_cannot_do_is_no_refusal_of_the_peers(
    monkeypatch: pytest.MonkeyPatch, error: int, outcome: DialOutcome
) -> None:
    async def fails(*_: object, **__: object) -> NoReturn:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(dialer, "connect", fails)
    unused: Any = None
    one = dialer.Dialer(
        unused, Role.JOINER, lambda: 0.0, _stranger, unused, unused, lambda _: None, lambda: False, _is_far
    )
    assert asyncio.run(one.dial("offer", Candidate(ip_address("192.168.1.10"), 46830))) is outcome


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _ends(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n")
    await reader.read()


async def _newer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"LPAI\x09\x01\x00\x00")
    await reader.read()


async def _same(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(Preamble(CallKind.PAIR, Role.JOINER, dialled=True).encode())
    await reader.read()


SILENT = "takes the connection and says nothing: something else answers there, or a device that hangs"
ENDS = "takes the connection and ends it: something else answers there, or a device that is busy"


@pytest.mark.parametrize(
    ("serve", "words", "flaw"),
    [
        (_silent, SILENT, Flaw.NONE),
        (_ends, ENDS, Flaw.NONE),
        (_web, f"takes the connection: {NO_LOCALPAIR}", Flaw.NO_LOCALPAIR),
        (_newer, "takes the connection: the other side speaks version 9; this side speaks 1", Flaw.VERSION),
        (_same, "takes the connection: both sides are joiner", Flaw.SAME_ROLE),
    ],
)
def test_a_host_that_takes_every_connection_and_speaks_no_localpair_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, serve: Any, words: str, flaw: Flaw
) -> None:
    """A login page answers in everybody's place."""
    monkeypatch.setattr(dialer, "exchange_preambles", partial(exchange_preambles, timeout=0.2))
    attempts: list[Attempt] = []
    unused: Any = None

    async def dial() -> DialOutcome:
        served = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                await serve(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            served.set()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        one = dialer.Dialer(
            unused,
            Role.JOINER,
            lambda: 0.0,
            _stranger,
            unused,
            unused,
            attempts.append,
            lambda: False,
            _is_far,
        )
        async with server:
            result = await one.dial("offer", Candidate(ip_address("127.0.0.1"), port))
            await served.wait()
        assert isinstance(result, DialOutcome)
        return result

    assert asyncio.run(dial()) is DialOutcome.FAILED
    (attempt,) = attempts
    assert attempt.phase is Phase.PREAMBLE
    assert describe(attempt) == words
    assert attempt.flaw is flaw


@pytest.mark.netns
def test_a_dial_that_opened_halfway_leaves_its_port_to_the_next_one() -> None:
    with lan(2) as built:
        one, other = built.hosts
        other.nft("table inet t { chain c { type filter hook input priority 0; meta l4proto tcp drop; }; }")
        calling = other.popen([sys.executable, "-c", MEET, one.address], stdin=PIPE, stdout=PIPE, text=True)
        assert calling.stdout.readline() == "ready\n"
        assert one.python(DIAL, other.address) == [True, "ETIMEDOUT", "ETIMEDOUT", []]
