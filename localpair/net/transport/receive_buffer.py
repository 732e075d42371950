"""Received bytes on their way from TLS to whoever reads them, without a copy.

TLS decrypts into blocks; frames are decoded from the blocks only when somebody asks, so that a new limit holds from
the next frame on, and pieces of a file are views of a block that stays untouched until each of them is released.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import field
from functools import partial
from typing import Final

from localpair.dataclass import dataclass
from localpair.limits import FRAME_PREAUTH_BYTES, RECEIVE_BLOCK_BYTES, RECEIVE_BLOCKS
from localpair.wire.framing import Frame, FrameDecoder, Slice

_SMALL_BLOCK_BYTES: Final = 16 * 1024  # a stranger's connection gets no more memory than a TLS record needs


class _Block:
    """Memory that is filled once and used again when the last pin is gone."""

    __slots__ = ("filled", "pins", "view")

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))
        self.filled = 0
        self.pins = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed frame's body. ``data`` stays as it is until ``release`` is called, from any thread."""

    type: int
    data: memoryview
    last: bool
    release: Callable[[], None] = field(repr=False, compare=False)


class ReceiveBuffer:
    """The blocks of one connection. ``freed`` is called, from any thread, when a block can be filled again."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self._decoder = FrameDecoder(FRAME_PREAUTH_BYTES)
        self._freed = freed
        self._lock = threading.Lock()
        self._free: list[_Block] = []
        self._held = 0
        self._current: _Block | None = None
        self._unread: deque[tuple[_Block, int, int]] = deque()

    def expect(self, limit: int, streamed: Collection[int] = ()) -> None:
        """Accept frames of ``limit`` bytes from the next one on, and give those of ``streamed`` types in pieces."""
        self._decoder.limit = limit
        self._decoder.streamed = frozenset(streamed)

    @property
    def full(self) -> bool:
        """Whether so many blocks wait for their reader that no more should be filled."""
        return self._held >= RECEIVE_BLOCKS

    def buffer(self) -> memoryview:
        """Where the next bytes go; never empty."""
        block = self._current
        size = _SMALL_BLOCK_BYTES if self._decoder.limit <= FRAME_PREAUTH_BYTES else RECEIVE_BLOCK_BYTES
        # TLS hands over records of 16 KiB; a short rest of a block would cut them up.
        if block is None or len(block.view) - block.filled < size // 8:
            block = self._next_block(size)
        return block.view[block.filled :]

    def add(self, count: int) -> None:
        """``count`` bytes were written into the last ``buffer``."""
        block = self._current
        assert block is not None  # noqa: S101 - ``buffer`` comes first
        with self._lock:
            block.pins += 1
        self._unread.append((block, block.filled, block.filled + count))
        block.filled += count

    def take(self) -> Frame | Piece | None:
        """The next frame or piece, or None until more bytes arrive. Raises WireError for what is no frame."""
        while self._unread:
            block, start, end = self._unread.popleft()
            part, used = self._decoder.decode(block.view[start:end])
            done = start + used == end
            if not done:
                self._unread.appendleft((block, start + used, end))
            if isinstance(part, Slice):
                # The piece keeps a pin of its own.
                self._unpin(block, done - 1)
                return Piece(part.type, part.data, part.last, partial(self._unpin, block, 1))
            self._unpin(block, int(done))
            if part is not None:
                return part
        return None

    def clear(self) -> None:
        """Forget what nobody has read."""
        while self._unread:
            self._unpin(self._unread.popleft()[0], 1)

    def _next_block(self, size: int) -> _Block:
        done, self._current = self._current, None
        if done is not None:
            self._unpin(done, 1)
        with self._lock:
            self._free = [block for block in self._free if len(block.view) == size]
            block = self._free.pop() if self._free else _Block(size)
            block.filled, block.pins = 0, 1  # the pin of being filled
            self._held += 1
        self._current = block
        return block

    def _unpin(self, block: _Block, count: int) -> None:
        with self._lock:
            was_full = self.full
            block.pins -= count
            if count > 0 and block.pins == 0:
                self._held -= 1
                self._free.append(block)
        if was_full and not self.full:
            self._freed()
