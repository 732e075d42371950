"""What the checks of a diagnosis may use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from localpair.trust.state_folder import state_path

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.candidate import Candidate
    from localpair.events import Event
    from localpair.net.agent.gathering import AddressReport, OnAttempt

Discover: TypeAlias = Callable[[float], "AsyncIterator[Event]"]
"""Looks for other devices for so many seconds, as ``localpair.discover`` does."""

Acquire: TypeAlias = Callable[["OnAttempt"], "Awaitable[AddressReport]"]
"""Runs the three stages and tells of each try as it ends, as ``localpair.acquire_addresses`` does."""


def _discover(seconds: float) -> AsyncIterator[Event]:
    from localpair.pairing.discover import discover

    return discover(seconds)


def _acquire(on_attempt: OnAttempt) -> Awaitable[AddressReport]:
    from localpair.pairing.discover import acquire_addresses

    return acquire_addresses(on_attempt=on_attempt)


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The means and the subject of a diagnosis.

    ``folder`` is where state lives. ``discover`` and ``acquire`` run in a check's own thread and event loop;
    with ``discover`` None nobody is looked for. ``peers`` are addresses of the other device, where they are known.
    """

    folder: Path = field(default_factory=state_path)
    discover: Discover | None = _discover
    acquire: Acquire = _acquire
    peers: tuple[Candidate, ...] = ()
