"""What the planner of one machine needs to know of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from localpair_lab.model.scenario import Scenario
from localpair_lab.plan.build.ports import Ports


@dataclass(frozen=True, slots=True)
class Site:
    """What a machine needs to know of the rest: the scenario, its ports, and the positions that make MACs
    and hosts.
    """

    scenario: Scenario
    ports: Ports
    positions: dict[str, int]
