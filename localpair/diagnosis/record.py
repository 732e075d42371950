"""The record of a diagnosis: one finding for each check, and the report that holds them."""

from __future__ import annotations

import json
from dataclasses import field, replace
from enum import StrEnum
from typing import Final

from localpair.causes.records.codec import from_dict, to_dict
from localpair.causes.records.pseudonyms import key_of, pseudonymous
from localpair.dataclass import dataclass
from localpair.diagnosis.facts import Facts, Json
from localpair.diagnosis.redaction import Redactor

FORMAT: Final = 1
"""The version of the JSON form. Fields are only ever added."""


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"  # it ran, and found nothing wrong
    FAILED = "failed"  # it ran, and found a fault in this host or its network
    TIMEOUT = "timeout"  # it was given up; its facts are what it had noted by then
    SKIPPED = "skipped"  # it does not apply, or its turn never came
    ERROR = "error"  # the check itself broke
    CUT = "cut"  # the series was interrupted while it ran


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    ``started`` counts seconds from the start of the series, ``ms`` is its duration. ``summary`` is one line for a
    person; ``facts`` hold the evidence as plain JSON values; ``error`` says what broke the check, if anything did.
    """

    name: str
    status: Status
    started: float
    ms: float
    summary: str
    facts: Facts = field(default_factory=dict)
    error: Facts | None = None

    def to_dict(self) -> dict[str, Json]:
        """The finding as plain JSON values."""
        return {
            "name": self.name,
            "status": self.status.value,
            "started": self.started,
            "ms": self.ms,
            "summary": self.summary,
            "facts": dict(self.facts),
            "error": None if self.error is None else dict(self.error),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole diagnosis, in the order in which the checks ran; every check of the series has its finding.

    ``id`` is random, for telling two reports apart when they are laid side by side. ``started`` is wall-clock time
    (ISO 8601, UTC), for people. ``interrupted`` is True where the series was cancelled.
    """

    id: str
    version: str
    started: str
    ms: float
    findings: tuple[Finding, ...]
    interrupted: bool = False
    redacted: bool = False
    pseudonymous: bool = False

    @property
    def ok(self) -> bool:
        """Whether every check ran or did not apply, and none found a fault."""
        return not self.interrupted and all(f.status in (Status.OK, Status.SKIPPED) for f in self.findings)

    @property
    def run(self) -> Json:
        """The facts of the run that looked for the other device (docs/causes.md); None where there was none."""
        return self._of_discovery("run")

    @property
    def claimed(self) -> Json:
        """Those that the other device told of itself."""
        return self._of_discovery("claimed")

    def _of_discovery(self, name: str) -> Json:
        found = [finding.facts.get(name) for finding in self.findings if finding.name == "discovery"]
        return found[0] if found and (self.pseudonymous or not self.redacted) else None

    def finding(self, name: str) -> Finding:
        """The finding of the check ``name``. KeyError where the series had none."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_dict(self, *, redact: bool = False) -> dict[str, Json]:
        """The report as plain JSON values, see docs/diagnosis.md."""
        if redact and not self.redacted:
            return self.redact().to_dict()
        return {
            "format": FORMAT,
            "tool": "localpair",
            "version": self.version,
            "id": self.id,
            "started": self.started,
            "ms": self.ms,
            "interrupted": self.interrupted,
            "redacted": self.redacted,
            "run": self.run,
            "claimed": self.claimed,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_json(self, *, redact: bool = False, indent: int | None = 2) -> str:
        """The report as JSON text, ASCII only, so that no name in it can do anything to a screen."""
        return json.dumps(self.to_dict(redact=redact), indent=indent)

    def redact(self, redactor: Redactor | None = None, *, secret: bytes = b"") -> Report:
        """A copy in which the host parts of addresses, MAC addresses, and names of people and hosts are masked.

        One and the same address has one and the same mask throughout the report. With the offer's ``secret``, the facts
        of the run are in it under pseudonyms that the other device's report has as well; else they are left out.
        """
        mask = redactor or Redactor.of_this_host(finding.facts for finding in self.findings)
        findings = (
            replace(
                finding,
                summary=mask.text(finding.summary),
                facts=mask.facts(finding.facts),
                error=None if finding.error is None else mask.facts(finding.error),
            )
            for finding in self.findings
        )
        told = {name: _pseudonymous(getattr(self, name), secret) for name in ("run", "claimed")}
        masked = (
            replace(one, facts={**one.facts, **told}) if secret and one.name == "discovery" else one
            for one in findings
        )
        return replace(self, findings=tuple(masked), redacted=True, pseudonymous=bool(secret))


def _pseudonymous(found: Json, secret: bytes) -> Json:
    """Facts under pseudonyms; None where there are none, or where they would tell of impossible addresses."""
    if found is None or not secret:
        return None
    facts = pseudonymous(from_dict(found), key_of(secret))
    return None if facts is None else to_dict(facts)
