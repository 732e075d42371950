"""What a run's page says, as values. Nothing here knows of HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from localpair_lab.plan.model import Plan
from localpair_lab.report.page.sayings import Tone

RowKind: TypeAlias = Literal["packet", "kernel", "said", "change", "action", "helper", "trace", "lab"]


@dataclass(frozen=True, slots=True)
class Arrow:
    """Part of a row's picture, from lane to lane. ``end`` is None where nothing arrived."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Detail:
    """What a row shows when it is opened: named parts, and a text that keeps its line breaks."""

    parts: tuple[tuple[str, str], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the timeline. ``lane`` is where its mark stands, None for the network's own doing.

    ``arrows`` make it a packet. ``ports`` are those that it passes. ``state`` is the number of the drawing that holds
    from then on. ``says``: what the machine's box shows from then on; empty: what it showed before.
    """

    at: float
    kind: RowKind
    who: str
    text: str
    lane: int | None = None
    tone: Tone = "plain"
    arrows: tuple[Arrow, ...] = ()
    ports: tuple[str, ...] = ()
    is_lost: bool = False
    detail: Detail = Detail()
    state: int = 0
    says: str = ""


@dataclass(frozen=True, slots=True)
class OracleState:
    """What the oracle knows of one state of the network: ``ways`` that exist, the one that was taken marked."""

    when: str
    ways: tuple[tuple[str, bool], ...]
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CauseFound:
    """What a device concluded from a run, in words. ``certainty`` may be empty."""

    device: str
    text: str
    hint: str
    certainty: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of the scenario; ``failures`` are those that stand there."""

    number: int
    text: str
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedExpectation:
    """What was wanted, what came, and what the devices said; ``line`` of the scenario, 0 for what is always wanted."""

    line: int
    wanted: str
    came: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """Everything on the page of one run, from top to bottom."""

    title: str
    summary: str
    references: tuple[str, ...]
    verdict: str
    engine: str
    facts: tuple[tuple[str, str], ...]
    reason: str
    hint: str
    failures: tuple[FailedExpectation, ...]
    causes: tuple[CauseFound, ...]
    lanes: tuple[str, ...]
    states: tuple[Plan, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    oracle: tuple[OracleState, ...]
    happened: tuple[str, ...]
    source_name: str
    source: tuple[SourceLine, ...]
    command: str
    prefixes: dict[str, str]
