"""Completion in the shells themselves, the manual page, and what a mistyped word was meant to be."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from localpair.cli import main
from localpair.cli.arguments import whole_parser
from localpair.cli.commands.completion import text
from localpair.cli.shell import tree

if TYPE_CHECKING:
    from pathlib import Path

DEVICES = (
    '{"event": "device", "t": 1.0, "device_id": "a-b", "name": "pantry", "label": "x"}\n'
    '{"event": "device", "t": 1.0, "device_id": "c-d", "name": "Anna\'s laptop", "label": ""}\n'
    '{"event": "done", "t": 1.0, "exit_code": 0}\n'
)
CASES = [
    ("se", {"send", "service"}),
    ("devices r", {"rename", "revoke", "rules"}),
    ("host --fl", {"--flow"}),
    ("host --flow p", {"pre", "post"}),
    ("devices rules pantry --acc", {"--accept"}),
    ("devices rules pantry --accept a", {"always", "ask"}),
    ("send pan", {"pantry"}),
    ("devices forget pan", {"pantry"}),
    ("send pantry big", {"bigfile"}),
    ("send --exclude pantry pan", {"pantry"}),
    ("completion z", {"zsh"}),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: with a file to complete, and a localpair that has paired devices."""
    program = tmp_path / "bin" / "localpair"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{DEVICES}END\n")
    program.chmod(0o755)
    (tmp_path / "bigfile").touch()
    for shell in ("bash", "zsh", "fish"):
        (tmp_path / f"completion.{shell}").write_text(text(shell))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(folder: Path) -> None:
    script = (
        ". ./completion.bash\n"
        'for line in "$@"; do read -ra COMP_WORDS <<<"localpair $line"; COMP_CWORD=$((${#COMP_WORDS[@]}-1))\n'
        '_localpair; (IFS="|"; echo "${COMPREPLY[*]}"); done'
    )
    found = _run("bash", "-c", script, "bash", *(line for line, _ in CASES)).splitlines()
    assert [set(line.split("|")) for line in found] == [words for _, words in CASES]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_quotes_the_name_of_a_device(folder: Path) -> None:
    script = '. ./completion.bash; COMP_WORDS=(localpair send Ann) COMP_CWORD=2; _localpair; echo "${COMPREPLY[0]}"'
    assert _run("bash", "-c", script) == "Anna\\'s\\ laptop\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes(folder: Path) -> None:
    script = (
        "source ./completion.fish\n"
        "for line in $argv; complete -C\"localpair $line\" | string replace -r '\\t.*' '' | string join '|'; end; true"
    )
    found = _run("fish", "-c", script, *(line for line, _ in CASES)).splitlines()
    assert [set(line.split("|")) for line in found] == [words for _, words in CASES]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_completes(folder: Path) -> None:
    master, slave = pty.openpty()
    (folder / ".zshrc").write_text(
        "autoload -Uz compinit; compinit -u -D; . ./completion.zsh; PS1='ready> '\n"
    )
    environment = {**os.environ, "TERM": "dumb", "ZDOTDIR": str(folder)}
    with subprocess.Popen(
        ["zsh", "-d", "-i"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as shell:
        try:
            _read_until(master, "ready> ")
            for typed, shown in (
                ("se", "send "),
                ("devices rules pan", "pantry "),
                ("host --flow po", "post "),
            ):
                os.write(master, f"localpair {typed}\t".encode())
                _read_until(master, shown)
                os.write(master, b"\x15")
        finally:
            shell.kill()
    os.close(master)
    os.close(slave)


def _read_until(terminal: int, wanted: str) -> None:
    seen, end = "", time.monotonic() + 60
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} did not come: {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")


def test_everything_that_help_shows_is_completed_and_described() -> None:
    root = tree.read(whole_parser())
    pages = {shell: text(shell) for shell in ("bash", "zsh", "fish", "man")}
    for node in root.walk():
        for option in node.options:
            name = option.names[-1]
            assert name in pages["bash"]
            assert f"{name}[" in pages["zsh"]
            assert f"-l {name[2:]} " in pages["fish"]
            assert name.replace("-", "\\-") in pages["man"]
        if node.path:
            assert f'.SS "localpair {" ".join(node.path)}"' in pages["man"]
    assert "--qr" in pages["bash"].partition('"join") words=')[0]
    assert "--qr" not in pages["bash"].partition('"join") words=')[2].partition("\n")[0], (
        "help hides it there"
    )


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
def test_man_has_nothing_to_say_against_the_page(tmp_path: Path) -> None:
    (tmp_path / "localpair.1").write_text(text("man"))
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(tmp_path / "localpair.1")],
        check=True, capture_output=True, text=True, timeout=60, env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "80"},
    )  # fmt: skip
    assert shown.stderr == ""
    assert "EXIT" in shown.stdout.upper()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("hots", "host"),
        ("host --recieve x", "--receive"),
        ("send kitchen a --exlcude x", "--exclude"),
        ("devices renmae a b", "rename"),
        ("host --flow prr", "pre"),
        ("listen --existing renam", "rename"),
    ],
)
def test_what_a_mistyped_word_was_meant_to_be(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert f"hint: Did you mean `{meant}`? `localpair" in capsys.readouterr().err


def test_nothing_is_guessed_where_nothing_is_close(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("xyzzy", "host --qqqqqq", "host extra"):
        assert main(words.split()) == 2
    assert "Did you mean" not in capsys.readouterr().err
