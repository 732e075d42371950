"""A system that lacks a version of IP, or multicast: no port, address or interface is to blame for it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from lacking import without
from localpair.limits import PAIRING_PORTS
from localpair.net.netcheck.lacking import lacking_families, lacking_versions
from localpair.net.netcheck.port_holders import try_discovery_port, try_port
from localpair.net.transport.sockets import open_sockets
from netns import lan

DIAGNOSE = """
import asyncio, json, socket, sys
part, support, folder = json.loads(sys.argv[1])
sys.path.append(support)
from lacking import without
if part:
    socket.socket = without(part)
from dataclasses import replace
from pathlib import Path
from localpair.diagnosis import CHECKS, CheckContext, diagnose
setting = CheckContext(folder=Path(folder), discover=None)
checks = [replace(check, deadline=30.0) for check in CHECKS]
print(asyncio.run(diagnose(checks=checks, setting=setting, deadline=100.0)).to_json(indent=None))
"""


def diagnosed_without(part: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What is found, by check, on a healthy host of both versions that lacks this part."""
    with lan(1, ipv6="fd12::/64") as network:
        words = [part, str(Path(__file__).parents[1] / "support"), str(folder)]
        report = network.host(0).python(DIAGNOSE, json.dumps(words))
    return {finding["name"]: finding for finding in report["findings"]}


def faults(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What accuses something, and how."""
    return {name: one["summary"] for name, one in found.items() if one["status"] not in ("ok", "skipped")}


@pytest.mark.netns
@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("", ""),
        ("ipv6", "this system has no IPv6 (EAFNOSUPPORT)"),
        ("sandboxed", "this system has no IPv6 (EACCES)"),
    ],
)
def test_a_version_of_ip_that_is_lacking_is_told_and_nothing_is_accused(
    part: str, told: str, tmp_path: Path
) -> None:
    found = diagnosed_without(part, tmp_path)
    assert not faults(found)
    for name in ("ports", "kernel"):
        assert ("this system has no" in found[name]["summary"]) is bool(told)
        assert told in found[name]["summary"]
    assert found["multicast"]["status"] == "ok", "the other version has groups"


@pytest.mark.netns
def test_a_system_without_multicast_is_told_as_such_once(tmp_path: Path) -> None:
    (fault,) = faults(diagnosed_without("multicast", tmp_path)).values()
    assert fault == "this system has no IPv4 multicast; this system has no IPv6 multicast"


@pytest.mark.isolated
@pytest.mark.parametrize(("part", "there"), [("ipv6", 4), ("sandboxed", 4), ("ipv4", 6)])
def test_no_port_is_tried_in_a_version_that_the_system_lacks(
    monkeypatch: pytest.MonkeyPatch, part: str, there: int
) -> None:
    monkeypatch.setattr(socket, "socket", without(part))
    assert [lack.version for lack in lacking_families()] == [10 - there]
    assert {port.version for port in try_discovery_port()} == {there}
    assert {one.version for one in try_port(PAIRING_PORTS[0])} == {there}


def test_where_no_version_is_to_be_had_the_ports_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", without("ipv4", "ipv6"))
    assert not lacking_versions()
    assert [one.tried.ok for one in try_port(PAIRING_PORTS[0])] == [False] * 4


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
