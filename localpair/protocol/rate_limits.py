"""Budgets for what strangers can make this side do."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable
from ipaddress import IPv6Address
from typing import Generic, TypeAlias, TypeVar

from localpair.address import IPAddress, unscoped
from localpair.limits import PACKET_DIALS_PER_SOURCE, PACKET_DIALS_WINDOW_S, PEERS

_Guest = TypeVar("_Guest", bound=Hashable)
_Address: TypeAlias = tuple[Hashable, bytes]  # what counts as one source, and the address itself
_Place: TypeAlias = tuple[int, _Address]  # how many were admitted up to this guest, and where it comes from


class Bucket:
    """A token bucket: ``burst`` at once, then one more every ``refill`` seconds."""

    __slots__ = ("_burst", "_refill", "_tokens", "_updated")

    def __init__(self, burst: int, refill: float) -> None:
        self._burst, self._refill = burst, refill
        self._tokens = float(burst)
        self._updated: float | None = None

    def take(self, now: float, count: int = 1) -> bool:
        """Whether one more is allowed now, or all of ``count``; if so, it is taken."""
        if self._updated is not None:
            grown = (now - self._updated) / self._refill
            self._tokens = min(self._burst, self._tokens + max(0.0, grown))
        self._updated = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True


class PerSource:
    """One bucket for each source, the least recently seen source forgotten: bounded whatever arrives.

    An attacker with many addresses can have a source forgotten, so there is a bucket for all of them besides.
    """

    def __init__(
        self, burst: int = PACKET_DIALS_PER_SOURCE, window: float = PACKET_DIALS_WINDOW_S, total: int = 20
    ) -> None:
        self._burst, self._window = burst, window
        self._all = Bucket(total, window / total)
        self._sources: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, source: IPAddress, now: float) -> bool:
        """Whether this source may cause one more now."""
        key = source_key(source)
        bucket = self._sources.get(key)
        if bucket is None:
            bucket = self._sources[key] = Bucket(self._burst, self._window / self._burst)
        self._sources.move_to_end(key)
        while len(self._sources) > PEERS:
            self._sources.popitem(last=False)
        return bucket.take(now) and self._all.take(now)


class FairShare(Generic[_Guest]):
    """So many places for guests of many sources. Where all are taken, a newcomer takes the place of somebody else.

    The source that holds most places loses one (of a crowded /64, the address that holds most): whoever takes many
    takes them from itself. One of the older half of its guests goes, by chance: so every guest keeps its place for a
    while, and some keep it for long, also where an attacker has as many sources as it likes. ``draw`` gives a random
    number below its argument.
    """

    def __init__(self, places: int, draw: Callable[[int], int]) -> None:
        self._places, self._draw = places, draw
        self._guests: dict[_Guest, _Place] = {}
        self._by_address: dict[_Address, list[_Guest]] = {}  # the oldest first
        self._by_network: Counter[Hashable] = Counter()
        self._admitted = 0

    def __contains__(self, guest: object) -> bool:
        return guest in self._guests

    def __len__(self) -> int:
        return len(self._guests)

    def admit(self, guest: _Guest, source: IPAddress) -> _Guest | None:
        """Give a place to a newcomer; the guest that loses its own for it, if one has to."""
        address = (source_key(source), unscoped(source).packed)
        self._admitted += 1
        self._guests[guest] = (self._admitted, address)
        self._by_address.setdefault(address, []).append(guest)
        self._by_network[address[0]] += 1
        return self.evict() if len(self._guests) > self._places else None

    def leave(self, guest: _Guest) -> None:
        """Free the place of a guest; whoever has none is no error."""
        if guest not in self._guests:
            return
        _, address = self._guests.pop(guest)
        self._by_address[address].remove(guest)
        if not self._by_address[address]:
            del self._by_address[address]
        self._by_network[address[0]] -= 1
        if not self._by_network[address[0]]:
            del self._by_network[address[0]]

    def evict(self) -> _Guest | None:
        """Take the place of one guest away, for whatever reason; None where there is none."""
        crowd = self._crowd()
        if not crowd:
            return None
        goes = crowd[self._draw((len(crowd) + 1) // 2)]
        self.leave(goes)
        return goes

    def seldom(self, guests: Iterable[_Guest]) -> list[_Guest]:
        """These guests, those of sources that hold the fewest places first; of a crowd, the newest."""

        def crowd(guest: _Guest) -> tuple[int, int, int]:
            number, address = self._guests[guest]
            return self._by_network[address[0]], len(self._by_address[address]), -number

        return sorted(guests, key=crowd)

    def _crowd(self) -> list[_Guest]:
        """The guests of the source that has most of them, or of all such sources, the oldest first."""
        most = max(self._by_network.values(), default=0)
        near = [guests for one, guests in self._by_address.items() if self._by_network[one[0]] == most]
        most = max(map(len, near), default=0)
        crowds = [guests for guests in near if len(guests) == most]
        if len(crowds) == 1:
            return crowds[0]
        return sorted((guest for guests in crowds for guest in guests), key=self._guests.__getitem__)


def source_key(source: IPAddress) -> Hashable:
    """What counts as one source: an address, or the /64 of an IPv6 address that may be routed to one host.

    All hosts of a link share fe80::/64: there each address counts alone, or one neighbour would speak for all.
    """
    plain = unscoped(source)
    if isinstance(plain, IPv6Address) and not plain.is_link_local:
        return plain.packed[:8]
    return plain.packed
