"""Budgets for what strangers can make this side do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_network

from localpair.address import IPAddress, unscoped
from localpair.limits import PACKET_DIALS_PER_SOURCE, PACKET_DIALS_WINDOW_S, PEERS


class Bucket:
    """A token bucket: ``burst`` at once, then one more every ``refill`` seconds."""

    __slots__ = ("_burst", "_refill", "_tokens", "_updated")

    def __init__(self, burst: int, refill: float) -> None:
        self._burst, self._refill = burst, refill
        self._tokens = float(burst)
        self._updated: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more is allowed now; if so, it is taken."""
        if self._updated is not None:
            grown = (now - self._updated) / self._refill
            self._tokens = min(self._burst, self._tokens + max(0.0, grown))
        self._updated = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
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


def source_key(source: IPAddress) -> Hashable:
    """What counts as one source: an address, or the /64 of an IPv6 address that may be routed to one host.

    All hosts of a link share fe80::/64: there each address counts alone, or one neighbour would speak for all.
    """
    plain = unscoped(source)
    if isinstance(plain, IPv6Address) and not plain.is_link_local:
        return ip_network((int(plain), 64), strict=False)
    return plain
