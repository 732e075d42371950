"""``service``: the files that it writes, as their platforms read them, and the programs that it starts."""

from __future__ import annotations

import os
import plistlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import localpair.cli.commands.service as command
from cli_fakes import Api
from cli_typing import _json
from localpair.choices.rules import Acceptance, DeviceRule
from localpair.cli import main
from localpair.cli.service import rendering
from localpair.cli.service.managers import manager
from localpair.cli.service.rendering import ServicePlan
from localpair.errors import UsageError
from localpair.trust.store import DeviceRecord, TrustStore

if TYPE_CHECKING:
    from collections.abc import Callable

linux = pytest.mark.skipif(sys.platform != "linux", reason="the service of systemd")
INSTALL = ["service", "install", "--", "--receive", "in", "--yes"]
UNIT = "localpair-listen.service"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who is not root, the current folder, and no systemctl but that of a test."""
    folder = tmp_path / "a user"
    (folder / "bin").mkdir(parents=True)
    for name in ("XDG_CONFIG_HOME", "LOCALPAIR_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCALPAIR_CONFIG", "none")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    monkeypatch.setattr(command, "_is_root", lambda: False)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def systemctl(home: Path) -> Callable[[str], Path]:
    """Puts a systemctl in place that does this, and notes how it was called in the file that is returned."""

    def write(body: str) -> Path:
        calls, program = home / "calls", home / "bin" / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(calls))}\n{body}\n')
        program.chmod(0o755)
        return calls

    return write


def _file(home: Path) -> Path:
    return home / ".config" / "systemd" / "user" / UNIT


@linux
def test_install_status_and_remove(
    api: Api, home: Path, systemctl: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = systemctl("exit 0")
    assert main(INSTALL, api) == 0
    assert f"--receive={home}/in" in _file(home).read_text()
    assert calls.read_text().splitlines() == [
        "--user daemon-reload",
        f"--user enable {UNIT}",
        f"--user restart {UNIT}",
    ]
    out, err = capsys.readouterr()
    assert "The service is installed" in out
    assert "enable-linger" in err
    assert main(["service", "status", "--json"], api) == 0
    assert _json(capsys)[0]["state"] == "running"
    systemctl("exit 3")
    assert main(["service", "status"], api) == 0
    assert "The service is not running" in capsys.readouterr().out
    assert main(["service", "remove"], api) == 0
    assert calls.read_text().splitlines()[-1] == f"--user disable --now {UNIT}"
    assert not _file(home).exists()
    assert main(["service", "status"], api) == 0
    assert "The service is not installed" in capsys.readouterr().out
    assert main(["service", "remove"], api) == 2


@linux
def test_a_dry_run_shows_everything_and_does_nothing(
    api: Api, home: Path, systemctl: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = systemctl("exit 0")
    dry = ["service", "install", "--dry-run", "--", "--receive", "in", "--yes"]
    assert main(dry, api) == 0
    out = capsys.readouterr().out
    assert f"Would write {_file(home)}" in out
    assert "ExecStart=" in out
    assert f"systemctl --user enable {UNIT}" in out
    assert main([*dry[:2], "--json", *dry[2:]], api) == 0
    assert _json(capsys)[0]["text"].startswith("[Unit]")
    assert main(["service", "remove", "--dry-run"], api) == 0
    assert not calls.exists()
    assert not _file(home).exists()


@linux
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "systemctl cannot be started: No such file or directory, so nothing here runs a service"),
        (
            "echo 'Failed to connect to bus: No medium found' >&2; exit 1",
            "`systemctl --user daemon-reload` failed: Failed to connect to bus: No medium found",
        ),
    ],
)
def test_where_nothing_runs_services_that_is_told_and_nothing_is_left(
    body: str | None,
    says: str,
    api: Api,
    home: Path,
    systemctl: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    if body is not None:
        systemctl(body)
    assert main(INSTALL, api) == 1
    err = capsys.readouterr().err
    assert f"error: {says}" in err
    assert "docs/service.md" in err
    assert not _file(home).exists()


@linux
def test_root_receives_as_root_only_where_that_was_said(
    api: Api,
    home: Path,
    systemctl: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = systemctl("exit 0")
    monkeypatch.setattr(command, "_is_root", lambda: True)
    assert main(INSTALL, api) == 2
    assert "--allow-root" in capsys.readouterr().err
    assert not calls.exists()
    assert main([*INSTALL[:2], "--allow-root", *INSTALL[2:]], api) == 0
    assert calls.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--yes", "needs to know where to store"),
        ("--receive in", "can ask nobody"),
        ("--receive in --yes --once", "until it is stopped"),
        ("--receive in --yes --timeout 5", "until it is stopped"),
        ("--receive in --yes --prot 5", "unrecognized arguments: --prot"),
        ("--receive in --yes --on-receive no-such-program", "no program no-such-program"),
    ],
)
def test_options_that_no_service_can_have(words: str, says: str, api: Api, home: Path) -> None:
    with pytest.raises(UsageError, match=says):
        command.plan_of(tuple(words.split()), TrustStore(api.home))


def test_a_rule_stands_in_for_a_yes(api: Api, home: Path, paired: DeviceRecord) -> None:
    store = TrustStore(api.home)
    store.set_rule(paired.device_id, DeviceRule(accept=Acceptance.ALWAYS))
    assert command.plan_of(("--receive", "in"), store).words[-1] == f"--receive={home}/in"


def test_what_the_environment_says_of_places_is_kept(
    api: Api, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALPAIR_HOME", "state")
    plan = command.plan_of(("--receive", "in", "--yes"), TrustStore(api.home))
    assert plan.environment == {"LOCALPAIR_HOME": f"{home}/state", "LOCALPAIR_CONFIG": "none"}


# --- the files

WORD = st.text(max_size=20).filter(str.isprintable)


@given(st.lists(WORD, min_size=1), WORD)
def test_a_unit_holds_every_word_as_it_is(words: list[str], place: str) -> None:
    """A shell's quotes are those of systemd; percent and dollar signs that stand twice mean themselves."""
    unit = rendering.systemd_unit(ServicePlan(tuple(words), {"LOCALPAIR_HOME": place}))
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    doubled = [word.replace("%", "%%").replace("$", "$$") for word in words]
    assert shlex.split(lines["ExecStart"]) == doubled
    assert shlex.split(lines["Environment"]) == [f"LOCALPAIR_HOME={place}".replace("%", "%%")]


@given(st.lists(WORD, min_size=1), WORD)
def test_an_agent_holds_every_word_as_it_is(words: list[str], place: str) -> None:
    plan = ServicePlan(tuple(words), {"LOCALPAIR_HOME": place})
    agent = plistlib.loads(rendering.launchd_agent(plan, "/log").encode())
    assert agent["ProgramArguments"] == words
    assert agent["EnvironmentVariables"] == {"LOCALPAIR_HOME": place}


@given(WORD, st.lists(WORD))
def test_a_task_holds_its_program_as_it_is(program: str, words: list[str]) -> None:
    text = rendering.scheduled_task(ServicePlan((program, *words)))
    root = ET.fromstring(text.partition("\n")[2])  # noqa: S314 - our own
    space = {"t": root.tag.partition("}")[0].removeprefix("{")}
    assert (root.findtext(".//t:Command", namespaces=space) or "") == program
    assert bool(root.findtext(".//t:Arguments", namespaces=space)) is bool(words)
    assert root.findtext(".//t:RunLevel", namespaces=space) == "LeastPrivilege"


def test_a_task_is_given_no_environment() -> None:
    with pytest.raises(UsageError, match="LOCALPAIR_HOME"):
        rendering.scheduled_task(ServicePlan(("python",), {"LOCALPAIR_HOME": "x"}))


def test_a_word_cannot_add_a_line_to_a_file() -> None:
    with pytest.raises(UsageError, match="line break"):
        ServicePlan(("python", "--receive=in\nExecStartPre=/bin/rm"))


@pytest.mark.parametrize(
    ("platform", "program", "name"),
    [
        ("linux", "systemctl", UNIT),
        ("darwin", "launchctl", "localpair.listen.plist"),
        ("win32", "schtasks", "localpair-listen.xml"),
    ],
)
def test_each_platform_has_its_own(platform: str, program: str, name: str) -> None:
    found = manager(platform)
    assert {words[0] for words in (*found.start, *found.stop, found.status)} == {program}
    assert found.file.name == name
    text = found.render(ServicePlan((sys.executable, "-m", "localpair", "listen")))
    assert text.encode(found.encoding)
    assert os.fspath(sys.executable) in text
