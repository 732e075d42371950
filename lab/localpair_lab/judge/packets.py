"""What was seen on the wire: the captures of a run's ports as packets in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path

from localpair_lab.fabric.traffic.frames import FrameHeader, parse
from localpair_lab.fabric.traffic.pcapng import packets

_ARP_QUESTION = 1


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One packet on a port (``node/interface``): nanoseconds of the wall clock, and whether it came out of the node.

    An ARP question has the IPv4 addresses of who asks and of who is asked for; an ARP answer has none. ``sender`` and
    ``receiver`` are the frame's hardware addresses.
    """

    at_ns: int
    port: str
    outbound: bool
    packet: FrameHeader
    sender: bytes = b""
    receiver: bytes = b""


def read_node(captures: Path, node: str) -> list[CapturedPacket]:
    """Everything on the ports of one node, in order."""
    ports = [_read(path) for path in sorted(captures.glob(f"{node}.*.pcapng"))]
    return list(merge(*ports, key=lambda one: one.at_ns))


def _read(path: Path) -> Iterator[CapturedPacket]:
    for one in packets(path.read_bytes()):
        frame = one.frame
        yield CapturedPacket(one.at_ns, one.name, one.outbound, _parse(frame), frame[6:12], frame[:6])


def _parse(frame: bytes) -> FrameHeader:
    """As the fabric reads it; and what an ARP question asks (RFC 826), which plays no part in its rules."""
    packet = parse(frame)
    if packet.protocol == "arp" and len(frame) >= 42 and int.from_bytes(frame[20:22]) == _ARP_QUESTION:
        return replace(packet, source=frame[28:32], destination=frame[38:42])
    return packet
