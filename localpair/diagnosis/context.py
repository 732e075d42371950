"""What the checks of a diagnosis may use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from localpair.candidate import Candidate, Origin
from localpair.dataclass import dataclass
from localpair.trust.state_folder import state_path

if TYPE_CHECKING:
    from pathlib import Path

    from localpair.events import Event
    from localpair.net.agent.gathering import AddressReport, OnAttempt
    from localpair.wire.offer import Offer

Discover: TypeAlias = Callable[[float], "AsyncIterator[Event]"]
"""Looks for other devices, or for the one of an offer, for so many seconds; the last event may be a Judged."""

Acquire: TypeAlias = Callable[["OnAttempt"], "Awaitable[AddressReport]"]
"""Runs the three stages and tells of each try as it ends, as ``localpair.acquire_addresses`` does."""


def _discover(seconds: float) -> AsyncIterator[Event]:
    from localpair.pairing.examine import examine

    return examine(seconds)


def _acquire(on_attempt: OnAttempt) -> Awaitable[AddressReport]:
    from localpair.pairing.discover import acquire_addresses

    return acquire_addresses(on_attempt=on_attempt)


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The means and the subject of a diagnosis.

    ``offer`` is that of the other device, where one was read: the series tests towards it, and does not use it up.
    ``folder`` is where state lives. ``discover`` and ``acquire`` run in a check's own thread and event loop;
    with ``discover`` None nobody is looked for. ``peers`` are addresses of the other device, where they are known.
    """

    folder: Path = field(default_factory=state_path)
    discover: Discover | None = _discover
    acquire: Acquire = _acquire
    peers: tuple[Candidate, ...] = ()
    offer: Offer | None = None

    @classmethod
    def towards(cls, offer: Offer) -> CheckContext:
        """What tests towards the device that has made ``offer``."""
        from localpair.pairing.examine import examine

        peers = tuple(Candidate(one.address, offer.tcp_port, origin=Origin.OFFER) for one in offer.candidates)
        return cls(discover=lambda seconds: examine(seconds, offer), peers=peers, offer=offer)
