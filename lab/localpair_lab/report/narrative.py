"""What happened, in sentences: a run's timeline told to somebody who was not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localpair_lab.plan.model import Plan
from localpair_lab.report.describe import command_words
from localpair_lab.report.page.sayings import saying
from localpair_lab.timeline import TimelineEntry, read_timeline

MOST_ATTEMPTS = 4  # told one by one; the rest only as a number


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing that happened: seconds since the later start, who, what."""

    at: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.who:<10} {self.text}"


def narrative(plan: Plan, folder: Path) -> list[Sentence]:
    """The sentences for the run whose artifacts are in ``folder``; none where it left no timeline."""
    entries = read_timeline(folder)
    nodes = {action.id: action.node for action in plan.actions}
    starts = [entry.at for entry in entries if entry.kind == "action" and entry.text.startswith("starts on")]
    zero = max(starts, default=0.0)
    attempts = 0
    told: list[Sentence] = []
    for entry in entries:
        for text in _sentences(plan, entry):
            attempts += text.startswith("tried")
            if not text.startswith("tried") or attempts <= MOST_ATTEMPTS:
                told.append(Sentence(entry.at - zero, nodes.get(entry.who, "network"), text))
    if attempts > MOST_ATTEMPTS:
        told.append(Sentence(entries[-1].at - zero, "", f"({attempts - MOST_ATTEMPTS} more attempts)"))
    return told


def _sentences(plan: Plan, entry: TimelineEntry) -> Iterator[str]:
    if entry.kind == "event" and entry.text != "done":
        yield entry.text
    if entry.kind == "action":
        yield from _of_action(plan, entry)
    if entry.kind == "json":
        name, _, rest = entry.text.partition(" ")
        yield from _of_event(name, json.loads(rest) if rest else {})


def _of_action(plan: Plan, entry: TimelineEntry) -> Iterator[str]:
    if entry.text.startswith("starts on"):
        yield f"starts `{next((command_words(one) for one in plan.actions if one.id == entry.who), '')}`"
    elif entry.text.startswith("gets the offer"):
        yield "reads the offer"


def _of_event(name: str, fields: dict[str, Any]) -> Iterator[str]:
    match name:
        case "offer" | "failed":
            yield saying(name, fields).text
        case "attempt" if fields.get("outcome") == "failed":
            yield saying(name, fields).text
        case "paired":
            path = fields.get("path") or {}
            how = {"in": "the other side dialled", "out": "this side dialled", "simultaneous": "both at once"}
            direction = how.get(str(path.get("direction")), "")
            yield f"is paired: {path.get('local')} with {path.get('remote')}, {direction}"
        case "received":
            size = int(fields.get("bytes", 0)) / 1e6
            yield f"has received {Path(str(fields.get('path'))).name}, {size:.1f} MB, checksum right"
