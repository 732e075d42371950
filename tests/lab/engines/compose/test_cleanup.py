"""Killed at any moment, the lab leaves no process, no namespace, no mount, no container and no volume."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from localpair_lab.engines.compose import cleanup, lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.engines.compose.engine import answers
from localpair_lab.fabric.system import namespaces

import places

MARK = "LOCALPAIR_LAB_CLEANUP_TEST"
PATIENCE_S = 15.0
STEPS = ("before", "up", "started", "collected")
VICTIM = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import lab_plans as plans
engine_name, step, folder = sys.argv[1:4]
if engine_name == "namespace":
    from localpair_lab.engines.namespace.engine import NamespaceEngine as Engine
else:
    from localpair_lab.engines.compose.engine import ComposeEngine as Engine

async def reach(wanted):
    if step == wanted:
        print("there", flush=True)
        await asyncio.sleep(600)

async def run():
    engine = Engine(prober=lambda _: [])
    up = asyncio.create_task(engine.up(plans.plan(), Path(folder)))
    await asyncio.sleep(0.05 if engine_name == "namespace" else 0.9)
    await reach("before")
    running = await up
    await reach("up")
    await running.start("alice", ["sleep", "600"], {})
    await reach("started")
    await running.collect()
    await reach("collected")

asyncio.run(run())
"""


def marked(token: str) -> list[int]:
    """The processes that come from the victim: they inherited its mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"{MARK}={token}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def killed_at(engine: str, step: str, folder: Path) -> str:
    """Run the victim up to a step and kill it there; its token."""
    token = f"{os.getpid()}-{engine}-{step}"
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, engine, step, str(folder), str(places.SUPPORT)],
        cwd=places.ROOT,
        env={**os.environ, MARK: token},
        stdout=subprocess.PIPE,
        text=True,
    )
    with victim:
        assert victim.stdout
        assert victim.stdout.readline() == "there\n"
        assert len(marked(token)) > 1, "the test would see nothing"
        victim.send_signal(signal.SIGKILL)
    return token


def wait_for(nothing: object) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (left := nothing()) and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.02)
    assert left == []


def host_state() -> set[str]:
    """The host's links and mounts, without those of Docker, which other tests may be using just now."""
    links = {path.name for path in Path("/sys/class/net").iterdir()}
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    own = re.compile(r"veth[0-9a-f]{7}|br-[0-9a-f]{12}")
    return {link for link in links if not own.fullmatch(link)} | {
        one for one in mounts if "docker" not in one
    }


@pytest.mark.netns
@pytest.mark.parametrize("step", STEPS)
def test_namespaces_die_with_the_lab(step: str, tmp_path: Path) -> None:
    before = host_state()
    token = killed_at("namespace", step, tmp_path)
    wait_for(lambda: marked(token))
    wait_for(lambda: sorted(host_state() - before))


def labelled(folder: Path) -> list[str]:
    """What the engine still has of the leases that were taken for runs in ``folder``."""
    file = folder / "compose.yaml"
    named = re.search(r"^name: (\S+)", file.read_text(), re.MULTILINE) if file.exists() else None
    if named is None:  # killed before it was written, and so before the engine heard of it
        return []
    name = named[1]
    found: list[str] = []
    for kind in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"]):
        listed = ["docker", *kind, "--filter", f"label=com.docker.compose.project={name}"]
        found += subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    return found


@pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2 answers")
@pytest.mark.parametrize("step", STEPS)
def test_containers_are_swept_after_the_lab(step: str, tmp_path: Path) -> None:
    token = killed_at("compose", step, tmp_path)
    wait_for(lambda: marked(token))
    cleanup.collect()  # what was being made while the watch swept is found by the next start
    wait_for(lambda: labelled(tmp_path))


def test_only_free_leases_are_swept() -> None:
    mine = lease.Lease()
    assert not lease.is_free(mine.name)
    assert mine.name not in lease.forget_free()
    mine.release()
    assert lease.is_free(mine.name)
    assert not lease.is_free("")
    assert not lease.is_free("../etc/passwd")


def leases_of(env: dict[str, str], before: str = "") -> str:
    """Where a process of its own keeps its leases, or why it cannot."""
    code = f"""
from localpair_lab.engines.compose import lease
from localpair_lab.errors import LabError
from localpair_lab.fabric.system import namespaces
{before}
try:
    print(lease.folder())
except LabError as error:
    print(f"{{error}} ({{error.hint}})")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_leases_go_by_who_the_user_is_outside_a_user_namespace_of_its_own(tmp_path: Path) -> None:
    if not namespaces.is_among_first_users():
        pytest.skip(
            "these tests have a user namespace already, and a second one shows no further than the first"
        )
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    plain = leases_of(env)
    assert Path(plain).parent == tmp_path
    assert leases_of(env, "namespaces.become_user_of_own(4711)") == plain


def test_leases_have_no_place_that_is_somebody_elses_or_is_not_there(tmp_path: Path) -> None:
    hint = "(set XDG_RUNTIME_DIR to a folder that is yours alone)"
    gone = tmp_path / "gone"
    assert leases_of({"XDG_RUNTIME_DIR": str(gone)}).endswith(
        f"cannot keep leases there: No such file or directory {hint}"
    )
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    place = leases_of(env)
    try:
        os.lchown(place, 4711, 4711)
    except OSError as problem:
        pytest.skip(f"this user may not give a folder away: {problem.strerror}")
    assert leases_of(env) == f"{place}: cannot keep leases there: it belongs to somebody else {hint}"


def test_a_lease_that_nobody_refers_to_is_held_until_the_process_ends() -> None:
    lines = (
        "import gc, sys",
        "from localpair_lab.engines.compose import lease",
        "print(lease.Lease().name, flush=True)",
        "gc.collect()",
    )
    code = "\n".join([*lines, "sys.stdin.read()"])
    argv = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=places.ROOT,
    ) as node_init:
        assert node_init.stdout is not None
        name = node_init.stdout.readline().strip()
        assert not lease.is_free(name)
        said, _ = node_init.communicate()
    assert (said, node_init.returncode) == ("", 0)
    assert lease.is_free(name)
    assert name in lease.forget_free()


@pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2 answers")
def test_the_sweep_spares_what_is_not_ours() -> None:
    client = DockerHost().client
    held = lease.Lease()
    kept = [
        client.volumes.create("localpair-test-foreign"),
        client.volumes.create("localpair-test-held", labels=held.labels()),
        client.volumes.create(
            "localpair-test-elsewhere",
            labels={**held.labels(), lease.LABEL_MACHINE: "another", lease.LABEL_LEASE: "gone"},
        ),
    ]
    dead = client.volumes.create("localpair-test-dead", labels={**held.labels(), lease.LABEL_LEASE: "gone"})
    try:
        assert f"removed volume {dead.name}" in cleanup.collect()
        assert {volume.name for volume in client.volumes.list()} >= {volume.name for volume in kept}
    finally:
        for volume in kept:
            volume.remove(force=True)
        held.release()
