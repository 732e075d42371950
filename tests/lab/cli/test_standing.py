"""A network that stands: its devices can be entered, its captures read, and both are there on either engine."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from localpair_lab.engines.compose.engine import answers
from localpair_lab.fabric.traffic.pcapng import packets

import places

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB: Final = (sys.executable, "-m", "localpair_lab")
PATIENCE_S: Final = 60.0
ENGINES: Final = (
    pytest.param("namespace", marks=pytest.mark.netns),
    pytest.param("compose", marks=pytest.mark.skipif(not answers(), reason="no Docker engine answers")),
)


class Stand:
    """``lab up`` in a folder of its own, by a person whose home must stay as it was."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        own = {
            "HOME": str(self.home),
            "LOCALPAIR_HOME": str(self.home / "keys"),
            "PYTHONPATH": str(places.ROOT),
        }
        self.environment = {**os.environ, **own}
        words = [*LAB, "up", "flow/flat", "--engine", engine]
        self.up = subprocess.Popen(
            words,
            cwd=folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def stands(self) -> None:
        """Wait until it says that it does."""
        assert self.up.stderr is not None
        said = [""]
        while "lab shell bob" not in said[-1]:
            said.append(self.up.stderr.readline())
            assert said[-1], "".join(said)

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LAB, *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def said(self, *words: str) -> str:
        done = self.lab(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def frames(self) -> int:
        """How many frames the capture of alice's port has, as a person gets it."""
        self.said("capture", "alice/eth0", "-o", "a.pcapng")
        return self.frames_of("a.pcapng")

    def frames_of(self, name: str) -> int:
        return len(list(packets((self.folder / name).read_bytes())))

    def end(self) -> None:
        self.up.terminate()
        self.up.communicate(timeout=PATIENCE_S)


@pytest.fixture(params=ENGINES)
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    standing = Stand(tmp_path, request.param)
    try:
        standing.stands()
        yield standing
    finally:
        standing.end()


def test_a_standing_network_is_entered_and_captured(stand: Stand) -> None:
    assert stand.said("shell", "alice", "localpair", "--version").startswith("localpair ")
    homes = stand.said("shell", "alice", "sh", "-c", "echo $HOME $LOCALPAIR_HOME").split()
    assert homes == ["/run/home", "/run/state/home"]
    code = stand.lab("shell", "alice", "localpair", "host", "--timeout", "1", "--json").returncode
    assert code == 3, "it hosts, and nobody comes"
    assert "device.key" in stand.said("shell", "alice", "ls", "/run/state/home")
    assert "home" not in stand.said("shell", "bob", "ls", "/run/state").split(), "bob has keys of his own"
    assert list(stand.home.iterdir()) == [], "the person's own keys are not used"

    listed = stand.said("capture").split()
    assert [Path(path).name for path in listed] == ["alice.eth0.pcapng", "bob.eth0.pcapng"]
    deadline = time.monotonic() + PATIENCE_S
    while (while_standing := stand.frames()) == 0:
        assert time.monotonic() < deadline, "what was sent is not in the capture"
    assert "there is no capture of 'carol/eth0'" in stand.lab("capture", "carol/eth0").stderr

    assert "lab/artifacts/up/captures" in stand.lab("down").stderr
    kept = stand.folder / "lab/artifacts/up/captures/alice.eth0.pcapng"
    assert len(list(packets(kept.read_bytes()))) >= while_standing


def test_a_capture_is_followed_until_its_reader_has_gone(stand: Stand) -> None:
    following = subprocess.Popen(
        [*LAB, "capture", "alice/eth0", "--follow"], cwd=stand.folder, env=stand.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert following.stdout is not None
    try:
        came = b""
        stand.lab("shell", "alice", "localpair", "host", "--timeout", "1", "--json")
        while not list(packets(came)):
            more = os.read(following.stdout.fileno(), 1 << 16)
            assert more, "it ended before the first packet"
            came += more
        following.stdout.close()
        assert following.wait(PATIENCE_S) == 0
    finally:
        following.kill()
        following.wait()


def test_following_ends_with_the_network(stand: Stand) -> None:
    stand.lab("shell", "alice", "localpair", "host", "--timeout", "1", "--json")
    words = [*LAB, "capture", "alice/eth0", "--follow", "-o", "a.pcapng"]
    following = subprocess.Popen(words, cwd=stand.folder, env=stand.environment, stdin=subprocess.DEVNULL)
    try:
        while not (stand.folder / "a.pcapng").exists() or stand.frames_of("a.pcapng") == 0:
            assert following.poll() is None
        stand.said("down")
        assert following.wait(PATIENCE_S) == 0
    finally:
        following.kill()
        following.wait()
    assert "no network stands" in stand.lab("capture", "alice/eth0", "--follow").stderr


def test_packets_are_not_written_to_a_terminal(stand: Stand) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*LAB, "capture", "alice/eth0", "--follow"], cwd=stand.folder, env=stand.environment, stdin=theirs,
            stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 3
    assert "hint: localpair-lab capture alice/eth0 --follow | wireshark" in done.stderr


@pytest.mark.parametrize("stand", ENGINES[1:], indirect=True)
def test_a_container_has_the_tools_that_people_reach_for(stand: Stand) -> None:
    tools = ("ip", "ping", "tcpdump", "curl", "nc")
    asked = f"for tool in {' '.join(tools)}; do command -v $tool; done"
    assert len(stand.said("shell", "alice", "sh", "-c", asked).split()) == len(tools)
    assert " 0% packet loss" in stand.said("shell", "alice", "ping", "-c", "1", "192.168.1.20")


def test_a_shell_has_a_terminal_where_the_person_has_one(stand: Stand) -> None:
    assert stand.lab("shell", "alice", "tty").stdout.strip() == "not a tty"
    ours, theirs = pty.openpty()
    try:
        words = [*LAB, "shell", "alice", "tty"]
        done = subprocess.run(
            words, cwd=stand.folder, env=stand.environment, stdin=theirs, stdout=theirs, stderr=theirs,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        shown = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, shown
    assert "/dev/" in shown
