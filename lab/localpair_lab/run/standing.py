"""The network that stands: what another terminal must know of it to enter it, to read its captures, and to end it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from localpair_lab.engines.base import Running
from localpair_lab.errors import LabError
from localpair_lab.paths import ARTIFACTS
from localpair_lab.plan.model import Plan

FILE = ARTIFACTS / "up.json"


@dataclass(frozen=True, slots=True)
class StandingNetwork:
    """``pid`` holds it, ``folder`` has its artifacts. ``terminals`` and ``pipes``: words before a command that run it
    in a device, on a terminal or without one. ``captures`` and ``following``: see ``Running``.
    """

    title: str
    pid: int
    folder: str
    ports: tuple[str, ...]
    terminals: dict[str, list[str]]
    pipes: dict[str, list[str]]
    captures: list[str]
    following: list[str]

    @property
    def lives(self) -> bool:
        """Whether it still stands."""
        return standing() == self

    def commands(self) -> Iterator[str]:
        """What a person may type in another terminal."""
        for device in self.terminals:
            yield f"localpair-lab shell {device}"
        for port in self.ports[:1]:
            yield f"localpair-lab capture {port} --follow | wireshark -k -i -"


def standing() -> StandingNetwork | None:
    """The one that stands, if the process that holds it still lives."""
    try:
        fields = json.loads(FILE.read_text(encoding="utf-8"))
        found = StandingNetwork(**{**fields, "ports": tuple(fields["ports"])})
        os.kill(found.pid, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def announce(title: str, running: Running, plan: Plan) -> StandingNetwork:
    """Let other terminals know of a network that this process holds. Raises LabError where one stands already."""
    if standing() is not None:
        raise LabError("a network stands already", hint="localpair-lab down")
    terminals, pipes = (dict(_doors(running, plan, terminal=terminal)) for terminal in (True, False))
    found = StandingNetwork(
        title, os.getpid(), str(running.folder), tuple(_ports(plan, terminals)), terminals, pipes,
        running.captures(), running.following(),
    )  # fmt: skip
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(asdict(found), indent=2), encoding="utf-8")
    return found


def withdraw() -> None:
    """It stands no more. Said last: ``down`` waits for it."""
    FILE.unlink(missing_ok=True)


def _doors(running: Running, plan: Plan, *, terminal: bool) -> Iterator[tuple[str, list[str]]]:
    for node in plan.nodes:
        try:
            yield node.name, running.enter(node.name, terminal=terminal)
        except LabError:
            continue  # routers are kept inside the fabric, where nobody enters


def _ports(plan: Plan, devices: Iterable[str]) -> Iterator[str]:
    """Those of the devices that can be entered first."""
    entered = set(devices)
    for node in sorted(plan.nodes, key=lambda node: node.name not in entered):
        yield from (f"{node.name}/{interface.name}" for interface in node.interfaces if interface.present)


def folder() -> Path:
    """Where ``up`` leaves what it gathered."""
    return FILE.with_suffix("")
