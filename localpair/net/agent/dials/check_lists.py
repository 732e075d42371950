"""One checklist for each secret, and the routes by which its candidates are dialled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from localpair.address import AddressClass, IPAddress
from localpair.candidate import Candidate
from localpair.limits import CANDIDATES, FAR_ALTERNATE_AFTER_S
from localpair.net.agent.announcer import Clock
from localpair.net.host.alternate_routes import alternates, has_crossed, may_dial_by, used_interface
from localpair.net.host.interfaces import Interfaces
from localpair.protocol.checklist import Checklist, DialOutcome, Key
from localpair.ranking import rank_peers
from localpair.trace import TRACE


class Checklists:
    """One checklist for each secret, all fed with this host's interfaces."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lists: dict[str, Checklist] = {}
        self._interfaces = Interfaces()
        self._held_back: dict[str, OrderedDict[Key, Candidate]] = {}
        self._preference: tuple[IPAddress, ...] = ()

    def set_interfaces(self, interfaces: Interfaces) -> None:
        """The network changed: everything is worth a new try, by the ways that there are now."""
        self._interfaces = interfaces
        for secret, checklist in self._lists.items():
            checklist.set_network(interfaces.own_addresses, self._interfaces.near)
            known = [one for one in checklist.candidates() if not one.bind_to]
            checklist.keep(self._is_way)
            self.add(secret, [*known, *self._held_back.pop(secret, {}).values()])
            checklist.restart(self._clock())

    def prefer(self, addresses: Sequence[IPAddress]) -> None:
        """The order in which the peer itself ranks its addresses; it decides between equals."""
        self._preference = tuple(addresses)

    def add(self, secret: str, candidates: Iterable[Candidate], delay: float = 0.0) -> None:
        """Dial these for this secret, each by every way there is to it, or by its own where it has one."""
        checklist = self._lists.setdefault(secret, self._new())
        for candidate in candidates:
            if self._interfaces.near.waits_for(candidate.address):
                self._hold_back(secret, candidate)
                continue
            for way in self.ways(candidate):
                far = not candidate.bind_to and self.is_far(way)
                is_new = checklist.add(way, self._clock(), delay + (FAR_ALTERNATE_AFTER_S if far else 0.0))
                if is_new and TRACE.on:
                    TRACE.candidate(way, "new")

    def _hold_back(self, secret: str, candidate: Candidate) -> None:
        """Keep what is no neighbour now for the time when a network comes on which it is one."""
        held_back = self._held_back.setdefault(secret, OrderedDict())
        if TRACE.on and candidate.key not in held_back:
            TRACE.candidate(candidate, "held back")
        held_back[candidate.key] = candidate
        while len(held_back) > CANDIDATES:
            held_back.popitem(last=False)

    def held_back(self) -> dict[IPAddress, str]:
        """The addresses that are not dialled as the network is now, each with the reason."""
        found = {one.address for held_back in self._held_back.values() for one in held_back.values()}
        return {address: self._interfaces.near.why_not(address) for address in sorted(found, key=int)}

    def drop(self, secret: str, candidates: Iterable[Candidate]) -> None:
        """Dial these no more for this secret."""
        held_back = self._held_back.get(secret, OrderedDict())
        if secret in self._lists:
            for candidate in candidates:
                self._lists[secret].drop(candidate)
                held_back.pop(candidate.key, None)

    def on_this_host(self, secret: str) -> None:
        """The peer proved to run on this host: its addresses are ours, and may be dialled."""
        self._lists.setdefault(secret, self._new()).same_host = True

    def clear(self) -> None:
        """Dial nothing more."""
        self._lists.clear()
        self._held_back.clear()

    def due(self) -> list[tuple[str, Candidate]]:
        """What to dial now."""
        now = self._clock()
        return [(secret, one) for secret, checklist in self._lists.items() for one in checklist.due(now)]

    def ended(self, secret: str, candidate: Candidate, outcome: DialOutcome) -> None:
        """A dial has ended."""
        if secret in self._lists:
            self._lists[secret].ended(candidate, outcome, self._clock())

    def deadline(self) -> float | None:
        """When ``due`` may next give something."""
        times = [checklist.deadline() for checklist in self._lists.values()]
        return min((time for time in times if time is not None), default=None)

    def candidates(self) -> list[Candidate]:
        """Everything that was or would be dialled, best first."""
        return [one for checklist in self._lists.values() for one in checklist.candidates()]

    def _new(self) -> Checklist:
        def order(candidates: Sequence[Candidate]) -> list[Candidate]:
            ranked = rank_peers(candidates, self._interfaces.interfaces, preference=self._preference)
            return [entry.candidate for entry in ranked]

        return Checklist(order, self._interfaces.own_addresses, self._interfaces.near)

    def way_back(self, candidate: Candidate, arrived: int) -> Candidate:
        """Of the ways to dial a candidate, the one through the interface by which its packet ``arrived`` (0: unknown).

        The first two ways are what the table says, and what is likelier where it lies.
        """
        ways = self.ways(candidate)
        through = [way for way in ways if way.bind_to and way.bind_to == arrived]
        return through[0] if through else ways[0 if arrived else min(1, len(ways) - 1)]

    def ways_heard(self, candidate: Candidate, arrived: int, local: IPAddress | None) -> list[Candidate]:
        """The way on which its packet came, to ``local`` of ours, where the routing table leads elsewhere; or none."""
        if candidate.scope or not may_dial_by(candidate.address, arrived, self._interfaces):
            return []
        if has_crossed(arrived, local, self._interfaces):
            return [replace(candidate, bind_to=arrived, local=local)]
        is_needed = used_interface(candidate.address, self._interfaces) != arrived
        return [replace(candidate, bind_to=arrived)] if is_needed else []

    def has_nearer(self, candidate: Candidate, arrived: int, others: Iterable[Candidate]) -> bool:
        """Whether one of the peer's ``others`` lies on the link by which a packet of ``candidate`` arrived, and it does
        not: it answers there for an address of another link.
        """

        def lies_there(address: IPAddress) -> bool:
            return arrived in {one.index for one in self._interfaces.on_link(address)}

        return not lies_there(candidate.address) and any(lies_there(one.address) for one in others)

    def _is_way(self, candidate: Candidate) -> bool:
        """Whether a candidate may be dialled as the network is now; a way is worth no more than its link."""
        if self._interfaces.near.waits_for(candidate.address):
            return False
        if not candidate.bind_to:
            return True
        held = candidate.local is None or candidate.local in self._interfaces.own_addresses
        return held and may_dial_by(candidate.address, candidate.bind_to, self._interfaces)

    def ways(self, candidate: Candidate) -> list[Candidate]:
        """The ways to dial one candidate: a link-local address on each link, any other as the routing table says and
        by every alternate route around it; one whose way is given, by that.
        """
        if candidate.bind_to:
            return [candidate]
        needs_scope = candidate.address.version == 6 and candidate.cls is AddressClass.LINK_LOCAL
        if needs_scope and not candidate.scope:
            return [
                replace(candidate, scope=scope) for scope in self._interfaces.scopes_of(candidate.address)
            ]
        if needs_scope or candidate.cls is AddressClass.LOOPBACK:
            return [candidate]
        ways = [
            replace(candidate, bind_to=index) for index in alternates(candidate.address, self._interfaces)
        ]
        return [candidate, *ways]

    def is_far(self, way: Candidate) -> bool:
        """Whether it is asked for on a link where it does not lie, and where another card's owner may answer for it."""
        return way.bind_to not in {0, *(one.index for one in self._interfaces.on_link(way.address))}
