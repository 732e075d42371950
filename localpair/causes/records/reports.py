"""Reports: a device's facts in whatever a person hands over.

A report is a report code, a text with one in it, what ``diagnose --output`` wrote, or the events of a run, a line of
JSON each. Somebody else wrote all of them: what comes out is checked, and a claim.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localpair.causes.judge import judge
from localpair.causes.records.codec import from_dict
from localpair.causes.records.report_code import PREFIX, parse
from localpair.causes.records.telling import believed, masked
from localpair.dataclass import dataclass
from localpair.limits import FACTS_BYTES

if TYPE_CHECKING:
    from localpair.causes.facts import RunFacts
    from localpair.causes.vocabulary import RunVerdict

REPORT_BYTES: Final = 4 * FACTS_BYTES
"""The largest file that is read: a whole diagnosis, or the events of a run, with the facts in it."""


@dataclass(frozen=True, slots=True)
class HandedReport:
    """One device's facts, and those that the other one told it, where the report has them."""

    facts: RunFacts
    claimed: RunFacts | None = None


def is_code(text: str) -> bool:
    """Whether ``text`` holds a report code and is no name of a file."""
    return PREFIX in text.upper()


def read_report(text: str) -> HandedReport:
    """The last report in ``text``. Raises FactsError where there is none that can be read."""
    found = list(_records(text))
    if not found:
        return HandedReport(parse(text))
    facts, claimed = found[-1]
    return HandedReport(from_dict(facts), None if claimed is None else from_dict(claimed))


def judge_reports(mine: RunFacts, theirs: RunFacts) -> RunVerdict:
    """The verdict on two devices' reports, told to whoever handed over ``mine``. A file made both of them: no port that
    one names is opened by a hint.
    """
    return judge(replace(masked(mine), tcp_port=0), believed(theirs))


def _records(text: str) -> Iterator[tuple[object, object | None]]:
    """What stands for facts in a report or in events, which are JSON, and what for the other device's."""
    for piece in (text, *text.splitlines()):
        found = _json(piece) if '"facts"' in piece or '"run"' in piece else None
        if isinstance(found, Mapping):
            run = found.get("run")
            record = run if isinstance(run, Mapping) else found.get("facts")
            claimed = found.get("claimed")
            if isinstance(record, Mapping) and "role" in record:
                yield record, claimed if isinstance(claimed, Mapping) else None


def _json(text: str) -> object | None:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found
