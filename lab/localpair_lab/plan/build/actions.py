"""Acts -> actions: the exact command lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from localpair_lab.model.actions import Act
from localpair_lab.model.expectations import Expect
from localpair_lab.model.moments import Moment
from localpair_lab.model.programs import ProgramAct
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.actions import Action, SampleFile
from localpair_lab.plan.build.events import when
from localpair_lab.plan.build.programs import DEADLINE_S, plan_program
from localpair_lab.plan.model import PRODUCT_HOME

GRACE_S = 15.0  # beyond a timeout that the scenario gives
SHORT_VERBS = ("discover", "addresses", "diagnose", "devices")


def plan_actions(scenario: Scenario) -> Iterator[Action]:
    """The scenario's actions, those of ``pair`` first."""
    for act in scenario.acts():
        wanted = tuple(dict.fromkeys(_wanted_files(scenario, act)))
        action = plan_program(act) if isinstance(act, ProgramAct) else _action(act)
        yield dataclasses.replace(action, wanted_files=wanted)


def _wanted_files(scenario: Scenario, act: Act | ProgramAct) -> Iterator[str]:
    """What the expectations ask of the folder of the action's device; each file is asked for once."""
    here = [expect for expect in scenario.expect if act.identity in expect.of]
    yield from (file.path for expect in here for file in expect.file)
    for other in _same_as(scenario.expect):
        device, _, name = other.partition("/")
        if device == act.on:
            yield name


def _same_as(expects: Sequence[Expect]) -> Iterator[str]:
    return (file.same_as for expect in expects for file in expect.file if file.same_as is not None)


def _action(act: Act) -> Action:
    return Action(
        id=act.identity,
        node=act.on,
        verb=act.do,
        argv=("@localpair", act.do, *_options(act), "--json"),
        when=when(act.at),
        deadline_s=act.deadline or (act.timeout + GRACE_S if act.timeout else DEADLINE_S),
        offer_from=act.offer or "",
        offer_at=when(act.offer_at or Moment(who=act.offer, what="offer")) if act.offer else None,
        answer_from=act.answer or "",
        answer_at=when(act.answer_at or Moment(who=act.answer, what="answer")) if act.answer else None,
        files=tuple(SampleFile(entry.name, entry.size) for entry in act.send),
        environment=(
            *PRODUCT_HOME.items(),
            ("NO_COLOR", "1"),
            ("PYTHONUNBUFFERED", "1"),
            *sorted(act.environment.items()),
        ),
        stop=act.stop.by if act.stop is not None else "",
        stop_at=when(act.stop.at) if act.stop is not None else None,
        background=act.background,
    )


def _options(act: Act) -> Iterator[str]:
    if act.do == "join" and act.offer:
        yield "-"  # the offer comes by stdin; never by argv, where every user of the machine could read it
    yield from _pairing_options(act)
    if act.approve and act.do in ("host", "join", "listen"):
        yield "--yes"
    if act.timeout is not None:
        yield from ("--timeout", f"{act.timeout:g}")
    yield from act.arguments
    if act.do == "send":
        yield from (f"@state/{entry.name}" for entry in act.send)


def _pairing_options(act: Act) -> Iterator[str]:
    if act.do not in ("host", "join"):
        return
    words = {"--flow": act.flow, "--offer-addresses": act.offer_addresses, "--name": act.name or ""}
    for option, word in words.items():
        if word and not (act.do == "join" and option == "--offer-addresses"):
            yield from (option, word)
    if act.port is not None:
        yield from ("--port", str(act.port))
    for entry in act.send:
        yield from ("--send", f"@state/{entry.name}")
    if act.receive:
        yield from ("--receive", "@state/received")
    if act.do == "host":
        yield from ("--qr", "none")
