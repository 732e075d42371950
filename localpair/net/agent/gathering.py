"""The three stages in which a device finds its own addresses, each falling through to the next.

1. The preferred outbound address, confirmed by a call to one's own listener.
2. All interface addresses of the local classes, all called at once; whichever reach the listener are confirmed.
3. What a peer sees.

A call to one's own address runs through the loopback device: it proves that the address is ours and that the
listener is alive, and nothing about reachability. So the stages grade addresses, and drop none that could be used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from typing import TypeAlias

from localpair.address import LOCAL_CLASSES, SPECIAL_CLASSES, IPAddress, classify, unscoped
from localpair.candidate import Candidate, Evidence, Interface, InterfaceAddress, Origin
from localpair.dataclass import dataclass
from localpair.endpoint import scope_of
from localpair.errors import LocalpairError
from localpair.events import AddressAttempt, OwnAddressSeen
from localpair.limits import SELF_CALL_S, SELF_CALLS, STAGE_THREE_S
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.naming import describe
from localpair.net.host.routes import NoRoute, RouteAnswer, owns, preferred_source
from localpair.net.host.routing import outbound_destinations
from localpair.ranking import is_tunnel, order_own, own_candidates, why_not_offered

CONFIRMED, FAILED, DROPPED = "confirmed", "failed", "dropped"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What came of one call to one's own listener; ``reason`` says why it failed."""

    confirmed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AddressReport:
    """Every try in order, the stage that found an address (None where none did), and what there is to offer.

    ``candidates`` are our own addresses, best first, each with its evidence and the reasons of its rank; those
    that were not confirmed are among them.
    """

    attempts: tuple[AddressAttempt, ...]
    stage: int | None
    candidates: tuple[Candidate, ...]


SelfCall: TypeAlias = Callable[[IPAddress, int, int], Awaitable[CallOutcome]]
"""Calls one's own listener at (address, scope, port) with a random code and the called address inside the call."""

SeenByPeer: TypeAlias = Callable[[], Awaitable[Sequence[OwnAddressSeen]]]
"""Waits until a peer tells at which of our addresses it sees us; may wait for ever, stage 3 bounds it."""

Clock: TypeAlias = Callable[[], float]
OnAttempt: TypeAlias = Callable[[AddressAttempt], None]
PreferredSource: TypeAlias = Callable[[IPAddress], RouteAnswer]


async def acquire_addresses(
    interfaces: Interfaces,
    *,
    port: int,
    call: SelfCall,
    seen_by_peer: SeenByPeer | None = None,
    everything: bool = False,
    on_attempt: OnAttempt | None = None,
    call_limit_s: float = SELF_CALL_S,
    stage_three_limit_s: float = STAGE_THREE_S,
    clock: Clock = time.monotonic,
    preferred: PreferredSource = preferred_source,
) -> AddressReport:
    """Find our own addresses; ``port`` is the TCP port of our own listener, which ``call`` is to reach.

    Stage 2 runs where stage 1 found nothing, and with ``everything`` in any case; stage 3 runs where neither found
    anything and ``seen_by_peer`` is given. ``on_attempt`` is told of each try as it ends. Every call ends within
    ``call_limit_s``; OSError, TimeoutError, EOFError and LocalpairError of a call are its failure.
    """
    run = _Gathering(interfaces, port, call, clock, call_limit_s, on_attempt)
    await run.stage_one(preferred)
    if everything or run.stage is None:
        await run.stage_two()
    if run.stage is None and seen_by_peer is not None:
        await run.stage_three(seen_by_peer, stage_three_limit_s)
    return AddressReport(tuple(run.attempts), run.stage, run.candidates())


@dataclass(frozen=True, slots=True)
class _Target:
    """One of our addresses and what is known about it; an interface is missing where enumeration was refused."""

    address: IPAddress
    interface: Interface | None = None
    details: InterfaceAddress | None = None

    @property
    def scope(self) -> int:
        return scope_of(self.address, self.interface.index) if self.interface else 0

    @property
    def key(self) -> tuple[IPAddress, int]:
        return self.address, self.scope


@dataclass(slots=True)
class _Gathering:
    """One run: what has been tried and what is known so far."""

    interfaces: Interfaces
    port: int
    call: SelfCall
    clock: Clock
    call_limit_s: float
    on_attempt: OnAttempt | None
    attempts: list[AddressAttempt] = field(default_factory=list)
    stage: int | None = None
    known: dict[tuple[IPAddress, int], tuple[Evidence, Origin]] = field(default_factory=dict)

    async def stage_one(self, preferred: PreferredSource) -> None:
        """Whatever address the routing table prefers, both families, has to be a local one that answers."""
        targets: dict[IPAddress, _Target] = {}
        for destination in outbound_destinations(self.interfaces):
            started = self.clock()
            answer = preferred(destination)
            if isinstance(answer, NoRoute):
                self._record(1, None, FAILED, str(answer), started)
            else:
                targets.setdefault(answer.source, _target(answer.source, self.interfaces))
        await self._confirm_all(1, tuple(targets.values()), _why_not_preferred, FAILED)

    async def stage_two(self) -> None:
        """Every address of every interface that a LAN may have handed out."""
        targets = tuple(
            _Target(details.address, interface, details)
            for interface in self.interfaces.interfaces
            for details in interface.addresses
        )
        await self._confirm_all(2, targets, _why_not_called, DROPPED)

    async def stage_three(self, seen_by_peer: SeenByPeer, limit_s: float) -> None:
        """What a peer sees: an address of ours, or one that a translation between us has made."""
        started = self.clock()
        try:
            async with asyncio.timeout(limit_s):
                seen = await seen_by_peer()
        except TimeoutError:
            self._record(3, None, FAILED, f"no peer told within {limit_s:g} s", started)
            return
        for view in seen:
            self._take_view(view, started)
        if not seen:
            self._record(3, None, FAILED, "no peer sees us", started)

    def candidates(self) -> tuple[Candidate, ...]:
        """All that can be offered: the interfaces' addresses, and those that only a route or a peer told of."""
        found = own_candidates(self.interfaces.interfaces, port=self.port, known=self.known)
        listed = self.interfaces.own_addresses
        told = [
            Candidate(address, self.port, scope=scope, origin=origin, evidence=evidence)
            for (address, scope), (evidence, origin) in self.known.items()
            if address not in listed
        ]
        return order_own((*found, *told), self.interfaces.interfaces)

    async def _confirm_all(
        self, stage: int, targets: Sequence[_Target], objection: Callable[[_Target], str], refused: str
    ) -> None:
        """Call all targets at once, except those with an objection, which are recorded as ``refused``."""
        slots = asyncio.Semaphore(SELF_CALLS)
        async with asyncio.TaskGroup() as calls:
            for target in targets:
                reason = objection(target)
                if reason:
                    self._record(stage, target, refused, reason, self.clock())
                elif self.known.get(target.key, (Evidence.ASSIGNED,))[0] >= Evidence.SELF_CONFIRMED:
                    self._record(stage, target, CONFIRMED, "an earlier stage called it", self.clock())
                else:
                    calls.create_task(self._confirm(stage, target, slots))

    async def _confirm(self, stage: int, target: _Target, slots: asyncio.Semaphore) -> None:
        async with slots:
            started = self.clock()
            outcome = await self._call(target)
        origin = Origin.STAGE_1 if stage == 1 else Origin.STAGE_2
        if outcome.confirmed:
            self.stage = self.stage or stage
            self.known[target.key] = (Evidence.SELF_CONFIRMED, origin)
            self._record(stage, target, CONFIRMED, "the call reached our listener", started)
            return
        if stage == 1:
            self.known[target.key] = (Evidence.PREFERRED_ROUTE, origin)
        self._record(stage, target, FAILED, outcome.reason or "the call did not reach our listener", started)

    async def _call(self, target: _Target) -> CallOutcome:
        try:
            async with asyncio.timeout(self.call_limit_s):
                return await self.call(target.address, target.scope, self.port)
        except TimeoutError:
            return CallOutcome(False, f"no answer within {self.call_limit_s:g} s")
        except (OSError, EOFError, LocalpairError) as error:
            return CallOutcome(False, describe(error))

    def _take_view(self, view: OwnAddressSeen, started: float) -> None:
        target = _target(unscoped(view.address), self.interfaces)
        self.known[target.key] = (view.evidence, Origin.STAGE_3)
        if target.interface is None and not owns(target.address):
            reason = f"{view.by} sees us there, and it is no address of ours: something translates between us"
            self._record(3, target, FAILED, reason, started)
            return
        self.stage = self.stage or 3
        self._record(3, target, CONFIRMED, f"{view.by} sees us there", started)

    def _record(self, stage: int, target: _Target | None, outcome: str, reason: str, started: float) -> None:
        """``target`` is None where the stage found no address to try."""
        known = self.known.get(target.key) if target else None
        attempt = AddressAttempt(
            stage=stage,
            address=target.address if target else None,
            interface=target.interface.name if target and target.interface else None,
            outcome=outcome,
            reason=reason,
            ms=(self.clock() - started) * 1000,
            cls=classify(target.address) if target else None,
            evidence=known[0] if known else None,
        )
        self.attempts.append(attempt)
        if self.on_attempt is not None:
            self.on_attempt(attempt)


def _target(address: IPAddress, interfaces: Interfaces) -> _Target:
    interface = interfaces.owner(address)
    for details in interface.addresses if interface else ():
        if details.address == address:
            return _Target(address, interface, details)
    return _Target(address)


def _why_not_preferred(target: _Target) -> str:
    """What disqualifies the preferred outbound address, before it is called."""
    if reason := _why_not_local(target):
        return reason
    interface = target.interface
    if interface is None:
        return ""
    if is_tunnel(interface):
        return f"the preferred route leads into the tunnel {interface.name}"
    if interface.carrier is False:
        return f"{interface.name} has no carrier"
    return _why_unusable(target)


def _why_not_called(target: _Target) -> str:
    """What keeps stage 2 from calling one of the interfaces' addresses."""
    return _why_not_local(target) or _why_unusable(target)


def _why_not_local(target: _Target) -> str:
    """A LAN may be numbered out of a block of special purpose; a tunnel with such an address belongs to a proxy."""
    cls = classify(target.address)
    special = cls in SPECIAL_CLASSES and target.interface is not None and not is_tunnel(target.interface)
    return "" if cls in LOCAL_CLASSES or special else f"{cls} address: outside the local classes"


def _why_unusable(target: _Target) -> str:
    if target.interface is None or target.details is None:
        return ""
    return why_not_offered(target.interface, target.details)
