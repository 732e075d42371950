"""Lines that a process writes to two streams, in order of arrival, as one asynchronous stream."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal

from localpair_lab.engines.base import OutputLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MAX_LINE_BYTES = 1 << 20  # what is longer is cut into lines of this size


class Lines:
    """Bytes in by ``feed``, lines out by ``read``. ``streams`` many streams must end before it does.

    A line that is ``marker`` is kept back; ``marked`` is set when it came, or when it cannot come any more.
    """

    def __init__(self, streams: int = 2, marker: str = "") -> None:
        self.marked = asyncio.Event()
        self._marker = marker.encode()
        self._open = streams
        self._rest: dict[str, bytes] = {}
        self._queue: asyncio.Queue[OutputLine | None] = asyncio.Queue()

    def feed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Bytes that arrived just now."""
        at = time.monotonic()
        *whole, rest = (self._rest.get(stream, b"") + data).split(b"\n")
        if len(rest) > _MAX_LINE_BYTES:
            whole, rest = [*whole, rest], b""
        self._rest[stream] = rest
        for line in whole:
            if self._marker and line == self._marker:
                self.marked.set()
                continue
            self._queue.put_nowait(OutputLine(stream, line.decode(errors="replace"), at))

    def end(self, stream: Literal["stdout", "stderr"]) -> None:
        """One stream has ended; what it left without a line feed is a line."""
        if self._rest.get(stream):
            self.feed(stream, b"\n")
        self._open -= 1
        if self._open == 0:
            self.marked.set()
            self._queue.put_nowait(None)

    async def read(self) -> AsyncIterator[OutputLine]:
        """Every line from the start on."""
        while (line := await self._queue.get()) is not None:
            yield line


class PipeLines(asyncio.Protocol):
    """Feeds a pipe into ``Lines``."""

    def __init__(self, lines: Lines, stream: Literal["stdout", "stderr"]) -> None:
        self._lines = lines
        self._stream = stream

    def data_received(self, data: bytes) -> None:
        self._lines.feed(self._stream, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lines.end(self._stream)
