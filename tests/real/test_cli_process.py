"""The command line as a process: quick to start, quick to stop, quiet where nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import places
from localpair.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")


class Program:
    """The command line over a fake pairing, in a process of its own."""

    def __init__(self, home: Path, words: list[str], pairing: str, **options: Any) -> None:
        code = (
            "import sys; from cli_fakes import *; "
            f"sys.exit(program({words!r}, **dict({pairing})))"
        )  # fmt: skip
        path = os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDEVMODE": "1"}
        environment.pop("LOCALPAIR_DEBUG", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **options,
        )

    def line(self) -> dict[str, Any]:
        """The next event."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def stop(self, number: int) -> float:
        """Send a signal and wait; seconds until the process had ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - began


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    programs: list[Program] = []

    def run(words: str, pairing: str = "", **options: Any) -> Program:
        programs.append(Program(tmp_path, words.split(), pairing, **options))
        return programs[-1]

    yield run
    for program in programs:
        program.process.kill()
        program.process.communicate()


@posix
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_run_at_once_and_calmly(number: int, code: int, start: Any) -> None:
    program = start("host --json", "hang=True")
    assert program.line()["event"] == "ready"
    assert program.stop(number) < 2
    out, err = program.process.communicate()
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["reason"], last["exit_code"]) == ("failed", "interrupted", code)
    assert program.process.returncode == code
    assert err == "Interrupted.\n"


@posix
def test_a_program_that_hangs_ends_all_the_same(start: Any) -> None:
    program = start("host --json", "stream=(READY,), block_s=30")
    assert program.line()["event"] == "ready"
    assert program.stop(signal.SIGINT) < 5
    out, err = program.process.communicate()
    assert json.loads(out.splitlines()[-1])["reason"] == "interrupted"
    assert program.process.returncode == 130
    assert "Traceback" not in err


@posix
def test_an_interrupt_at_the_prompt_ends_the_run(tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    code = "import sys; from cli_fakes import *; sys.exit(program(['join']))"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)]),
    }
    environment.pop("LOCALPAIR_OFFER", None)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stderr is not None
        said = b""
        while b"Offer: " not in said:
            said += os.read(process.stderr.fileno(), 1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert b"Traceback" not in process.stderr.read()
    os.close(slave)
    os.close(master)


@posix
@pytest.mark.parametrize("words", ["host --json", "host"])
def test_a_reader_that_goes_ends_the_run_quietly(words: str, start: Any) -> None:
    program = start(words, "hang=True, stream=(READY, OFFER, *[PAIRED] * 100_000)")
    program.process.stdout.readline()
    program.process.stdout.close()
    assert program.process.wait(20) == 141
    err = program.process.stderr.read()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "error:" not in err


@posix
def test_a_reader_that_is_gone_at_the_end_is_no_error_message(start: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from cli_fakes import *; sys.exit(program(['host', '--json']))"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)]),
    }
    ended = subprocess.run(
        [sys.executable, "-c", code, "home"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment,
        timeout=20,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_terminal_that_knows_few_characters_gets_escapes(tmp_path: Path) -> None:
    code = (
        "import sys; from cli_fakes import *; "
        "paired = replace(PAIRED, peer=events.Peer('id', 'B\xfcro')); "
        "sys.exit(program(['host', '--qr', 'terminal'], stream=(OFFER, paired)))"
    )
    path = os.pathsep.join([str(places.SUPPORT), *filter(None, sys.path)])
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "ascii"},
        timeout=20,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"Paired with B\\xfcro" in ended.stdout
    assert b"cannot draw the code" in ended.stderr


def _modules(*words: str) -> set[str]:
    """The modules that a run imports."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "localpair", *words],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert ended.returncode == 0, ended.stderr
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["host", "--help"]])
def test_what_answers_at_once_imports_nothing_heavy(words: list[str]) -> None:
    heavy = {
        "asyncio",
        "ssl",
        "socket",
        "cryptography",
        "rich",
        "segno",
        "netaddr",
        "psutil",
        "ifaddr",
        "logging",
    }
    imported = _modules(*words)
    assert "localpair.cli" in imported
    assert imported & heavy == set()


def test_python_dash_m_and_the_script_say_the_same_version() -> None:
    from localpair import __version__

    ended = subprocess.run(
        [sys.executable, "-m", "localpair", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"localpair {__version__}\n", "")


def test_an_interrupt_while_importing_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("localpair.cli._parsed", interrupted)
    assert main(["host"]) == 130
