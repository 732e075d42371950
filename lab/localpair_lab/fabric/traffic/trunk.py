"""A cable that carries several networks: the program puts the tags of IEEE 802.1Q on frames at each end, and takes
them off.

It stands at both ends at once, as the machine with its VLAN interfaces and as the switch, and between them the frames
really cross a cable under their tags. It needs no VLAN support of the kernel's, which takes a tag off whatever arrives
and tells it beside the frame.
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import channel
from localpair_lab.fabric.traffic import impairment

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTAGGED: Final = 0
_TAG_PROTOCOL: Final = 0x8100
_TAG_BYTES: Final = 4
_NUMBER_MASK: Final = 0x0FFF
_STATIONS_BYTES: Final = 12  # of an Ethernet header, ahead of the tag
_OFFLOAD: Final = struct.Struct(
    "=BBHHHH"
)  # struct virtio_net_hdr: flags, kind, header, segment, start, offset
_NEEDS_CHECKSUM: Final = 1
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_AUXDATA: Final = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata: status, ..., tag, protocol of the tag
_STATUS_TAGGED: Final = 1 << 4
_LARGEST_FRAME: Final = 1 << 17
_BATCH: Final = 64
_WAITING: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class TrunkEnd:
    """One end of the cable, and the links whose frames go over it, each by its tag."""

    cable: socket.socket
    ports: Mapping[int, socket.socket]


def open_cable(name: str) -> socket.socket:
    """A packet socket on an end of the cable that also hears which tag a frame had."""
    cable = impairment.open_port(name)
    cable.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    return cable


def tagged(frame: bytes, tag: int) -> bytes:
    """A frame, with its offload header ahead, under a tag."""
    flags, kind, header, segment, start, offset = _OFFLOAD.unpack_from(frame)
    if flags & _NEEDS_CHECKSUM:
        header, start = header + _TAG_BYTES, start + _TAG_BYTES
    body = frame[_OFFLOAD.size :]
    return b"".join(
        (
            _OFFLOAD.pack(flags, kind, header, segment, start, offset),
            body[:_STATIONS_BYTES],
            struct.pack("!HH", _TAG_PROTOCOL, tag),
            body[_STATIONS_BYTES:],
        )
    )


def run(near: TrunkEnd, far: TrunkEnd, control: socket.socket) -> None:
    """Carry frames until ``control`` closes. Its messages are answered as those to a wire are."""
    carried = 0
    sources = [*near.ports.values(), *far.ports.values(), near.cable, far.cable]
    while True:
        ready, _, _ = select.select([*sources, control], [], [])
        for end in (near, far):
            carried += _turn(end, ready, _BATCH)
        if control in ready:
            try:
                channel.receive(control)
            except channel.ChannelClosedError:
                return
            for end in (near, far):
                carried += _turn(end, sources, _WAITING)
            channel.send(control, {"ok": True, "carried": carried})


def _turn(end: TrunkEnd, ready: list[socket.socket], most: int) -> int:
    """Take what has arrived at one end, from its links and from the cable; how many frames that were."""
    taken = 0
    for tag, port in end.ports.items():
        arrived = frames(port, most) if port in ready else []
        taken += len(arrived)
        for frame, _ in arrived:
            _send(end.cable, tagged(frame, tag) if tag else frame)
    arrived = frames(end.cable, most) if end.cable in ready else []
    for frame, tag in arrived:
        if tag in end.ports:
            _send(end.ports[tag], frame)
    return taken + len(arrived)


def frames(source: socket.socket, most: int) -> list[tuple[bytes, int]]:
    """What has arrived: frames without tags, and the tags."""
    found: list[tuple[bytes, int]] = []
    for _ in range(most):
        try:
            frame, notes, _, _ = source.recvmsg(_LARGEST_FRAME, socket.CMSG_SPACE(_AUXDATA.size))
        except BlockingIOError:
            break
        except OSError:  # the link went down; what came before that is still there
            continue
        found.append((frame, _tag(notes)))
    return found


def _tag(notes: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in notes:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, *_, tag, _ = _AUXDATA.unpack_from(data)
            return int(tag) & _NUMBER_MASK if status & _STATUS_TAGGED else UNTAGGED
    return UNTAGGED


def _send(target: socket.socket, frame: bytes) -> None:
    try:
        target.send(frame)
    except OSError:  # the link is down or its queue is full: the frame is lost
        pass
