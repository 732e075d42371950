"""Frames over a byte stream: ``u32 length | u8 type | body``, big endian; the length counts type and body.

The decoder never allocates ahead of data: a length is only compared with the limit, and a body grows as its bytes
arrive. Frames of a streamed type are not put together at all: their bodies come out as slices of the caller's own
buffer, which is how a file passes through without being copied.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from typing import Final

from localpair.dataclass import dataclass
from localpair.errors import WireError

HEADER_BYTES: Final = 5
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame. ``type`` 1-31 belongs to the handshake, 32-63 to the payload."""

    type: int
    body: bytes = field(repr=False)  # it may hold a pair's key


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of the body of a streamed frame, in order; ``data`` is a view of the buffer that was fed."""

    type: int
    data: memoryview
    last: bool  # the frame ends with this piece


def frame_header(kind: int, size: int) -> bytes:
    """The 5 bytes in front of a body of ``size`` bytes."""
    return (size + 1).to_bytes(_LENGTH_BYTES, "big") + kind.to_bytes(1, "big")


def encode_frame(kind: int, body: bytes) -> bytes:
    """One frame as bytes; for small bodies, since it copies."""
    return frame_header(kind, len(body)) + body


class FrameDecoder:
    """Takes a byte stream apart, whatever its cuts.

    ``limit`` is the largest length accepted, type and body together, and may be changed between two frames;
    ``streamed`` holds the types that come out as slices. After a `WireError` the decoder is of no more use.
    """

    def __init__(self, limit: int, streamed: Collection[int] = ()) -> None:
        self.limit = limit
        self.streamed = frozenset(streamed)
        self._header = bytearray()
        self._body = bytearray()
        self._type = 0
        self._left = 0  # bytes of the body that are still to come
        self._inside = False

    def decode(self, data: memoryview) -> tuple[Frame | Slice | None, int]:
        """The next part that ``data`` completes, or None, and how many bytes of ``data`` were used for it.

        Call it again with the rest until nothing is left. Raises WireError for a length of zero or over the limit.
        """
        used = 0
        if not self._inside:
            used = self._read_header(data)
            if not self._inside:
                return None, used
        if self._type in self.streamed:
            return self._slice(data, used)
        return self._collect(data, used)

    def finish(self) -> None:
        """Raise WireError where the stream ended inside a frame."""
        if self._inside or self._header:
            raise WireError(f"the stream ended inside a frame, {self._left} bytes before its end")

    def _read_header(self, data: memoryview) -> int:
        wanted = HEADER_BYTES - len(self._header)
        self._header += data[:wanted]
        if len(self._header) < HEADER_BYTES:
            # A length alone can already be refused: nobody waits for a type that may never come.
            if len(self._header) == _LENGTH_BYTES:
                self._check_length()
            return len(data[:wanted])
        self._left = self._check_length() - 1
        self._type = self._header[_LENGTH_BYTES]
        self._header.clear()
        self._inside = True
        return wanted

    def _check_length(self) -> int:
        length = int.from_bytes(self._header[:_LENGTH_BYTES], "big")
        if not 1 <= length <= self.limit:
            raise WireError(f"a frame of {length} bytes where 1 to {self.limit} are allowed")
        return length

    def _slice(self, data: memoryview, used: int) -> tuple[Slice | None, int]:
        piece = data[used : used + self._left]
        self._left -= len(piece)
        self._inside = self._left > 0
        if not piece and self._inside:
            return None, used
        return Slice(self._type, piece, not self._inside), used + len(piece)

    def _collect(self, data: memoryview, used: int) -> tuple[Frame | None, int]:
        piece = data[used : used + self._left]
        self._left -= len(piece)
        if self._left:
            self._body += piece
            return None, used + len(piece)
        body = bytes(self._body) + piece if self._body else bytes(piece)
        self._body = bytearray()
        self._inside = False
        return Frame(self._type, body), used + len(piece)
