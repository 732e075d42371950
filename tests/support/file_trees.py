"""Trees of files, and a pair of sessions over real TLS that carries them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from localpair.events import Receipt
from localpair.limits import SMALL_FILE_BYTES
from localpair.protocol.transfer.filenames import PART_PREFIX
from localpair.session import Session
from localpair.transfer import reader
from localpair.transfer.folder.kept import KeptPart, kept_parts
from localpair.transfer.walk import SourceEntry
from streams import Net, session_pair, until

BIG = 3_000_000


Tree = dict[str, bytes | None]


TREE: Tree = {
    "d": None,
    "d/empty file": b"",
    "d/empty folder": None,
    "d/small.txt": b"hello",
    "d/Größe.bin": bytes(range(256)) * 300,
    "d/deep/er/file": b"x" * (SMALL_FILE_BYTES + 1),
    "d/deep": None,
    "d/deep/er": None,
    "d/big.bin": random.Random(1).randbytes(BIG),
}


def plant(folder: Path, tree: Tree = TREE) -> Path:
    for name, data in tree.items():
        if data is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder / next(iter(tree))


def harvest(folder: Path) -> Tree:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def named(folder: Path) -> Tree:
    """What has a name of its own, without the parts that are kept beside it."""
    return {name: data for name, data in harvest(folder).items() if not name.startswith(PART_PREFIX)}


def kept_in(folder: Path) -> list[KeptPart]:
    with os.scandir(folder) as entries:
        return kept_parts(entries)


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A file of this name may not be read by whoever sends it: root cannot be kept out in another way."""
    opened = reader._open

    def refuse(source: SourceEntry) -> int:
        if source.path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(source)

    monkeypatch.setattr(reader, "_open", refuse)


def parts_in(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PART_PREFIX}*"))


def bytes_under_way(folder: Path) -> int:
    """What the part files there hold; one that tries what the folder can is empty."""
    found = 0
    for part in parts_in(folder):
        with contextlib.suppress(FileNotFoundError):
            found += part.stat().st_size
    return found


async def transfer(
    sender: Session, receiver: Session, paths: list[Path], target: Path, **more: Any
) -> Receipt:
    """Both ends of it; where one fails, the other one has ended before that is told. ``more`` is for the receiver."""
    receiving = asyncio.create_task(receiver.receive_files(target, **more))
    sending = asyncio.create_task(sender.send_files(paths))
    try:
        await asyncio.gather(receiving, sending)
    finally:
        receiving.cancel()
        sending.cancel()
        await asyncio.wait([receiving, sending])
    return receiving.result()


@asynccontextmanager
async def pair(net: Net | None = None, **more: object) -> AsyncIterator[tuple[Session, Session]]:
    """Two running sessions that are closed at the end, and their network with them."""
    one, other = await session_pair(net, **more)  # type: ignore[arg-type]
    one.start()
    other.start()
    try:
        yield one, other
    finally:
        await asyncio.gather(one.close(), other.close())
        if net is not None:
            await net.close()


async def half_way(session: Session) -> None:
    """Until a good part of a big file has arrived: enough to be kept."""
    await until(lambda: session._supervisor._stream.received > BIG // 2)
