"""A flood of connections from one namespace, and a joiner that has no way but the host's listener."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import places
from netns import Namespace

_FLOODER = places.SUPPORT / "flooder.py"
_FIRST = 100  # the last number of the first of the attacker's addresses
_LISTENER_ALONE = """
table inet alone {
    chain input {
        type filter hook input priority 0
        iif lo accept
        ct state established,related accept
        drop
    }
    chain output {
        type filter hook output priority 0
        oif lo accept
        meta l4proto udp drop
    }
}
"""


def leave_the_listener_alone(joiner: Namespace) -> None:
    """Nobody can call the joiner, and no datagram leaves it: it has to get through the listener of the host."""
    joiner.nft(_LISTENER_ALONE)


def flood(
    attacker: Namespace, kind: str, to: Namespace, port: int, rate: float, sources: int, seconds: float
) -> subprocess.Popen[Any]:
    """Start a flood (kinds: ``flooder.KINDS``) from so many addresses, and wait until it is under way."""
    own = [f"192.168.1.{_FIRST + number}" for number in range(sources)]
    attacker.ip(*(f"addr add {one}/24 dev eth0" for one in own))
    words = (kind, to.address, port, rate, seconds, *own)
    flooder = attacker.popen(
        [sys.executable, str(_FLOODER), *map(str, words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = flooder.stdout.readline() if flooder.stdout is not None else ""
    assert said == "flooding\n", said
    return flooder
