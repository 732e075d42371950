"""Commands that care for the machine: doctor and gc."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from localpair_lab.cli.output import DIM, GREEN, RED, out, painted, talk
from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from localpair_lab.engines.kinds import CapabilityFinding


def doctor(options: argparse.Namespace) -> int:
    """What this machine can and cannot play, and the one command that mends each gap."""
    del options
    from localpair_lab.engines.registry import doctor as examine

    findings = examine()
    for line in diagnosed(findings):
        out(line)
    return 0 if any(finding.works for finding in findings) else 1


def diagnosed(findings: list[CapabilityFinding]) -> Iterator[str]:
    """Capabilities down, engines across; then each engine's gaps with their reasons and what mends them."""
    from localpair_lab.plan.capabilities import CAPABILITIES

    engines = list(dict.fromkeys(finding.engine for finding in findings))
    works = {(finding.capability, finding.engine): finding.works for finding in findings}
    yield " " * 18 + "".join(f"{engine:<12}" for engine in engines).rstrip()
    for capability in dict.fromkeys(finding.capability for finding in findings):
        marks = "".join(_mark(works.get((capability, engine))) for engine in engines)
        yield f"  {capability:<16}{marks}{painted(CAPABILITIES.get(capability, ''), DIM)}".rstrip()
    for engine in engines:
        lacking = [finding for finding in findings if finding.engine == engine and not finding.works]
        summary = f"lacks {len(lacking)}" if lacking else "plays everything"
        yield ""
        yield f"{engine}: {painted(summary, RED if lacking else GREEN)}"
        yield from _told_once(lacking)


def _mark(works: bool | None) -> str:
    word = "-" if works is None else "yes" if works else "no"
    return painted(f"{word:<12}", GREEN if works else RED if works is False else DIM)


def _told_once(lacking: list[CapabilityFinding]) -> Iterator[str]:
    """Each reason with all that is missing for it, then what mends it."""
    for reason in dict.fromkeys(finding.reason for finding in lacking):
        names = [finding.capability for finding in lacking if finding.reason == reason]
        yield f"  {', '.join(names)}: {reason}" if reason else f"  {', '.join(names)}"
    for mend in dict.fromkeys(finding.mend for finding in lacking if finding.mend):
        yield f"  hint: {mend}"


def gc(options: argparse.Namespace) -> int:
    """Remove what dead labs have left, by their labels and leases, and nothing else."""
    from localpair_lab.engines.compose.cleanup import collect
    from localpair_lab.engines.registry import kinds

    if not kinds()["compose"].answers():
        talk("no Docker engine answers; namespaces leave nothing behind")
        return 0
    try:
        removed = collect(options.docker_host)
    except LabError as error:
        talk(f"error: {error.message}")
        return 3
    for line in removed:
        out(line)
    talk(f"{len(removed)} things of dead labs" if removed else "nothing was left")
    return 0
