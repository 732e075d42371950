"""Acts -> actions: the exact command lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from localpair_lab.model.actions import Act
from localpair_lab.model.adapters import Product, Step
from localpair_lab.model.expectations import Expect
from localpair_lab.model.moments import Moment
from localpair_lab.model.programs import ProgramAct
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.actions import PRODUCT, PROGRAM, Action, OutputWords, SampleFile
from localpair_lab.plan.build.events import when
from localpair_lab.plan.build.programs import DEADLINE_S, READY, given_file, plan_program, port_of
from localpair_lab.plan.changes import When
from localpair_lab.plan.topology import Node

NO_STEP = Step(command=("false",))  # what is played by nobody: the plan says why
PAIRED_FOR_S = 0.5  # that a program which does not end by itself is left alone
GRACE_S = 15.0  # beyond a timeout that the scenario gives


def plan_actions(scenario: Scenario, product: Product, nodes: Sequence[Node]) -> Iterator[Action]:
    """The scenario's actions, those of ``pair`` first."""
    addresses = _addresses(scenario, nodes)
    for act in scenario.acts():
        wanted = tuple(dict.fromkeys(_wanted_files(scenario, act)))
        if isinstance(act, ProgramAct):
            action = plan_program(act)
        else:
            action = _action(act, product, addresses, _host(scenario, act))
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


def _action(act: Act, product: Product, addresses: dict[str, str], host: str) -> Action:
    adapter = product.adapter
    step = adapter.steps.get(act.do, NO_STEP)
    argv = tuple(step.words(_values(act, addresses, host)))
    argv = argv if argv[0] == PRODUCT else (PROGRAM, *argv)
    carries = "offer" in step.stdin or any("@offer" in word for word in argv)
    action = Action(
        id=act.identity,
        node=act.on,
        verb=act.do,
        argv=argv,
        when=when(act.at),
        deadline_s=act.deadline or (act.timeout + GRACE_S if act.timeout else DEADLINE_S),
        offer_from=act.offer or "",
        offer_at=when(act.offer_at or Moment(who=act.offer, what="offer")) if act.offer and carries else None,
        answer_from=act.answer or "",
        answer_at=when(act.answer_at or Moment(who=act.answer, what="answer")) if act.answer else None,
        files=tuple(SampleFile(entry.name, entry.size) for entry in act.send),
        environment=(*adapter.environment.items(), *sorted(act.environment.items())),
        stop=act.stop.by if act.stop is not None else "",
        stop_at=when(act.stop.at) if act.stop is not None else None,
        background=act.background,
    )
    return action if argv[0] == PRODUCT else _foreign(action, act, step, product)


def _foreign(action: Action, act: Act, step: Step, product: Product) -> Action:
    """The action where it is another program's: its words, its files, and an end that it may not have of itself."""
    adapter = product.adapter
    events = [(name, phrase) for name, phrases in step.events.items() for phrase in phrases]
    if step.ready is not None and step.ready.says is not None:
        events.append((READY, step.ready.says))
    if not step.ends and act.stop is None:
        action = dataclasses.replace(
            action, stop="interrupt", stop_at=When(f"{action.id}.paired", PAIRED_FOR_S)
        )
    bound = act.timeout + GRACE_S if act.timeout and "timeout" in step.places() else act.timeout
    return dataclasses.replace(
        action,
        deadline_s=act.deadline or bound or adapter.patience,
        files=(*action.files, *(given_file(given, str(product.folder)) for given in adapter.files)),
        words=OutputWords(tuple(events), json=adapter.events == "json", port=port_of(step.ready)),
        environment=(("PYTHONUNBUFFERED", "1"), *action.environment),
        gives_up=True,
    )


def _host(scenario: Scenario, act: Act) -> str:
    """The device of the first host, at whose address the others meet; its own where nobody hosts."""
    return next((one.on for one in scenario.product_acts() if one.do == "host"), act.on)


def _addresses(scenario: Scenario, nodes: Sequence[Node]) -> dict[str, str]:
    """One address of each device that acts: on a network that it shares with another one, IPv4 where there is any."""
    acting = {act.on for act in scenario.acts()}
    found = {}
    for node in nodes:
        others = {
            one.segment for other in nodes if other.name in acting - {node.name} for one in other.interfaces
        }
        mine = [one for one in node.interfaces if one.kind == "segment" and one.present]
        shared = [one for one in mine if one.segment in others] or mine
        texts = [text.partition("/")[0] for one in shared for text in one.addresses]
        texts += [one.link_local for one in shared if one.link_local]
        found[node.name] = next((text for text in texts if ":" not in text), next(iter(texts), ""))
    return found


def _values(act: Act, addresses: dict[str, str], host: str) -> dict[str, tuple[str, ...]]:
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
        "address": (addresses[act.on],),
        "host_address": (_in_url(addresses[host]),),
    }


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _seconds(timeout: float | None) -> tuple[str, ...]:
    return () if timeout is None else (f"{timeout:g}",)
