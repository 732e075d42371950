"""Connections over a link that loses packets, where the kernel offers something better than its usual behaviour.

Two troubles, two answers:

- *Few small frames*, as in a handshake: each loss doubles the wait for the next try, and one lost SYN makes the kernel
  believe in a round trip of seconds (its timestamp is echoed by the answer to the second one), so that a handshake of
  a second takes half a minute. The wait is limited to WAIT_S (TCP_RTO_MAX_MS, Linux 6.15); older kernels at least
  retry at an even pace (TCP_THIN_LINEAR_TIMEOUTS). A transfer is freed of the limit unless its link loses packets: on
  a slow link the queue alone takes longer, and all would be sent twice.
- *Much data*: the usual congestion control takes every loss for a full queue and slows down to a crawl; BBR goes by
  rate and delay instead, and keeps queues short. It finds its rate while it starts and, at such losses, never again;
  so one loss in the handshake suffices to choose it, and while losses go on it starts anew every few seconds. Where
  nothing is sent again nothing changes: a clean LAN keeps what its kernel is set to.

After a simultaneous open, Linux takes the time between two SYN-ACKs that cross for a round trip, and keeps it as the
shortest one for minutes. BBR then sends as little at once as it ever does, four segments a round trip: slow, but still
faster than what else there is. Whoever dials therefore lets a plain dial come first (``net.agent.dials.dialer``).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from typing import Final, NamedTuple

from localpair.limits import (
    BBR_LOOKS,
    BULK_BYTES,
    BULK_QUEUE_BYTES,
    LONG_TRIP_S,
    LOSS_LOOK_S,
    LOSS_SHARE,
    SHORT_TRIP_S,
    WAIT_S,
)

# Of linux/tcp.h, where the socket module does not name them.
_INFO: Final = 11  # TCP_INFO
_CONGESTION: Final = 13  # TCP_CONGESTION
_THIN_LINEAR_TIMEOUTS: Final = 16  # TCP_THIN_LINEAR_TIMEOUTS, up to six tries per segment
_RTO_MAX_MS: Final = 44  # TCP_RTO_MAX_MS

# Of struct tcp_info: tcpi_rtt, tcpi_total_retrans, tcpi_bytes_acked, tcpi_segs_out, tcpi_notsent_bytes and tcpi_min_rtt
# (Linux 4.6).
_INFO_BYTES: Final = 152
_FIELDS: Final = struct.Struct("=68xI28xI16xQ8xI4xII")

_CONTROL: Final = b"bbr"
_ANY: Final = b"reno"  # every kernel has it and lets everybody choose it


class Counters(NamedTuple):
    """What a kernel counts of one connection: its round trip on average in microseconds, segments sent again, bytes
    acknowledged, segments sent, bytes queued, the shortest round trip in microseconds.
    """

    trip_us: int
    again: int
    acknowledged: int
    sent: int
    queued: int
    shortest_us: int

    def since(self, before: Counters) -> Counters:
        """The same, but segments only those since ``before``."""
        return self._replace(again=self.again - before.again, sent=self.sent - before.sent)

    @property
    def carries_much(self) -> bool:
        """Whether this is a transfer rather than a handshake or a few words."""
        return self.acknowledged >= BULK_BYTES or self.queued >= BULK_QUEUE_BYTES

    @property
    def loses(self) -> bool:
        """Whether so much had to be sent again that the link is at fault."""
        return self.again > 0 and self.again >= LOSS_SHARE * self.sent

    @property
    def misjudges(self) -> bool:
        """Whether the shortest round trip is none, as after a simultaneous open, on a link where it matters."""
        long = self.trip_us >= max(LONG_TRIP_S * 1e6, 2 * self.shortest_us)
        return long and self.shortest_us < SHORT_TRIP_S * 1e6


def counters(info: bytes) -> Counters | None:
    """The counters of a ``struct tcp_info``; None from a kernel too old to have them all."""
    return Counters(*_FIELDS.unpack_from(info)) if len(info) >= _INFO_BYTES else None


def hasten(sock: socket.socket) -> None:
    """Send small frames again soon, from the first one on; what this kernel cannot do is left out."""
    if sys.platform == "linux":
        for option, value in ((_THIN_LINEAR_TIMEOUTS, 1), (_RTO_MAX_MS, round(WAIT_S * 1000))):
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


class CongestionWatch:
    """Tunes one connection: at once for the handshake, then by what it sees every LOSS_LOOK_S until ``stop``.

    Does nothing but on Linux, and there what its kernel can.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timer: asyncio.TimerHandle | None = None
        self._usual_wait = _usual_wait()
        self._begun: Counters | None = None  # what was counted when BBR last began
        self._looks = 0  # since then
        if sys.platform == "linux":
            hasten(sock)
            self._again()

    def stop(self) -> None:
        """The connection has ended."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def misjudges(self) -> bool:
        """Whether this kernel takes the round trip for much shorter than it is, as far as it tells."""
        seen = self._seen()
        return seen is not None and seen.misjudges

    def _again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOSS_LOOK_S, self._look)

    def _seen(self) -> Counters | None:
        """What the kernel has counted; None where it does not tell, or the connection is gone."""
        if sys.platform != "linux":
            return None
        try:
            return counters(self._sock.getsockopt(socket.IPPROTO_TCP, _INFO, _INFO_BYTES))
        except OSError:
            return None

    def _look(self) -> None:
        seen = self._seen()
        if seen is None:
            return
        self._looks += 1
        if self._begun is None:
            if seen.loses:
                self._begin(seen)
        elif self._looks >= BBR_LOOKS and seen.carries_much and seen.since(self._begun).loses:
            self._begin(seen)
        limited = self._begun is not None or not seen.carries_much
        self._set_wait(round(WAIT_S * 1000) if limited else self._usual_wait)
        self._again()

    def _begin(self, seen: Counters) -> None:
        """Start BBR, also where it runs: Linux starts a congestion control anew only where another one ran. Where BBR
        is not to be had, nothing changes.
        """
        with suppress(OSError):
            for name in (_CONTROL, _ANY, _CONTROL):
                self._sock.setsockopt(socket.IPPROTO_TCP, _CONGESTION, name)
            self._begun = seen
            self._looks = 0

    def _set_wait(self, milliseconds: int | None) -> None:
        if milliseconds is not None:
            with suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS, milliseconds)


def _usual_wait() -> int | None:
    """What a new connection is limited to, in milliseconds; None where the kernel has no such limit."""
    if sys.platform != "linux":
        return None
    with socket.socket() as new, suppress(OSError):
        return new.getsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS)
    return None
