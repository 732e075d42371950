"""What a device in a container cannot do, though a stranger has it: each way to the fabric, the lab and the machine is
tried from inside.
"""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from localpair_lab.engines.compose import image
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.engines.compose.engine import ComposeEngine, answers
from localpair_lab.engines.compose.running import ComposeRunning
from localpair_lab.engines.network import Wiring, _write_looks

import lab_plans as plans
from lab_canaries import between

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from localpair_lab import plan as p

needs_engine = pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2 answers")

A, B = "alice/eth0", "bob/eth0"
PROBES: Final = [*between(A, B), *between(B, A)]

# Runs in bob's container in place of the lab's own first program, while the fabric still waits for bob.
TAKEN: Final = """
import array, json, os, socket, struct, sys, time

DOOR = "/run/lab/fabric.sock"

def call(kind):
    client = socket.socket(socket.AF_UNIX, kind)
    client.settimeout(0.3)
    for _ in range(1000):
        try:
            client.connect(DOOR)
            return client
        except FileNotFoundError:
            time.sleep(0.01)
        except OSError:
            return None
    return None

def say(what, kind, parts, descriptors=()):
    client = call(kind)
    if client is None:
        return
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    try:
        for part in parts:
            client.sendmsg([part], rights)
        answer = client.recv(65536)
    except OSError:
        return
    if answer:
        print("OBEYED", what, answer[:200], file=sys.stderr, flush=True)

network, file = os.open("/proc/self/ns/net", os.O_RDONLY), os.open("/etc/passwd", os.O_RDONLY)
mount = os.open("/proc/self/ns/mnt", os.O_RDONLY)
orders = [{"do": word} for word in ("look", "stood", "probe", "release", "end")]
orders += [
    {"do": "apply", "steps": [{"step": "Namespace", "place": "mine"}]},
    {"do": "capture", "folder": "/run/lab/captures", "ports": {}},
    {"do": "hold", "node": "mine", "hosts": "", "resolver": ""},
    {"do": "join", "node": "../../x"}, {"do": "join", "node": "fabric"},
]
for order in orders:
    body = json.dumps(order).encode()
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        passed = [network] if order["do"] == "join" else []
        say(order, kind, [struct.pack("!I", len(body)) + body], passed)
        say(order, kind, [body], passed)
for name in (b"fabric", b"../../etc/x", b"", b"alice" * 20, b"bob\\n", b"\\xff", b"Alice"):
    say(name, socket.SOCK_SEQPACKET, [name], [network])
for descriptors in ([], [file], [mount], [network, network]):
    say(descriptors, socket.SOCK_SEQPACKET, [b"bob"], descriptors)
say("twice", socket.SOCK_SEQPACKET, [b"carol", b"bob"], [network])
say("rest of a frame", socket.SOCK_STREAM, [struct.pack("!I", 1 << 30)])
silent = [call(socket.SOCK_SEQPACKET) for _ in range(300)]
for path in (DOOR, "/run/lab/x"):
    try:
        os.unlink(path) if path == DOOR else open(path, "w")
        print("OBEYED", path, file=sys.stderr, flush=True)
    except OSError:
        pass
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Taken(ComposeRunning):
    """A project whose bob is a stranger's from the start."""

    def _rendered(self, image_name: str, images: Mapping[str, str]) -> dict[str, Any]:
        rendered = super()._rendered(image_name, images)
        bob = rendered["services"]["bob"]
        taken = TAKEN.replace("$", "$$")
        bob["command"] = ["python3", "-I", "-c", taken, *bob["command"]]
        return rendered


@asynccontextmanager
async def running(plan: p.Plan, folder: Path) -> AsyncIterator[ComposeRunning]:
    up = await ComposeEngine(prober=lambda _: []).up(plan, folder)
    try:
        yield up
    finally:
        await up.down()


async def said(up: ComposeRunning, node: str, script: str) -> list[str]:
    process = await up.start(node, ["sh", "-c", script], {})
    return [line.text async for line in process.lines()]


def until_it_stands(container: str) -> list[str]:
    """What a container says until the network stands."""
    command = ["docker", "logs", "--follow", container]
    said = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as log:
        assert log.stderr is not None
        for line in log.stderr:
            said.append(line)
            if "the network stands" in line:
                break
        log.terminate()
    return said


def as_root(up: ComposeRunning, service: str, script: str) -> str:
    """What a shell says that has all the rights there are in the container."""
    command = ["docker", "exec", "--user", "0", f"{up._name}-{service}-1", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@needs_engine
def test_a_device_that_is_taken_at_once_says_nothing_that_the_fabric_obeys(tmp_path: Path) -> None:
    plan, host = plans.plan(), DockerHost()

    async def run() -> list[str]:
        up: Any = Taken(plan, tmp_path, host, Wiring(plan, PROBES, "/captures"), PROBES)
        try:
            await up.build(
                await asyncio.to_thread(image.ensure, host)
            )  # its canary has passed, so bob is bob
            return until_it_stands(up._container("bob"))
        finally:
            await up.down()

    assert asyncio.run(run()) == ["bob: the network stands\n"]


@needs_engine
def test_the_door_is_gone_once_programs_run(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            assert await said(up, "bob", "ls -A /run/lab; touch /run/lab/x 2>/dev/null && echo written") == []
            assert "fabric.sock" in as_root(up, "fabric", "ls /run"), "the lab itself is still heard"

    asyncio.run(run())


@needs_engine
def test_no_program_of_the_lab_takes_a_devices_variables_for_orders(tmp_path: Path) -> None:
    """Not even where the loader let them through."""
    took = "/bin/sh -c 'touch /run/took' #%s"
    variables = {
        "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
        "BROWSER": took,
        "PATH": "/run/state:/usr/bin:/bin",
    }

    async def run() -> None:
        alice = plans.alice(environment=tuple(variables.items()))
        async with running(plans.plan(alice, plans.bob()), tmp_path) as up:
            assert await said(up, "alice", "echo $BROWSER") == [took], "they are for the device's programs"
            assert as_root(up, "alice", "ls /run/took 2>/dev/null") == ""
            assert "BROWSER" not in as_root(up, "alice", "tr '\\0' '\\n' < /proc/1/environ")

    asyncio.run(run())


@needs_engine
@pytest.mark.parametrize("service", ["alice", "fabric"])
def test_no_program_of_the_lab_imports_what_the_wheel_brings(service: str, tmp_path: Path) -> None:
    """Builds of localpair that nobody trusts are played here: such a wheel may bring a ``json`` of its own."""
    plant = (
        'mkdir -p /opt/localpair/bin; echo \'open("/run/took", "w")\' | tee /opt/localpair/{}.py >/dev/null'
    )
    names = ("json", "socket", "localpair_lab", "sitecustomize", "usercustomize", "encodings", "selectors")
    script = "printf '#!/bin/sh\\ntouch /run/took\\n' >/opt/localpair/bin/python3; chmod +x /opt/localpair/bin/python3"

    async def run() -> None:
        async with running(plans.plan(), tmp_path) as up:
            as_root(up, service, "; ".join([script, *map(plant.format, names)]))
            await said(up, "alice", "true")
            await asyncio.to_thread(subprocess.run, up.captures(), capture_output=True, check=True)
            assert as_root(up, service, "ls /run/took 2>/dev/null") == ""

    asyncio.run(run())


# What whoever has taken the fabric itself would try next, with the rights that it has once it serves.
TRIES: Final = """
import ctypes, os, time
from localpair_lab.fabric.system import namespaces
from localpair_lab.fabric.server import container
libc = ctypes.CDLL(None, use_errno=True)

def tried(name, way):
    try:
        way()
    except OSError as error:
        return
    print("DONE", name, flush=True)

def written(path, flags=os.O_WRONLY):
    return lambda: os.close(os.open(path, flags))

def device():
    os.mknod("/run/disk", 0o60600, os.makedev(8, 0))
    os.open("/run/disk", os.O_RDONLY)

def raw(*call):
    def do():
        if libc.syscall(*call) < 0:
            raise OSError(ctypes.get_errno(), "")
    return do

os.makedirs("/run/inner", exist_ok=True)
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper", container.__file__):
    tried(path, written(path))
tried("etc", written("/etc/x", os.O_WRONLY | os.O_CREAT))
tried("tmpfs", lambda: namespaces.mount("tmpfs", "/run/inner", "tmpfs"))
tried("cgroup", lambda: namespaces.mount("cgroup", "/run/inner", "cgroup", data="memory"))
tried("proc", lambda: namespaces.mount("proc", "/run/inner", "proc"))
tried("sysfs", lambda: namespaces.mount("sysfs", "/run/inner", "sysfs"))
tried("remount", lambda: namespaces.mount("none", "/sys", flags=32))
tried("disk", device)
for name in ("USER", "MOUNT", "PID", "UTS", "IPC"):
    tried(name, lambda name=name: namespaces.unshare(getattr(namespaces, "NEW_" + name)))
tried("mount namespace of 1", lambda: namespaces.enter(os.open("/proc/1/ns/mnt", os.O_RDONLY)))
tried("trace 1", raw(101, 16, 1, 0, 0))
tried("bpf", raw(321, 5, ctypes.create_string_buffer(120), 120))
tried("module", raw(175, ctypes.create_string_buffer(8), 8, b""))
tried("kernel log", raw(103, 3, ctypes.create_string_buffer(8), 8))
tried("host name", lambda: namespaces.set_hostname("x"))
tried("other user", lambda: os.setuid(1000))
tried("chroot", lambda: os.chroot("/run/inner"))
tried("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
namespaces.create_network()  # it still can do its work
print("TRIED", flush=True)
"""


@needs_engine
def test_a_fabric_that_is_taken_has_its_networks_and_nothing_else(tmp_path: Path) -> None:
    """The tries begin where the fabric begins to serve."""
    serve = "from localpair_lab.fabric.server import server, container\n"
    serve += f"run = server.Server.run\ndef taken(self):\n    exec({TRIES!r}, {{}})\n    run(self)\n"
    serve += "server.Server.run = taken\nimport sys\n"
    serve += "sys.exit(container.main(sys.argv[1], sys.argv[2:]))"
    plan, host = plans.plan(), DockerHost()

    class TakenFabric(ComposeRunning):
        def _rendered(self, image_name: str, images: Mapping[str, str]) -> dict[str, Any]:
            rendered = super()._rendered(image_name, images)
            fabric = rendered["services"]["fabric"]
            begin = f"import sys; sys.path.append('/opt/lab')\n{serve}".replace("$", "$$")
            fabric["command"] = ["python3", "-IBS", "-c", begin, "serve", "/run/lab/fabric.sock"]
            return rendered

    async def run() -> list[str]:
        up: Any = TakenFabric(plan, tmp_path, host, Wiring(plan, PROBES, "/captures"), PROBES)
        try:
            await up.build(await asyncio.to_thread(image.ensure, host))
            await up.collect()
            return (tmp_path / "fabric.log").read_text().splitlines()
        finally:
            await up.down()

    log = [line.split(" ", 1)[-1] for line in asyncio.run(run())]
    assert "TRIED" in log
    assert [line for line in log if line.startswith("DONE")] == []
    assert (tmp_path / "captures" / "alice.eth0.pcapng").stat().st_size > 0


def test_the_names_that_a_fabric_tells_are_no_paths(tmp_path: Path) -> None:
    _write_looks(
        tmp_path / "state", {"alice": "x", "behind-alice.docker0": "x", "../up": "x", "/x": "x", ".x": "x"}
    )
    assert {path.name for path in tmp_path.rglob("*")} == {"state", "alice.txt", "behind-alice.docker0.txt"}
