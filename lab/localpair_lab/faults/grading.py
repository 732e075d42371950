"""What a view says of why, held against the faults that were put in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from localpair_lab.faults.fault import InjectedFault

MORE = "more-may-lie-behind"  # localpair's note where what it names hides what comes after it


class Grade(StrEnum):
    """How good a verdict is."""

    RIGHT = "right"  # it names the fault, and nothing else
    VAGUE = "vague"  # "either, or", and the fault is among what it names
    NONE = "none"  # it names nothing
    WRONG = "wrong"  # something that it names is not so


@dataclass(frozen=True, slots=True)
class Statement:
    """One explanation: the causes between which it leaves the choice, and the device where it says that they lie; empty
    where it says that they lie between the two.
    """

    causes: tuple[str, ...]
    device: str
    confidence: str

    def __str__(self) -> str:
        return f"{self.confidence} {' or '.join(self.causes)}{f' at {self.device}' if self.device else ''}"


@dataclass(frozen=True, slots=True)
class ViewVerdict:
    """All that one view says."""

    statements: tuple[Statement, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(map(str, self.statements)) or "no cause"


def grade(
    verdict: ViewVerdict, view: str, causing: Iterable[InjectedFault], others: Iterable[InjectedFault] = ()
) -> Grade:
    """How good ``verdict`` is in its view. ``others`` are true and would not be missed. Of several faults the first may
    stand for all, where the verdict says that more may lie behind it.
    """
    wanted = list(causing)
    every = [*wanted, *others]
    if not verdict.statements:
        return Grade.NONE
    if any(not _is_true(one, every, view) for one in verdict.statements):
        return Grade.WRONG
    exact = [one for one in verdict.statements if len(one.causes) == 1]
    named = [fault for fault in wanted if any(_is_true(one, [fault], view) for one in exact)]
    if len(named) == len(wanted) or (named and MORE in verdict.notes):
        return Grade.RIGHT
    meant = any(_is_true(one, wanted, view) for one in verdict.statements)
    return Grade.VAGUE if meant else Grade.WRONG


def _is_true(statement: Statement, faults: Iterable[InjectedFault], view: str) -> bool:
    """Whether one of the causes is one of the faults; where it is the only cause that is named, at the right device."""
    device = statement.device if len(statement.causes) == 1 else ""
    return any(fault.is_named_by(cause, device, view) for fault in faults for cause in statement.causes)
