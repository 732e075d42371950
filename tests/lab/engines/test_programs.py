"""A program of the author's own on both engines: it is found, given its files, heard, and confined like localpair."""

from __future__ import annotations

import asyncio
import json
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from localpair_lab.engines.compose import device_image, image
from localpair_lab.engines.compose.docker_host import DockerHost
from localpair_lab.engines.compose.engine import answers
from localpair_lab.engines.registry import make_engine
from localpair_lab.judge.verdict import Outcome, Verdict
from localpair_lab.loading.cases import planned
from localpair_lab.run.runner import RunOptions, run_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINES = [
    pytest.param("namespace", marks=pytest.mark.netns),
    pytest.param(
        "compose", marks=pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2")
    ),
]
FIND = """\
#!/usr/bin/env python3
import socket, sys, time
group, port, me = socket.inet_aton("239.77.1.2"), 5077, socket.inet_aton(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    if sys.argv[1] == "listen":
        one.bind(("", port))
        one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + me)
        one.settimeout(float(sys.argv[3]))
        try:
            data, (address, _) = one.recvfrom(99)
        except (TimeoutError, KeyboardInterrupt):
            sys.exit("nobody was heard")
        print(f"heard {data.decode()} from {address}")
        open("heard", "wb").write(data)
    else:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, me)
        for _ in range(3):
            one.sendto(b"hello", ("239.77.1.2", port))
            time.sleep(0.1)
"""
SCENE = """\
lab: 1
summary: A discovery of somebody's own.
networks: {lan: 192.168.1.0/24}
devices:
  alice: {on: {lan: 192.168.1.10}}
  bob: {on: {lan: 192.168.1.20}}
actions:
  - do: run
    id: listen
    on: alice
    command: ["@state/find.py", listen, 192.168.1.10, "20"]
    files: find.py
    ready: {port: 5077, protocol: udp}
  - {do: run, id: shout, on: bob, at: listen.ready, command: python3 find.py shout 192.168.1.20, files: find.py}
expect:
  - of: listen
    exit: 0
    stdout: "heard hello from 192.168.1.20"
    file: {path: heard, sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824}
    heard: {protocol: udp, port: 5077, cast: multicast, source: 192.168.1.20, times: {least: 1, most: 3}}
  - {of: shout, exit: 0, file: {path: find.py, same_as: alice/find.py}, not_heard: {protocol: udp}}
"""


def played(text: str, engine: str, folder: Path) -> Outcome:
    (folder / "find.py").write_text(FIND)
    file = folder / "mine.lan.yaml"
    file.write_text(text)
    cell = planned(file)[0]
    return asyncio.run(run_cell(cell, make_engine(engine), folder / "artifacts", RunOptions(keep=True)))


def told(outcome: Outcome) -> str:
    return "\n".join(str(failure) for failure in outcome.failures) + outcome.reason


@pytest.mark.parametrize("engine", ENGINES)
def test_a_discovery_of_ones_own_is_played(engine: str, tmp_path: Path) -> None:
    outcome = played(SCENE, engine, tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


@pytest.mark.parametrize("engine", ENGINES)
def test_where_multicast_is_dropped_it_fails_and_says_why(engine: str, tmp_path: Path) -> None:
    text = SCENE.replace("{lan: 192.168.1.0/24}", "{lan: {ip: 192.168.1.0/24, multicast: drop}}")
    # It listens until all has been sent, however long that takes.
    text = text.replace("    ready:", "    stop: {at: shout.ended}\n    ready:")
    outcome = played(text, engine, tmp_path)
    assert outcome.verdict is Verdict.FAILED
    assert [failure.where for failure in outcome.failures] == [
        ("expect", 0, "exit"),
        ("expect", 0, "stdout", 0),
        ("expect", 0, "file", 0),
        ("expect", 0, "heard", 0),
    ]
    assert "nobody was heard" in outcome.failures[0].evidence[-1]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stopped_program_and_one_that_is_not_there(engine: str, tmp_path: Path) -> None:
    text = SCENE[: SCENE.index("actions:")] + textwrap.dedent("""\
        actions:
          - {do: run, id: stay, on: alice, command: sleep 30, stop: {at: 300ms, by: kill}}
          - {do: run, id: gone, on: bob, command: no-such-program}
        expect:
          - {of: gone, exit: 127, stderr: cannot start no-such-program}
          - {of: stay, within: 10s}
        """)
    outcome = played(text, engine, tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_that_leaves_others_behind_has_ended_all_the_same(engine: str, tmp_path: Path) -> None:
    text = SCENE[: SCENE.index("actions:")] + (
        "actions: [{do: run, on: alice, command: [sh, -c, 'sleep 60 & echo x']}]\n"
        "expect: [{of: run, stdout: x, exit: 0, within: 30s}]\n"
    )
    outcome = played(text, engine, tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


NEEDS = (
    SCENE[: SCENE.index("actions:")]
    + """\
actions: [{do: run, on: alice, command: [stranger-than, fiction]}]
expect: [{of: run, exit: 0, stdout: fiction}]
"""
)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("package", "mend"),
    [
        ("stranger-utils", "stranger-utils"),
        ("pip:stranger", "-m pip install stranger"),
        ("npm:@a/b", "npm install"),
    ],
)
def test_a_program_that_is_missing_is_named_with_what_installs_it(
    engine: str, package: str, mend: str, tmp_path: Path
) -> None:
    needed = f"{{name: stranger-than, package: '{package}'}}"
    text = NEEDS.replace("lan: 192.168.1.10}", f"lan: 192.168.1.10}}, programs: [python3, {needed}]")
    outcome = played(text, engine, tmp_path)
    assert outcome.verdict is Verdict.UNSUPPORTED
    if engine == "namespace":
        assert outcome.reason == "programs: stranger-than is not on a device's path"
        assert mend in outcome.hint
    else:
        assert outcome.reason == "programs: stranger-than is not in the lab's own image"
        assert outcome.hint == "give the device an `image` that has it"


@pytest.fixture
def own_image(tmp_path: Path) -> Iterator[str]:
    """An image of somebody's own: with a program, without the lab, with an entry point that gets in the way."""
    host = DockerHost()
    name = "localpair-lab-test-of-programs:latest"
    program = "#!/bin/sh\\necho $1"
    recipe = (
        f"FROM {image.ensure(host)}\n"
        f"RUN printf '{program}\\n' > /usr/local/bin/stranger-than && chmod 755 /usr/local/bin/stranger-than\n"
        "RUN rm -r /opt/lab /opt/localpair\n"
        'USER 1000\nENTRYPOINT ["false"]\n'
    )
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").write_text(recipe)
    command = ["docker", "build", "--quiet", "--network", "none", "--tag", name, str(tmp_path / "image")]
    subprocess.run(command, check=True, env=host.environment(), capture_output=True)
    yield name
    for one in host.client.images.list(name=device_image.NAME):
        if "/usr/local/bin/stranger-than" in str(one.history()):
            host.client.images.remove(one.id, force=True)
    host.client.images.remove(name)


@pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2")
def test_a_device_in_containers_has_the_image_that_it_names(own_image: str, tmp_path: Path) -> None:
    device = f"lan: 192.168.1.10}}, image: '{own_image}', programs: stranger-than"
    text = NEEDS.replace("lan: 192.168.1.10}", device)
    outcome = played(text, "compose", tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome)


@pytest.mark.skipif(not answers(), reason="no Docker engine with Compose v2")
def test_an_image_that_is_not_there_is_never_fetched(tmp_path: Path) -> None:
    text = NEEDS.replace("lan: 192.168.1.10}", "lan: 192.168.1.10}, image: 'localpair-lab-nowhere:1'")
    outcome = played(text, "compose", tmp_path)
    assert outcome.verdict is Verdict.UNSUPPORTED
    assert outcome.reason == "programs: there is no image localpair-lab-nowhere:1 here"


# What a stranger's file could try: what is printed as OUT is a way out.
ATTACK = """\
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def out(name, way):
    try:
        if way() is not False:
            print("OUT", name)
    except OSError:
        pass
def made(call):
    return lambda: call() == 0
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
out("rights", lambda: int(status["CapEff"], 16) != 0 or int(status["CapPrm"], 16) != 0)
out("new rights", lambda: status["NoNewPrivs"].strip() != "1" and int(status["CapBnd"], 16) != 0)
out("raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
out("mount", made(lambda: libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)))
out("user namespace", made(lambda: libc.unshare(0x10000000)))
out("setting", lambda: os.open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY))
out("fabric", lambda: [socket.socket(socket.AF_UNIX).connect(path) for path in ("/run/fabric.sock",)])
out("scenario", lambda: os.stat(SCENARIO))
print("TRIED")
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_gets_no_further_than_localpair_would(engine: str, tmp_path: Path) -> None:
    attack = ATTACK.replace("SCENARIO", repr(str(tmp_path / "mine.lan.yaml")))
    files = f"{{name: attack.py, text: {json.dumps(attack)}}}"
    text = SCENE[: SCENE.index("actions:")] + (
        f"actions: [{{do: run, on: alice, command: [python3, attack.py], files: {files}}}]\n"
        "expect: [{of: run, stdout: TRIED, not_stdout: OUT, exit: 0}]\n"
    )
    outcome = played(text, engine, tmp_path)
    assert outcome.verdict is Verdict.PASSED, told(outcome) + (tmp_path / "artifacts" / "run.log").read_text()
