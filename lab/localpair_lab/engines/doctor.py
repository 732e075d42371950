"""What this machine can and cannot play, as lines for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localpair_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
from localpair_lab.engines.capabilities import RESTS_ON, missing
from localpair_lab.engines.namespace.trials import namespaces


@dataclass(frozen=True, slots=True)
class CapabilityFinding:
    """One line of ``doctor``: a capability of an engine, whether it is there, why not, and what mends it."""

    engine: str
    capability: str
    works: bool
    reason: str = ""
    mend: str = ""


def doctor() -> list[CapabilityFinding]:
    """Everything this machine can and cannot play."""
    return [*_findings("namespace", namespaces()), *_compose_findings()]


def _findings(engine: str, trials: Mapping[str, str]) -> list[CapabilityFinding]:
    lacking = {one.capability: one for one in missing(list(RESTS_ON), trials)}
    return [
        CapabilityFinding(engine, name, False, lacking[name].reason, lacking[name].mend)
        if name in lacking
        else CapabilityFinding(engine, name, True)
        for name in RESTS_ON
    ]


def _compose_findings() -> list[CapabilityFinding]:
    from localpair_lab.engines.compose.engine import ComposeEngine

    try:
        return _findings("compose", ComposeEngine().trials())
    except LabError as error:
        return [CapabilityFinding("compose", name, False, error.message, error.hint) for name in RESTS_ON]
