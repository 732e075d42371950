"""Acts -> actions: the exact command lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from localpair_lab.model.actions import Act
from localpair_lab.model.adapters import Product
from localpair_lab.model.expectations import Expect
from localpair_lab.model.moments import Moment
from localpair_lab.model.programs import ProgramAct
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.actions import Action, SampleFile
from localpair_lab.plan.build.events import when
from localpair_lab.plan.build.programs import DEADLINE_S, plan_program

GRACE_S = 15.0  # beyond a timeout that the scenario gives


def plan_actions(scenario: Scenario, product: Product) -> Iterator[Action]:
    """The scenario's actions, those of ``pair`` first."""
    for act in scenario.acts():
        wanted = tuple(dict.fromkeys(_wanted_files(scenario, act)))
        action = plan_program(act) if isinstance(act, ProgramAct) else _action(act, product)
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


def _action(act: Act, product: Product) -> Action:
    step = product.adapter.steps[act.do]
    return Action(
        id=act.identity,
        node=act.on,
        verb=act.do,
        argv=tuple(step.words(_values(act))),
        when=when(act.at),
        deadline_s=act.deadline or (act.timeout + GRACE_S if act.timeout else DEADLINE_S),
        offer_from=act.offer or "",
        offer_at=when(act.offer_at or Moment(who=act.offer, what="offer")) if act.offer else None,
        answer_from=act.answer or "",
        answer_at=when(act.answer_at or Moment(who=act.answer, what="answer")) if act.answer else None,
        files=tuple(SampleFile(entry.name, entry.size) for entry in act.send),
        environment=(*product.adapter.environment.items(), *sorted(act.environment.items())),
        stop=act.stop.by if act.stop is not None else "",
        stop_at=when(act.stop.at) if act.stop is not None else None,
        background=act.background,
    )


def _values(act: Act) -> dict[str, tuple[str, ...]]:
    """What an adapter's commands may have a place for."""
    texts = {"flow": act.flow, "offer_addresses": act.offer_addresses, "name": act.name or ""}
    port, timeout = (() if act.port is None else (str(act.port),)), _seconds(act.timeout)
    return {
        **{name: (text,) if text else () for name, text in texts.items()},
        "port": port,
        "send": tuple(f"@state/{entry.name}" for entry in act.send),
        "receive": ("@state/received",) if act.receive else (),
        "approve": ("true",) if act.approve else (),
        "timeout": timeout,
        "arguments": act.arguments,
        "offer": ("@offer",) if act.offer else (),
    }


def _seconds(timeout: float | None) -> tuple[str, ...]:
    return () if timeout is None else (f"{timeout:g}",)
