"""Reports: what two devices, or one of them, saw when no pair came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localpair.causes.facts import Ending, RunFacts, RunRole
from localpair.causes.judge import judge
from localpair.causes.records.codec import FactsError
from localpair.causes.records.reports import REPORT_BYTES, HandedReport, is_code, read_report
from localpair.causes.records.telling import masked
from localpair.causes.vocabulary import Place, RunVerdict
from localpair_lab.errors import LabError

HOST, JOIN = "host", "join"
NAMES = {HOST: "bob", JOIN: "alice"}
"""The devices of a rebuilt scenario, as in most of the library."""
_HOSTS = (RunRole.HOST, RunRole.LISTEN)
_EXITS = {Ending.TIMEOUT: "3", Ending.PEER_ENDED: "3", Ending.REFUSED: "4"}
_OUTCOMES = {Ending.TIMEOUT: "failed", Ending.PEER_ENDED: "failed", Ending.REFUSED: "refused"}


@dataclass(frozen=True, slots=True)
class Side:
    """One device: what it did, its facts, and what it concluded itself. ``heard_from``: it has sent a report of its
    own; else its facts are what the other one was told.
    """

    action: str
    facts: RunFacts
    own: RunVerdict
    heard_from: bool = True

    @property
    def name(self) -> str:
        """The device in the scenario."""
        return NAMES[self.action]

    @property
    def outcome(self) -> str:
        """How its run ended, in the scenario's word; empty where the facts do not tell."""
        return _OUTCOMES.get(self._ending, "")

    @property
    def exit(self) -> str:
        """Its exit code; empty where the facts do not tell."""
        return _EXITS.get(self._ending, "")

    @property
    def _ending(self) -> Ending:
        """A diagnosis towards an offer is played as a join, which would have ended in time."""
        return Ending.TIMEOUT if self.facts.role is RunRole.DIAGNOSE else self.facts.ending


@dataclass(frozen=True, slots=True)
class Encounter:
    """Both devices' sides, as far as they are known, and the verdict on all facts, seen from ``here``."""

    sides: tuple[Side, ...]
    verdict: RunVerdict

    @property
    def here(self) -> Side:
        """Whoever's view the verdict is."""
        return self.sides[0]

    def side(self, action: str) -> Side | None:
        """The side that did it; None where nothing is known of it."""
        return next((one for one in self.sides if one.action == action), None)

    def devices(self, place: Place) -> tuple[str, ...]:
        """The devices at a place of the verdict; both where it lies between them."""
        here = self.here.name
        there = next(name for name in NAMES.values() if name != here)
        return {Place.HERE: (here,), Place.THERE: (there,), Place.BETWEEN: (here, there)}[place]


def read(words: Sequence[str]) -> Encounter:
    """The encounter that one or two reports tell of: codes, or files. Raises LabError for what is none."""
    reports = [_read(word) for word in words]
    sides = [_side(one.facts, one.claimed) for one in reports]
    claimed = reports[0].claimed
    if len(sides) == 1 and claimed is not None:
        sides.append(_side(claimed, None, heard_from=False))
    if len({one.action for one in sides}) < len(sides):
        raise LabError(
            f"both reports are of devices that did the same: {sides[0].action}",
            hint="give one of the device that showed the offer and one of the other",
        )
    facts = [masked(one.facts) for one in sides]
    return Encounter(tuple(sides), judge(*facts))


def _read(word: str) -> HandedReport:
    try:
        return read_report(word if is_code(word) else _text(Path(word)))
    except FactsError as error:
        shown = "the report code" if is_code(word) else word
        raise LabError(
            f"{shown} cannot be read: {error.message}",
            hint=error.hint
            or "give a report code, what `localpair diagnose --output` wrote, or a run's --json",
        ) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(REPORT_BYTES + 1)
    except OSError as error:
        raise LabError(
            f"{path} cannot be read: {error.strerror}", hint="name a file, or give a code"
        ) from None
    if len(raw) > REPORT_BYTES:
        raise LabError(f"{path} has more than {REPORT_BYTES} bytes", hint="a report is smaller than that")
    return raw.decode(errors="replace")


def _side(facts: RunFacts, claimed: RunFacts | None, *, heard_from: bool = True) -> Side:
    own = judge(masked(facts)) if claimed is None else judge(masked(facts), claimed)
    return Side(HOST if facts.role in _HOSTS else JOIN, facts, own, heard_from)
