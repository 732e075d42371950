"""Commands that care for the machine: doctor and gc."""

from __future__ import annotations

import argparse

from lab.cli.output import DIM, GREEN, RED, out, painted, talk
from lab.engines.base import LabError


def doctor(options: argparse.Namespace) -> int:
    """What this machine can and cannot play, and the one command that mends each gap."""
    del options
    from lab.capabilities import doctor as examine
    from lab.plan import CAPABILITIES

    findings = examine()
    engines = list(dict.fromkeys(finding.engine for finding in findings))
    for engine in engines:
        mine = [finding for finding in findings if finding.engine == engine]
        lacking = [finding for finding in mine if not finding.works]
        summary = "plays everything" if not lacking else f"lacks {len(lacking)} of {len(mine)}"
        out(f"{engine}: {painted(summary, GREEN if not lacking else RED)}")
        for finding in mine:
            mark = painted("yes", GREEN) if finding.works else painted("no ", RED)
            out(
                f"  {mark}  {finding.capability:<15} {painted(CAPABILITIES.get(finding.capability, ''), DIM)}"
            )
            if finding.reason:
                out(f"       {'':<15} {finding.reason}")
        for mend in dict.fromkeys(finding.mend for finding in lacking if finding.mend):
            out(f"  hint: {mend}")
    playable = [engine for engine in engines if any(f.works for f in findings if f.engine == engine)]
    return 0 if playable else 1


def gc(options: argparse.Namespace) -> int:
    """Remove what dead labs have left, by their labels and leases, and nothing else."""
    from lab.choice import docker_answers
    from lab.gc import collect

    if not docker_answers():
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
