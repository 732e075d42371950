"""Who runs a service on each platform: where its file lies, and which commands start, show and end it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair.cli.service import rendering
from localpair.cli.service.rendering import LABEL, NAME
from localpair.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from localpair.cli.service.rendering import ServicePlan

Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manager:
    """What a platform has for services. ``render`` makes the text of ``file``; the commands are run one after the
    other. ``status`` says with exit code 0 that the service runs. ``after``: what a person may still want to do.
    """

    file: Path
    render: Callable[[ServicePlan], str]
    start: tuple[Words, ...]
    stop: tuple[Words, ...]
    status: Words
    encoding: str = "utf-8"
    after: str = ""


def manager(platform: str = sys.platform) -> Manager:
    """That of ``platform``."""
    if platform == "win32":
        return _scheduler()
    return _launchd() if platform == "darwin" else _systemd()


def _systemd() -> Manager:
    chosen = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = chosen if chosen.is_absolute() else Path.home() / ".config"
    unit: Final = f"{NAME}.service"
    user = ("systemctl", "--user")
    return Manager(
        file=folder / "systemd" / "user" / unit,
        render=rendering.systemd_unit,
        start=((*user, "daemon-reload"), (*user, "enable", unit), (*user, "restart", unit)),
        stop=((*user, "disable", "--now", unit),),
        status=(*user, "is-active", "--quiet", unit),
        after="It runs while you are logged in; `loginctl enable-linger` lets it run without that.",
    )


def _launchd() -> Manager:
    library = Path.home() / "Library"
    log = library / "Logs" / "localpair.log"
    file = library / "LaunchAgents" / f"{LABEL}.plist"
    domain = f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"
    return Manager(
        file=file,
        render=lambda plan: rendering.launchd_agent(plan, str(log)),
        start=(("launchctl", "bootstrap", domain, str(file)),),
        stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        status=("launchctl", "print", f"{domain}/{LABEL}"),
        after=f"What it says goes to {log}.",
    )


def _scheduler() -> Manager:
    base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    file = base / "localpair" / f"{NAME}.xml"
    task = ("/TN", NAME)
    return Manager(
        file=file,
        render=rendering.scheduled_task,
        start=(
            ("schtasks", "/Create", *task, "/XML", str(file), "/F"),
            ("schtasks", "/Run", *task),
        ),
        stop=(("schtasks", "/End", *task), ("schtasks", "/Delete", *task, "/F")),
        status=("schtasks", "/Query", *task),
        encoding="utf-16",
    )
