"""The checks of discovery, kernel settings, calls to oneself and ports."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from diagnosing import SECRET, run
from lacking import without
from localpair.candidate import Candidate, Evidence, Interface, Origin
from localpair.diagnosis import (
    CHECKS,
    Check,
    CheckContext,
    Finding,
    Report,
    Status,
    probes_links,
)
from localpair.diagnosis.evidence import outcome, word
from localpair.events import Event, NearbyPeer, OwnAddressSeen, PeerFound, SealedHeard
from localpair.net.host.interfaces import Interfaces
from localpair.net.netcheck.port_holders import can_pair, port_holders, try_discovery_port, try_port
from localpair.net.netcheck.self_listener import SelfListener
from localpair.net.netcheck.timed import TimedCall, attempt
from localpair.net.transport.sockets import open_sockets
from localpair.net.transport.tcp import connect

# -- Discovery, injected -------------------------------------------------------------------------------------


def nearby(instance: str, label: str = "") -> NearbyPeer:
    candidate = Candidate(
        ip_address("192.168.1.20"), 46821, origin=Origin.BEACON_SOURCE, evidence=Evidence.SEEN_OVER_UDP
    )
    return NearbyPeer(instance, "calm otter", "host", 46821, (candidate,), label)


def discovery_with(*events: Event, hang: bool = False) -> Finding:
    async def discover(_: float) -> AsyncIterator[Event]:
        for event in events:
            yield event
        if hang:
            await asyncio.sleep(60)

    check = next(check for check in CHECKS if check.name == "discovery")
    short = Check(check.name, check.probe, 1.0)
    return run(short, setting=CheckContext(discover=discover)).findings[0]


def test_discovery_counts_who_is_found_and_who_hears_us() -> None:
    finding = discovery_with(
        PeerFound(nearby("aa", "Ana's laptop")),
        PeerFound(nearby("bb")),
        PeerFound(nearby("aa", "Ana's laptop"), hears_us=True),
        PeerFound(nearby("aa", "Ana's laptop")),
        OwnAddressSeen(ip_address("192.168.1.10"), Evidence.SEEN_OVER_UDP, "192.168.1.20"),
    )
    assert finding.status is Status.OK
    assert finding.summary == "2 found, 1 of them told that they hear us"
    peers: Any = finding.facts["peers"]
    assert [(peer["instance"], peer["hears_us"]) for peer in peers] == [("aa", True), ("bb", False)]
    assert finding.facts["seen_at"] == [
        {"address": "192.168.1.10", "evidence": "seen-over-udp", "by": "192.168.1.20"}
    ]
    masked = Report("i", "1", "", 0, (finding,)).to_json(redact=True)
    assert "Ana" not in masked


def test_discovery_says_that_sealed_devices_are_near_and_nothing_else() -> None:
    finding = discovery_with(SealedHeard())
    assert finding.status is Status.OK
    assert "somebody is near, but keeps to itself" in finding.summary
    assert {name: value for name, value in finding.facts.items() if name != "seconds"} == {"sealed": True}
    assert "others are near" in discovery_with(SealedHeard(), PeerFound(nearby("aa"))).summary


@pytest.mark.parametrize("hang", [False, True])
def test_an_empty_network_is_no_fault(hang: bool) -> None:
    finding = discovery_with(hang=hang)
    assert finding.status is Status.OK
    assert "nobody was found" in finding.summary


def test_without_discovery_the_check_says_so() -> None:
    assert run(CHECKS[-1], setting=CheckContext(discover=None)).findings[0].status is Status.SKIPPED


# -- The kernel's settings -----------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's settings")
@pytest.mark.parametrize(
    ("of_all", "own", "strict"), [(0, 1, True), (1, 0, True), (1, 2, False), (2, 1, False)]
)
def test_the_larger_reverse_path_filter_holds(
    of_all: int, own: int, strict: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("all", of_all), ("default", 1), ("eth7", own)):
        (tmp_path / "ipv4/conf" / name).mkdir(parents=True)
        (tmp_path / "ipv4/conf" / name / "rp_filter").write_text(f"{value}\n")
    for name in ("bridge/bridge-nf-call-iptables", "ipv6/conf/all/disable_ipv6"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1\n")
    monkeypatch.setattr(probes_links, "_KERNEL", tmp_path)
    monkeypatch.setattr(probes_links, "read_interfaces", lambda: Interfaces((Interface(7, "eth7"),)))
    (finding,) = run(Check("kernel", probes_links.kernel)).findings
    assert ("strict reverse path filter on eth7" in finding.summary) is strict
    assert "bridge-nf-call" in finding.summary
    assert "IPv6 is switched off" in finding.summary


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's settings")
@pytest.mark.parametrize("present", [(), ("ipv4/conf/all/rp_filter",)])
def test_what_the_kernel_does_not_tell_is_unknown(
    present: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in present:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("\n")
    monkeypatch.setattr(probes_links, "_KERNEL", tmp_path)
    monkeypatch.setattr(probes_links, "lacking_families", tuple)
    (finding,) = run(Check("kernel", probes_links.kernel)).findings
    assert finding.status is Status.OK
    assert "IPv6" not in finding.summary
    assert "no strict" not in finding.summary
    assert "cannot be read" in finding.summary


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's settings")
def test_a_kernel_without_ipv6_is_told_from_one_where_it_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probes_links, "_KERNEL", tmp_path)
    monkeypatch.setattr(socket, "socket", without("ipv6"))
    (finding,) = run(Check("kernel", probes_links.kernel)).findings
    assert "this system has no IPv6 (EAFNOSUPPORT)" in finding.summary
    assert "switched off" not in finding.summary


# -- Calls to oneself ----------------------------------------------------------------------------------------


@pytest.mark.isolated
def test_a_call_is_confirmed_only_by_our_own_listener() -> None:
    async def parrot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()

    async def main() -> tuple[str, ...]:
        loopback = ip_address("127.0.0.1")
        async with (
            SelfListener() as self_listener,
            await asyncio.start_server(parrot, "127.0.0.1", 0) as other,
        ):
            own = await self_listener.call(loopback)
            echoed = await self_listener.call(loopback, port=other.sockets[0].getsockname()[1])
            return word(own.error), word(echoed.error), word((await self_listener.datagram(loopback)).error)

    assert asyncio.run(main()) == ("ok", "ECONNRESET", "ok")


@pytest.mark.isolated
def test_a_call_that_nobody_answers_says_so() -> None:
    async def main() -> tuple[str, str]:
        loopback = ip_address("127.0.0.1")
        with socket.socket() as silent, socket.socket() as closed:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            closed.bind(("127.0.0.1", 0))
            async with SelfListener() as self_listener:
                tries = [
                    await self_listener.call(loopback, port=one.getsockname()[1]) for one in (silent, closed)
                ]
        return word(tries[0].error), word(tries[1].error)

    assert asyncio.run(main()) == ("ETIMEDOUT", "ECONNREFUSED")


@pytest.mark.isolated
def test_strangers_hear_nothing_and_do_not_keep_us_from_ourselves() -> None:
    async def main() -> None:
        async with SelfListener() as self_listener:
            strangers = [await connect(ip_address("127.0.0.1"), self_listener.port) for _ in range(40)]
            loop = asyncio.get_running_loop()
            for stranger in strangers:
                with stranger:
                    try:
                        await loop.sock_sendall(stranger, b"let me in, please")
                        assert await loop.sock_recv(stranger, 100) == b""
                    except (ConnectionResetError, BrokenPipeError):
                        pass  # closed before what it said was read
            assert (await self_listener.call(ip_address("127.0.0.1"))).ok

    asyncio.run(main())


# -- Ports ---------------------------------------------------------------------------------------------------


@pytest.mark.isolated
def test_a_number_that_somebody_has_in_one_family_is_no_pairing_port() -> None:
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        held.listen()
        port = held.getsockname()[1]
        taken = try_port(port)
        (holder,) = port_holders({port})
    assert {(one.kind, one.version) for one in taken if one.tried.refused} == {("tcp", 4)}
    assert not can_pair(taken)
    assert (holder.port, holder.process) == (port, os.getpid())
    assert can_pair(try_port(port)), "it was held for a moment only"


@pytest.mark.isolated
def test_the_discovery_port_is_shared_with_another_instance() -> None:
    assert not any(port.others for port in try_discovery_port())
    other = open_sockets()
    try:
        seen = try_discovery_port()
    finally:
        other.close()
    assert seen
    assert all(port.shared.ok and port.others for port in seen)


def test_where_no_socket_is_allowed_no_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    tried = try_port(46821)
    assert {word(one.tried.error) for one in tried} == {"EPERM"}
    assert not can_pair(tried)


def test_a_try_keeps_what_the_system_said() -> None:
    def fail() -> None:
        raise OSError(errno.EHOSTUNREACH, SECRET)

    refused = outcome(attempt(fail))
    assert (refused["outcome"], refused["errno"]) == ("failed", "EHOSTUNREACH")
    assert SECRET not in str(refused)
    assert outcome(TimedCall(None, 1.23456)) == {"outcome": "ok", "ms": 1.235}
    assert word(OSError("no number at all")) == "failed"
