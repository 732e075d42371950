"""A system that lacks a version of IP, or multicast: no port, address or interface is to blame for it."""

from __future__ import annotations

import socket

import pytest

from lacking import without
from localpair.limits import PAIRING_PORTS
from localpair.net.transport.sockets import open_sockets


@pytest.mark.isolated
@pytest.mark.parametrize(("part", "there"), [("ipv6", 4), ("sandboxed", 4), ("ipv4", 6)])
def test_one_version_of_ip_is_enough_to_listen(
    monkeypatch: pytest.MonkeyPatch, part: str, there: int
) -> None:
    monkeypatch.setattr(socket, "socket", without(part))
    opened = open_sockets()
    try:
        every = [*opened.listeners, *opened.unicast, *opened.shared]
        assert {one.family for one in every} == {socket.AF_INET if there == 4 else socket.AF_INET6}
        assert opened.tcp_port in PAIRING_PORTS
        assert opened.dial_port
    finally:
        opened.close()
