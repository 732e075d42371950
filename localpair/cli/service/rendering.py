"""The files that make a platform run ``localpair listen`` at each login, as text."""

from __future__ import annotations

import plistlib
import subprocess
from dataclasses import field
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from localpair.dataclass import dataclass
from localpair.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME: Final = "localpair-listen"
LABEL: Final = "localpair.listen"
_SUMMARY: Final = "localpair: receives what paired devices send"
_RESTART_S: Final = 30
_INTERRUPTED: Final = 143  # how a run ends that SIGTERM ends


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is to run. ``words``: the program and its arguments; ``environment``: what it needs beside the usual."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word in (*self.words, *self.environment.values()):
            if any(ord(character) < ord(" ") for character in word):
                raise UsageError(
                    "a service cannot be given a word with a line break or another control character",
                    hint="Rename the folder.",
                )


def systemd_unit(plan: ServicePlan) -> str:
    """A user unit of systemd."""
    environment = [
        f"Environment={_unit_word(f'{name}={value}', escape_dollar=False)}"
        for name, value in plan.environment.items()
    ]
    lines = [
        "[Unit]",
        f"Description={_SUMMARY}",
        "",
        "[Service]",
        "ExecStart=" + " ".join(_unit_word(word) for word in plan.words),
        *environment,
        "Restart=on-failure",
        f"RestartSec={_RESTART_S}",
        f"SuccessExitStatus={_INTERRUPTED}",
        "NoNewPrivileges=yes",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def launchd_agent(plan: ServicePlan, log: str) -> str:
    """A property list for launchd; what the run says goes to the file ``log``."""
    agent: dict[str, object] = {
        "Label": LABEL,
        "ProgramArguments": list(plan.words),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _RESTART_S,
        "ProcessType": "Background",
        "StandardErrorPath": log,
        "StandardOutPath": log,
    }
    if plan.environment:
        agent["EnvironmentVariables"] = dict(plan.environment)
    return plistlib.dumps(agent, sort_keys=False).decode("utf-8")


def scheduled_task(plan: ServicePlan) -> str:
    """A task of Windows' scheduler. Raises UsageError for an environment, which a task cannot have."""
    if plan.environment:
        raise UsageError(
            f"a scheduled task is given no environment: {', '.join(plan.environment)}",
            hint="Set it for the user (`setx`), and install the task from a window without it.",
        )
    program, *arguments = plan.words
    return _TASK.format(
        summary=escape(_SUMMARY),
        program=escape(program),
        arguments=escape(subprocess.list2cmdline(arguments)),
        restart=_RESTART_S * 2,  # a minute is the least
    )


def _unit_word(word: str, *, escape_dollar: bool = True) -> str:
    """One word as systemd reads it back: quoted, with what it would replace doubled."""
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted.replace("$", "$$") if escape_dollar else quoted}"'


def command_line(words: Sequence[str]) -> str:
    """Words as a person would type them."""
    import shlex

    return shlex.join(words)


_TASK: Final = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>{summary}</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT{restart}S</Interval><Count>255</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
