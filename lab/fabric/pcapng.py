"""Writes packets as pcapng (draft-ietf-opsawg-pcapng), little endian, one interface a file."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 6
_ETHERNET: Final = 1
_OPTION_NAME: Final = 2
_OPTION_RESOLUTION: Final = 9
_OPTION_FLAGS: Final = 2
SNAP_BYTES: Final = 2048  # a whole packet of a usual network; of what is sent in bulk, the headers

INBOUND: Final = 1
OUTBOUND: Final = 2


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


class Writer:
    """One capture file; ``name`` is the interface's, shown by the programs that read it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        file.write(_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        options = (
            _option(_OPTION_NAME, name.encode()) + _option(_OPTION_RESOLUTION, b"\x09") + _option(0, b"")
        )
        file.write(_block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, SNAP_BYTES) + options))

    def packet(self, at_ns: int, frame: bytes, length: int, direction: int) -> None:
        """One frame: wall-clock time in nanoseconds, what was kept of it, its whole length, ``INBOUND`` or
        not.
        """
        options = _option(_OPTION_FLAGS, struct.pack("<I", direction)) + _option(0, b"")
        head = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(frame), length)
        self._file.write(_block(_PACKET, head + _padded(frame) + options))
