"""What localpair says of why: its causes and notes against those that a scenario names, of one side and of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localpair.causes.records.codec import FactsError, from_dict
from localpair.causes.records.reports import judge_reports
from localpair_lab.judge.verdict import Failure
from localpair_lab.loading.problems import Where
from localpair_lab.model.expectations import Expect, MergedWanted
from localpair_lab.plan.model import Plan
from localpair_lab.timeline import ActionRecord, Record

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
    return tuple(_told(event.fields for event in action.events("verdict")))


def _told(verdicts: Iterable[dict[str, Any]]) -> Iterator[Told]:
    for fields in verdicts:
        for one in fields.get("causes", ()):
            yield Told(tuple(one["causes"]), one["confidence"], one["text"], tuple(one["evidence"]))


def notes(action: ActionRecord) -> tuple[str, ...]:
    """The names of all notes that the action's run ended with."""
    return tuple(one["note"] for event in action.events("verdict") for one in event.fields.get("notes", ()))


def check_causes(expect: Expect, action: ActionRecord, where: Where) -> Iterator[Failure]:
    """The failures of `cause`, `not_cause`, `confidence`, `note` and `not_note`."""
    yield from _check_told(expect, explanations(action), action.id, where)
    yield from _check_notes(expect, action, where)


def _check_told(
    expect: Expect | MergedWanted, told: tuple[Told, ...], who: str, where: Where
) -> Iterator[Failure]:
    came = "; ".join(map(str, told)) or "it names no cause"
    evidence = tuple(f"{who}: {piece}" for one in told for piece in one.evidence)
    named = {cause for one in told for cause in one.causes}
    if expect.cause and not (told and all(set(one.causes) & set(expect.cause) for one in told)):
        wanted = f"{who} should name {' or '.join(expect.cause)}, and nothing that lies elsewhere"
        yield Failure((*where, "cause"), wanted, came, evidence)
    for unwanted in expect.not_cause:
        if named if unwanted == ANY else unwanted in named:
            yield Failure((*where, "not_cause"), f"{who} should not name {unwanted}", came, evidence)
    if expect.confidence and not (told and told[0].confidence == expect.confidence):
        wanted = f"{who} should be {expect.confidence} of the cause that it names first"
        yield Failure((*where, "confidence"), wanted, came, evidence)


# --- Both sides' reports ---


def check_merged(
    plan: Plan, record: Record, wanted: MergedWanted, action: ActionRecord, where: Where
) -> Iterator[Failure]:
    """The failures of ``merged``: what the reports of the action and of its partner come to together."""
    partner = partner_of(plan, record, action)
    mine, theirs = report(action), report(partner) if partner is not None else None
    if mine is None or theirs is None:
        yield Failure(where, f"{action.id} and its partner should both leave a report", "one is missing")
        return
    try:
        told = merged(mine, theirs)
    except FactsError as error:
        yield Failure(where, f"the reports of {action.id} and its partner should be readable", error.message)
        return
    yield from _check_told(wanted, told, f"the merged report of {action.id}", where)


def partner_of(plan: Plan, record: Record, action: ActionRecord) -> ActionRecord | None:
    """The host whose offer the action reads, else the first action that reads its offer."""
    read = [one.offer_from for one in plan.actions if one.id == action.id and one.offer_from]
    readers = [one.id for one in plan.actions if one.offer_from == action.id]
    return next((record.actions[name] for name in (*read, *readers) if name in record.actions), None)


def report(action: ActionRecord) -> dict[str, Any] | None:
    """The facts that the action's run ended with; None where it told none."""
    found = [event.fields.get("facts") for event in action.events("verdict")]
    return next((one for one in reversed(found) if isinstance(one, dict)), None)


def merged(mine: dict[str, Any], theirs: dict[str, Any]) -> tuple[Told, ...]:
    """What ``localpair diagnose --merge`` says of two reports. It is reckoned here: a process of its own would take the
    processor from the plays beside it for half a second.
    """
    verdict = judge_reports(from_dict(mine), from_dict(theirs))
    return tuple(
        Told(tuple(one.causes), one.confidence, one.sentence, one.evidence) for one in verdict.explanations
    )


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
