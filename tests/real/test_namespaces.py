"""The namespaces that other tests stand on: they connect, they are closed off, and they leave nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from netns import Lan, lan, why_no_namespaces

pytestmark = pytest.mark.netns

HEAR = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", 46820))
if len(sys.argv) > 1:
    group, own = (socket.inet_aton(text) for text in sys.argv[1:])
    one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + own)
print("ready", flush=True)
print(one.recvfrom(100)[1][0], flush=True)
"""
SAY = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[2]))
one.sendto(b"x", (sys.argv[1], 46820))
"""


def hear(built: Lan, *arguments: str):
    heard = built.host(1).popen([sys.executable, "-c", HEAR, *arguments], stdout=PIPE, text=True)
    assert heard.stdout.readline() == "ready\n"
    return heard


@pytest.mark.parametrize("group", ["224.0.0.171", "239.255.70.171"])
def test_multicast_crosses_the_bridge_without_any_default_route(group: str) -> None:
    with lan(2) as built:
        one, other = built.hosts
        heard = hear(built, group, other.address)
        one.python(SAY, group, one.address)
        assert heard.stdout.readline() == f"{one.address}\n"


def test_unicast_crosses_and_a_firewall_keeps_it_out() -> None:
    with lan(2) as built:
        one, other = built.hosts
        other.firewall("udp dport 46820 ip saddr 192.168.1.99 accept")
        heard = hear(built)
        one.python(SAY, other.address, one.address)  # dropped
        one.ip("addr add 192.168.1.99/24 dev eth0", f"route add {other.address} dev eth0 src 192.168.1.99")
        one.python(SAY, other.address, one.address)
        assert heard.stdout.readline() == "192.168.1.99\n"


def test_nothing_leads_out_and_the_router_answers() -> None:
    with lan(1, router=True) as built:
        host = built.host(0)
        assert [one["dst"] for one in host.ip_json("route")] == ["default", "192.168.1.0/24"]
        assert {one["ifname"] for one in host.ip_json("link")} == {"lo", "eth0"}
        assert {one["ifname"] for one in built.switch.ip_json("link")} == {"lo", "br0", "p1"}


def test_processes_and_namespaces_end_also_after_a_failure() -> None:
    if reason := why_no_namespaces():
        pytest.skip(reason)
    pids: list[int] = []

    def fail_inside() -> None:
        with Lan(1) as built:
            pids.append(built.host(0).popen(["sleep", "600"]).pid)
            pids.extend(one.holder.pid for one in built.namespaces)
            assert all(Path(f"/proc/{pid}").exists() for pid in pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert len(pids) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_command_that_fails_says_what_it_said() -> None:
    with lan(1) as built, pytest.raises(RuntimeError, match="nowhere"):
        built.host(0).ip("link set nowhere up")
