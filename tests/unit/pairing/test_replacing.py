"""Which connection replaces which, while two devices pair and the network changes under them."""

from __future__ import annotations

from ipaddress import ip_address
from types import SimpleNamespace
from typing import cast

import pytest

from localpair.candidate import Candidate, Interface, InterfaceAddress
from localpair.events import Direction
from localpair.limits import RACE_S
from localpair.net.agent.connection import PeerConnection
from localpair.net.host.interfaces import Interfaces
from localpair.net.transport.stream import FrameStream
from localpair.net.transport.tcp import is_stranded
from localpair.pairing.approval import replaces
from localpair.protocol.handshake import Handshake, Verified

HERE = ip_address("192.168.1.20")


def connection(
    since: float, *, device: str = "bob", resumes: bool = False, verified: bool = True
) -> PeerConnection:
    told = Verified(b"", device, "", bytes(16), "offer", HERE, False, False, "", peer_resumes=resumes)
    return PeerConnection(
        cast("FrameStream", None), cast("Handshake", None), Candidate(HERE, 46_821), Direction.IN, since=since,
        verified=told if verified else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (connection(9.0, resumes=True), True),
        (connection(9.0), False),  # one of the same race: the peer still has the other one
        (connection(9.0, resumes=True, device="carol"), False),
        (connection(1.0, resumes=True), False),
        (connection(1.0 + RACE_S, resumes=True), False),
        (connection(9.0, resumes=True, verified=False), False),
    ],
)
def test_only_a_later_connection_of_a_device_that_lost_the_first_replaces_it(
    new: PeerConnection, expected: bool
) -> None:
    assert replaces(new, connection(1.0)) is expected


@pytest.mark.parametrize(
    ("local", "own", "stranded"),
    [
        ("192.168.1.20", "192.168.1.20", False),
        ("192.168.1.20", "192.168.1.77", True),
        ("fe80::1%eth0", "fe80::1", False),
        ("127.0.0.1", "192.168.1.77", False),
        ("192.168.1.20", "", False),  # a snapshot that tells of nothing proves nothing
    ],
)
def test_a_connection_is_stranded_when_our_end_has_lost_its_address(
    local: str, own: str, stranded: bool
) -> None:
    stream = cast("FrameStream", SimpleNamespace(local=(local, 46_821)))
    card = Interface(2, "eth0", addresses=(InterfaceAddress(ip_address(own), 24),)) if own else None
    assert is_stranded(stream, Interfaces((card,) if card else ())) is stranded
