"""What a run came to: four verdicts, and the evidence for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from localpair_lab.engines.base import Missing
from localpair_lab.loading.problems import Where


class Verdict(StrEnum):
    """Whose fault it is, if anybody's."""

    PASSED = "passed"
    FAILED = "failed"  # the product did not do what the scenario expects
    UNSUPPORTED = "unsupported"  # this machine lacks a capability, which is named
    BROKEN = "broken"  # the lab's own fault: it proves nothing about the product


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that did not come true: where it stands in the scenario, what was wanted, what came
    instead.
    """

    where: Where
    wanted: str
    came: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.wanted}; instead: {self.came}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell on one engine. ``reason`` is for UNSUPPORTED and BROKEN, ``hint`` says what to do about it.

    ``came`` is what came of the scenario's main action, ``after_s`` seconds after the later start.
    ``ends`` tells how each action ended.
    """

    verdict: Verdict
    engine: str
    folder: Path | None = None
    failures: tuple[Failure, ...] = ()
    missing: tuple[Missing, ...] = ()
    reason: str = ""
    hint: str = ""
    elapsed_s: float = 0.0
    own_cost_s: float = 0.0
    paired_ms: float | None = None
    path: str = ""
    came: str = ""
    after_s: float = 0.0
    ends: tuple[tuple[str, str], ...] = ()

    @property
    def paired_after_s(self) -> float | None:
        """Seconds from the later start to the pair; None where there is none."""
        return self.after_s if self.came == "paired" else None


class VerdictError(Exception):
    """A verdict other than PASSED, on its way to the report; ``tell`` makes the text of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("\n".join(str(failure) for failure in outcome.failures) or outcome.reason)
        self.outcome = outcome


class ScenarioFailedError(VerdictError):
    """The product failed a scenario."""


class ScenarioBrokenError(VerdictError):
    """The lab failed, or lacks what a strict session asks for."""
