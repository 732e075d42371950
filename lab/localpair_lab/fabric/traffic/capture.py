"""Captures on the ports of the fabric: packet sockets in, pcapng files out. Needs no other program.

A port on a segment is tapped on the fabric's side, an interface that has none (a tunnel, a bridge of the node's own)
inside the node. Directions are the node's: what comes out of it is outbound.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from localpair_lab.fabric.system import channel
from localpair_lab.fabric.traffic.impairment import enlarge
from localpair_lab.fabric.traffic.pcapng import INBOUND, OUTBOUND, SNAP_BYTES, CaptureWriter

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERYTHING: Final = 0x0003
_OUTGOING: Final = 4  # PACKET_OUTGOING: sent by the tapped side
_BARE: Final = 0xFFFE  # ARPHRD_NONE: a device of IP packets without a link's header
_SO_TIMESTAMPNS: Final = 35
_TIME: Final = struct.Struct("=qq")
_FILE_LIMIT_BYTES: Final = 16 << 20  # of one port; artifacts must stay small enough to send to somebody
_LARGEST_FRAME: Final = 1 << 17
_BATCH: Final = 256
_WAITING: Final = 1 << 15  # more frames than a tap's buffer holds
BUFFER_BYTES: Final = 1 << 20  # more than a batch writes, so that files grow by whole packets


def open_tap(link: str) -> socket.socket:
    """A socket that hears everything on a link of the current namespace, both ways."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    enlarge(tap)
    tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    tap.bind((link, _EVERYTHING))
    tap.setblocking(False)
    return tap


@dataclass(slots=True)
class Tap:
    """One port being captured."""

    socket: socket.socket
    file: BinaryIO
    writer: CaptureWriter
    is_inner: bool
    written: int = 0

    def take(self, most: int = _BATCH) -> None:
        """Write what has arrived. A link that is down says so once and is heard again when it comes back.

        The file then holds it, whole, since a person may read the captures of a network that stands at any time.
        """
        for _ in range(most):
            try:
                frame, notes, _, source = self.socket.recvmsg(_LARGEST_FRAME, 64)
            except BlockingIOError:
                break
            except OSError:  # the link went down; what came before that is still there
                continue
            self._write(frame, notes, source[2])
        self.file.flush()

    def _write(self, frame: bytes, notes: list[tuple[int, int, bytes]], kind: int) -> None:
        if self.written > _FILE_LIMIT_BYTES:
            return
        at_ns = time.time_ns()
        for level, note, data in notes:
            if (level, note) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIME.unpack(data)
                at_ns = seconds * 1_000_000_000 + nanoseconds
        kept = frame[:SNAP_BYTES]
        self.written += len(kept)
        came_out = (kind == _OUTGOING) == self.is_inner
        self.writer.packet(at_ns, kept, len(frame), OUTBOUND if came_out else INBOUND)


def run(control: socket.socket, open_file: Callable[[str], BinaryIO]) -> None:
    """Capture until ``control`` closes or says stop.

    ``{"do": "tap", "port", "inner"}`` + socket begins one; ``{"do": "stop"}`` writes everything out and is answered.
    """
    taps: dict[int, Tap] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), *taps], [], [])
        for number in ready:
            if number in taps:
                taps[number].take()
        if control.fileno() not in ready:
            continue
        try:
            message, descriptors = channel.receive(control)
        except channel.ChannelClosedError:
            return
        if message["do"] == "tap":
            tap = socket.socket(fileno=descriptors[0])
            file = open_file(message["port"])
            writer = CaptureWriter(file, message["port"], bare=tap.getsockname()[3] == _BARE)
            file.flush()
            taps[tap.fileno()] = Tap(tap, file, writer, message["inner"])
        else:
            finish(taps)
        channel.send(control, {"ok": True})


def finish(taps: dict[int, Tap]) -> None:
    """Write out everything that has arrived, and close."""
    for tap in taps.values():
        tap.take(_WAITING)
        tap.file.close()
        tap.socket.close()
    taps.clear()
