"""Dials that come to nothing: what they leave behind, and what they are taken for."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from ipaddress import ip_address
from subprocess import PIPE
from typing import Any, NoReturn

import pytest

from localpair.candidate import Candidate
from localpair.keys import Role
from localpair.net.agent import dialer
from localpair.protocol.checklist import Outcome
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


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errno.ECONNREFUSED, Outcome.REFUSED),
        (errno.EHOSTUNREACH, Outcome.REFUSED),
        (errno.ETIMEDOUT, Outcome.UNANSWERED),
        (errno.EADDRNOTAVAIL, Outcome.FAILED),
        (errno.EADDRINUSE, Outcome.FAILED),
        (errno.ENODEV, Outcome.FAILED),
    ],
)
def test_what_this_host_itself_cannot_do_is_no_refusal_of_the_peers(
    monkeypatch: pytest.MonkeyPatch, error: int, outcome: Outcome
) -> None:
    async def fails(*_: object, **__: object) -> NoReturn:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(dialer, "connect", fails)
    unused: Any = None
    one = dialer.Dialler(unused, Role.JOINER, lambda: 0.0, unused, unused, lambda _: None, lambda: False)
    assert asyncio.run(one.dial("offer", Candidate(ip_address("192.168.1.10"), 46830))) is outcome


@pytest.mark.netns
def test_a_dial_that_opened_halfway_leaves_its_port_to_the_next_one() -> None:
    with lan(2) as built:
        one, other = built.hosts
        other.nft("table inet t { chain c { type filter hook input priority 0; meta l4proto tcp drop; }; }")
        calling = other.popen([sys.executable, "-c", MEET, one.address], stdin=PIPE, stdout=PIPE, text=True)
        assert calling.stdout.readline() == "ready\n"
        assert one.python(DIAL, other.address) == [True, "ETIMEDOUT", "ETIMEDOUT", []]
