"""Programs of the author's own -> actions."""

from __future__ import annotations

from collections.abc import Iterator

from localpair_lab.model.programs import GivenFile, ProgramAct
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
        files=tuple(_file(given) for given in act.files),
        stdin=act.stdin,
        words=OutputWords(tuple(_events(act)), json=act.events == "json", port=_port(act)),
        environment=(("PYTHONUNBUFFERED", "1"), *sorted(act.environment.items())),
        stop=act.stop.by if act.stop is not None else "",
        stop_at=when(act.stop.at) if act.stop is not None else None,
        background=act.background,
    )


def _file(given: GivenFile) -> SampleFile | FileContent:
    if given.size is not None:
        return SampleFile(given.name, given.size)
    return FileContent(given.name, given.text, "" if given.text is not None else given.source or given.name)


def _events(act: ProgramAct) -> Iterator[tuple[str, str]]:
    if act.ready is not None and act.ready.says is not None:
        yield READY, act.ready.says
    if isinstance(act.events, dict):
        yield from act.events.items()


def _port(act: ProgramAct) -> tuple[str, int] | None:
    if act.ready is None or act.ready.port is None:
        return None
    return act.ready.protocol, act.ready.port
