"""Any number of entries for a receiver in another process, and the memory that they cost it: for tests and benchmarks.

python receivers.py receive FD FOLDER      what the other process runs
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localpair.errors import LocalpairError, TransferError
from localpair.limits import FRAME_BYTES, UNSETTLED_ENTRIES
from localpair.net.transport.stream import Frame, FrameStream, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.wire.payload import (
    DATA,
    Accept,
    Attach,
    Begin,
    End,
    Finish,
    Kind,
    Payload,
    ReceivePhase,
    SendPhase,
    Settled,
    Start,
    StopBatch,
    decode_payload,
)
from streams import certificate, new_session

_LONG = "x" * 150  # so that whatever is remembered costs something
_EMPTY = hashlib.sha256().digest()
Entry = Callable[[int], list[Payload]]


def unreadable(number: int) -> list[Payload]:
    """An entry that the sender could not read."""
    return [
        Begin(number, Kind.MISSING, ("folder", f"file {number} {_LONG}"), reason=f"{_LONG} Permission denied")
    ]


def empty_file(number: int) -> list[Payload]:
    """A file of no bytes."""
    return [Begin(number, Kind.FILE, ("folder", f"file {number} {_LONG}")), End(number, _EMPTY)]


def empty_folder(number: int) -> list[Payload]:
    """A folder with nothing in it."""
    return [Begin(number, Kind.FOLDER, (f"folder {number} {_LONG}",))]


def file_in_folder(number: int) -> list[Payload]:
    """A file of no bytes in a folder of its own."""
    return [Begin(number, Kind.FILE, (f"folder {number} {_LONG}", "file")), End(number, _EMPTY)]


KINDS: dict[str, Entry] = {
    "unreadable": unreadable,
    "empty files": empty_file,
    "folders": empty_folder,
    "files in folders": file_in_folder,
}


def resident(process: int) -> float:
    """What a process holds, in MiB."""
    status = (Path("/proc") / str(process) / "status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory, where there is one: a disk would be flushed for each file."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a random name
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Feeder:
    """Speaks the sender's half by hand."""

    def __init__(self, stream: FrameStream) -> None:
        self._stream = stream
        self._settled = 0
        self._heard = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None
        self.stopped = ""

    async def begin(self) -> None:
        """Attach, offer a batch and wait until it is wanted."""
        self._stream.set_limit(FRAME_BYTES, {DATA})
        self._say([Attach(bytes(16), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE), Start(1)])
        while not isinstance(await self._message(), Accept):
            pass
        # Whoever only writes until its window is full waits for a receiver that waits for it to read.
        self._hearing = asyncio.create_task(self._hear_all())

    async def feed(self, entry: Entry, numbers: range) -> None:
        """Send entries, and wait until all of them are settled or the receiver stops."""
        for number in numbers:
            self._say(entry(number))
            if number % 64 == 0:
                await self._stream.drain()
            await self._settled_at_least(number + 2 - UNSETTLED_ENTRIES)
        await self._settled_at_least(numbers.stop)

    def finish(self) -> None:
        """There are no more."""
        self._say([Finish(1)])

    def _say(self, messages: list[Payload]) -> None:
        for message in messages:
            self._stream.write(message.TYPE, message.encode())

    async def end(self) -> None:
        """Hear nothing more."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.wait([self._hearing])

    async def _settled_at_least(self, count: int) -> None:
        while self._settled < count and not self.stopped:
            self._heard.clear()
            await self._heard.wait()

    async def _hear_all(self) -> None:
        try:
            while not self.stopped:
                message = await self._message()
                if isinstance(message, Settled):
                    self._settled += len(message.results)
                elif isinstance(message, StopBatch):
                    self.stopped = message.reason
                self._heard.set()
        except (OSError, LocalpairError) as error:
            self.stopped = repr(error)
            self._heard.set()

    async def _message(self) -> Payload:
        part = await self._stream.receive()
        assert isinstance(part, Frame)
        return decode_payload(part)


async def growth(entry: Entry, target: Path, first: int, count: int) -> float:
    """By how many MiB a receiver grows from its ``first`` entry to its ``count``-th."""
    before, after = await held(entry, target, first, count)
    return after - before


async def held(entry: Entry, target: Path, first: int, count: int) -> tuple[float, float]:
    """What a receiver holds after its ``first`` entry and after its ``count``-th, in MiB.

    As many entries as the protocol allows are on their way unsettled all the time.
    """
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, __file__, "receive", str(theirs.fileno()), target],
        pass_fds=[theirs.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    theirs.close()
    ours.setblocking(False)
    stream = await open_stream(ours, server_context(certificate()), server_side=True, timeout=20)
    feeder = Feeder(stream)
    try:
        await feeder.begin()
        await feeder.feed(entry, range(first))
        before = resident(process.pid)
        await feeder.feed(entry, range(first, count))
        assert not feeder.stopped, feeder.stopped
        return before, resident(process.pid)
    finally:
        await feeder.end()
        stream.abort()
        await asyncio.to_thread(process.wait, 60)


async def _receive(descriptor: int, target: Path) -> None:
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    stream = await open_stream(sock, client_context(), server_side=False, timeout=20)
    async with new_session(stream) as session:
        with suppress(TransferError):  # the other side goes without a word
            await session.receive_files(target)


if __name__ == "__main__":
    asyncio.run(_receive(int(sys.argv[2]), Path(sys.argv[3])))
