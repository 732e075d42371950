"""Packets on their way: the same frame where it left one machine and where it reached others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from localpair_lab.fabric.traffic.pcapng import Captured
from localpair_lab.plan.model import Plan

_EARLY_NS = 2_000_000
"""So much earlier than it left may a frame be seen to arrive: two taps, two clocks' readings."""
_NO_ADDRESS = bytes(6)


@dataclass(frozen=True, slots=True)
class PacketFlight:
    """One frame from one port to others. ``sender`` empty: nobody was seen to send it. ``is_lost``: it left for a
    network and nobody got it; what a machine sends into a bridge of its own is no loss.
    """

    at_ns: int
    sender: str
    frame: bytes
    receivers: tuple[tuple[str, int], ...]
    is_lost: bool


@dataclass(slots=True)
class _Sent:
    seen: Captured
    receivers: list[tuple[str, int]] = field(default_factory=list)

    def has_reached(self, port: str) -> bool:
        return any(name == port for name, _ in self.receivers)


def flights(plan: Plan, frames: Iterable[Captured]) -> list[PacketFlight]:
    """All of them by the moment at which they left; ``frames`` in the order of time."""
    ports = _Ports(plan)
    everything = list(frames)
    sent: dict[bytes, list[_Sent]] = defaultdict(list)
    for seen in everything:
        if seen.outbound:
            sent[seen.frame].append(_Sent(seen))
    strays = list[PacketFlight]()
    for seen in everything:
        if not seen.outbound and ports.takes(seen):
            sender = _sender(sent.get(seen.frame, []), seen)
            if sender is None:
                strays.append(
                    PacketFlight(seen.at_ns, "", seen.frame, ((seen.name, seen.at_ns),), is_lost=False)
                )
            else:
                sender.receivers.append((seen.name, seen.at_ns))
    return sorted([*_told(ports, sent.values()), *strays], key=lambda flight: flight.at_ns)


def _sender(candidates: list[_Sent], seen: Captured) -> _Sent | None:
    """The last of equal frames that had left by then and has not reached this port yet."""
    fitting = [
        one
        for one in candidates
        if one.seen.at_ns <= seen.at_ns + _EARLY_NS
        and one.seen.name != seen.name
        and not one.has_reached(seen.name)
    ]
    return fitting[-1] if fitting else None


def _told(ports: _Ports, groups: Iterable[list[_Sent]]) -> Iterator[PacketFlight]:
    for group in groups:
        for one in group:
            lost = not one.receivers and ports.leads_out(one.seen.name)
            yield PacketFlight(one.seen.at_ns, one.seen.name, one.seen.frame, tuple(one.receivers), lost)


class _Ports:
    """What the plan says of ports, those that appear later included."""

    def __init__(self, plan: Plan) -> None:
        self._known = {f"{node.name}/{entry.name}": entry for node in plan.nodes for entry in node.interfaces}

    def takes(self, seen: Captured) -> bool:
        """Whether the frame was meant for the port: switches flood what they do not know to all."""
        known = self._known.get(seen.name)
        receiver = seen.frame[:6]
        if known is None or not known.mac or receiver == _NO_ADDRESS or (receiver[:1] and receiver[0] & 1):
            return True
        return receiver == bytes.fromhex(known.mac.replace(":", ""))

    def leads_out(self, name: str) -> bool:
        """Whether what leaves there should reach another machine."""
        known = self._known.get(name)
        return known is None or known.kind != "bridge"
