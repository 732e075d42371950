"""A session goes on over another connection."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from file_trees import BIG, TREE, Tree, half_way, harvest, kept_in, named, pair, plant, transfer
from localpair.errors import TransferError, UnreachableError
from localpair.events import Event, Progress, Received, Reconnected, Sent
from localpair.net.transport.stream import FrameStream
from localpair.session import Session
from streams import Net, new_session, run

CUTS = [1, 100, 3000, 80_000, 200_000, 1_000_000, 2_000_000, BIG + 50_000, -700, -150, -60]
"""Bytes after which the wire breaks; negative ones count from the end of the transfer."""


async def whole(source: Path, target: Path) -> int:
    """How many bytes the tree takes on the wire; it is sent once and removed."""
    net = Net(cuts=[1 << 60])
    async with pair(net) as (one, other):
        before = net.carried
        await transfer(one, other, [plant(source)], target)
        carried = net.carried - before
    shutil.rmtree(target / "d")
    return carried


@pytest.mark.parametrize("cut", CUTS)
def test_a_transfer_goes_on_where_the_connection_broke(source: Path, target: Path, cut: int) -> None:
    async def main() -> None:
        net = Net(cuts=[cut if cut > 0 else await whole(source, target) + cut])
        events: tuple[list[Event], list[Event]] = ([], [])
        async with pair(net, events=events) as (one, other):
            received = await transfer(one, other, [plant(source)], target)
        assert harvest(target) == TREE
        assert received.files == 5
        if cut < 0 and len(net.wires) == 1:
            return  # it took a few bytes less this time
        assert len(net.wires) == 2
        # What had arrived is not sent again, but for the blocks that were on their way.
        assert net.carried < BIG * 1.4 + 400_000
        for side in events:
            assert sum(isinstance(event, Reconnected) for event in side) == 1
            assert sum(isinstance(event, Sent | Received) for event in side) == 5
            assert [event for event in side if isinstance(event, Progress)][-1].bytes == sum(
                len(data) for data in TREE.values() if data is not None
            )

    run(main())


def test_many_breaks_both_ways(tmp_path: Path) -> None:
    async def main() -> None:
        chance = random.Random(7)
        net = Net(cuts=[chance.randrange(300_000) for _ in range(12)])
        sources = [plant(tmp_path / f"source{number}") for number in range(2)]
        targets = [tmp_path / f"target{number}" for number in range(2)]
        for folder in targets:
            folder.mkdir()
        async with pair(net) as (one, other):
            await asyncio.gather(
                transfer(one, other, [sources[0]], targets[1]),
                transfer(other, one, [sources[1]], targets[0]),
            )
        assert not net.cuts
        for folder in targets:
            assert harvest(folder) == TREE

    run(main())


@pytest.mark.parametrize("seed", range(4))
def test_everything_at_once_over_breaking_connections(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sizes = [0, 10, 3000, 70_000, 300_000, 1_500_000]
    tree: Tree = {
        f"d/{number % 5}/{number}": chance.randbytes(chance.choice(sizes))
        for number in range(chance.randrange(1, 40))
    }
    messages = [chance.randbytes(chance.choice([0, 5, 2000, 300_000])) for _ in range(40)]
    cuts = [
        chance.randrange(1, chance.choice([300, 5000, 100_000, 1_000_000]))
        for _ in range(chance.randrange(3, 10))
    ]

    async def talk(sender: Session, receiver: Session) -> None:
        async def listen() -> list[bytes]:
            found = receiver.messages()
            return [await anext(found) for _ in messages]

        listening = asyncio.create_task(listen())
        for message in messages:
            await sender.send_message(message)
            await asyncio.sleep(0)
        assert await listening == messages

    async def main() -> None:
        net = Net(cuts)
        sources = [plant(tmp_path / f"source{number}", tree).parent.parent for number in range(2)]
        targets = [tmp_path / f"target{number}" for number in range(2)]
        for folder in targets:
            folder.mkdir()
        async with pair(net) as (one, other):
            await asyncio.gather(
                transfer(one, other, [sources[0]], targets[1]),
                transfer(other, one, [sources[1]], targets[0]),
                talk(one, other),
                talk(other, one),
            )
        for folder in targets:
            assert {name: data for name, data in harvest(folder).items() if data is not None} == tree

    run(main())


@pytest.mark.parametrize("how", ["beginning", "shorter", "gone"])
def test_a_file_that_changed_before_the_resume_is_never_a_mixture(
    source: Path, target: Path, how: str
) -> None:
    async def main() -> None:
        net = Net(cuts=[BIG // 2])
        path = plant(source, {"big.bin": TREE["d/big.bin"]})
        changed = {"beginning": b"!" + path.read_bytes()[1:], "shorter": b"short"}.get(how)
        async with pair(net) as (one, other):
            again = other._supervisor._reconnect
            assert again is not None

            async def later() -> FrameStream:
                if changed is None:
                    path.unlink()
                else:
                    path.write_bytes(changed)
                return await again()

            other._supervisor._reconnect = later
            one._supervisor._reconnect = waiting_for(net, 0)
            outcomes = await asyncio.gather(
                one.send_files([path]), other.receive_files(target), return_exceptions=True
            )
        if changed is None:
            assert all(isinstance(outcome, TransferError) for outcome in outcomes)
            assert harvest(target) == {}
        else:
            assert harvest(target) == {"big.bin": changed}

    run(main())


def waiting_for(net: Net, side: int) -> object:
    """A side that is found by the other one and does not look itself."""

    async def again() -> FrameStream:
        return await net._waiting[side].get()

    return again


def test_a_peer_that_was_started_anew_is_not_taken_for_the_old_one(source: Path, target: Path) -> None:
    async def main() -> None:
        big = plant(source, {"big": bytes(200 << 20)})
        net = Net()
        async with pair(net) as (one, other):
            moving = asyncio.gather(
                one.send_files([big]), other.receive_files(target), return_exceptions=True
            )
            await half_way(other)
            ours, theirs = await net.connect()
            one._supervisor._reconnect = None
            newcomer = new_session(theirs)
            newcomer.start()
            net.broken = UnreachableError("nobody there")
            one.resume(ours)
            for outcome in await moving:
                assert isinstance(outcome, TransferError)
            with pytest.raises(TransferError, match="started anew"):
                await one.send_message(b"x")
            await newcomer.close()
        assert named(target) == {}

    run(main())


def test_nobody_comes_back(source: Path, target: Path) -> None:
    async def main() -> None:
        net = Net(cuts=[BIG - 200_000])
        net.broken = UnreachableError("no path led to it")
        async with pair(net) as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([plant(source)]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "no path led to it" in outcome.message
            assert "goes on where it stood" in str(outcome.hint)
        assert [part.shown for part in kept_in(target)] == ["big.bin"]
        assert "d/big.bin" not in named(target)

    run(main())


def test_a_new_connection_replaces_one_that_only_seems_to_live(source: Path, target: Path) -> None:
    """The peer has changed its network; this side's old connection still looks well."""

    async def main() -> None:
        net = Net()
        events: tuple[list[Event], list[Event]] = ([], [])
        async with pair(net, events=events) as (one, other):
            moving = asyncio.create_task(transfer(one, other, [plant(source)], target))
            await half_way(other)
            net.wires[0].frozen.clear()
            ours, theirs = await net.connect()
            one.resume(ours)
            other.resume(theirs)
            await moving
            net.wires[0].frozen.set()
        assert harvest(target) == TREE
        assert any(isinstance(event, Reconnected) for event in events[0])

    run(main())


def test_a_dead_connection_is_noticed_and_replaced(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localpair.transfer.channel.PING_S", 0.05)
    monkeypatch.setattr("localpair.transfer.channel.DEAD_S", 0.3)

    async def main() -> None:
        net = Net()
        async with pair(net) as (one, other):
            moving = asyncio.create_task(transfer(one, other, [plant(source)], target))
            await half_way(other)
            net.wires[0].frozen.clear()
            await moving
            net.wires[0].frozen.set()
            # An idle connection lives: both sides say so.
            await asyncio.sleep(0.6)
            assert len(net.wires) == 2
        assert harvest(target) == TREE

    run(main())
