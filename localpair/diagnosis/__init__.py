"""Diagnosis: every check in series, each with its own deadline and caught failure, and a report in every case.

``diagnose()`` is what the command line and other programs call; docs/diagnosis.md says what each check looks at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from localpair.diagnosis import probes_firewall, probes_host, probes_links, probes_peers, probes_self
from localpair.diagnosis.context import CheckContext
from localpair.diagnosis.evidence import CheckNotes
from localpair.diagnosis.facts import Facts, Json
from localpair.diagnosis.record import Finding, Report, Status
from localpair.diagnosis.runner import Check, CheckSeries, OnFinding
from localpair.diagnosis.text import to_text
from localpair.limits import DIAGNOSIS_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localpair.diagnosis.evidence import Clock
    from localpair.wire.offer import Offer

__all__ = [
    "CHECKS",
    "Check",
    "CheckContext",
    "CheckNotes",
    "Facts",
    "Finding",
    "Json",
    "Report",
    "Status",
    "diagnose",
    "to_text",
]

CHECKS: Final[tuple[Check, ...]] = (
    Check("versions", probes_host.versions),
    Check("clock", probes_host.clock),
    Check("environment", probes_host.environment),
    Check("state", probes_host.state_on_disk),
    Check("interfaces", probes_links.interfaces),
    Check("routes", probes_links.routes),
    Check("kernel", probes_links.kernel),
    Check("firewall", probes_firewall.firewall),
    Check("ports", probes_self.ports),
    Check("addresses", probes_self.addresses, 8.0),  # three stages, the last of which waits for a peer
    Check("self-call", probes_self.self_call),
    Check("multicast", probes_peers.multicast),
    Check("broadcast", probes_peers.broadcast),
    Check(
        "discovery", probes_peers.discovery, 12.0
    ),  # listens longer than the others, longest towards an offer
)
"""The series, in the order in which it runs."""


async def diagnose(
    *,
    checks: Sequence[Check] = CHECKS,
    setting: CheckContext | None = None,
    offer: Offer | None = None,
    on_finding: OnFinding | None = None,
    deadline: float = DIAGNOSIS_S,
    clock: Clock = time.monotonic,
) -> Report:
    """Run every check in turn and give the report, whatever the checks do.

    Each finding goes to the logger ``localpair.diagnosis`` and to ``on_finding`` as it comes. With ``offer`` the series
    tests towards the device that has made it, and does not use it up. ``deadline`` (seconds) bounds the series; a check
    that hangs costs its own time only. Cancelling ends the series and is answered with the report of what was found by
    then (``interrupted`` is True): no evidence is lost.
    """
    towards = CheckContext() if offer is None else CheckContext.towards(offer)
    series = CheckSeries(checks, setting or towards, deadline=deadline, on_finding=on_finding, clock=clock)
    return await series.run()
