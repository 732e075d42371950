"""The workers of a session spread over all engines that are given, here two, each in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from localpair_lab.engines.compose import image, lease
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.engines.compose.engine import answers

import places

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 30.0
# A pair has its own time limit and no other: two engines beside the other tests may be slow.
SCENARIO = """
lab: 1
summary: Three cells for the workers to share.
matrix: {host: [10, 11, 12]}
networks: {lan: 192.168.1.0/24}
devices:
  alice: {on: {lan: "192.168.1.${host}"}}
  bob: {on: {lan: 192.168.1.20}}
pair: {host: bob, join: alice}
expect:
  - {of: [host, join], outcome: paired}
"""

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not answers() or not shutil.which("dockerd"),
    reason="takes root, a Docker engine that answers, and dockerd for a second one",
)


def docker(host: str, *words: str) -> str:
    done = subprocess.run(["docker", "-H", host, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextmanager
def further_engine() -> Iterator[str]:
    """The address of an engine that has no way out, and takes none of the first one's bridges or rules."""
    # By this name, tests that compare the machine's mounts know them for an engine's.
    folder = Path(tempfile.mkdtemp(prefix="localpair-docker-"))
    address = f"unix://{folder}/sock"
    options = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    options += ["--bridge=none", "--iptables=false", "--ip-forward=false", "--userland-proxy=false"]
    with (folder / "log").open("w") as log:
        inside = ["setpriv", "--pdeathsig", "TERM", "unshare", "--net"]  # it must not outlive this process
        daemon = subprocess.Popen([*inside, "dockerd", "-H", address, *options], stdout=log, stderr=log)
        try:
            _await(address, daemon)
            yield address
        finally:
            _stop(daemon, folder / "data")
            shutil.rmtree(folder)


def _await(address: str, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    while not answers(address):
        assert daemon.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)  # an engine tells nobody when it is ready


def _stop(daemon: subprocess.Popen[bytes], data: Path) -> None:
    """An engine may wait longer for its containerd than anybody wants to; that one dies with it."""
    daemon.terminate()
    try:
        daemon.wait(READY_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
        subprocess.run(["umount", "--recursive", str(data)], check=False)  # its mount of the folder on itself


def _copy_images(first: DockerHost, second: str) -> None:
    made = image.ensure(first)
    known = docker(first.address, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    bases = [name for name in (image.LOCAL_BASE, image.REGISTRY_BASE) if name in known]
    with subprocess.Popen(
        ["docker", "-H", first.address, "save", made, *bases], stdout=subprocess.PIPE
    ) as saved:
        loaded = subprocess.run(
            ["docker", "-H", second, "load"], stdin=saved.stdout, check=True, capture_output=True
        )
    assert (saved.returncode, loaded.returncode) == (0, 0)


def _created(address: str, since: int) -> int:
    """How many containers of the lab have been made there."""
    filters = ["--filter", "event=create", "--filter", f"label={lease.LABEL}"]
    span = ["--since", str(since), "--until", str(int(time.time()) + 1)]
    return len(docker(address, "events", *span, *filters, "--format", "{{.ID}}").split())


def test_the_workers_spread_over_the_engines(tmp_path: Path) -> None:
    first = DockerHost()
    with further_engine() as second:
        _copy_images(first, second)
        since = int(time.time())
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "--lab-engine=compose",
            f"--lab-artifacts={tmp_path}",
        ]
        command += [f"--lab-docker-host={host}" for host in (first.address, second)]
        for name in ("first.lan.yaml", "second.lan.yaml"):
            (tmp_path / name).write_text(SCENARIO)
            command.append(str(tmp_path / name))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        done = subprocess.run(
            command, cwd=places.ROOT, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
        assert "compose: 6 passed" in done.stdout
        made = [_created(host, since) for host in (first.address, second)]
        assert min(made) >= 3
        assert docker(second, "ps", "-aq") == ""
