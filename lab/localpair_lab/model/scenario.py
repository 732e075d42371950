"""The scenario: what an author writes, as a frozen model. No engine's word stands in it.

The model is read by ``load`` (which adds line and column to every problem) and turned into a plan by
``planner``. ``scenario.schema.json`` for editors is generated from it. The reference is ``docs/lab.md``.

Short forms (an address for a whole network, one value for a list) are widened by the ``before`` validators,
so that the rest of the lab sees one form only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from localpair_lab.model.actions import Act, AnyAct, Pair, _paired_acts
from localpair_lab.model.common import Many, Model, Text
from localpair_lab.model.events import Impair, ScenarioEvent
from localpair_lab.model.expectations import Expect, ExpectedFailure, Quarantine
from localpair_lab.model.machines import Decoy, Device, Machine, Router
from localpair_lab.model.networks import Network
from localpair_lab.model.programs import ProgramAct
from localpair_lab.model.values import Count, Duration, Name


class Scenario(Model):
    """One scenario file, one cell of its matrix."""

    lab: Literal["1"]
    summary: Text
    references: Many[Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]] = ()
    markers: Many[Text] = ()
    networks: dict[Name, Network]
    routers: dict[Name, Router] = Field(default_factory=dict)
    devices: dict[Name, Device]
    decoys: dict[Name, Decoy] = Field(default_factory=dict)
    impair: Many[Impair] = ()
    pair: Pair | None = None
    actions: tuple[AnyAct, ...] = ()
    events: tuple[ScenarioEvent, ...] = ()
    expect: tuple[Expect, ...]
    needs: Many[Literal["bbr"]] = ()
    limit: Duration | None = None
    seed: Count = 1
    expected_failure: ExpectedFailure | None = None
    quarantine: Quarantine | None = None

    def machines(self) -> dict[str, Machine]:
        """Every machine by name: routers, decoys, devices."""
        return {**self.routers, **self.decoys, **self.devices}

    def acts(self) -> tuple[Act | ProgramAct, ...]:
        """The written actions and those that ``pair`` stands for."""
        return (*_paired_acts(self.pair), *self.actions)

    def programs(self) -> tuple[ProgramAct, ...]:
        """The actions that run programs of the author's own."""
        return tuple(act for act in self.actions if isinstance(act, ProgramAct))

    def product_acts(self) -> tuple[Act, ...]:
        """All other actions."""
        return tuple(act for act in self.acts() if isinstance(act, Act))
