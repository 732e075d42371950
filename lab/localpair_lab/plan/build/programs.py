"""Programs of the author's own -> actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from localpair_lab.model.programs import GivenFile, ProgramAct, ReadyWhen
from localpair_lab.plan.actions import PROGRAM, Action, FileContent, OutputWords, SampleFile
from localpair_lab.plan.build.events import when

DEADLINE_S = 40.0  # twice the product's own bound for a whole attempt
READY = "ready"


def plan_program(act: ProgramAct) -> Action:
    """The action that runs it."""
    return Action(
        id=act.identity,
        node=act.on,
        verb=act.do,
        argv=(PROGRAM, *act.command),
        when=when(act.at),
        deadline_s=act.deadline or DEADLINE_S,
        files=tuple(given_file(given) for given in act.files),
        stdin=act.stdin,
        words=OutputWords(tuple(_events(act)), json=act.events == "json", port=port_of(act.ready)),
        environment=(("PYTHONUNBUFFERED", "1"), *sorted(act.environment.items())),
        stop=act.stop.by if act.stop is not None else "",
        stop_at=when(act.stop.at) if act.stop is not None else None,
        background=act.background,
    )


def given_file(given: GivenFile, folder: str = "") -> SampleFile | FileContent:
    """The file in a device. ``folder`` is where it is taken from, if that is not the scenario's own."""
    if given.size is not None:
        return SampleFile(given.name, given.size)
    if given.text is not None:
        return FileContent(given.name, given.text)
    return FileContent(given.name, source=str(PurePath(folder, given.source or given.name)))


def _events(act: ProgramAct) -> Iterator[tuple[str, str]]:
    if act.ready is not None and act.ready.says is not None:
        yield READY, act.ready.says
    if isinstance(act.events, dict):
        yield from act.events.items()


def port_of(ready: ReadyWhen | None) -> tuple[str, int] | None:
    """The port that the program listens on once it is ready."""
    return None if ready is None or ready.port is None else (ready.protocol, ready.port)
