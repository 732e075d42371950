"""Either side ends a batch before its end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import localpair.transfer.folder.inbox
from file_trees import TREE, half_way, harvest, kept_in, named, pair, plant, transfer
from localpair.errors import TransferError
from streams import run, until


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_either_side_cancels_and_the_session_goes_on(source: Path, target: Path, who: str) -> None:
    async def main() -> None:
        big = plant(source, {"big": bytes(200 << 20)})
        async with pair() as (one, other):
            sending = asyncio.create_task(one.send_files([big]))
            receiving = asyncio.create_task(other.receive_files(target))
            await half_way(other)
            task, peers = (sending, receiving) if who == "sender" else (receiving, sending)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TransferError, match=f"the {who} cancelled"):
                await peers
            assert named(target) == {}
            assert [part.shown for part in kept_in(target)] == ["big"]
            await transfer(one, other, [plant(source)], target)
        assert named(target) == TREE

    run(main())


def test_cancelling_before_the_receiver_wanted_it(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await one.send_files([plant(source)])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await other.receive_files(target)
            await transfer(one, other, [plant(source)], target)
        assert harvest(target) == TREE

    run(main())


def test_cancelling_while_the_disk_hangs_is_quick(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, hanging = threading.Event(), threading.Event()

    def fsync(fd: int) -> None:
        hanging.set()
        assert gate.wait(30)

    async def main() -> None:
        async with pair() as (one, other):
            monkeypatch.setattr(localpair.transfer.folder.inbox.os, "fsync", fsync)
            receiving = asyncio.create_task(other.receive_files(target))
            sending = asyncio.create_task(one.send_files([plant(source) / "big.bin"]))
            await until(hanging.is_set)
            receiving.cancel()
            async with asyncio.timeout(3):
                await asyncio.wait([receiving, sending])
            assert receiving.cancelled()
            assert isinstance(sending.exception(), TransferError)
            assert named(target) == {}
            gate.set()
        assert named(target) == {}

    run(main())
