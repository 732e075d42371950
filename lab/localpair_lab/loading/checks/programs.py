"""Programs of the author's own: files that are there, lines and ports that can be waited for, files that are asked of
somebody.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localpair_lab.loading.checks.conflicts import Conflict, known
from localpair_lab.loading.problems import Where
from localpair_lab.model.expectations import Expect, FileWanted, PacketsHeard
from localpair_lab.model.programs import GivenFile, ProgramAct, ReadyWhen
from localpair_lab.model.scenario import Scenario

BASIC_EVENTS: Final = ("started", "ready", "ended")
MOST_BYTES: Final = 64 << 20


def events_of(act: ProgramAct) -> tuple[str, ...]:
    """The events of a program that can be waited for; none at all where they are JSON, and nobody knows them ahead."""
    if act.events == "json":
        return ()
    ready = ("ready",) if act.ready is not None else ()
    return ("started", *ready, "ended", *act.events)


def check_program(where: Where, act: ProgramAct) -> Iterator[Conflict]:
    """What is wrong with one action that runs a program."""
    if not act.command:
        yield Conflict(
            (*where, "command"), "there is no word here; write the program's name, such as python3"
        )
    elif act.command[0].startswith("@") and not act.command[0].startswith("@state/"):
        yield Conflict(
            (*where, "command"), f"{act.command[0]!r} is no program; write its name, such as python3"
        )
    if act.ready is not None:
        yield from _check_ready((*where, "ready"), act.ready)
    if isinstance(act.events, dict):
        for name in act.events:
            if name in BASIC_EVENTS:
                advice = "write it as `ready`" if name == "ready" else "choose another name"
                yield Conflict((*where, "events", name), f"{name!r} is an event of every program; {advice}")
    names = [given.name for given in act.files]
    for number, given in enumerate(act.files):
        place = (*where, "files", number)
        if given.name in names[:number]:
            yield Conflict(place, f"{given.name} is there twice")
        if len({"source", "text", "size"} & given.model_fields_set) > 1:
            yield Conflict(place, "one of `from`, `text` and `size` says what is in the file")


def _check_ready(where: Where, ready: ReadyWhen) -> Iterator[Conflict]:
    if (ready.says is None) == (ready.port is None):
        yield Conflict(where, "write what a line says, or the `port` that it listens on: one of them")
    if ready.port is not None and not 1 <= ready.port <= 65535:
        yield Conflict((*where, "port"), f"{ready.port} is no port; 1 to 65535")


def check_given_files(scenario: Scenario, folder: Path) -> Iterator[Conflict]:
    """The files beside the scenario file, in ``folder``, that its programs are given."""
    for number, act in enumerate(scenario.actions):
        for index, given in enumerate(act.files if isinstance(act, ProgramAct) else ()):
            if given.text is None and given.size is None:
                yield from _check_given(("actions", number, "files", index), given, folder)


def _check_given(where: Where, given: GivenFile, folder: Path) -> Iterator[Conflict]:
    path = folder / (given.source or given.name)
    if not path.resolve().is_relative_to(folder.resolve()):
        yield Conflict(where, f"{path} leads out of the scenario's folder")
    elif not path.is_file():
        yield Conflict(where, f"there is no file {path}; it is looked for beside the scenario file")
    elif path.stat().st_size > MOST_BYTES:
        yield Conflict(where, f"{path} has more than {MOST_BYTES >> 20} MiB")


def check_expected_files(scenario: Scenario, where: Where, expect: Expect) -> Iterator[Conflict]:
    """The devices and packets that an expectation names beside its actions."""
    for number, file in enumerate(expect.file):
        yield from _check_file(scenario, (*where, "file", number), file)
    for key, packets in (("heard", expect.heard), ("not_heard", expect.not_heard)):
        for number, heard in enumerate(packets):
            yield from _check_heard(scenario, (*where, key, number), heard)


def _check_file(scenario: Scenario, where: Where, file: FileWanted) -> Iterator[Conflict]:
    if file.same_as is None:
        return
    if file.sha256 is not None:
        yield Conflict(where, "one of `sha256` and `same_as` says what the file must hold")
    device, slash, name = file.same_as.partition("/")
    if not slash or not name:
        yield Conflict((*where, "same_as"), f"{file.same_as!r} names no device; write it as alice/photo.raw")
        return
    yield from known(
        (*where, "same_as"), "device with an action", device, {act.on for act in scenario.acts()}
    )


def _check_heard(scenario: Scenario, where: Where, heard: PacketsHeard) -> Iterator[Conflict]:
    if heard.at is not None:
        yield from known((*where, "at"), "device", heard.at.partition("/")[0], scenario.devices)
    if heard.times.most is not None and heard.times.most < heard.times.least:
        yield Conflict((*where, "times"), "`most` is less than `least`")
