"""A topology that pairs, and the same with one or two faults in it, so that it does not."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from localpair_lab.faults.catalogue import FAULTS, UNSEEN, Injection
from localpair_lab.faults.fault import InjectedFault
from localpair_lab.generate import extras, network_policies, oddities
from localpair_lab.generate.builder import DEVICES, Draft
from localpair_lab.generate.expected import WITHIN, expected
from localpair_lab.generate.extras import Decoration
from localpair_lab.generate.network_policies import Policy
from localpair_lab.generate.random_source import Chance
from localpair_lab.generate.sample import planned_text
from localpair_lab.generate.shapes import SHAPES
from localpair_lab.generate.topology import content
from localpair_lab.generate.yaml_writer import as_text
from localpair_lab.loading.problems import ScenarioError
from localpair_lab.oracle.packet import Delivery

TIMEOUT = "8s"  # of both sides
TRIES = 40  # topologies that are drawn for some faults: not every one has a place for them
EXPECTED = [{"of": ["host", "join"], "within": WITHIN}]

HARMLESS: Mapping[Decoration, float] = {
    oddities.name_card: 5,
    extras.add_bridge: 20,
    oddities.add_bridges: 1,
    extras.add_host_only: 12,
    extras.add_vpn: 10,
    extras.add_spare: 7,
    extras.add_addresses: 7,
    extras.strip_ipv6: 12,
    extras.mute: 3,
}
"""What devices have besides, with the percentage of devices that it comes upon: nothing that is a fault by itself."""
PASSING: Mapping[Policy, float] = {
    network_policies.change_multicast: 12,
    network_policies.drop_broadcast: 10,
    network_policies.snoop: 5,
}
Documents: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FaultSample:
    """One topology with its faults. ``causing`` are those of which each, or only all together, keep the pair apart; the
    ``others`` change nothing by themselves, and are true all the same. ``must_fail``: the oracle knows no way.
    """

    name: str
    document: Documents
    causing: tuple[InjectedFault, ...]
    others: tuple[InjectedFault, ...]
    must_fail: bool

    @property
    def text(self) -> str:
        """The scenario file."""
        return as_text(self.document)

    @property
    def title(self) -> str:
        """The faults' names."""
        return " + ".join(sorted(one.name for one in (*self.causing, *self.others)))

    @property
    def devices(self) -> dict[str, str]:
        """The device of each role."""
        pair = self.document["pair"]
        return {"host": pair["host"], "join": pair["join"]}

    def is_decided(self, view: str) -> bool:
        """Whether the facts of a view tell the faults from everything else."""
        return all(view in one.decided for one in (*self.causing, *self.others))


def draw(seed: int, number: int, count: int, timeout: str = TIMEOUT) -> FaultSample:
    """The ``number``-th sample of ``seed`` with ``count`` faults: the same for the same numbers."""
    key = f"faults/{count}/{seed}/{number}"
    chance = _chance(key)
    while True:  # some two have no place in one topology
        wanted = _wanted(chance, count)
        for turn in range(TRIES):
            placed = [_PlacedFault(one, f"{key}/{turn}/{place}") for place, one in enumerate(wanted)]
            found = _tried(chance, placed, f"seed-{seed}-{number}", timeout)
            if found is not None:
                return found


def _chance(key: str) -> Chance:
    return Chance(Random(key))  # noqa: S311 - no secret


def _wanted(chance: Chance, count: int) -> list[Injection]:
    found: list[Injection] = []
    while len(found) < count:
        one = chance.weighted(FAULTS)
        if one not in found:
            found.append(one)
    return found


@dataclass(frozen=True, slots=True)
class _PlacedFault:
    """A fault to put in. Its choices are its own, so that it is the same one alone and beside another."""

    injection: Injection
    key: str

    @property
    def is_seen(self) -> bool:
        return self.injection not in UNSEEN


def _tried(chance: Chance, wanted: list[_PlacedFault], name: str, timeout: str) -> FaultSample | None:
    """A topology that pairs, and with the faults does not."""
    draft = _harmless(chance, timeout)
    if "apart" in draft.features:
        return None  # a tunnel of the lab needs no network beneath, as real ones do
    whole = _faulty(draft, wanted)
    if whole is None or _answer(name, draft) is not Delivery.YES:
        return None
    spoilt, faults = whole
    answer = _answer(name, spoilt)
    unseen = not all(one.is_seen for one in wanted)
    if answer is None or (answer is Delivery.YES and not unseen):
        return None
    causing = _causing(name, draft, wanted, faults) if len(wanted) > 1 else faults
    others = tuple(one for one in faults if one not in causing)
    document = _document(name, spoilt, [one.name for one in faults])
    return FaultSample(name, document, causing, others, answer is Delivery.NO or unseen)


def _harmless(chance: Chance, timeout: str) -> Draft:
    draft = Draft(chance)
    chance.weighted(SHAPES)(draft)
    host, join = chance.shuffled(DEVICES)
    draft.pair |= {"host": host, "join": join, "timeout": timeout}
    if chance.flag(15):
        draft.pair["offer_addresses"] = "none"
        draft.note("no-addresses-offered")
    for device in DEVICES:
        for decoration, percent in HARMLESS.items():
            if chance.flag(percent):
                decoration(draft, device)
    for network in draft.lans():
        for policy, percent in PASSING.items():
            if chance.flag(percent):
                policy(draft, network)
    return draft


def _faulty(draft: Draft, wanted: list[_PlacedFault]) -> tuple[Draft, tuple[InjectedFault, ...]] | None:
    """A copy with the faults in it; None where it has no place for one of them."""
    spoilt = copy.deepcopy(draft)
    found = []
    for one in wanted:
        spoilt.chance = _chance(one.key)
        fault = one.injection(spoilt)
        if fault is None:
            return None
        found.append(fault)
    return spoilt, tuple(found)


def _causing(
    name: str, draft: Draft, wanted: list[_PlacedFault], faults: tuple[InjectedFault, ...]
) -> tuple[InjectedFault, ...]:
    """The faults each of which is enough; all of them, where only all together are."""
    enough = []
    for one, fault in zip(wanted, faults, strict=True):
        alone = _faulty(draft, [one])
        if not one.is_seen or (alone is not None and _answer(name, alone[0]) is not Delivery.YES):
            enough.append(fault)
    return tuple(enough) or faults


def _answer(name: str, draft: Draft) -> Delivery | None:
    """What the oracle says; None where it is no scenario."""
    try:
        return expected(planned_text(name, as_text(_document(name, draft, []))).plan).answer
    except ScenarioError:
        return None


def _document(name: str, draft: Draft, faults: list[str]) -> Documents:
    summary = f"Generated as {name}, with {' and '.join(faults) or 'nothing wrong'}."
    return {
        "lab": "1", "summary": summary, "markers": ["faults"], **content(draft), "expect": EXPECTED,
    }  # fmt: skip
