"""The variables of a stranger's scenario file: none of them is a command to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.loading.problems import ScenarioError

if TYPE_CHECKING:
    from conftest import CellOf

COMMANDS = (
    "PYTHONWARNINGS", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONINSPECT", "BROWSER",
    "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "MALLOC_TRACE",
    "OPENSSL_CONF", "OPENSSL_MODULES", "SSLKEYLOGFILE", "PATH", "HOME", "TMPDIR", "ENV", "BASH_ENV", "IFS", "PAGER",
    "EDITOR", "TERMINFO", "XDG_DATA_HOME", "FAKETIME", "DOCKER_HOST", "LOCALPAIR_OFFER", "LOCALPAIR_LAB_PROJECT",
    "LOCALPAIR_LAB_START", "LOCALPAIR_LAB_HOSTS", "HTTP_PROXY=x", "", " TERM",
)  # fmt: skip
"""Variables that some program takes for a command, a library, a file to write or an order of the lab."""

DEVICE = """
networks: {{lan: 192.168.1.0/24}}
devices: {{alice: {{on: {{lan: 192.168.1.10}}, environment: {{{0}}}}}}}
actions: [{{do: devices, on: alice, environment: {{{1}}}}}]
expect: [{{of: devices, exit: 0}}]
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_no_variable_of_a_file_is_a_command(name: str, cell_of: CellOf) -> None:
    for device, action in ((f'"{name}": x', "TERM: dumb"), ("TERM: dumb", f'"{name}": x')):
        with pytest.raises(ScenarioError, match="is no variable that a scenario may set"):
            cell_of(DEVICE.format(device, action))


@pytest.mark.parametrize(
    "line",
    [
        "LOCALPAIR_HOME: /etc", 'LOCALPAIR_HOME: "@state"', 'LOCALPAIR_HOME: "@state/../../etc"',
        'LOCALPAIR_HOME: "@state/a//b"', "LOCALPAIR_HOME: ~/x", "LANG: /run/state/x", "TERM: ../x",
        'HTTPS_PROXY: "a\\0b"', 'HTTPS_PROXY: "\\e]52;c;eA==\\a"', 'COLUMNS: "80;x"',
    ],
)  # fmt: skip
def test_no_value_of_a_file_leads_elsewhere(line: str, cell_of: CellOf) -> None:
    with pytest.raises(ScenarioError, match="is no value for"):
        cell_of(DEVICE.format(line, "TERM: dumb"))


def test_what_machines_really_have_may_be_set(cell_of: CellOf) -> None:
    plan = cell_of(
        DEVICE.format('https_proxy: "http://192.168.1.9:8080"', 'LOCALPAIR_HOME: "@state/other/x"')
    ).plan
    assert plan.node("alice").environment == (("https_proxy", "http://192.168.1.9:8080"),)
    assert dict(plan.actions[0].environment)["LOCALPAIR_HOME"] == "@state/other/x"
