"""A diagnosis of this test's own namespace, and reports for tests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from localpair.diagnosis import (
    CHECKS,
    Check,
    CheckContext,
    Report,
    diagnose,
)

SECRET = "correct-horse-battery-staple"


def run(*checks: Check, **options: Any) -> Report:
    return asyncio.run(diagnose(checks=checks, **options))


def quiet(folder: Path) -> CheckContext:
    """All checks, without the seconds that looking for others takes."""
    return CheckContext(folder=folder, discover=None)


PATIENT = tuple(replace(check, deadline=30.0) for check in CHECKS)


def diagnose_here(folder: Path) -> Report:
    """Every check for real, in the namespace that this process has to itself, with time for a busy machine."""
    return asyncio.run(diagnose(checks=PATIENT, setting=quiet(folder), deadline=300.0))


def statuses(report: Report) -> list[str]:
    return [finding.status.value for finding in report.findings]
