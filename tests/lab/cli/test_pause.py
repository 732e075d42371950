"""A failed network is left to a person: entered, captured, and taken down by one signal, with the failure told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

import places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S: Final = 120.0
FAILING: Final = """
lab: 1
summary: Alice says hello, and not what is expected of her.
networks: {lan: 192.168.1.0/24}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
matrix: {turn: [one, two]}
actions:
  - {do: run, id: talk, on: alice, command: "echo hello ${turn}"}
expect:
  - {of: talk, stdout: goodbye}
"""
OPTIONS: Final = ("-p", "no:cacheprovider", "--lab-engine=namespace", "--lab-pause=on-fail")

pytestmark = pytest.mark.netns


class PausedSession:
    """``pytest`` with two plays that fail, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "mine.lan.yaml").write_text(FAILING)
        (folder / "pytest.ini").write_text("[pytest]\n")
        self.environment = {**os.environ, "PYTHONPATH": str(places.ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-s", *OPTIONS], cwd=folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def paused(self) -> str:
        """What it says until it waits."""
        assert self.process.stdout is not None
        said = [""]
        while "Ctrl-C takes it down" not in said[-1]:
            said.append(self.process.stdout.readline())
            assert said[-1], "".join(said)
        return "".join(said)

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "localpair_lab", *words], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def ended(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def session(tmp_path: Path) -> Iterator[PausedSession]:
    made = PausedSession(tmp_path)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def test_a_failed_network_is_entered_and_ends_with_its_failure(session: PausedSession) -> None:
    said = session.paused()
    assert "localpair-lab shell alice" in said
    assert "localpair-lab capture alice/eth0 --follow | wireshark -k -i -" in said
    assert "192.168.1.10" in session.lab("shell", "alice", "ip", "-br", "address").stdout
    assert session.lab("capture", "alice/eth0", "-o", "a.pcapng").returncode == 0
    session.process.send_signal(signal.SIGINT)
    code, said = session.ended()
    assert code == 1, said
    assert "wanted" in said
    assert "goodbye" in said
    assert "1 failed" in said, "the second play does not begin"
    assert "no network stands" in session.lab("shell", "alice").stderr


def test_after_down_the_session_goes_on(session: PausedSession) -> None:
    session.paused()
    assert session.lab("down").returncode == 0
    assert "the tests go on" in session.paused(), "the second play failed, too"
    session.lab("down")
    code, said = session.ended()
    assert code == 1
    assert "2 failed" in said


@pytest.mark.parametrize(
    ("options", "missing"), [((), "add -s"), (("-s", "-n", "2"), "leave -n out")], ids=["captured", "spread"]
)
def test_a_pause_that_nobody_would_see_is_refused(
    tmp_path: Path, options: tuple[str, ...], missing: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *options], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(places.ROOT)}, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert missing in done.stderr
