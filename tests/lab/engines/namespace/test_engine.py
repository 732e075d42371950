"""The namespace engine's promises: processes, files, changes, impairments, captures."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata
import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from localpair_lab import plan as p
from localpair_lab.engines import capabilities
from localpair_lab.engines.namespace import forkserver_client
from localpair_lab.engines.namespace.engine import NamespaceEngine
from localpair_lab.engines.namespace.running import NamespaceRunning
from localpair_lab.engines.namespace.trials import namespaces
from localpair_lab.engines.network import Wiring
from localpair_lab.errors import LabError
from localpair_lab.fabric.system import clock, tools
from localpair_lab.fabric.system.isolation.account import accounts
from localpair_lab.judge.packets import read_node
from localpair_lab.loading.cases import planned

import lab_plans as plans
import places
from lab_canaries import between, play, probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.netns

PYTHON = sys.executable
needs_tunnels = pytest.mark.skipif(
    bool(namespaces()["tunnel-device"]), reason="no tunnel device can be opened here"
)
LISTEN = "import socket;s=socket.create_server(('',46822));print('ready',flush=True);s.accept()[0].recv(1)"


@asynccontextmanager
async def running(plan: p.Plan, folder: Path) -> AsyncIterator[NamespaceRunning]:
    engine = NamespaceEngine(
        product=[PYTHON, "-S", "-c", "import sys, time; time.sleep(600)"], prober=lambda _: []
    )
    up = await engine.up(plan, folder)
    try:
        yield up
    finally:
        await up.down()


async def output(up: NamespaceRunning, node: str, *argv: str) -> list[str]:
    process = await up.start(node, argv, {})
    lines = [line.text async for line in process.lines()]
    await process.wait()
    return lines


async def addresses(up: NamespaceRunning, node: str, link: str = "eth0") -> set[str]:
    (shown,) = await output(up, node, "ip", "-j", "address", "show", "dev", link)
    return {entry["local"] for entry in json.loads(shown)[0]["addr_info"] if entry["scope"] != "link"}


def test_a_node_is_a_machine_of_its_own(tmp_path: Path) -> None:
    async def run() -> None:
        node = plans.alice(
            hosts_file="127.0.0.1 localhost\n1.2.3.4 somebody\n", environment=(("SEEN", "@state/x"),)
        )
        async with running(plans.plan(node, plans.bob()), tmp_path) as up:
            script = "hostname; cat /etc/hosts; echo $SEEN; echo $$; ls /run/state; echo oops >&2; exit 7"
            process = await up.start("alice", ["sh", "-c", script], {"MORE": "1"})
            lines = [(line.stream, line.text) async for line in process.lines()]
            assert await process.wait() == 7
        said = [text for stream, text in lines if stream == "stdout"]
        assert said[:4] == ["alice", "127.0.0.1 localhost", "1.2.3.4 somebody", "/run/state/x"]
        assert int(said[4]) < 20, "process numbers begin anew"
        assert ("stderr", "oops") in lines

    asyncio.run(run())


def test_stdin_signals_and_statuses(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            echo = await up.start("alice", ["cat"], {})
            await echo.write(b"one\n")
            await echo.close_stdin()
            assert [line.text async for line in echo.lines()] == ["one"]
            assert await echo.wait() == 0
            sleeper = await up.start("alice", ["sleep", "600"], {})
            await sleeper.signal(signal.SIGINT)
            assert await sleeper.wait() == -signal.SIGINT
            await sleeper.signal(signal.SIGINT)
            missing = await up.start("alice", ["no-such-program"], {})
            assert "cannot start no-such-program" in (await anext(missing.lines())).text
            assert await missing.wait() == 127

    asyncio.run(run())


def test_files_go_in_and_come_out(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            await up.put("alice", "folder/data", b"\0" * 300_000)
            assert await up.get("alice", "folder/data") == b"\0" * 300_000
            assert await output(up, "alice", "stat", "-c", "%s", "@state/folder/data") == ["300000"]
            with pytest.raises(FileNotFoundError):
                await up.get("bob", "folder/data")

    asyncio.run(run())


def test_a_program_that_reads_its_clock_all_the_time_meets_no_clock_that_is_half_set(tmp_path: Path) -> None:
    jumps = (p.SetClock("alice", -90000.0), p.SetClock("alice", 3600.0))
    plan = dataclasses.replace(plans.plan(), events=(p.Event("jump", p.When(""), jumps[0], "jump"),))
    if not clock.library():
        pytest.skip("libfaketime is not installed")
    read = """import select, sys, time
print("reads", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    time.time()
print("told")"""

    async def run() -> None:
        async with running(plan, tmp_path) as up:
            await up.apply(jumps[0])
            process = await up.start("alice", [PYTHON, "-S", "-c", read], {})
            lines = process.lines()
            assert (await anext(lines)).text == "reads"
            for number in range(200):
                await up.apply(jumps[number % 2])
            await process.write(b"\n")
            assert (await anext(lines)).text == "told"
            assert await process.wait() == 0

    asyncio.run(run())


def test_a_clock_is_set_under_a_program_that_runs(tmp_path: Path) -> None:
    jump = p.Event("jump", p.When(""), p.SetClock("alice", -3600.0), "jump")
    plan = dataclasses.replace(plans.plan(), events=(jump,))
    if not clock.library():
        pytest.skip("libfaketime is not installed")
    tell = "import time\nfor _ in range(2): print(time.time(), time.monotonic(), flush=True); input()"

    async def run() -> None:
        async with running(plan, tmp_path) as up:
            for node, moved in (("alice", -3600.0), ("bob", 0.0)):
                await up.apply(p.SetClock("alice", 0.0))
                process = await up.start(node, [PYTHON, "-S", "-c", tell], {})
                lines = process.lines()
                first = [float(word) for word in (await anext(lines)).text.split()]
                await up.apply(jump.change)
                await process.write(b"\n\n")
                second = [float(word) for word in (await anext(lines)).text.split()]
                assert await process.wait() == 0
                assert second[0] - first[0] == pytest.approx(moved, abs=60)
                assert second[1] - first[1] == pytest.approx(0, abs=60)

    asyncio.run(run())


def test_signals_to_a_node_reach_the_product_and_no_helper(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            helper = await up.start("alice", ["cat"], {})
            product = await up.start("alice", ["@localpair", "host"], {})
            await up.apply(p.SignalNode("alice", "pause"))
            (state,) = await output(up, "alice", "ps", "-o", "stat=", str(product.pid))
            assert state.startswith("T")
            await up.apply(p.SignalNode("alice", "resume"))
            await up.apply(p.SignalNode("alice", "kill"))
            assert await product.wait() == -signal.SIGKILL
            await helper.close_stdin()
            assert await helper.wait() == 0

    asyncio.run(run())


def test_cable_and_interface(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            await up.apply(p.SetLink("bob/eth0", up=False, level="cable"))
            (shown,) = await output(up, "bob", "ip", "-j", "link", "show", "dev", "eth0")
            assert "NO-CARRIER" in json.loads(shown)[0]["flags"]
            assert "UP" in json.loads(shown)[0]["flags"]
            assert await addresses(up, "bob") == {"192.168.1.11"}
            await up.apply(p.SetLink("bob/eth0", up=True, level="cable"))
            await up.apply(p.SetLink("bob/eth0", up=False, level="interface"))
            (shown,) = await output(up, "bob", "ip", "-j", "link", "show", "dev", "eth0")
            assert "UP" not in json.loads(shown)[0]["flags"]
            back = (p.NodeRoute("0.0.0.0/0", "eth0", via="192.168.1.10"),)
            await up.apply(p.SetLink("bob/eth0", up=True, level="interface", routes=back))
            assert any("default via 192.168.1.10" in line for line in await output(up, "bob", "ip", "route"))

    asyncio.run(run())


def test_readdress_delete_and_create(tmp_path: Path) -> None:
    new = plans.ethernet(11, "192.168.1.31/24")

    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            await up.apply(p.Readdress("bob/eth0", ("192.168.1.21/24", "fd00::21/64")))
            assert await addresses(up, "bob") == {"192.168.1.21", "fd00::21"}
            (before,) = await output(up, "bob", "cat", "/sys/class/net/eth0/ifindex")
            await up.apply(p.DeleteInterface("bob/eth0"))
            assert await output(up, "bob", "ls", "/sys/class/net") == ["lo"]
            await up.apply(p.CreateInterface("bob", new))
            assert await addresses(up, "bob") == {"192.168.1.31"}
            (after,) = await output(up, "bob", "cat", "/sys/class/net/eth0/ifindex")
            assert int(after) > int(before)
            listener = await up.start("bob", [PYTHON, "-S", "-c", LISTEN], {})
            async for _ in listener.lines():
                break
            dial = "import socket; socket.create_connection(('192.168.1.31', 46822), 5)"
            assert await output(up, "alice", PYTHON, "-S", "-c", dial) == []
            await up.collect()
        assert (tmp_path / "captures" / "bob.eth0-2.pcapng").exists(), "the new interface is captured as well"

    asyncio.run(run())


def test_roaming_keeps_the_interface(tmp_path: Path) -> None:
    segments = (p.Segment("lan"), p.Segment("guest"))
    carol = plans.device("carol", plans.ethernet(12, "10.9.0.12/24", segment="guest"))

    async def run() -> None:
        async with running(plans.plan(plans.bob(), carol, segments=segments), tmp_path) as up:
            (before,) = await output(up, "bob", "cat", "/sys/class/net/eth0/ifindex")
            await up.apply(p.Roam("bob/eth0", "guest", p.PortFlags(), ("10.9.0.11/24",)))
            (after,) = await output(up, "bob", "cat", "/sys/class/net/eth0/ifindex")
            assert (before, await addresses(up, "bob")) == (after, {"10.9.0.11"})
            listener = await up.start("carol", [PYTHON, "-S", "-c", LISTEN], {})
            async for _ in listener.lines():
                break
            dial = "import socket; socket.create_connection(('10.9.0.12', 46822), 5)"
            assert await output(up, "bob", PYTHON, "-S", "-c", dial) == []

    asyncio.run(run())


def test_rules_change_while_devices_run(tmp_path: Path) -> None:
    dial = "import socket; socket.create_connection(('192.168.1.11', 46822), 0.3)"

    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            listener = await up.start(
                "bob", [PYTHON, "-S", "-c", LISTEN.replace("s.accept()[0].recv(1)", "input()")], {}
            )
            async for _ in listener.lines():
                break
            assert await output(up, "alice", PYTHON, "-S", "-c", dial) == []
            await up.apply(p.SetChains("bob", (plans.CLOSED,)))
            assert "TimeoutError" in (await output(up, "alice", PYTHON, "-S", "-c", dial))[-1]
            await up.apply(p.SetChains("bob", ()))
            assert await output(up, "alice", PYTHON, "-S", "-c", dial) == []
            rule = p.SegmentRule(p.Match(protocol="tcp"), from_ports=("alice/eth0",))
            await up.apply(p.SetSegment("lan", (rule,)))
            assert "TimeoutError" in (await output(up, "alice", PYTHON, "-S", "-c", dial))[-1]
            await up.apply(p.SetSegment("lan", (), (("bob/eth0", p.PortFlags(isolated=True)),)))
            assert await output(up, "alice", PYTHON, "-S", "-c", dial) == []

    asyncio.run(run())


ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 46822)); print('ready', flush=True)
while True:
    data, peer = s.recvfrom(2000); s.sendto(data, peer)
"""
SEND = """
import socket, struct, time, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)
count, gap = int(sys.argv[1]), float(sys.argv[2])
for number in range(count):
    s.sendto(struct.pack('!Id', number, time.monotonic()), ('192.168.1.11', 46822))
    if gap: time.sleep(gap)
try:
    while True:
        number, at = struct.unpack('!Id', s.recv(2000)); print(number, time.monotonic() - at, flush=True)
except TimeoutError: pass
"""


async def echoes(up: NamespaceRunning, count: int, gap: float = 0.0) -> list[tuple[int, float]]:
    """(number, round trip in seconds) of the datagrams that came back, in order of return."""
    echo = await up.start("bob", [PYTHON, "-S", "-c", ECHO], {})
    async for _ in echo.lines():
        break
    lines = await output(up, "alice", PYTHON, "-S", "-c", SEND, str(count), str(gap))
    await echo.signal(signal.SIGKILL)
    await echo.wait()
    return [(int(number), float(seconds)) for number, seconds in (line.split() for line in lines)]


UDP = p.Match(protocol="udp")


def is_shuffled(back: list[tuple[int, float]]) -> bool:
    """All ten are there, and not in order."""
    numbers = [number for number, _ in back]
    return sorted(numbers) == list(range(10)) != numbers


@pytest.mark.parametrize(
    ("direction", "fault", "holds"),
    [
        ("to", {"nth": (1, 3)}, lambda back: [n for n, _ in back] == [1, 3, 4, 5, 6, 7, 8, 9]),
        ("from", {"nth": (10,)}, lambda back: [n for n, _ in back] == list(range(9))),
        ("to", {"loss_percent": 100.0}, lambda back: back == []),
        ("to", {"duplicate_percent": 100.0}, lambda back: [n for n, _ in back] == sorted([*range(10)] * 2)),
        ("to", {"delay_ms": 120.0}, lambda back: len(back) == 10 and min(s for _, s in back) >= 0.12),
        ("to", {"delay_ms": 60.0, "jitter_ms": 50.0}, lambda back: is_shuffled(back)),
        ("to", {"delay_ms": 60.0, "reorder_percent": 50.0}, lambda back: is_shuffled(back)),
        ("to", {"rate_kbit": 8.0}, lambda back: len(back) == 10 and back[-1][1] > 0.4),
    ],
)  # fmt: skip
def test_impairments(direction: str, fault: dict[str, object], holds: object, tmp_path: Path) -> None:
    impairment = p.Impairment("bob/eth0", direction, UDP, **fault)  # type: ignore[arg-type]

    async def run() -> None:
        async with running(plans.plan(impairments=(impairment,)), tmp_path) as up:
            back = await echoes(up, 10)
            assert holds(back), back  # type: ignore[operator]
            await up.apply(p.SetImpairments("bob/eth0", ()))
            assert [number for number, _ in await echoes(up, 10)] == list(range(10)), "healed"

    asyncio.run(run())


@pytest.mark.parametrize("is_there", [True, False])
def test_an_interface_that_appears_is_impaired(is_there: bool, tmp_path: Path) -> None:
    deaf = p.Impairment("bob/eth0", "to", UDP, loss_percent=100.0)
    interface = plans.ethernet(11, "192.168.1.11/24")
    bob = plans.device("bob", dataclasses.replace(interface, present=is_there))

    async def run() -> None:
        async with running(plans.plan(plans.alice(), bob, impairments=(deaf,)), tmp_path) as up:
            if is_there:
                await up.apply(p.DeleteInterface("bob/eth0"))
            await up.apply(p.CreateInterface("bob", interface))
            assert await echoes(up, 10) == []
            await up.apply(p.SetImpairments("bob/eth0", ()))
            assert len(await echoes(up, 10)) == 10

    asyncio.run(run())


PROCESSORS = "import os; print(*os.sched_getaffinity(0))"


@pytest.mark.parametrize("is_wired", [True, False])
def test_a_network_with_a_wire_runs_on_one_processor(is_wired: bool, tmp_path: Path) -> None:
    wires = (p.Impairment("bob/eth0", "to", UDP, nth=(1,)),) if is_wired else ()

    async def run() -> list[list[str]]:
        async with running(plans.plan(impairments=wires), tmp_path) as up:
            asked = [await output(up, node, PYTHON, "-S", "-c", PROCESSORS) for node in ("alice", "bob")]
            return [line.split() for lines in asked for line in lines]

    alice, bob = asyncio.run(run())
    assert alice == bob
    assert len(alice) == (1 if is_wired else len(os.sched_getaffinity(0)))


SEND_UNACQUAINTED = """
import socket, struct, subprocess
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
for turn in range(60):
    subprocess.run(['ip', 'neigh', 'flush', 'dev', 'eth0'], check=True)
    for number in range(200): s.sendto(struct.pack('!I', number), ('192.168.1.11', 46822))
    back = [struct.unpack('!I', s.recv(2000))[0] for _ in range(200)]
    if back != sorted(back): print('turn', turn, back)
print('done')
"""


def test_what_waits_for_a_hardware_address_is_not_overtaken(tmp_path: Path) -> None:
    """The first packets wait in the sender's kernel until ARP is answered, while it goes on sending."""
    nothing = p.Impairment("bob/eth0", "to", p.Match(protocol="icmp"), nth=(1,))

    async def run() -> list[str]:
        async with running(plans.plan(impairments=(nothing,)), tmp_path) as up:
            echo = await up.start("bob", [PYTHON, "-S", "-c", ECHO], {})
            await anext(echo.lines())
            return await output(up, "alice", PYTHON, "-S", "-c", SEND_UNACQUAINTED)

    assert asyncio.run(run()) == ["done"]


def test_equal_seeds_lose_the_same_packets(tmp_path: Path) -> None:
    async def run(seed: int) -> list[int]:
        impairment = p.Impairment("bob/eth0", "to", UDP, loss_percent=40.0)
        async with running(plans.plan(impairments=(impairment,), seed=seed), tmp_path) as up:
            return [number for number, _ in await echoes(up, 40)]

    first, again, other = (asyncio.run(run(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert 10 < len(first) < 35


RECEIVE_BULK = """
import hashlib, socket
s = socket.create_server(('', 46822)); print('ready', flush=True)
c = s.accept()[0]; print(hashlib.file_digest(c.makefile('rb'), 'sha256').hexdigest())
"""
SEND_BULK = """
import hashlib, socket
d = bytes(range(256)) * 80000; c = socket.create_connection(('192.168.1.11', 46822))
c.sendall(d); c.close(); print(hashlib.sha256(d).hexdigest())
"""


def test_a_wire_carries_bulk_data_unharmed(tmp_path: Path) -> None:

    async def run() -> None:
        impairment = p.Impairment("bob/eth0", "to", p.Match(protocol="icmp"), loss_percent=100.0)
        async with running(plans.plan(impairments=(impairment,)), tmp_path) as up:
            receiver = await up.start("bob", [PYTHON, "-S", "-c", RECEIVE_BULK], {})
            lines = receiver.lines()
            assert (await anext(lines)).text == "ready"
            (sent,) = await output(up, "alice", PYTHON, "-S", "-c", SEND_BULK)
            assert (await anext(lines)).text == sent

    asyncio.run(run())


def test_random_loss_and_bursts_on_a_segment(tmp_path: Path) -> None:
    def segment(**more: object) -> tuple[p.Segment, ...]:
        return (
            p.Segment(
                "lan", rules=(dataclasses.replace(p.SegmentRule(UDP, to_ports=("bob/eth0",)), **more),)
            ),
        )  # type: ignore[arg-type]

    async def run() -> None:
        async with running(plans.plan(segments=segment(loss_percent=50.0)), tmp_path) as up:
            assert 40 < len(await echoes(up, 200)) < 160
        async with running(plans.plan(segments=segment(only_s=(0.2, 0.2))), tmp_path) as up:
            back = [number for number, _ in await echoes(up, 80, gap=0.01)]
            missing = set(range(80)) - set(back)
            assert 15 < len(missing) < 65
            runs = sum(1 for number in missing if number - 1 not in missing)
            assert runs <= 5, "lost in bursts, not one by one"

    asyncio.run(run())


SEND_ONE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3); s.connect(('192.168.1.11', 46822))
s.send(b'x' * int(sys.argv[1])); print(len(s.recv(2000)))
"""


def test_larger_packets_vanish(tmp_path: Path) -> None:
    hole = p.SegmentRule(p.Match(larger_than=1000))

    async def run() -> None:
        async with running(plans.plan(segments=(p.Segment("lan", rules=(hole,)),)), tmp_path) as up:
            echo = await up.start("bob", [PYTHON, "-S", "-c", ECHO], {})
            async for _ in echo.lines():
                break
            assert await output(up, "alice", PYTHON, "-S", "-c", SEND_ONE, "900") == ["900"]
            assert "TimeoutError" in (await output(up, "alice", PYTHON, "-S", "-c", SEND_ONE, "1100"))[-1]

    asyncio.run(run())


def test_captures_hold_both_directions(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            await echoes(up, 3)
            await up.collect()

    asyncio.run(run())
    data = (tmp_path / "captures" / "alice.eth0.pcapng").read_bytes()
    directions = {1: 0, 2: 0}
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        assert struct.unpack_from("<I", data, offset + length - 4)[0] == length
        if kind == 6:
            kept = struct.unpack_from("<I", data, offset + 20)[0]
            frame = data[offset + 28 : offset + 28 + kept]
            if frame[12:14] == b"\x08\x00" and frame[23] == 17:
                directions[struct.unpack_from("<I", data, offset + 28 + (kept + 3 & ~3) + 4)[0]] += 1
        offset += length
    assert directions == {1: 3, 2: 3}


def tunnelled() -> p.Plan:
    """A device with a container bridge that is used, one that is not, and a tunnel that owns the default route."""
    docker = p.NodeInterface(
        "docker0",
        plans.mac(50),
        "bridge",
        addresses=("172.17.0.1/16",),
        link_local="",
        neighbour="172.17.0.2",
    )
    idle = p.NodeInterface(
        "br-9", plans.mac(51), "bridge", addresses=("172.18.0.1/16",), link_local="", carrier=False
    )
    tunnel = p.NodeInterface(
        "tun0",
        plans.mac(52),
        "tunnel",
        far_end="vpn-hub/m0",
        addresses=("10.8.0.6/24",),
        mtu=1420,
        multicast=False,
    )
    far = p.NodeInterface(
        "m0",
        plans.mac(53),
        "tunnel",
        far_end="alice/tun0",
        addresses=("10.8.0.1/24",),
        mtu=1420,
        multicast=False,
    )
    rules = (p.RoutingRule(100, 254, suppress_prefix_length=0), p.RoutingRule(101, 51820, not_mark=51820))
    node = plans.device(
        "alice",
        plans.ethernet(10, "192.168.1.10/24"),
        docker,
        idle,
        tunnel,
        routes=(p.NodeRoute("0.0.0.0/0", "tun0", table=51820),),
        routing_rules=rules,
    )
    hub = p.Node("vpn-hub", "hub", (far,), routes=(p.NodeRoute("0.0.0.0/0", kind="blackhole"),))
    return plans.plan(node, plans.bob(), hub)


@needs_tunnels
def test_tunnels_bridges_and_policy_routes(tmp_path: Path) -> None:
    whole = tunnelled()

    async def run() -> None:
        async with running(whole, tmp_path) as up:
            routes = [
                (await output(up, "alice", "ip", "route", "get", address))[0]
                for address in ("8.8.8.8", "192.168.1.11")
            ]
            assert "dev tun0" in routes[0]
            assert "dev eth0" in routes[1]
            links = json.loads("".join(await output(up, "alice", "ip", "-j", "link")))
            by_name = {link["ifname"]: link for link in links}
            order = [link["ifname"] for link in sorted(links, key=lambda link: link["ifindex"])]
            assert [name for name in order if name in {"eth0", "docker0", "br-9", "tun0"}] == [
                "eth0",
                "docker0",
                "br-9",
                "tun0",
            ]
            assert "NO-CARRIER" in by_name["br-9"]["flags"]
            assert by_name["docker0"]["operstate"] == "UP"
            assert "NOARP" in by_name["tun0"]["flags"]
            assert "MULTICAST" not in by_name["tun0"]["flags"]

    asyncio.run(run())
    play(
        whole,
        [
            probe("udp", "alice/tun0", "vpn-hub/m0", "10.8.0.1", True),
            probe("tcp", "alice/eth0", "bob/eth0", "192.168.1.11", True),
        ],
        tmp_path,
    )


SEND_TO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for address in sys.argv[1:]: s.sendto(b'LP', (address, 46822))
"""


@needs_tunnels
def test_every_port_is_captured_whole_and_with_the_right_direction(tmp_path: Path) -> None:
    places = {"alice/tun0": "10.8.0.1", "alice/docker0": "172.17.0.2", "alice/eth0": "192.168.1.11"}

    async def run() -> None:
        async with running(tunnelled(), tmp_path) as up:
            assert await output(up, "alice", PYTHON, "-S", "-c", SEND_TO, *places.values()) == []
            await up.captured()
            await up.captured()

    asyncio.run(run())
    captures = tmp_path / "captures"
    sent = [one for one in read_node(captures, "alice") if one.packet.destination_port == 46822]
    assert {one.port: str(ip_address(one.packet.destination)) for one in sent} == places
    assert [one.packet.first for one in sent] == [b"LP"] * 3
    assert all(one.outbound for one in sent)
    came = [one for one in read_node(captures, "vpn-hub") if one.packet.destination_port == 46822]
    assert [(one.port, one.outbound) for one in came] == [("vpn-hub/m0", False)]


class FakeClient:
    """A fabric that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(message)
        return {"ok": True}


@pytest.mark.parametrize("is_wired", [False, True])
def test_an_interface_that_appears_is_captured_before_it_is_up(is_wired: bool) -> None:
    """What it sends and hears at once would be missing otherwise, and what follows would look like a fault."""
    wires = (p.Impairment("bob/eth0", "to", UDP, nth=(1,)),) if is_wired else ()
    wiring, client = Wiring(plans.plan(impairments=wires), [], "/captures"), FakeClient()
    asyncio.run(wiring.change(p.CreateInterface("bob", plans.ethernet(11, "192.168.1.31/24")), client))
    made, captured, raised, settled = client.asked
    assert [one["do"] for one in client.asked] == ["apply", "capture", "apply", "settle"]
    assert list(captured["ports"]) == ["bob/eth0"]
    assert "SetLinkState" not in {step["step"] for step in made["steps"]}
    assert "SetLinkState" in {step["step"] for step in raised["steps"]}
    assert settled["links"] == [("bob", "eth0")]


HEAR_GROUPS = """
import socket, struct, time
raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)); raw.settimeout(0.2)
member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
member.setsockopt(0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('239.8.8.8') + socket.inet_aton('192.168.1.11'))
print('ready', flush=True); end = time.monotonic() + 60; heard = ''
while heard != '224.0.0.171 39' and time.monotonic() < end:  # the last that is sent
    try: packet = raw.recv(100)
    except TimeoutError: continue
    if packet[9] != 17: continue
    heard = socket.inet_ntoa(packet[16:20]) + ' ' + packet[28:].decode()
    print(heard, flush=True)
"""
SPEAK_TO_GROUPS = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(0, socket.IP_MULTICAST_IF, socket.inet_aton('192.168.1.10'))
for number in range(40):
    for group in ('239.8.8.8', '239.9.9.9', '224.0.0.171'): s.sendto(str(number).encode(), (group, 46820))
    time.sleep(0.1)
"""


def test_a_querier_prunes_groups_without_members(tmp_path: Path) -> None:
    segment = p.Segment("lan", snooping=True, querier=True, query_interval_s=1.0, membership_s=3.0)

    async def run() -> list[str]:
        async with running(plans.plan(segments=(segment,)), tmp_path) as up:
            listener = await up.start("bob", [PYTHON, "-S", "-c", HEAR_GROUPS], {})
            lines = listener.lines()
            assert (await anext(lines)).text == "ready"
            assert await output(up, "alice", PYTHON, "-S", "-c", SPEAK_TO_GROUPS) == []
            return [line.text async for line in lines]

    heard = asyncio.run(run())
    assert "239.8.8.8 39" in heard, "its member goes on hearing it"
    assert "224.0.0.171 39" in heard, "what is never pruned (RFC 4541, 2.1.2) goes on as well"
    assert "239.9.9.9 39" not in heard, "nobody is a member"
    play(plans.plan(segments=(segment,)), between("alice/eth0", "bob/eth0"), tmp_path)


def test_a_person_can_enter_a_node(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            for node in ("alice", "bob"):
                script = "hostname; cat /proc/1/comm >/dev/null && echo $$"
                words = [*up.enter(node, terminal=False), "sh", "-c", script]
                done = await asyncio.to_thread(
                    subprocess.run, words, capture_output=True, text=True, check=True
                )
                assert done.stdout.split()[0] == node

    asyncio.run(run())


def test_the_script_builds_the_same_network(tmp_path: Path) -> None:
    whole = plans.plan(
        plans.alice(chains=(plans.CLOSED,)),
        plans.bob(),
        segments=(p.Segment("lan", rules=(p.SegmentRule(p.Match(cast="multicast")),)),),
    )

    async def run() -> list[str]:
        async with running(whole, tmp_path) as up:
            await up.collect()
            return await output(up, "alice", "sh", "-c", "ip -br address; ip route; nft list ruleset")

    played = asyncio.run(run())
    show = "ip netns exec alice sh -c 'ip -br address; ip route; nft list ruleset'"
    inner = f"mount -t tmpfs tmpfs /run && sh -e {tmp_path}/fabric.sh && sleep 0.5 && {show}"
    replayed = subprocess.run(
        ["unshare", "-Urnm", "sh", "-c", inner],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env={**os.environ, "PATH": tools.path()},
    )

    def without_numbers(lines: list[str]) -> list[str]:
        return [
            line.replace("@if2", "@").replace("@if3", "@").split("@")[0] if "@" in line else line.strip()
            for line in lines
        ]

    assert without_numbers(replayed.stdout.splitlines()) == without_numbers(played)


def test_a_scenario_costs_little(tmp_path: Path) -> None:
    async def run() -> float:
        engine = NamespaceEngine(product=["true"], prober=lambda _: between("alice/eth0", "bob/eth0"))
        began = time.monotonic()
        up = await engine.up(plans.plan(), tmp_path)
        assert await output(up, "alice", "true") == []  # type: ignore[arg-type]
        await up.down()
        return time.monotonic() - began

    costs = sorted(asyncio.run(run()) for _ in range(5))
    assert costs[2] < 2.0, "seconds; the aim on a quiet machine is 0.4"


# --- Devices that are forked instead of started ---


@asynccontextmanager
async def real(folder: Path, *, cold: bool, **settings: Any) -> AsyncIterator[NamespaceRunning]:
    """The installed localpair on alice."""
    up = await NamespaceEngine(prober=lambda _: [], cold=cold).up(plans.plan(plans.alice(**settings)), folder)
    try:
        yield up
    finally:
        await up.down()


async def told(
    up: NamespaceRunning, *words: str, signal_at: str = "", **environment: str
) -> tuple[list[str], int]:
    """What localpair says, and its exit code; it is interrupted at the line that holds ``signal_at``."""
    process = await up.start("alice", ["@localpair", *words], {**p.PRODUCT_HOME, **environment})
    said = []
    async for line in process.lines():
        said.append(f"{line.stream} {line.text}")
        if signal_at and signal_at in line.text:
            await process.signal(signal.SIGINT)
    return said, await process.wait()


@pytest.mark.parametrize("cold", [False, True])
def test_a_forked_device_says_and_ends_as_a_started_one(tmp_path: Path, cold: bool) -> None:
    async def run() -> None:
        async with real(tmp_path, cold=cold) as up:
            version = importlib.metadata.version("localpair")
            assert await told(up, "--version") == ([f"stdout localpair {version}"], 0)
            said, code = await told(up, "devices", "--nonsense")
            assert (code, {line.split()[0] for line in said}) == (2, {"stderr"})
            said, code = await told(up, "host", "--json", "--timeout", "60", signal_at='"offer"')
            assert code == 130
            assert "stderr Interrupted." in said
            events = [json.loads(line.removeprefix("stdout ")) for line in said if line.startswith("stdout ")]
            assert events[-1]["reason"] == "interrupted"
            said, code = await told(up, "devices", "--help")
            assert (code, said[0].split()[:3]) == (0, ["stdout", "usage:", "localpair"])

    asyncio.run(run())


def test_a_forked_device_gets_no_word_of_the_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no ``localpair`` lies beside the interpreter, the product is ``python -m localpair``."""
    monkeypatch.setattr(capabilities, "product_command", lambda: (PYTHON, "-m", "localpair"))

    async def run() -> None:
        async with real(tmp_path, cold=False) as up:
            assert (await output(up, "alice", "@localpair", "--version"))[0].startswith("localpair ")

    asyncio.run(run())


@pytest.mark.parametrize("cold", [False, True])
def test_a_device_has_nothing_of_the_labs(tmp_path: Path, cold: bool) -> None:
    async def run() -> None:
        async with real(tmp_path, cold=cold) as up:
            process = await up.start("alice", ["@localpair", "host"], p.PRODUCT_HOME)
            async for line in process.lines():
                if "It works once" in line.text:
                    break
            shown = await output(
                up, "alice", "grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", f"/proc/{process.pid}/status"
            )
            rights = dict(line.split(":\t") for line in shown)
            assert (rights.pop("NoNewPrivs"), rights.pop("Seccomp")) == ("1", "2")
            assert set(rights) == {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}
            assert {int(mask, 16) for mask in rights.values()} == {0}
            (user,) = await output(up, "alice", "stat", "-c", "%u", f"/proc/{process.pid}")
            assert int(user) == next(accounts(1)).owner or user != "0", (
                "an id of its own, where there is one to spare"
            )
            links = await output(
                up, "alice", "readlink", "-f", *(f"/proc/{process.pid}/fd/{n}" for n in range(64))
            )
            assert not [link for link in links if link.endswith(".pcapng") or "net:[" in link]
            sockets = await output(up, "alice", "sh", "-c", f"ls -l /proc/{process.pid}/fd | grep -c socket:")
            assert 0 < int(sockets[0]) < 20
            (place,) = await output(up, "alice", "readlink", f"/proc/{process.pid}/cwd")
            assert place == "/run/state"
            await process.signal(signal.SIGKILL)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("environment", "is_started"),
    [({}, False), ({"LOCALPAIR_LABEL": "x"}, False), ({"PYTHONUNBUFFERED": "1"}, False), ({"PYTHONDEVMODE": "1"}, True),
     ({"LD_PRELOAD": ""}, True), ({"LANG": "C"}, True)],
)  # fmt: skip
def test_what_an_interpreter_reads_at_its_start_gets_a_start(
    tmp_path: Path, environment: dict[str, str], is_started: bool
) -> None:
    async def run() -> None:
        async with real(tmp_path, cold=False, environment=tuple(environment.items())) as up:
            process = await up.start("alice", ["@localpair", "listen", "--yes"], p.PRODUCT_HOME)
            first = await anext(process.lines())
            words = await output(up, "alice", "sh", "-c", f"tr '\\0' ' ' </proc/{process.pid}/cmdline")
            assert ("localpair listen" in words[0]) is is_started, first
            await process.signal(signal.SIGKILL)

    asyncio.run(run())


LIVE = """
import os, sys
from localpair_lab.fabric.server import prefork as warm

def program():
    with open("/dev/null") as first:
        print(sys.argv, dict(os.environ), first.fileno(), sys.stdin.read())
    assert ROOT not in sys.path and not [name for name in sys.modules if name.startswith("localpair_lab")]
    %s

ROOT = os.environ["PYTHONPATH"]
kept = open("/dev/null")
warm.provide("it", program)
if os.fork() == 0:
    warm.live("it", ["it", "word"], {"ONLY": "this"})
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.parametrize(
    ("ends", "status", "complaint"),
    [
        ("return 0", 0, ""),
        ("return 7", 7, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("raise ValueError('so')", 1, "ValueError: so"),
    ],
)
def test_a_forked_program_has_its_own_words_variables_and_end(ends: str, status: int, complaint: str) -> None:
    environment = {"PYTHONPATH": str(places.ROOT / "lab"), "OF_THE_LAB": "1"}
    done = subprocess.run(
        [PYTHON, "-c", LIVE % ends],
        env=environment,
        input="typed",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['it', 'word'] {'ONLY': 'this'} 3 typed\n", "the first descriptor is free"
    assert (done.returncode, complaint in done.stderr) == (status, True)


def test_nothing_of_the_labs_environment_is_to_be_seen_in_a_forked_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_LAB", "hunter2")
    monkeypatch.setattr(forkserver_client, "_zygotes", [])

    async def run() -> None:
        async with real(tmp_path, cold=False) as up:
            process = await up.start("alice", ["@localpair", "listen", "--yes"], p.PRODUCT_HOME)
            await anext(process.lines())
            shown = await output(up, "alice", "cat", f"/proc/{process.pid}/environ")
            assert "PATH=" in "".join(shown)
            assert "hunter2" not in "".join(shown)
            await process.signal(signal.SIGKILL)
            await process.wait()

    try:
        asyncio.run(run())
    finally:
        forkserver_client.fork_server().end()  # this test's own


def test_settings_of_the_machine_are_refused_and_files_stay_in_the_state_folder(tmp_path: Path) -> None:
    async def run() -> None:
        node = plans.alice(sysctls=(("kernel/ostype", "x"),))
        with pytest.raises(LabError, match="kernel/ostype is no setting of a network"):
            await NamespaceEngine(prober=lambda _: []).up(plans.plan(node), tmp_path / "refused")
        async with running(plans.plan(), tmp_path) as up:
            for name in ("../x", "/x", "a/../../x"):
                with pytest.raises((LabError, OSError), match="not in the state folder"):
                    await up.put("alice", name, b"")

    asyncio.run(run())


def test_a_fork_server_that_died_is_replaced(tmp_path: Path) -> None:
    async def run() -> None:
        for name in ("first", "second"):
            async with real(tmp_path / name, cold=False) as up:
                assert (await told(up, "--version"))[1] == 0
            if name == "first":
                (pid,) = [
                    child for child in children_of(os.getpid()) if "forkserver.py" in command_line(child)
                ]
                os.kill(pid, signal.SIGKILL)
                await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    asyncio.run(run())


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_the_canary_leaves_nobody_acquainted(tmp_path: Path) -> None:
    """What devices know of their neighbours when they start, their own packets have taught them."""
    cells = planned(places.ROOT / "lab" / "scenarios" / "change" / "roam-mid-transfer.yaml")
    (plan,) = (cell.plan for cell in cells if cell.cell.name == "receiver-moves")

    async def known(number: int) -> list[str]:
        up = await NamespaceEngine(product=["true"]).up(plan, tmp_path / str(number))
        try:
            return [line for node in ("alice", "bob") for line in await output(up, node, "ip", "neigh")]
        finally:
            await up.down()

    async def run() -> None:
        assert [await known(number) for number in range(8)] == [[]] * 8

    asyncio.run(run())
