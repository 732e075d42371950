"""What localpair says of why: its causes and notes against those that a scenario names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localpair_lab.judge.verdict import Failure
from localpair_lab.loading.problems import Where
from localpair_lab.model.expectations import Expect
from localpair_lab.timeline import ActionRecord

ANY = "any"


@dataclass(frozen=True, slots=True)
class Told:
    """One explanation that a run gave: the causes that it names, the likeliest first, and its words."""

    causes: tuple[str, ...]
    confidence: str
    text: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.confidence} {' or '.join(self.causes)}: {self.text}"


def explanations(action: ActionRecord) -> tuple[Told, ...]:
    """Every explanation that the action's run ended with."""
    return tuple(
        Told(tuple(one["causes"]), one["confidence"], one["text"], tuple(one["evidence"]))
        for event in action.events("verdict")
        for one in event.fields.get("causes", ())
    )


def notes(action: ActionRecord) -> tuple[str, ...]:
    """The names of all notes that the action's run ended with."""
    return tuple(one["note"] for event in action.events("verdict") for one in event.fields.get("notes", ()))


def check_causes(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    """The failures of `cause`, `not_cause`, `confidence`, `note` and `not_note`."""
    told = explanations(action)
    came = "; ".join(map(str, told)) or "it names no cause"
    evidence = tuple(f"{action.id}: {piece}" for one in told for piece in one.evidence)
    named = {cause for one in told for cause in one.causes}
    if expect.cause and not (told and all(set(one.causes) & set(expect.cause) for one in told)):
        wanted = f"{action.id} should name {' or '.join(expect.cause)}, and nothing that lies elsewhere"
        yield Failure((*where, "cause"), wanted, came, evidence)
    for unwanted in expect.not_cause:
        if named if unwanted == ANY else unwanted in named:
            yield Failure((*where, "not_cause"), f"{action.id} should not name {unwanted}", came, evidence)
    if expect.confidence and not (told and told[0].confidence == expect.confidence):
        wanted = f"{action.id} should be {expect.confidence} of the cause that it names first"
        yield Failure((*where, "confidence"), wanted, came, evidence)
    yield from _check_notes(expect, action, where)


def _check_notes(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    found = notes(action)
    came = f"its notes are {', '.join(found)}" if found else "it has no note"
    for note in expect.note:
        if note not in found:
            yield Failure((*where, "note"), f"{action.id} should note {note}", came)
    for unwanted in expect.not_note:
        if found if unwanted == ANY else unwanted in found:
            yield Failure((*where, "not_note"), f"{action.id} should not note {unwanted}", came)


def causes_beside_a_pair(action: ActionRecord, where: Where) -> Iterator[Failure]:
    """A cause says why no pair came about, so that a run that paired names none."""
    told = explanations(action)
    if told and action.first("paired") is not None:
        yield Failure(where, f"{action.id} paired and should name no cause", "; ".join(map(str, told)))
