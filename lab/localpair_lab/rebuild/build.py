"""The scenario of a encounter: the network of its facts, the cause that its verdict names, and its twins as cells."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from localpair.causes.vocabulary import Cause, Confidence, Explanation, Place
from localpair_lab.generate.sample import planned_text
from localpair_lab.generate.yaml_writer import SCHEMA, as_text
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.oracle.judge import judged_pairs
from localpair_lab.oracle.packet import Delivery
from localpair_lab.rebuild.evidence import HOST, JOIN, NAMES, Encounter, Side
from localpair_lab.rebuild.guess import addresses_told, guessed
from localpair_lab.rebuild.recipes import NEEDS_A_WAY, RECIPES, UNEXPLAINED, FaultPlace, Recipe, gone
from localpair_lab.rebuild.scene import Scene
from localpair_lab.rebuild.topology import Entry, Topology, drawn

AXIS: Final = "fault"
"""The matrix of what no report tells apart."""
_PATIENCE: Final = (5, 15)  # seconds that the rebuilt run takes, at least and at most
_WIDTH: Final = 118
_OPEN: Final = (
    "The oracle knows a way here: what kept the devices apart is not in the reports, or a matter of chance. Add it by "
    "hand."
)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A scenario file, and what stands in its cells."""

    text: str
    twins: tuple[Cause, ...]
    left_out: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class _Twin:
    """One cause that may have been it, where it would lie, and what brings it about there."""

    cause: Cause
    devices: tuple[str, ...]
    recipe: Recipe


def rebuilt(encounter: Encounter, name: str) -> Rebuilt:
    """The scenario that fails as the encounter did. Raises ScenarioError where the reports make none."""
    facts = {one.name: one.facts for one in encounter.sides}
    for action, device in NAMES.items():
        if encounter.side(action) is None:
            facts[device] = guessed(encounter.here.facts)
    topology = drawn({device: facts[device] for device in sorted(facts)})
    plan = _Plan(encounter, topology, name)
    found, left_out = plan.twins()
    cells = [[one] for one in found] or [[]]
    is_open = any(one is not Delivery.NO for twins in cells for one in plan.answers(twins))
    text = as_text(plan.document(found, is_open=is_open)).removeprefix(SCHEMA)
    comments = [*_comments(encounter, [one.cause for one in found], left_out)]
    comments += [] if all(map(plan.can_fail, cells)) else [_OPEN]
    head = "".join(f"# {line}\n" for comment in comments for line in textwrap.wrap(comment, _WIDTH))
    whole = SCHEMA + head + text
    planned_text(name, whole)
    return Rebuilt(whole, tuple(one.cause for one in found), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Plan:
    encounter: Encounter
    topology: Topology
    name: str

    # --- Twins ---

    def twins(self) -> tuple[list[_Twin], list[Cause]]:
        """The causes that may have been it, each with the slightest recipe that the oracle does not see through; and
        those for which there is none.
        """
        found: list[_Twin] = []
        left_out: list[Cause] = []
        if self.topology.collides and self.can_fail([]):
            return [], []
        for cause, devices in _suspects(self.encounter):
            fit = [_Twin(cause, devices, one) for one in RECIPES.get(cause, ())]
            first = next((one for one in fit if self.can_fail([one])), None)
            if first is None or self._is_there(first, found):
                left_out.append(cause)
            else:
                found.append(first)
        return found, left_out

    def _is_there(self, twin: _Twin, others: list[_Twin]) -> bool:
        """Whether one of the others makes the very same network: a cell of its own would be the same cell again."""
        scenes = [self._scene([one], matrix=False) for one in (twin, *others)]
        return scenes[0] in scenes[1:]

    def can_fail(self, twins: list[_Twin]) -> bool:
        """Whether this is a scenario, and no pair comes about in it as far as the oracle knows."""
        answers = self.answers(twins)
        met = bool(twins) and all(one.cause in NEEDS_A_WAY for one in twins)
        goes = any(one.recipe is gone for one in twins)
        return bool(answers) and (met or goes or Delivery.YES not in answers)

    def answers(self, twins: list[_Twin]) -> list[Delivery]:
        """What the oracle says of a scenario with these causes, for each state of the network; empty: it is none."""
        scene = self._scene(twins, matrix=False)
        try:
            text = as_text(self._document(scene, [])) if scene is not None else ""
            plan = planned_text(self.name, text).plan
        except ScenarioError:
            return []
        (pair,) = judged_pairs(plan)
        return [one.answer for one in pair.states]

    def _scene(self, twins: list[_Twin], *, matrix: bool) -> Scene | None:
        """The network with these causes in it; None where one does not apply."""
        scene = Scene.of(self.topology)
        for twin in twins:
            rest = [str(one.cause) for one in twins if one is not twin]
            cells: Entry = {"cells": {AXIS: str(twin.cause)}} if matrix else {}
            others: Entry = {"cells": {AXIS: rest}} if matrix else {}
            if not twin.recipe(scene, FaultPlace(twin.devices, cells, others)):
                return None
        return scene

    # --- The document ---

    def document(self, twins: list[_Twin], *, is_open: bool) -> dict[str, Any]:
        """The content of the file. ``is_open``: the oracle knows a way in it."""
        scene = self._scene(twins, matrix=len(twins) > 1) or Scene.of(self.topology)
        return self._document(scene, twins, is_open=is_open)

    def _document(self, scene: Scene, twins: list[_Twin], *, is_open: bool = False) -> dict[str, Any]:
        several = len(twins) > 1
        found: dict[str, Any] = {"lab": "1", "summary": _summary(self.encounter), "markers": ["found"]}
        if several:
            found["matrix"] = {AXIS: [str(one.cause) for one in twins]}
        parts = {
            "networks": {name: _short_network(one) for name, one in scene.networks.items()},
            "routers": scene.routers,
            "devices": {name: _short_device(one) for name, one in scene.devices.items()},
            "decoys": scene.decoys,
            "events": scene.events,
        }
        found |= {key: part for key, part in parts.items() if part}
        return found | {
            "pair": self._pair(),
            "expect": list(self._expected(bare=is_open)),
        }

    def _pair(self) -> Entry:
        found: Entry = {"host": NAMES[HOST], "join": NAMES[JOIN]}
        if not _offered(self.encounter):
            found["offer_addresses"] = "none"
        return found | {"timeout": f"{self._patience()}s"}

    def _patience(self) -> int:
        side = self.encounter.side(JOIN) or self.encounter.here
        least, most = _PATIENCE
        return min(max(side.facts.lasted_s or most, least), most)

    def _expected(self, *, bare: bool) -> Iterator[Entry]:
        """How each reported run ended, and what it concluded. ``bare``: the oracle knows a way, at first or always, so
        that an exit code stands there without an outcome.
        """
        for side in sorted(self.encounter.sides, key=lambda one: one.action):
            entry: Entry = {"of": side.action}
            if side.outcome:
                entry |= {} if bare else {"outcome": side.outcome}
                entry |= {"exit": side.exit, "within": f"{self._patience() + 10}s"}
            causes = dict.fromkeys(str(one.cause) for one in side.own.explanations)
            if causes:
                entry["cause"] = list(causes) if len(causes) > 1 else next(iter(causes))
            if side.heard_from and len(entry) > 1:
                yield entry


def _suspects(encounter: Encounter) -> list[tuple[Cause, tuple[str, ...]]]:
    """The causes that the verdict does not tell apart, with the devices at which they would lie; where it names none,
    those that are seen most. What it is certain of stands alone.
    """
    told = encounter.verdict.explanations
    if not told and any(one.outcome == "refused" for one in encounter.sides):
        return []  # they met
    if not told:
        every = encounter.devices(Place.THERE)
        return [(cause, every) for cause in UNEXPLAINED]
    sure = [one for one in told if one.confidence is Confidence.CERTAIN]
    places: dict[Cause, list[str]] = {}
    for one in sure or told[:2]:
        for cause in one.causes:
            places.setdefault(cause, []).extend(encounter.devices(one.device))
    if all(one.heard_from for one in encounter.sides) and len(encounter.sides) > 1 and len(places) > 1:
        places.pop(Cause.PEER_ABSENT, None)  # both were there
    return [(cause, tuple(dict.fromkeys(devices))) for cause, devices in places.items()]


def _offered(encounter: Encounter) -> bool:
    """Whether the offer held addresses, as far as whoever read it tells: an issuer's facts do not."""
    side = encounter.side(JOIN)
    offer = None if side is None else side.facts.offer
    return offer is None or bool(offer.addresses or offer.passed_over)


# --- Short forms ---


def _short_network(entry: Entry) -> Any:
    found = {key: _single(value) for key, value in entry.items()}
    return found["ip"] if list(found) == ["ip"] and isinstance(found["ip"], str) else found


def _short_device(entry: Entry) -> Entry:
    """``on`` in place of interfaces where one plain one is all there is; firewalls without needless rules."""
    found = {key: _single(value) for key, value in entry.items()}
    cards = [{key: _single(value) for key, value in card.items()} for card in entry["interfaces"]]
    if len(cards) == 1 and "name" not in cards[0] and "bridge" not in cards[0]:
        plain = {key: value for key, value in cards[0].items() if key != "network"}
        del found["interfaces"]
        found = {
            "on": {cards[0]["network"]: plain["ip"] if list(plain) == ["ip"] and plain["ip"] else plain}
        } | found
    else:
        found["interfaces"] = cards
    if "firewall" in entry:
        found["firewall"] = {name: _short_chain(chain) for name, chain in entry["firewall"].items()}
    return found


def _short_chain(chain: Entry) -> Any:
    rules = chain["rules"]
    return rules[0]["do"] if len(rules) == 1 and list(rules[0]) == ["do"] else chain


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


# --- Words ---


def _summary(encounter: Encounter) -> str:
    told = encounter.verdict.explanations
    causes = " or ".join(str(one) for one in told[0].causes) if told else "no cause"
    return f"Two devices that did not pair, rebuilt from what they reported, which shows {causes}."


def _comments(encounter: Encounter, twins: Sequence[Cause], left_out: Sequence[Cause]) -> Iterator[str]:
    for side in encounter.sides:
        yield _of_side(side)
    for one in encounter.verdict.explanations:
        yield _of_explanation(one)
    if not encounter.verdict.explanations:
        yield "The reports name no cause." + (" What is seen most is tried in its place." if twins else "")
    if len(twins) > 1:
        yield (
            f"Twins, which these reports do not tell apart, a cell each: {', '.join(twins)}. Another report, or one of "
            "the other device, may leave fewer."
        )
    if left_out:
        yield (
            "Without a cell, since in this network it would not keep them apart, would make another cell again, or "
            f"needs more: {', '.join(left_out)}."
        )
    for action, device in NAMES.items():
        if encounter.side(action) is None:
            known = (
                ", ".join(map(str, addresses_told(encounter.here.facts)[:4])) or "unknown, and chosen here"
            )
            yield f"Not reported: {device}, who did {action}. Addresses: {known}; the rest is guessed."


def _of_side(side: Side) -> str:
    told = " or ".join(side.own.explanations[0].causes) if side.own.explanations else "no cause"
    how = "" if side.heard_from else ", as told to the other one"
    return f"{side.name} did {side.facts.role}{how}: ended with {side.facts.ending}, named {told}."


def _of_explanation(one: Explanation) -> str:
    evidence = "; ".join(one.evidence)
    return (
        f"Verdict on all facts, {one.confidence}: {' or '.join(one.causes)} ({one.device}), since {evidence}."
    )
