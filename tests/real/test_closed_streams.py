"""Started with a standard stream that is closed, full or read by nobody, as daemons, launchers and pythonw do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import places
from cli_fakes import TYPICAL
from devices import Home
from localpair.keys import DeviceIdentity, Role
from localpair.trust.store import DeviceRecord, TrustStore
from netns import lan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="streams of another kind")  # noqa: PTH110

NEEDED = [
    "host --qr none", "host --json", "join - --json", "discover", "addresses", "diagnose", "devices list",
    "devices rename DEVICE other --json", "--version", "--help", "join --help",
]  # fmt: skip
NOT_NEEDED = [
    "host --qr HOME/offer.png --yes", "join -", "join - --yes", "send DEVICE HOME/a.txt",
    "listen --receive HOME --yes --timeout 0.2", "devices rename DEVICE other", "devices forget DEVICE",
    "diagnose --output HOME/report.json",
]  # fmt: skip


class Run:
    """The command line as a process with redirections; ``>|`` and ``2>|`` lead into a pipe that nobody reads."""

    def __init__(self, home: Path, words: str, redirections: str, unbuffered: str = "") -> None:
        identity = DeviceIdentity.generate()
        store = TrustStore(home)
        store.record_unconfirmed(
            DeviceRecord(identity.device_id, identity.public, b"k" * 32, Role.ISSUER, label="Anna's laptop")
        )
        store.confirm(identity.device_id)
        (home / "a.txt").write_text("hello")
        places_of = {"HOME": str(home), "DEVICE": identity.device_id}
        for name, value in places_of.items():
            words = words.replace(name, value)
        reading, unread = os.pipe()
        os.close(reading)
        streams = {"stdout": ">|" in redirections.split(), "stderr": "2>|" in redirections.split()}
        path = os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)])
        program = [sys.executable, str(places.SUPPORT / "closed_streams.py"), str(home), *words.split()]
        others = " ".join(one for one in redirections.split() if not one.endswith(">|"))
        self.ended = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {others}', "sh", *program],
            input=f"{TYPICAL}\n".encode(),
            env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            **{name: unread if broken else subprocess.PIPE for name, broken in streams.items()},
        )
        os.close(unread)
        did = home / "did"
        self.did = did.read_text() if did.exists() else ""
        self.said = b"".join(filter(None, (self.ended.stdout, self.ended.stderr))).decode()
        assert "Traceback" not in self.said
        assert "Exception ignored" not in self.said


@pytest.mark.parametrize("words", NEEDED)
@pytest.mark.parametrize(
    ("redirection", "code", "why"),
    [
        (">&-", 1, "standard output is closed"),
        (">/dev/full", 1, "standard output cannot be written: No space left on device"),
        (">|", 141, ""),
    ],
)
def test_what_is_of_no_use_without_standard_output_says_so_and_ends(
    tmp_path: Path, words: str, redirection: str, code: int, why: str
) -> None:
    run = Run(tmp_path, words, redirection)
    assert run.ended.returncode == code, run.said
    assert (f"error: {why}" in run.said) if why else not run.said.count("error:")


@pytest.mark.parametrize("words", ["--help", "discover", "devices list"])
def test_an_unbuffered_stream_fails_no_more_quietly(tmp_path: Path, words: str) -> None:
    run = Run(tmp_path, words, ">/dev/full", unbuffered="1")
    assert run.ended.returncode == 1, run.said


@pytest.mark.parametrize("words", NOT_NEEDED)
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", ">|"])
def test_what_needs_no_standard_output_goes_on_without_it(
    tmp_path: Path, words: str, redirection: str
) -> None:
    run = Run(tmp_path, words, redirection)
    assert run.ended.returncode == 0, run.said
    assert "error:" not in run.said
    if words.split()[0] in ("host", "join", "send"):
        assert run.did.endswith("closed"), "it paired"


@pytest.mark.parametrize("words", ["host --json", "discover", "devices list", "--help", *NOT_NEEDED])
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>|"])
def test_nothing_fails_for_want_of_standard_error(tmp_path: Path, words: str, redirection: str) -> None:
    run = Run(tmp_path, words, redirection)
    assert run.ended.returncode == 0, run.said
    if words.split()[0] in ("host", "join", "send") and "--help" not in words:
        assert run.did.endswith("closed"), "it paired"


@pytest.mark.parametrize("words", NOT_NEEDED)
@pytest.mark.parametrize("redirection", [">&- 2>&- <&-", ">/dev/full 2>|"])
def test_what_needs_no_stream_goes_on_without_any(tmp_path: Path, words: str, redirection: str) -> None:
    if "join" in words and "<&-" in redirection:
        redirection = redirection.replace(" <&-", "")  # the offer comes from there
    run = Run(tmp_path, words, redirection)
    assert run.ended.returncode == 0


def test_a_mistake_has_its_exit_code_whatever_the_streams(tmp_path: Path) -> None:
    for redirection in ("2>&-", "2>/dev/full", ">&-", ">&- 2>&-"):
        assert Run(tmp_path, "no-such-command", redirection).ended.returncode == 2


def test_no_file_or_connection_gets_the_number_of_a_missing_stream(tmp_path: Path) -> None:
    """What is written to standard error by whatever library would go into the file then."""
    code = (
        "import os, sys; from localpair.cli.terminal import streams; streams.complete(); "
        "sys.exit(os.open(sys.argv[1], os.O_RDONLY) < 3)"
    )
    place = tmp_path / "key"
    place.write_text("secret")
    for redirections in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        shell = f'exec "$@" {redirections}'
        ended = subprocess.run(
            ["/bin/sh", "-c", shell, "sh", sys.executable, "-c", code, str(place)],
            capture_output=True,
            timeout=60,
        )
        assert ended.returncode == 0, redirections


def test_nobody_is_asked_who_cannot_see_the_question(tmp_path: Path) -> None:
    """A terminal to type at, and standard error closed: giving data away is refused, and not waited for."""
    import pty

    master, slave = pty.openpty()
    path = os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)])
    (tmp_path / "a.txt").write_text("hello")
    words = ["host", "--send", str(tmp_path / "a.txt"), "--qr", "none"]
    program = [sys.executable, str(places.SUPPORT / "closed_streams.py"), str(tmp_path), *words]
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *program],
        stdin=slave,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )
    os.close(slave)
    os.close(master)
    assert ended.returncode == 4


@pytest.mark.netns
@pytest.mark.parametrize("redirections", [">&-", "2>&-", ">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_two_devices_pair_whatever_the_joiners_streams(tmp_path: Path, redirections: str) -> None:
    with lan(2) as net:
        (tmp_path / "a.txt").write_text("hello")
        hosting = Home(net.host(0), tmp_path / "host").host("--send", str(tmp_path / "a.txt"))
        offer = hosting.wait("offer")["offer"]
        got = tmp_path / "got"
        words = [sys.executable, "-m", "localpair", "join", "-", "--yes", "--receive", str(got)]
        joining = net.host(1).popen(
            ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *words],
            stdin=subprocess.PIPE,
            env={"LOCALPAIR_HOME": str(tmp_path / "join")},
            text=True,
        )
        joining.communicate(offer + "\n", timeout=60)
        assert joining.returncode == 0
        assert hosting.end() == 0
        assert (got / "a.txt").read_text() == "hello"
