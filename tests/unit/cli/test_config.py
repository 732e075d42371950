"""The configuration file: what it adds to a command, and which word counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localpair.choices.terms import Existing
from localpair.cli import main
from localpair.cli.arguments import parse
from localpair.cli.options.host import Host
from localpair.cli.options.listen import Listen
from localpair.cli.options.send import Send
from localpair.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli_fakes import Api


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_text(text)
        monkeypatch.setenv("LOCALPAIR_CONFIG", str(file))
        return file

    return write


def test_the_command_line_counts_before_its_table_and_that_one_before_all(
    configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    configured(
        '[all]\nport = 4000\ntimeout = 7\nonce = true\n[listen]\nport = 5000\nreceive = "~/in"\nexisting = "skip"\n'
        '[send]\nexclude = [".git", "*.o"]\n'
    )
    listen = parse(["listen"])
    assert isinstance(listen, Listen)
    assert (listen.port, listen.timeout, listen.once, listen.receive) == (5000, 7.0, True, tmp_path / "in")
    assert listen.terms.existing is Existing.SKIP
    typed = parse(["listen", "--port", "6000", "--existing", "rename"])
    assert isinstance(typed, Listen)
    assert (typed.port, typed.terms.existing) == (6000, Existing.RENAME)
    send = parse(["send", "kitchen", "a", "--exclude", "b"])
    assert isinstance(send, Send)
    assert (send.port, send.selection.exclude) == (4000, (".git", "*.o", "b"))
    host = parse(["host"])
    assert isinstance(host, Host)
    assert host.options.port == 4000
    assert parse(["devices", "forget", "kitchen"]).json is False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[lisen]\n", r"no table \[lisen\]"),
        ("port = 5\n", r"no table \[port\]"),
        ("[listen]\nflow = 'pre'\n", r"\[listen\] has no option flow"),
        ("[all]\nfloww = 'pre'\n", r"\[all\] has no option floww"),
        ("[devices]\njson = true\n", r"no table \[devices\]"),
        ("[listen]\nyes = 'no'\n", "yes is true or false"),
        ("[listen]\nport = true\n", "port is a text"),
        ("[listen]\nport = 80\n", "config.toml: argument --port: '80' is no port"),
        ("[listen]\nexisting = 'x'\n", "config.toml: argument --existing: invalid choice"),
        ("[listen\n", "is no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(
    text: str, says: str, configured: Callable[[str], Path]
) -> None:
    configured(text)
    with pytest.raises(UsageError, match=says) as caught:
        parse(["listen"])
    assert "config.toml" in caught.value.message
    with pytest.raises(SystemExit):
        parse(["listen", "--help"])


def test_a_file_that_was_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCALPAIR_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match=r"there is no .*none\.toml"):
        parse(["listen"])
    monkeypatch.delenv("LOCALPAIR_CONFIG")
    monkeypatch.setenv("LOCALPAIR_HOME", str(tmp_path))
    assert parse(["discover"]).json is False
    (tmp_path / "config.toml").write_text("[discover]\njson = true\n")
    assert parse(["discover"]).json is True
    monkeypatch.setenv("LOCALPAIR_CONFIG", "none")
    assert parse(["discover"]).json is False


def test_what_the_file_adds_is_shown(
    api: Api, configured: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = configured('[listen]\nreceive = "/tmp/a b"\nyes = true\n')
    assert main(["config"], api) == 0
    assert capsys.readouterr().out == f"{file}\nlocalpair listen '--receive=/tmp/a b' --yes\n"


def test_a_switch_is_taken_back_on_the_command_line_and_in_the_commands_own_table(
    configured: Callable[[str], Path],
) -> None:
    configured("[all]\nyes = true\nonce = true\n[listen]\nonce = false\n")
    listen = parse(["listen"])
    assert isinstance(listen, Listen)
    assert (listen.yes, listen.once) == (True, False)
    asking = parse(["listen", "--no-yes", "--existing", "ask", "--once"])
    assert isinstance(asking, Listen)
    assert (asking.yes, asking.once) == (False, True)
    host = parse(["host", "--no-yes"])
    assert isinstance(host, Host)
    assert not host.options.yes


@pytest.mark.parametrize("words", ["listen --no-port", "listen --no-such", "devices --no-json", "--no-json"])
def test_only_a_switch_of_the_command_can_be_taken_back(words: str) -> None:
    with pytest.raises(UsageError):
        parse(words.split())


def test_a_file_may_be_called_like_a_switch_that_is_taken_back() -> None:
    send = parse(["send", "kitchen", "--no-dry-run", "--", "--no-json"])
    assert isinstance(send, Send)
    assert send.paths == (Path("--no-json"),)
