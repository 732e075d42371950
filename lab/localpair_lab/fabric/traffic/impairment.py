"""A wire with faults: carries Ethernet frames between two interfaces and loses, doubles, delays, reorders
or slows those that an impairment means.

It stands outside the node, so ahead of its connection tracking; it sees every frame, ARP and multicast
included; its dice are seeded. Offload headers travel along (``PACKET_VNET_HDR``), so checksums stay right.
It works wherever packet sockets do, so the same scenario meets the same faults on every kernel.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import time
from typing import Any, Final

from localpair_lab.fabric.system import channel
from localpair_lab.fabric.traffic.frames import FrameHeader, Matcher, parse

_SOL_PACKET: Final = 263
_PACKET_VNET_HEADER: Final = 15
_PACKET_IGNORE_OUTGOING: Final = 23
_SO_RCVBUFFORCE: Final = 33
_EVERYTHING: Final = 0x0003
_OFFLOAD_HEADER_BYTES: Final = 10
_BUFFER_BYTES: Final = 8 << 20
_LARGEST_FRAME: Final = 1 << 17
_BATCH: Final = 64  # frames taken from one side before the clock and the other side get their turn
_WAITING: Final = 1 << 15  # more frames than the buffer of one side holds
_HOUSEKEEPING: Final = frozenset({"arp", "igmp", "mld", "nd"})  # kernels send it by themselves, at any time
_BACKLOG_S: Final = 2.0  # a slow link keeps this much traffic waiting; more is lost, as in a router's queue


def open_port(name: str) -> socket.socket:
    """A packet socket on a link of the current namespace that takes what arrives there, and sends."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    port.setsockopt(_SOL_PACKET, _PACKET_VNET_HEADER, 1)
    port.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    enlarge(port)
    port.bind((name, _EVERYTHING))
    port.setblocking(False)
    return port


def enlarge(port: socket.socket) -> None:
    """Give a socket a large receive buffer, past the system's limit where we may."""
    try:
        port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except PermissionError:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


class Fault:
    """One impairment: decides for each packet it means when its copies leave. Time is an argument.

    Housekeeping that it means without naming the protocol has no number, and dice of its own: how much of it there is
    until a packet comes is another matter in every run, and the packet's lot is not.
    """

    def __init__(self, impairment: dict[str, Any], seed: str) -> None:
        self._dice, self._housekeeping_dice = (
            random.Random(f"{seed}/{kind}")  # noqa: S311 - repeatable on purpose
            for kind in ("packets", "housekeeping")
        )
        self._protocol: str = impairment.get("match", {}).get("protocol", "")
        self._matcher = Matcher(impairment.get("match", {}))
        self._nth = frozenset(impairment.get("nth", ()))
        self._loss: float = impairment.get("loss_percent", 0.0)
        self._duplicate: float = impairment.get("duplicate_percent", 0.0)
        self._delay_s: float = impairment.get("delay_ms", 0.0) / 1000
        self._jitter_s: float = impairment.get("jitter_ms", 0.0) / 1000
        self._reorder: float = impairment.get("reorder_percent", 0.0)
        self._bits_per_s: float = impairment.get("rate_kbit", 0.0) * 1000
        self._seen = 0
        self._line_free_at = 0.0

    def means(self, packet: FrameHeader) -> bool:
        """Whether this fault is the one for the packet."""
        return self._matcher.means(packet)

    def departures(self, packet: FrameHeader, now: float, size: int) -> list[float]:
        """When the copies of a packet of ``size`` bytes leave: none if it is lost."""
        is_housekeeping = packet.protocol in _HOUSEKEEPING and packet.protocol != self._protocol
        dice = self._housekeeping_dice if is_housekeeping else self._dice
        self._seen += not is_housekeeping
        is_chosen = not is_housekeeping and self._seen in self._nth
        if is_chosen or _happens(self._loss, dice):
            return []
        copies = 2 if _happens(self._duplicate, dice) else 1
        found = (self._through_line(now + self._held_s(dice), size) for _ in range(copies))
        return [moment for moment in found if moment is not None]

    def _held_s(self, dice: random.Random) -> float:
        if _happens(self._reorder, dice):
            return 0.0
        jitter = dice.uniform(-self._jitter_s, self._jitter_s) if self._jitter_s else 0.0
        return max(0.0, self._delay_s + jitter)

    def _through_line(self, moment: float, size: int) -> float | None:
        if not self._bits_per_s:
            return moment
        start = max(moment, self._line_free_at)
        if start - moment > _BACKLOG_S:
            return None
        self._line_free_at = start + size * 8 / self._bits_per_s
        return self._line_free_at


def _happens(percent: float, dice: random.Random) -> bool:
    return percent > 0 and dice.random() * 100 < percent


class WireDirection:
    """One direction of the wire: its faults and the frames on their way."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source = source
        self._target = target
        self._faults: list[Fault] = []
        self._waiting: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.carried = 0

    def impair(self, impairments: list[dict[str, Any]], seed: str) -> None:
        """These faults from now on; frames on their way stay so."""
        self._faults = [Fault(one, f"{seed}/{number}") for number, one in enumerate(impairments)]

    def take(self, now: float, most: int = _BATCH) -> None:
        """Read what has arrived and send or queue it."""
        for _ in range(most):
            try:
                frame = self.source.recv(_LARGEST_FRAME)
            except BlockingIOError:
                return
            except OSError:  # the link went down; what came before that is still there
                continue
            self.carried += 1
            self._carry(frame, now)

    def take_all(self, now: float) -> None:
        """The same with everything that has arrived by now."""
        self.take(now, _WAITING)

    def _carry(self, frame: bytes, now: float) -> None:
        if not self._faults:
            self._send(frame)
            return
        packet = parse(memoryview(frame)[_OFFLOAD_HEADER_BYTES:])
        fault = next((fault for fault in self._faults if fault.means(packet)), None)
        size = len(frame) - _OFFLOAD_HEADER_BYTES
        for moment in fault.departures(packet, now, size) if fault else [now]:
            if moment <= now:
                self._send(frame)
            else:
                self._count += 1
                heapq.heappush(self._waiting, (moment, self._count, frame))

    def release(self, now: float) -> None:
        """Send what is due."""
        while self._waiting and self._waiting[0][0] <= now:
            self._send(heapq.heappop(self._waiting)[2])

    def deadline(self) -> float | None:
        """When the next frame is due."""
        return self._waiting[0][0] if self._waiting else None

    def _send(self, frame: bytes) -> None:
        try:
            self._target.send(frame)
        except OSError:  # the link is down or its queue is full: the frame is lost, as on a real wire
            pass


def run(outer: socket.socket, inner: socket.socket, control: socket.socket, seed: str) -> None:
    """Carry frames until ``control`` closes. ``outer`` is the node's side.

    A message on ``control`` may bring new ``impairments``. What arrived before it meets the old ones, and is on its way
    when the answer comes; that says how many frames were ``carried`` in all.
    """
    both_ways = {"from": WireDirection(outer, inner), "to": WireDirection(inner, outer)}
    while True:
        deadlines = [moment for one_way in both_ways.values() if (moment := one_way.deadline()) is not None]
        timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        ready, _, _ = select.select([outer, inner, control], [], [], timeout)
        now = time.monotonic()
        for one_way in both_ways.values():
            one_way.release(now)
            if one_way.source in ready:
                one_way.take(now)
        if control in ready and not _obey(control, both_ways, seed):
            return


def _obey(control: socket.socket, both_ways: dict[str, WireDirection], seed: str) -> bool:
    """Do what the next message says; false where none will come any more."""
    try:
        message, _ = channel.receive(control)
    except channel.ChannelClosedError:
        return False
    now = time.monotonic()
    for direction, one_way in both_ways.items():
        one_way.take_all(now)
        if "impairments" in message:
            mine = [one for one in message["impairments"] if one["direction"] == direction]
            one_way.impair(mine, f"{seed}/{direction}")
    channel.send(control, {"ok": True, "carried": sum(one_way.carried for one_way in both_ways.values())})
    return True
