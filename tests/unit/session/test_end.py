"""How a session ends: by a goodbye, by a loss, by a fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from file_trees import TREE, half_way, harvest, kept_in, named, pair, plant, transfer
from localpair.errors import TransferError, UnreachableError
from localpair.events import Event, Receipt
from streams import Net, run, session_pair, until


def test_a_goodbye_ends_everything_cleanly_on_both_sides(target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            await one.send_message(b"last")
            receiving = asyncio.create_task(other.receive_files(target))
            await one.close()
            assert await receiving == Receipt()
            assert [message async for message in other.messages()] == [b"last"]
            await other.wait_closed()
            assert await other.receive_files(target) == Receipt()
            with pytest.raises(TransferError):
                await other.send_message(b"too late")

    run(main())


def test_both_may_close_at_once_and_again() -> None:
    async def main() -> None:
        async with pair() as (one, other):
            await asyncio.gather(one.close(), other.close(), one.close())
            await one.close()

    run(main())


def test_a_session_that_was_never_started_closes() -> None:
    async def main() -> None:
        one, other = await session_pair()
        await asyncio.gather(one.close(), other.close())

    run(main())


def test_a_side_that_closes_at_once_is_understood_by_one_that_starts_late(target: Path) -> None:
    async def main() -> None:
        one, other = await session_pair()
        one.start()
        closing = asyncio.create_task(one.close())
        await until(lambda: one._supervisor._stream.sent > 0)
        await asyncio.sleep(0.05)
        assert await other.receive_files(target) == Receipt()
        await closing
        await other.close()

    run(main())


def test_closing_in_the_middle_of_a_transfer_is_told(source: Path, target: Path) -> None:
    async def main() -> None:
        big = plant(source, {"big": bytes(200 << 20)})
        async with pair() as (one, other):
            moving = [
                asyncio.create_task(one.send_files([big])),
                asyncio.create_task(other.receive_files(target)),
            ]
            await half_way(other)
            await one.close()
            for outcome in await asyncio.gather(*moving, return_exceptions=True):
                assert isinstance(outcome, TransferError)
            assert named(target) == {}
            assert kept_in(target)

    run(main())


def test_closing_in_a_hurry_does_not_wait_for_a_dead_peer() -> None:
    async def main() -> None:
        net = Net()
        async with pair(net) as (one, _):
            await one.send_message(b"x")
            net.wires[0].frozen.clear()
            await one.send_message(b"never received")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await one.close()
            async with asyncio.timeout(0.5):
                await one.close()
            net.wires[0].frozen.set()
            net.broken = UnreachableError("gone")

    run(main())


def test_a_peer_that_vanishes_is_a_transfer_error_everywhere(source: Path, target: Path) -> None:
    async def main() -> None:
        big = plant(source, {"big": bytes(200 << 20)})
        async with pair() as (one, other):
            waiting = asyncio.create_task(anext(other.messages()))
            receiving = asyncio.create_task(other.receive_files(target))
            sending = asyncio.create_task(one.send_files([big]))
            await half_way(other)
            one._supervisor._stream.abort()
            for task in (waiting, receiving, sending):
                with pytest.raises(TransferError, match="broke"):
                    await task
            assert named(target) == {}
            assert kept_in(target)
            with pytest.raises(TransferError):
                await other.send_message(b"x")
            with pytest.raises(TransferError):
                await other.receive_files(target)

    run(main())


def test_a_fault_in_on_event_does_not_end_the_session(
    source: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise ValueError("a bug of the program")

    async def main() -> None:
        async with pair() as (one, other):
            one.on_event = other.on_event = fail
            await transfer(one, other, [plant(source)], target)

    run(main())
    assert harvest(target) == TREE
    assert "on_event failed" in caplog.text
