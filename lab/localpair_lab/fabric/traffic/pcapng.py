"""Writes packets as pcapng (draft-ietf-opsawg-pcapng), little endian, one interface a file, and reads such files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 6
_ETHERNET: Final = 1
_RAW: Final = 101  # LINKTYPE_RAW: IP without a link's header, as tunnels carry it
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


class CaptureWriter:
    """One capture file; ``name`` is the interface's, shown by the programs that read it. ``bare``: IP only."""

    def __init__(self, file: BinaryIO, name: str, *, bare: bool = False) -> None:
        self._file = file
        file.write(_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        options = (
            _option(_OPTION_NAME, name.encode()) + _option(_OPTION_RESOLUTION, b"\x09") + _option(0, b"")
        )
        head = struct.pack("<HHI", _RAW if bare else _ETHERNET, 0, SNAP_BYTES)
        file.write(_block(_INTERFACE, head + options))

    def packet(self, at_ns: int, frame: bytes, length: int, direction: int) -> None:
        """One frame: wall-clock time in nanoseconds, what was kept of it, its whole length, ``INBOUND`` or
        not.
        """
        options = _option(_OPTION_FLAGS, struct.pack("<I", direction)) + _option(0, b"")
        head = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(frame), length)
        self._file.write(_block(_PACKET, head + _padded(frame) + options))


@dataclass(frozen=True, slots=True)
class Captured:
    """One frame of a file: the interface's name as it was given to ``CaptureWriter``, wall-clock time in nanoseconds,
    its Ethernet frame as far as it was kept, and whether it came out of the node.
    """

    name: str
    at_ns: int
    frame: bytes
    outbound: bool


def packets(data: bytes) -> Iterator[Captured]:
    """The frames of a file that ``CaptureWriter`` made, in its order; what was cut off at the end is left out.

    A frame of a link without headers gets one of zeros with the type of its IP version.
    """
    name, bare, at = "", False, 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if length < 12 or at + length > len(data):
            return
        if kind == _INTERFACE:
            bare = struct.unpack_from("<H", data, at + 8) == (_RAW,)
            (size,) = struct.unpack_from("<H", data, at + 18)
            name = data[at + 20 : at + 20 + size].decode()
        elif kind == _PACKET:
            yield _captured(data, at + 8, name, bare=bare)
        at += length


def whole_bytes(data: bytes) -> int:
    """How much of the beginning of a file is whole blocks."""
    return max((end for _, end in _blocks(data)), default=0)


def header_bytes(data: bytes) -> int:
    """How long that is which stands before a file's first packet; 0 while it is not whole."""
    return next((end for kind, end in _blocks(data) if kind == _INTERFACE), 0)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Each whole block's kind, and where it ends."""
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if length < 12 or at + length > len(data):
            return
        at += length
        yield kind, at


def _captured(data: bytes, at: int, name: str, *, bare: bool) -> Captured:
    _, high, low, kept, _ = struct.unpack_from("<IIIII", data, at)
    frame = data[at + 20 : at + 20 + kept]
    (flags,) = struct.unpack_from("<I", data, at + 20 + kept + -kept % 4 + 4)
    if bare:
        frame = bytes(12) + (b"\x86\xdd" if frame[:1] >= b"\x60" else b"\x08\x00") + frame
    return Captured(name, high << 32 | low, frame, flags == OUTBOUND)
