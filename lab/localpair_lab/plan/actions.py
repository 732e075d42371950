"""What a device does in a plan, and the files that it sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from localpair_lab.plan.changes import When


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file made in the node's state folder before an action starts, of pseudo-random bytes from the
    plan's seed.
    """

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Action:
    """One command of the product on one device.

    ``argv`` is complete, ``@localpair`` first. ``offer_from`` names the action whose last ``offer`` event
    is written to this one's stdin (with a line feed; stdin is then closed), at the moment ``offer_at``;
    empty: nothing is. ``answer_from`` names the action whose last ``answer`` event is written there likewise, at
    ``answer_at``. ``stop`` is the signal that ends the process at the moment ``stop_at`` (both
    None: it ends by itself or at the end of the run, when what still runs is interrupted with SIGINT).
    ``deadline_s`` counts from its start: a process that still runs then and is not ``background`` is a
    failure.
    """

    id: str
    node: str
    verb: str
    argv: tuple[str, ...]
    when: When
    deadline_s: float
    offer_from: str = ""
    offer_at: When | None = None
    answer_from: str = ""
    answer_at: When | None = None
    files: tuple[SampleFile, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    stop: Literal["", "interrupt", "kill"] = ""
    stop_at: When | None = None
    background: bool = False
