"""What a plan needs besides, where another program than localpair plays it: its server, its programs, moments that it
tells, and reasons why it cannot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from localpair_lab.model.actions import Act
from localpair_lab.model.adapters import Product, Step
from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.actions import PROGRAM, Action, OutputWords
from localpair_lab.plan.build.programs import port_of
from localpair_lab.plan.changes import When
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import NeededPackage, Node

MEETING = "meeting"
PLACELESS = ("flow", "offer_addresses", "name", "port", "send", "receive", "approve", "arguments")
STANDS_FOR_OFFER = ("offer", "ready", "started")
"""What a joiner may wait for: without a code, that the host is there."""


def fitted(plan: Plan, scenario: Scenario, product: Product) -> Plan:
    """The plan as that program plays it."""
    adapter = product.adapter
    steps = {act.identity: adapter.steps.get(act.do) for act in scenario.product_acts()}
    reasons = [reason for act in scenario.product_acts() for reason in _unfit(act, product)]
    if adapter.events == "lines":
        plan, lost = _anchored(plan, {name: step for name, step in steps.items() if step is not None})
        reasons += [f"{product.name} does not tell `{moment}`" for moment in lost]
    plan = _with_meeting(plan, product)
    names = {action.node for action in plan.actions if action.id in steps}
    nodes = tuple(_equipped(node, product) if node.name in names else node for node in plan.nodes)
    unplayable = tuple(dict.fromkeys(reasons))
    return dataclasses.replace(plan, nodes=nodes, product=product.word, unplayable=unplayable)


def _unfit(act: Act, product: Product) -> Iterator[str]:
    step = product.adapter.steps.get(act.do)
    if step is None:
        yield f"{product.name} has no `{act.do}`"
        return
    places = step.places() | set(product.adapter.ignores)
    for name in PLACELESS:
        if name not in places and _is_wanted(act, name):
            yield f"{product.name} has no place for `{name}` in its `{act.do}`"
    if act.answer is not None and "answer" not in step.stdin:
        yield f"{product.name} takes no answer code"


def _is_wanted(act: Act, name: str) -> bool:
    """Whether the action says something by that key that its program must be told."""
    if name in ("flow", "offer_addresses"):
        return act.do == "host" and getattr(act, name) in ("post", "none")
    return not act.approve if name == "approve" else bool(getattr(act, name))


def _anchored(plan: Plan, steps: dict[str, Step]) -> tuple[Plan, list[str]]:
    """Every moment as one that the program tells; and those that it does not."""
    lost: list[str] = []

    def moved(when: When) -> When:
        who, _, what = when.anchor.partition(".")
        if who not in steps or what in steps[who].tells():
            return when
        told = next((one for one in STANDS_FOR_OFFER if one in steps[who].tells()), "")
        if what == "offer" and when.occurrence == 1 and told:
            return dataclasses.replace(when, anchor=f"{who}.{told}")
        lost.append(when.anchor)
        return when

    def moved_action(action: Action) -> Action:
        offer_at = moved(action.offer_at) if action.offer_at is not None else None
        stop_at = moved(action.stop_at) if action.stop_at is not None else None
        return dataclasses.replace(action, when=moved(action.when), offer_at=offer_at, stop_at=stop_at)

    actions = tuple(moved_action(action) for action in plan.actions)
    events = tuple(dataclasses.replace(event, when=moved(event.when)) for event in plan.events)
    return dataclasses.replace(plan, actions=actions, events=events), lost


def _with_meeting(plan: Plan, product: Product) -> Plan:
    """The server before the first host, on its device."""
    meeting = product.adapter.meeting
    first = next((action for action in plan.actions if action.verb == "host"), None)
    if meeting is None or first is None:
        return plan
    server = Action(
        id=MEETING,
        node=first.node,
        verb="run",
        argv=(PROGRAM, *meeting.command),
        when=first.when,
        deadline_s=plan.limit_s,
        words=OutputWords(
            events=(("ready", meeting.ready.says),) if meeting.ready.says is not None else (),
            port=port_of(meeting.ready),
        ),
        environment=first.environment,
        background=True,
    )
    host = dataclasses.replace(first, when=When(f"{MEETING}.ready"))
    others = tuple(host if action is first else action for action in plan.actions)
    return dataclasses.replace(plan, actions=(server, *others))


def _equipped(node: Node, product: Product) -> Node:
    """The node with what the program needs on its path, and its image, unless the scenario gives it one."""
    needed = tuple(NeededPackage(one.name, one.package or one.name) for one in product.adapter.programs)
    image = node.image or product.adapter.image or ""
    return dataclasses.replace(node, image=image, needed=tuple(dict.fromkeys((*node.needed, *needed))))
