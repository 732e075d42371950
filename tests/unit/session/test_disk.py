"""The receiver's disk: slow, full, refusing, lying."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path

import pytest

import localpair.transfer.folder.inbox
import localpair.transfer.reader
from file_trees import BIG, TREE, harvest, named, pair, plant, transfer
from localpair.errors import LocalError, TransferError
from localpair.names.units import size
from localpair.transfer.folder.inbox import PartFile
from localpair.wire.payload import PLAIN
from streams import run, until


def test_a_slow_disk_stops_the_sender(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, real = threading.Event(), PartFile.write

    def write(self: PartFile, data: bytes) -> None:
        assert gate.wait(30)
        real(self, data)

    monkeypatch.setattr(PartFile, "write", write)
    size = 64 << 20

    async def main() -> None:
        with (source / "f").open("wb") as file:
            file.truncate(size)
        async with pair() as (one, other):
            moving = asyncio.create_task(transfer(one, other, [source / "f"], target))
            await until(lambda: other._supervisor._stream.stalled)
            await asyncio.sleep(0.1)
            sent = one._supervisor._stream.sent
            await asyncio.sleep(0.1)
            assert one._supervisor._stream.sent == sent < 32 << 20
            gate.set()
            await moving
        assert (target / "f").stat().st_size == size

    run(main())


@pytest.mark.parametrize("name", ["big.bin", "small.txt"])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_ends_the_batch_on_both_sides(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main() -> None:
        folder = plant(source)
        monkeypatch.setattr(localpair.transfer.folder.inbox.os, call, full)
        async with pair() as (one, other):
            sent, received = await asyncio.gather(
                one.send_files([folder / name]), other.receive_files(target), return_exceptions=True
            )
            assert isinstance(received, LocalError)
            assert not isinstance(received, TransferError)
            assert "No space left" in received.message
            assert received.hint
            assert isinstance(sent, TransferError)
            assert "No space left" in sent.message
            assert str(target) not in sent.message
            assert named(target) == {}
            monkeypatch.undo()
            await transfer(one, other, [folder], target)
        assert named(target) == TREE

    run(main())


def test_a_file_larger_than_the_disk_is_refused_at_once(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.folder.inbox.Inbox, "room", lambda self: BIG - 1)

    async def main() -> None:
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([plant(source)]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "big.bin" in outcome.message
            assert f"no room for {size(BIG)}: the disk has {size(BIG - 1)} left" in outcome.message
        assert harvest(target) == {name: data for name, data in TREE.items() if name != "d/big.bin"}

    run(main())


def test_a_refused_file_is_not_sent_to_its_end(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.folder.inbox.Inbox, "room", lambda self: 1 << 30)
    # The huge one is a hole, to spare this disk, and is to be taken for a file that has none.
    monkeypatch.setattr(localpair.transfer.reader, "_holes", lambda fd, status: PLAIN)

    async def main() -> None:
        folder = plant(source)
        with (folder / "a huge one").open("wb") as file:
            file.truncate(4 << 30)
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([folder]), other.receive_files(target), return_exceptions=True
            )
            assert one._supervisor._stream.sent < 200 << 20
        assert all(isinstance(outcome, TransferError) for outcome in outcomes)
        assert harvest(target) == TREE

    run(main())


def test_bytes_that_changed_on_the_way_to_the_disk_are_not_given_a_name(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.transfer.disk.Disk.hash", lambda self, file, data: file.hash.update(b"?"))

    async def main() -> None:
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([plant(source) / "big.bin"]),
                other.receive_files(target),
                return_exceptions=True,
            )
        assert all(isinstance(outcome, TransferError) for outcome in outcomes)
        assert "checksum" in str(outcomes[0])
        assert harvest(target) == {}

    run(main())
