"""Dials between two hosts of which one lets nothing in."""

from __future__ import annotations

import sys
from subprocess import PIPE

import pytest
from netns import lan

pytestmark = pytest.mark.netns

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
from localpair.net.calls import connect

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


def test_a_dial_that_opened_halfway_leaves_its_port_to_the_next_one() -> None:
    with lan(2) as built:
        one, other = built.hosts
        other.nft("table inet t { chain c { type filter hook input priority 0; meta l4proto tcp drop; }; }")
        calling = other.popen([sys.executable, "-c", MEET, one.address], stdin=PIPE, stdout=PIPE, text=True)
        assert calling.stdout.readline() == "ready\n"
        assert one.python(DIAL, other.address) == [True, "ETIMEDOUT", "ETIMEDOUT", []]
