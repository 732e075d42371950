"""The compose engine does what the namespace engine does, and its project stands without the lab."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.engines.compose import docker_host, image, lease
from localpair_lab.engines.compose.docker_host import DockerHost, has_compose
from localpair_lab.engines.compose.engine import ComposeEngine, answers, write_project
from localpair_lab.engines.compose.render import as_text, render
from localpair_lab.engines.compose.running import FILE, ComposeRunning
from localpair_lab.engines.network import Wiring
from localpair_lab.errors import LabError
from localpair_lab.fabric.server.container import PROJECT

import lab_plans as plans
from lab_canaries import between, probe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from localpair_lab.plan.probe import Probe

A, B = "alice/eth0", "bob/eth0"
ISOLATED = p.PortFlags(isolated=True)
needs_engine = pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2 answers")


@asynccontextmanager
async def running(
    plan: p.Plan, folder: Path, probes: list[Probe] | None = None
) -> AsyncIterator[ComposeRunning]:
    up = await ComposeEngine(prober=lambda _: probes or []).up(plan, folder)
    try:
        yield up
    finally:
        await up.down()


def leftovers(folder: Path) -> list[str]:
    name = json.loads(json.dumps((folder / FILE).read_text())).split("name: ")[1].split()[0]
    found: list[str] = []
    for kind in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"]):
        listed = ["docker", *kind, "--filter", f"label=com.docker.compose.project={name}"]
        found += subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return found


def test_a_project_is_whole_and_stable() -> None:
    whole = plans.plan(plans.alice(hosts_file="1.2.3.4 $5\n", environment=(("TERM", "dumb"),)), plans.bob())
    wiring = Wiring(whole, [], "/captures")
    made = render(whole, name="localpair-x", image="i", labels={"l": "1"}, project=wiring.project())
    assert made == render(whole, name="localpair-x", image="i", labels={"l": "1"}, project=wiring.project())
    assert set(made["services"]) == {"fabric", "alice", "bob"}
    assert made["services"]["alice"]["network_mode"] == "none"
    assert made["services"]["alice"]["cap_drop"] == ["ALL"]
    assert made["services"]["alice"]["volumes"] == ["lab:/run/lab:ro"]
    variables = {"LOCALPAIR_LAB_HOSTS": "1.2.3.4 $$5\n", "LOCALPAIR_LAB_RESOLVER": ""}
    assert made["services"]["alice"]["environment"] == variables, "Compose must not replace the dollar"
    assert made["services"]["fabric"]["configs"] == [{"source": "network", "target": str(PROJECT)}]
    assert json.loads(made["configs"]["network"]["content"].replace("$$", "$")) == json.loads(
        json.dumps(wiring.project())
    )
    assert as_text(whole, made, FILE).startswith("# test [cell], rendered from tests/support/lab_plans.py")


def test_what_a_project_advises_can_be_typed_as_it_stands() -> None:
    whole = dataclasses.replace(plans.plan(plans.alice(), plans.bob()), cell="")
    head = [line for line in as_text(whole, {}, FILE).splitlines() if line.startswith("#")]
    assert head[0].startswith("# test, rendered from ")
    assert "#   docker compose -f compose.yaml exec alice localpair diagnose    or a command" in head
    assert "..." not in "".join(head)


def test_a_person_can_read_what_a_project_builds() -> None:
    whole = plans.plan(plans.alice(), plans.bob())
    wiring = Wiring(whole, [], "/captures")
    made = render(whole, name="x", image="i", labels={}, project=wiring.project())
    steps = [
        line for line in made["configs"]["network"]["content"].splitlines() if '"step": "Address"' in line
    ]
    assert ['"192.168.1.10/24"' in line for line in steps] == [True, False]
    assert max(len(line) for line in as_text(whole, made, FILE).splitlines()) < 1000


def test_nothing_of_this_machine_is_shown_to_an_engine_that_may_be_elsewhere() -> None:
    whole = plans.plan(plans.alice(), plans.bob())
    made = render(whole, name="x", image="i", labels={}, project=Wiring(whole, [], "/captures").project())
    mounts = [volume for service in made["services"].values() for volume in service.get("volumes", [])]
    assert {mount.partition(":")[0] for mount in mounts} == set(made["volumes"])
    modes = {
        service.get(key) for service in made["services"].values() for key in ("pid", "ipc", "network_mode")
    }
    assert modes == {None, "none"}, "no namespace of the host's"


@pytest.mark.parametrize(
    ("said", "fits"),
    [("2.26.1-4", True), ("v5.0.0", True), ("2.23.3", False), ("1.29.2", False), ("", False)],
)
def test_compose_must_be_new_enough(monkeypatch: pytest.MonkeyPatch, said: str, fits: bool) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=f"{said}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/docker")
    assert has_compose() is fits


@pytest.mark.parametrize(
    ("parts", "expected"),
    [([{"Name": "Podman Engine"}, {"Name": "Conmon"}], True), ([{"Name": "Engine"}], False), (None, False)],
)
def test_podman_is_told_from_docker(parts: object, expected: bool) -> None:
    class Answering:
        """An engine's own words about itself."""

        def version(self) -> dict[str, object]:
            return {"Version": "4.3.1", "Components": parts}

    host = DockerHost("unix:///nowhere")
    host.__dict__["client"] = Answering()
    assert host.is_podman is expected


class Reluctant(DockerHost):
    """An engine that says no to the first ``refusals`` commands."""

    def __init__(self, refusals: int) -> None:
        super().__init__("unix:///nowhere/docker.sock")
        self.refusals = refusals

    async def compose(self, project: str, *words: str, file: str = "") -> str:
        if self.refusals:
            self.refusals -= 1
            raise LabError("docker compose down failed: removal already in progress")
        return ""


@pytest.mark.parametrize(("refusals", "is_free"), [(0, True), (2, True), (9, False)])
def test_going_down_is_tried_again(refusals: int, is_free: bool, tmp_path: Path) -> None:
    whole = plans.plan(plans.alice(), plans.bob())
    wiring = Wiring(whole, [], "/captures")
    up = ComposeRunning(whole, tmp_path, Reluctant(refusals), wiring, [])
    asyncio.run(up.down())
    assert lease.is_free(up.lease) is is_free
    assert (tmp_path / "down-errors.txt").exists() is not is_free


def test_no_engine_is_told_kindly() -> None:
    host = DockerHost("unix:///nowhere/docker.sock")
    with pytest.raises(LabError, match="no Docker engine answers") as caught:
        _ = host.client
    assert "install-engine" in caught.value.hint
    assert answers("unix:///nowhere/docker.sock") is False
    assert ComposeEngine("unix:///nowhere/docker.sock").supports(plans.plan()) != []


def test_an_engine_that_stopped_leaves_its_socket_and_is_told_alike(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    with pytest.raises(LabError, match="Connection refused"):
        _ = DockerHost(f"unix://{path}").client


def test_an_engine_that_is_closed_to_this_user_is_not_to_be_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(docker_host.socket, "socket", Closed)
    with pytest.raises(LabError, match="Permission denied") as caught:
        _ = DockerHost("unix:///run/docker.sock").client
    assert "usermod -aG docker" in caught.value.hint


@needs_engine
def test_programs_files_and_statuses(tmp_path: Path) -> None:
    async def run() -> None:
        node = plans.alice(hosts_file="1.2.3.4 somebody\n", environment=(("SEEN", "@state/x"),))
        async with running(plans.plan(node, plans.bob()), tmp_path) as up:
            script = "hostname; cat /etc/hosts; echo $SEEN; echo oops >&2; exit 7"
            process = await up.start("alice", ["sh", "-c", script], {})
            lines = [(line.stream, line.text) async for line in process.lines()]
            assert await process.wait() == 7
            assert [text for stream, text in lines if stream == "stdout"] == [
                "alice",
                "1.2.3.4 somebody",
                "/run/state/x",
            ]
            assert ("stderr", "oops") in lines
            echo = await up.start("alice", ["cat"], {})
            await echo.write(b"one\n")
            await echo.close_stdin()
            assert [line.text async for line in echo.lines()] == ["one"]
            sleeper = await up.start("alice", ["sleep", "600"], {})
            await sleeper.signal(signal.SIGINT)
            assert await sleeper.wait() == -signal.SIGINT
            await up.put("bob", "folder/data", b"\0" * 300_000)
            assert await up.get("bob", "folder/data") == b"\0" * 300_000
            with pytest.raises(FileNotFoundError):
                await up.get("alice", "folder/data")
            version = await up.start("bob", ["@localpair", "--version"], {})
            assert (await anext(version.lines())).text.startswith("localpair ")
            await up.collect()
        assert (tmp_path / "captures" / "alice.eth0.pcapng").stat().st_size > 0
        assert (tmp_path / "fabric.log").exists()
        assert not (tmp_path / "collect-errors.txt").exists()

    asyncio.run(run())
    assert leftovers(tmp_path) == []


@needs_engine
def test_changes_reach_the_devices(tmp_path: Path) -> None:
    async def shown(up: ComposeRunning) -> str:
        process = await up.start("bob", ["cat", "/proc/net/fib_trie", "/sys/class/net/eth0/carrier"], {})
        return "\n".join([line.text async for line in process.lines()])

    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            await up.apply(p.Readdress(B, ("192.168.1.77/24",)))
            assert "192.168.1.77" in await shown(up)
            await up.apply(p.SetLink(B, up=False, level="cable"))
            assert (await shown(up)).splitlines()[-1] == "0"
            product = await up.start("bob", ["@localpair", "host", "--json"], {})
            await up.apply(p.SignalNode("bob", "kill"))
            assert await product.wait() == -signal.SIGKILL

    asyncio.run(run())


@needs_engine
@pytest.mark.parametrize("is_wired", [True, False])
def test_a_network_with_a_wire_runs_on_one_processor(is_wired: bool, tmp_path: Path) -> None:
    wires = (p.Impairment(B, "to", p.Match(protocol="udp"), nth=(1,)),) if is_wired else ()
    ask = "import os; print(*os.sched_getaffinity(0))"

    async def asked(up: ComposeRunning, node: str) -> list[str]:
        process = await up.start(node, ["python3", "-S", "-c", ask], {})
        return [line.text async for line in process.lines()]

    async def run() -> list[list[str]]:
        async with running(plans.plan(impairments=wires), tmp_path) as up:
            return [await asked(up, node) for node in ("alice", "bob")]

    (alice,), (bob,) = asyncio.run(run())
    assert alice == bob
    assert (len(alice.split()) == 1) is (is_wired or os.cpu_count() == 1)


@needs_engine
def test_a_clock_is_set_under_a_program_that_runs(tmp_path: Path) -> None:
    jump = p.Event("jump", p.When(""), p.SetClock("bob", -3600.0), "jump")
    plan = dataclasses.replace(plans.plan(), events=(jump,))
    tell = "import time\nfor _ in range(2): print(time.time(), flush=True); input()"

    async def run() -> None:
        async with running(plan, tmp_path) as up:
            await up.apply(p.SetClock("bob", 0.0))
            process = await up.start("bob", ["python3", "-c", tell], {})
            lines = process.lines()
            first = float((await anext(lines)).text)
            await up.apply(jump.change)
            await process.write(b"\n\n")
            assert float((await anext(lines)).text) - first == pytest.approx(-3600, abs=60)
            assert await process.wait() == 0

    asyncio.run(run())


@needs_engine
def test_the_canary_watches_here_too(tmp_path: Path) -> None:
    async def run() -> None:
        both = [
            plans.device(name, plans.ethernet(number, f"192.168.1.{number}/24", flags=ISOLATED))
            for name, number in (("alice", 10), ("bob", 11))
        ]
        async with running(plans.plan(), tmp_path, [*between(A, B), *between(B, A)]):
            pass
        with pytest.raises(LabError, match="canary"):
            async with running(plans.plan(*both), tmp_path, between(A, B)):
                pass

    asyncio.run(run())
    assert leftovers(tmp_path) == []


@needs_engine
def test_the_project_comes_up_by_hand(tmp_path: Path) -> None:
    host = DockerHost()
    image.ensure(host)
    host.client.images.remove(image.LATEST)  # only the name, which another clone's build would take, too
    subprocess.run(
        [sys.executable, "-m", "localpair_lab.engines.compose.image"], check=True, capture_output=True
    )
    file = write_project(plans.plan(), tmp_path)
    compose = ["docker", "compose", "-f", str(file)]
    try:
        subprocess.run([*compose, "up", "-d"], check=True, capture_output=True, timeout=60)
        deadline = time.monotonic() + 30
        log = ""
        while "the network stands" not in log and time.monotonic() < deadline:
            log = subprocess.run(
                [*compose, "logs", "alice"], capture_output=True, text=True, check=True
            ).stdout
        dial = "import socket; s = socket.socket(2, 2); s.connect(('192.168.1.11', 9)); print(s.getsockname()[0])"
        said = subprocess.run(
            [*compose, "exec", "-T", "alice", "python3", "-c", dial],
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.strip() == "192.168.1.10"
    finally:
        subprocess.run([*compose, "down", "-v", "-t", "0"], check=True, capture_output=True, timeout=60)
    assert leftovers(tmp_path) == []


@needs_engine
def test_two_runs_with_equal_addresses_at_once(tmp_path: Path) -> None:
    async def one(folder: Path) -> None:
        async with running(plans.plan(), folder, [*between(A, B), *between(B, A)]):
            pass

    async def run() -> None:
        await asyncio.gather(one(tmp_path / "a"), one(tmp_path / "b"))

    asyncio.run(run())


def without_ipv6(**more: object) -> p.Plan:
    devices = [
        plans.device(name, plans.ethernet(number, f"192.168.1.{number}/24", link_local=""))
        for name, number in (("alice", 10), ("bob", 11))
    ]
    return plans.plan(*devices, **more)


def isolated() -> p.Plan:
    devices = [
        plans.device(name, plans.ethernet(number, f"192.168.1.{number}/24", flags=ISOLATED))
        for name, number in (("alice", 10), ("bob", 11))
    ]
    return plans.plan(*devices)


def two_homed() -> p.Plan:
    first = plans.ethernet(10, "192.168.1.10/24", name="wlan0")
    second = plans.ethernet(20, "10.5.0.10/16", name="eth0", segment="office")
    far = plans.ethernet(21, "10.5.0.11/16", name="eth1", segment="office")
    bob = plans.device("bob", plans.ethernet(11, "192.168.1.11/24"), far)
    return plans.plan(
        plans.device("alice", first, second), bob, segments=(p.Segment("lan"), p.Segment("office"))
    )


FILTER = (p.Segment("lan", rules=(p.SegmentRule(p.Match(cast="multicast")),)),)
FOUR = [one for one in between(A, B, multicast=False, multicast_link=False) if ":" not in one.address]
NONE = (
    "udp",
    "tcp",
    "udp6",
    "tcp6",
    "multicast",
    "multicast_link",
    "multicast6",
    "broadcast",
    "broadcast_subnet",
)
SIMPLE = {
    "flat": (plans.plan(), [*between(A, B), *between(B, A)]),
    "multicast blocked by port flag": (without_ipv6(segments=FILTER), FOUR),
    "client isolation": (isolated(), between(A, B, **dict.fromkeys(NONE, False))),
    "multi-homed": (
        two_homed(),
        [
            probe("tcp", "alice/eth0", "bob/eth1", "10.5.0.11", True),
            probe("multicast", "alice/wlan0", "bob/eth0", "239.255.70.171", True),
            probe("multicast", "alice/eth0", "bob/eth1", "239.255.70.171", True),
        ],
    ),
}


@needs_engine
@pytest.mark.parametrize("name", SIMPLE)
def test_simple_plans_on_the_engines_own_bridges(name: str, tmp_path: Path) -> None:
    plan, probes = SIMPLE[name]
    engine = ComposeEngine(prober=lambda _: probes, wiring="docker")
    assert engine.supports(plan) == []

    async def run() -> None:
        up = await engine.up(plan, tmp_path)
        await up.down()

    asyncio.run(run())
    assert leftovers(tmp_path) == []


@needs_engine
def test_the_engines_own_bridges_name_what_they_cannot_do() -> None:
    engine = ComposeEngine(wiring="docker")
    router = plans.router("gate", plans.ethernet(1, "192.168.1.1/24"))
    lacking = engine.supports(plans.plan(plans.alice(), router))
    assert "gate is a router" in lacking[0].reason
    assert lacking[0].mend == "--lab-wiring=fabric"
    impaired = plans.plan(impairments=(p.Impairment(B, "to", loss_percent=5.0),))
    assert "impairments" in engine.supports(impaired)[0].reason
