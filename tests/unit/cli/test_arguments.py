"""The command line is an interface that scripts rely on: its words, its defaults, its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_fakes import TYPICAL
from localpair.choices.rules import Acceptance
from localpair.choices.selection import Links, Selection
from localpair.choices.terms import Existing, Terms
from localpair.cli import main
from localpair.cli.arguments import COMMANDS, parse
from localpair.cli.command import Command
from localpair.cli.options.addresses import Addresses
from localpair.cli.options.devices import Devices, RuleOptions
from localpair.cli.options.diagnose import Diagnose
from localpair.cli.options.discover import Discover
from localpair.cli.options.host import Host
from localpair.cli.options.join import Join
from localpair.cli.options.listen import Listen
from localpair.cli.options.pairing import PairOptions
from localpair.cli.options.send import Send
from localpair.errors import UsageError

_ALL = "--flow post --offer-addresses none --name Kitchen --port 4000 --timeout 2.5 --send a --send b --receive d"
_ALL_OPTIONS = PairOptions(
    flow="post",
    offer_addresses="none",
    name="Kitchen",
    port=4000,
    timeout=2.5,
    send=(Path("a"), Path("b")),
    receive=Path("d"),
    qr="offer.svg",
    yes=True,
)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("host", Host(PairOptions())),
        (f"host {_ALL} --qr offer.svg --yes --json", Host(_ALL_OPTIONS, json=True)),
        ("host --qr none", Host(PairOptions(qr="none"))),
        ("host --qr terminal", Host(PairOptions(qr="terminal"))),
        ("join", Join(PairOptions())),
        (f"join {_ALL} --qr offer.svg --yes --json", Join(_ALL_OPTIONS, json=True)),
        ("join - --json", Join(PairOptions(), stdin=True, json=True)),
        ("join --json -", Join(PairOptions(), stdin=True, json=True)),
        ("join --image p.png --flow post", Join(PairOptions(flow="post"), image=Path("p.png"))),
        ("discover", Discover(6.5)),
        ("discover --timeout 1 --json", Discover(1.0, json=True)),
        ("addresses", Addresses(5.0)),
        ("addresses --timeout 9 --json", Addresses(9.0, json=True)),
        ("diagnose", Diagnose(45.0)),
        ("diagnose --output r.json --timeout 9 --json", Diagnose(9.0, Path("r.json"), json=True)),
        ("devices", Devices()),
        ("devices --json", Devices(json=True)),
        ("devices list", Devices()),
        ("devices list --json", Devices(json=True)),
        ("devices --json list", Devices(json=True)),
        ("devices rename 3f2a Kitchen", Devices("rename", "3f2a", "Kitchen")),
        ("devices forget 3f2a --json", Devices("forget", "3f2a", json=True)),
        ("devices revoke 3f2a", Devices("revoke", "3f2a")),
        ("devices rules 3f2a --json", Devices("rules", "3f2a", json=True)),
        (
            "devices rules 3f2a --accept always --receive d --max-size 2G --reset",
            Devices(
                "rules", "3f2a", rule=RuleOptions(Acceptance.ALWAYS, Path("d"), 2_000_000_000, reset=True)
            ),
        ),
        ("send kitchen a b", Send(("kitchen",), (Path("a"), Path("b")), 20.0)),
        (
            "send kitchen a --timeout 3 --port 4000 --json",
            Send(("kitchen",), (Path("a"),), 3.0, 4000, json=True),
        ),
        (
            "send kitchen a --exclude *.o --exclude cache/ --links follow",
            Send(("kitchen",), (Path("a"),), 20.0, selection=Selection(("*.o", "cache/"), Links.FOLLOW)),
        ),
        ("send kitchen a --dry-run", Send(("kitchen",), (Path("a"),), 20.0, dry_run=True)),
        ("host --send a --exclude b", Host(PairOptions(send=(Path("a"),), selection=Selection(("b",))))),
        ("listen", Listen(Path())),
        ("listen --allow-hidden", Listen(Path(), terms=Terms(allow_hidden=True))),
        ("listen --limit-rate 2M", Listen(Path(), limit_rate=2_000_000)),
        ("join --limit-rate 1.5MiB", Join(PairOptions(limit_rate=3 << 19))),
        ("send kitchen a --limit-rate 0", Send(("kitchen",), (Path("a"),), 20.0)),
        ("host --modes", Host(PairOptions(terms=Terms(modes=True)))),
        ("listen --max-files 3", Listen(Path(), terms=Terms(files=3))),
        ("listen --existing skip", Listen(Path(), terms=Terms(existing=Existing.SKIP))),
        ("host --existing ask", Host(PairOptions(terms=Terms(existing=Existing.ASK)))),
        ("join --existing rename", Join(PairOptions())),
        ("host --max-size 500M", Host(PairOptions(terms=Terms(size=500_000_000)))),
        ("join --max-size 1.5GiB --max-depth 2", Join(PairOptions(terms=Terms(size=3 << 29, depth=2)))),
        (
            "listen --receive d --once --timeout 3 --port 4000 --json",
            Listen(Path("d"), 3.0, once=True, port=4000, json=True),
        ),
    ],
)
def test_words_become_a_command(words: str, command: Command) -> None:
    assert parse(words.split()) == command
    assert parse(words.split()).json is ("--json" in words)


def test_a_folder_without_a_name_is_none() -> None:
    with pytest.raises(UsageError, match="--receive: no folder is named"):
        parse(["devices", "rules", "kitchen", "--receive", ""])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "required"),
        ("frob", "invalid choice"),
        ("host --frob", "unrecognized"),
        ("host --timeou 3", "unrecognized"),  # an abbreviation may mean something else tomorrow
        ("host --flow both", "invalid choice"),
        ("host --offer-addresses some", "invalid choice"),
        ("host --port 80", "no port from 1024"),
        ("host --port x", "invalid port"),
        ("host --port 65536", "no port from 1024"),
        ("host --max-files 0", "no number above 0"),
        ("host --max-files many", "invalid number"),
        ("host --max-depth 65", "no number from 1 to 64"),
        ("host --max-size big", "no size"),
        ("host --max-size -1", "no size"),
        ("host --limit-rate fast", "no size"),
        ("send kitchen a --limit-rate 500", "500 bytes a second; at least 16K"),
        ("host --timeout 0", "no time in seconds"),
        ("host --timeout nan", "no time in seconds"),
        ("host --timeout inf", "no time in seconds"),
        ("host --timeout x", "invalid time in seconds"),
        ("host --qr offer.pdf", "neither terminal nor none"),
        ("host --qr", "expected one argument"),
        ("host extra", "unrecognized"),
        ("join offer", "no argument but a hyphen"),
        ("join - -", "unrecognized"),
        ("send kitchen", "PATH"),
        ("send kitchen a --exclude /", "no pattern"),
        ("send kitchen a --links copy", "invalid choice"),
        ("send", "DEVICE"),
        ("devices rename kitchen", "NAME"),
        ("devices forget", "DEVICE"),
        ("devices rules", "DEVICE"),
        ("devices rules kitchen --accept sometimes", "invalid choice: 'sometimes'"),
        ("devices rules kitchen --max-size big", "no size"),
        ("devices rules kitchen --max-files 3", "unrecognized"),
        (f"host --name {'x' * 65}", "more than 64 bytes"),
    ],
)
def test_wrong_usage_says_what_and_where_help_is(words: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse(words.split())
    assert caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        ["join", TYPICAL],
        ["join", TYPICAL.lower()],
        ["join", f"offer: {TYPICAL}"],
        ["join", TYPICAL[:40], TYPICAL[40:]],
        ["join", "--offer", TYPICAL],
        ["join", f"--offer={TYPICAL}"],
        ["host", TYPICAL],
        ["frob", TYPICAL],
        ["join", "--json", TYPICAL],
    ],
)
def test_an_offer_on_the_command_line_is_refused_and_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert "does not belong on the command line" in said.err
    assert "hint: " in said.err
    assert TYPICAL[3:20].lower() not in (said.out + said.err).lower()


@given(st.lists(st.text(max_size=12) | st.sampled_from(["host", "join", "--json", "-", "--qr", "--send"])))
def test_any_words_are_a_command_or_one_error(words: list[str]) -> None:
    try:
        assert parse([word for word in words if not word.startswith(("-h", "--h", "--v"))])
    except UsageError:
        pass


def test_help_names_every_option_of_the_interface(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "--help"]) == 0
    host = capsys.readouterr().out
    options = (
        "--flow --offer-addresses --name --port --timeout --send --receive --max-files --max-size --max-depth"
    )
    options += " --allow-hidden --qr --yes --json"
    assert all(option in host for option in options.split())
    assert "examples:" in host
    assert main(["--help"]) == 0
    commands = capsys.readouterr().out
    names = "host join discover addresses diagnose devices send listen"
    assert all(f"    {name}" in commands for name in names.split())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_fits_a_narrow_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        parse([*command.split(), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert [line for line in lines if len(line) > 80] == []
