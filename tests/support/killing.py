"""A process that stores files and is killed on the way: a program that test_killed.py starts.

python killing.py steps WAY FOLDER           before every single call that touches the disk, one child for each
python killing.py receive FD TARGET CALL     a whole session, killed before its call number CALL
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localpair.protocol.transfer.filenames import PART_PREFIX
from localpair.transfer.folder import placing
from localpair.transfer.folder.inbox import Inbox
from localpair.transfer.folder.kept import is_kept_name
from localpair.transfer.folder.parts import is_part_name

CALLS = (
    "open",
    "write",
    "fsync",
    "fdatasync",
    "utime",
    "fchmod",
    "rename",
    "link",
    "unlink",
    "mkdir",
    "close",
    "stat",
)
FILES = {
    "plain.txt": b"plain contents",
    "taken.txt": b"not what stood there",
    "empty.txt": b"not empty",
    "d/inner.bin": bytes(range(256)) * 50,
    "nothing": b"",
}
OWN = {"taken.txt": b"a person's", "empty.txt": b""}  # stood there before


class Death:
    """Kills this process before its n-th call; a write is first done by half."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def arm(self) -> None:
        """Count from now on."""
        for name in CALLS:
            real = getattr(os, name)
            counted = self._counted(real)
            for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                able |= (
                    {counted} if real in able else set()
                )  # what the package asks before it uses descriptors
            setattr(os, name, counted)
        os.write = self._halved(os.write)
        fcntl.flock = self._counted(fcntl.flock)
        placing.WAYS = tuple(self._counted(way) for way in placing.WAYS)

    def _step(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            self._step()
            return call(*args, **more)

        return counted

    def _halved(self, write: Callable[..., int]) -> Callable[..., int]:
        def halved(fd: int, data: bytes) -> int:
            return write(fd, data[: max(1, len(data) // 2)] if len(data) else data)

        return halved


def store(folder: Path) -> None:
    """Receive FILES into ``folder``."""
    inbox = Inbox(folder)
    assert inbox._folder.closes_first is False, "the folder must be used by its descriptor"
    for name, data in FILES.items():
        part = inbox.part()
        part.write(data)
        part.flush(1_600_000_000_000_000_000)
        inbox.place(part, tuple(name.split("/")))
        part.discard()
        inbox.sync()
    inbox.close()


def faults(folder: Path, files: dict[str, bytes], own: dict[str, bytes]) -> list[str]:
    """What is wrong in ``folder`` right after the death; then it is swept, and what is wrong still."""
    claims = {path.read_text() for path in folder.glob(f"{PART_PREFIX}*{placing.NOTE_SUFFIX}")}
    found = [f"before the sweep: {fault}" for fault in _wrong(folder, files, own, claims)]
    Inbox(folder).close()
    left = [
        path.name
        for path in folder.iterdir()
        if path.name.startswith(PART_PREFIX) and not is_kept_name(path.name)
    ]
    found += [f"after the sweep: {fault}" for fault in _wrong(folder, files, own, set())]
    return found + [f"left behind: {name}" for name in left]


def _wrong(folder: Path, files: dict[str, bytes], own: dict[str, bytes], claims: set[str]) -> list[str]:
    wrong = [name for name, data in own.items() if (folder / name).read_bytes() != data]
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name.startswith(PART_PREFIX) or name in own:
            if (
                (is_part_name(path.name) or is_kept_name(path.name))
                and stat.S_IMODE(path.stat().st_mode) & 0o077
                and path.stat().st_nlink == 1
            ):
                # Only a whole file is about to get its name.
                wrong += [] if path.read_bytes() in files.values() else [f"others can read {name}"]
            continue
        data = path.read_bytes()
        whole = files.get(name.replace(" (1)", ""))
        if data != whole and not (data == b"" and name in claims):
            wrong.append(f"{name}: {len(data)} bytes")
    return wrong


def every_step(way: str, folder: Path) -> dict[str, Any]:
    """Kill a child before each of its calls in turn; how many there were, and every fault."""
    placing.WAYS = (getattr(placing, way),)
    number, found = 0, []
    while True:
        target = folder / str(number)
        target.mkdir()
        for name, data in OWN.items():
            (target / name).write_bytes(data)
            os.utime(target / name, (1_000_000_000, 1_000_000_000))
        child = os.fork()
        if child == 0:
            Death(number).arm()
            store(target)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found += [f"call {number}: {fault}" for fault in faults(target, FILES, OWN)]
        if not os.WIFSIGNALED(status):
            return {"calls": number, "faults": found, "ended": os.waitstatus_to_exitcode(status)}
        number += 1


async def _receive(descriptor: int, target: Path, number: int) -> None:
    from localpair.net.transport.stream import open_stream
    from localpair.net.transport.tls import client_context
    from streams import new_session

    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    stream = await open_stream(sock, client_context(), server_side=False, timeout=10)
    async with new_session(stream) as session:
        Death(number).arm()
        await session.receive_files(target)


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        print(json.dumps(every_step(sys.argv[2], Path(sys.argv[3]))))
    else:
        asyncio.run(_receive(int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
