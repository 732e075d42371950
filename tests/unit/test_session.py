"""Sessions over real TLS: files and messages both ways, and everything that can break meanwhile."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import localpair.transfer.inbox
import localpair.transfer.reader
import receivers
from localpair.errors import LocalError, TransferError, UnreachableError, UsageError
from localpair.events import Event, Progress, Receipt, Received, Reconnected, Sent
from localpair.limits import FRAME_BYTES, PROGRESS_S, RECEIPT_FILES, SMALL_FILE_BYTES
from localpair.net.transport.stream import Frame, FrameStream, open_stream
from localpair.net.transport.tls import server_context
from localpair.protocol.filenames import PART_PREFIX
from localpair.session import Session
from localpair.transfer.inbox import PartFile
from localpair.wire.framing import encode_frame
from localpair.wire.payload import (
    DATA,
    Attach,
    Begin,
    End,
    Finish,
    Kind,
    Note,
    Payload,
    ReceivePhase,
    SendPhase,
    Start,
    decode_payload,
)
from streams import Net, certificate, new_session, run, session_pair, stream_pair, until

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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


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


def parts_in(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PART_PREFIX}*"))


async def transfer(sender: Session, receiver: Session, paths: list[Path], target: Path) -> Receipt:
    received, _ = await asyncio.gather(receiver.receive_files(target), sender.send_files(paths))
    return received


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


# --- files


def test_a_tree_arrives_whole(source: Path, target: Path) -> None:
    async def main() -> None:
        events: tuple[list[Event], list[Event]] = ([], [])
        async with pair(events=events) as (one, other):
            received = await transfer(one, other, [plant(source)], target)
        assert harvest(target) == TREE
        files = {name: data for name, data in TREE.items() if data is not None}
        assert {(item.path, item.bytes, item.sha256) for item in received.first} == {
            (target / name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()
        }
        sent = {(item.path, item.sha256) for item in events[0] if isinstance(item, Sent)}
        assert sent == {
            (str(source / name), hashlib.sha256(data).hexdigest()) for name, data in files.items()
        }
        told = [item for item in events[1] if isinstance(item, Received)]
        assert received == Receipt(len(told), sum(item.bytes for item in told), tuple(told))

    run(main())


def test_several_paths_and_one_name_twice(source: Path, target: Path) -> None:
    async def main() -> None:
        paths = [plant(source / name, {"x.txt": name.encode()}) for name in "abc"]
        async with pair() as (one, other):
            await transfer(one, other, [*paths, plant(source)], target)
        assert harvest(target) == {**TREE, "x.txt": b"a", "x (1).txt": b"b", "x (2).txt": b"c"}

    run(main())


def test_both_directions_at_once_and_again(tmp_path: Path) -> None:
    async def main() -> None:
        sources = [plant(tmp_path / f"source{number}") for number in range(2)]
        targets = [tmp_path / f"target{number}" for number in range(2)]
        for folder in targets:
            folder.mkdir()
        async with pair() as (one, other):
            for _ in range(2):
                await asyncio.gather(
                    transfer(one, other, [sources[0]], targets[1]),
                    transfer(other, one, [sources[1]], targets[0]),
                )
        again = {"d (1)" + name[1:]: data for name, data in TREE.items()}
        for folder in targets:
            assert harvest(folder) == {**TREE, **again}

    run(main())


def test_many_small_files(source: Path, target: Path) -> None:
    tree: Tree = {f"d/{number % 7}/{number}": str(number).encode() * 9 for number in range(1500)}

    async def main() -> None:
        async with pair() as (one, other):
            receipt = await transfer(one, other, [plant(source, tree).parent.parent], target)
            assert receipt.files == len(tree)
            assert len(receipt.first) == RECEIPT_FILES

    run(main())
    assert {name: data for name, data in harvest(target).items() if data is not None} == tree


def test_nothing_is_sent_until_it_is_wanted(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sending = asyncio.create_task(one.send_files([plant(source)]))
            await one.send_message(b"something else still gets through")
            await anext(other.messages())
            assert one._supervisor._stream.sent < 10_000
            await other.receive_files(target)
            await sending
        assert harvest(target) == TREE

    run(main())


def test_progress_is_throttled_and_complete(source: Path, target: Path) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += PROGRESS_S / 100
        return now

    async def main() -> None:
        events: tuple[list[Event], list[Event]] = ([], [])
        async with pair(events=events, clock=clock) as (one, other):
            await transfer(one, other, [plant(source)], target)
        total = sum(len(data) for data in TREE.values() if data is not None)
        for side, direction in enumerate(("send", "receive")):
            shown = [event for event in events[side] if isinstance(event, Progress)]
            assert {event.direction for event in shown} == {direction}
            assert [event.bytes for event in shown] == sorted(event.bytes for event in shown)
            assert (shown[-1].bytes, shown[-1].total, shown[-1].files) == (total, total, 5)
            assert len(shown) <= now / PROGRESS_S + 2

    run(main())


def test_what_cannot_be_read_is_named_by_both_and_the_rest_arrives(source: Path, target: Path) -> None:
    async def main() -> None:
        folder = plant(source)
        os.mkfifo(folder / "pipe")
        (folder / "link").symlink_to("/etc/hostname")
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([folder]), other.receive_files(target), return_exceptions=True
            )
            assert [path.path.name for path in one.skipped] == ["link"]
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "pipe" in outcome.message
            assert "link" not in outcome.message
        assert harvest(target) == TREE

    run(main())


@pytest.mark.parametrize("how", ["grows", "shrinks", "rewritten", "unreadable"])
@pytest.mark.parametrize("name", ["big.bin", "small.txt"])
def test_a_file_that_changes_while_it_is_read(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, how: str, name: str
) -> None:
    folder = plant(source)
    real, changed = os.read, []

    def read(fd: int, size: int) -> bytes:
        data = real(fd, size)
        if not changed and Path(f"/proc/self/fd/{fd}").readlink().name == name:
            changed.append(how)
            if how == "unreadable":
                raise OSError(errno.EIO, "Input/output error")
            path = folder / name
            old = path.read_bytes()
            path.write_bytes({"grows": old + b"!", "shrinks": old[:-1], "rewritten": old[::-1]}[how])
            os.utime(path, (1, 1))
        return data

    monkeypatch.setattr(localpair.transfer.reader.os, "read", read)

    async def main() -> None:
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([folder]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert name in outcome.message
        left = dict(TREE)
        del left[f"d/{name}"]
        assert harvest(target) == left

    run(main())


def test_a_path_that_does_not_exist_fails_before_anything_is_sent(source: Path) -> None:
    async def main() -> None:
        async with pair() as (one, _):
            with pytest.raises(LocalError):
                await one.send_files([plant(source), source / "missing"])

    run(main())


def test_a_target_that_is_no_folder_fails_here_and_the_session_goes_on(source: Path, target: Path) -> None:
    async def main() -> None:
        async with pair() as (one, other):
            with pytest.raises(LocalError):
                await other.receive_files(target / "missing")
            await transfer(one, other, [plant(source)], target)

    run(main())


# --- the disk


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
        monkeypatch.setattr(localpair.transfer.inbox.os, call, full)
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
            assert harvest(target) == {}
            monkeypatch.undo()
            await transfer(one, other, [folder], target)
        assert harvest(target) == TREE

    run(main())


def test_a_file_larger_than_the_disk_is_refused_at_once(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.inbox.Inbox, "has_room", lambda self, size: size < BIG)

    async def main() -> None:
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([plant(source)]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "big.bin" in outcome.message
            assert "no room" in outcome.message
        assert harvest(target) == {name: data for name, data in TREE.items() if name != "d/big.bin"}

    run(main())


def test_a_refused_file_is_not_sent_to_its_end(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.inbox.Inbox, "has_room", lambda self, size: size < 1 << 30)

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


# --- cancelling


async def half_way(session: Session) -> None:
    """Until a good part of a big file has arrived."""
    await until(lambda: session._supervisor._stream.received > BIG // 3)


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
            assert harvest(target) == {}
            await transfer(one, other, [plant(source)], target)
        assert harvest(target) == TREE

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
            monkeypatch.setattr(localpair.transfer.inbox.os, "fsync", fsync)
            receiving = asyncio.create_task(other.receive_files(target))
            sending = asyncio.create_task(one.send_files([plant(source) / "big.bin"]))
            await until(hanging.is_set)
            receiving.cancel()
            async with asyncio.timeout(3):
                await asyncio.wait([receiving, sending])
            assert receiving.cancelled()
            assert isinstance(sending.exception(), TransferError)
            assert harvest(target) == {}
            gate.set()
        assert harvest(target) == {}

    run(main())


# --- messages


def test_messages_both_ways_in_order() -> None:
    async def main() -> None:
        sent = [os.urandom(size) for size in (0, 1, 1000, FRAME_BYTES, 77)] + [
            bytes([number]) for number in range(200)
        ]

        async def talk(ours: Session) -> list[bytes]:
            async def listen() -> list[bytes]:
                heard: list[bytes] = []
                async for message in ours.messages():
                    heard.append(message)
                    if len(heard) == len(sent):
                        break
                return heard

            listening = asyncio.create_task(listen())
            for message in sent:
                await ours.send_message(message)
            return await listening

        async with pair() as (one, other):
            assert await asyncio.gather(talk(one), talk(other)) == [sent, sent]

    run(main())


def test_a_message_too_large_is_the_callers_mistake() -> None:
    async def main() -> None:
        async with pair() as (one, _):
            with pytest.raises(UsageError):
                await one.send_message(bytes(FRAME_BYTES + 1))

    run(main())


def test_messages_wait_for_a_program_that_takes_none() -> None:
    async def main() -> None:
        async with pair() as (one, other):
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(40):
                    await one.send_message(bytes(FRAME_BYTES))
                    sent += 1

            sending = asyncio.create_task(send())
            await until(lambda: len(other._supervisor.mail._queue) >= 4)
            await asyncio.sleep(0.05)
            assert sent == 4
            messages = other.messages()
            for _ in range(40):
                assert len(await anext(messages)) == FRAME_BYTES
            await sending

    run(main())


def test_messages_arrive_once_over_breaking_connections() -> None:
    async def main() -> None:
        net = Net(cuts=[7_000, 50_000, 100, 120_000, 3_000])
        async with pair(net) as (one, other):

            async def send() -> None:
                for number in range(300):
                    await one.send_message(number.to_bytes(4, "big") * 250)

            sending = asyncio.create_task(send())
            messages = other.messages()
            for number in range(300):
                assert await anext(messages) == number.to_bytes(4, "big") * 250
            await sending
        assert not net.cuts

    run(main())


# --- the end


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
            assert harvest(target) == {}

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
            assert harvest(target) == {}
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


# --- resume

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
        assert harvest(target) == {}

    run(main())


def test_nobody_comes_back(source: Path, target: Path) -> None:
    async def main() -> None:
        net = Net(cuts=[BIG // 2])
        net.broken = UnreachableError("no path led to it")
        async with pair(net) as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([plant(source)]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "no path led to it" in outcome.message
        assert not parts_in(target)
        assert "d/big.bin" not in harvest(target)

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


# --- a hostile peer


class Attacker:
    """Speaks the session's protocol by hand."""

    def __init__(self, stream: FrameStream) -> None:
        self.stream = stream

    def say(self, *messages: Payload) -> None:
        for message in messages:
            self.stream.write(message.TYPE, message.encode())

    async def begin(self) -> None:
        """Attach, and offer a batch."""
        self.stream.set_limit(FRAME_BYTES, {DATA})
        self.say(Attach(bytes(16), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE), Start(1))
        await self.until(41)

    async def until(self, kind: int) -> Payload:
        while True:
            frame = await self.stream.read()
            if frame.type == kind:
                return decode_payload(frame)

    def file(self, number: int, parts: tuple[str, ...], data: bytes, *, size: int | None = None) -> None:
        self.say(Begin(number, Kind.FILE, parts, len(data) if size is None else size))
        if data:
            self.stream.write(DATA, data)
        self.say(End(number, hashlib.sha256(data).digest()))


@asynccontextmanager
async def attacked(target: Path) -> AsyncIterator[tuple[Attacker, asyncio.Task[Receipt]]]:
    ours, theirs = await stream_pair()
    async with new_session(ours) as session:
        receiving = asyncio.create_task(session.receive_files(target))
        attacker = Attacker(theirs)
        await attacker.begin()
        yield attacker, receiving
        theirs.abort()
        await asyncio.wait([receiving])


def test_no_name_leads_outside(tmp_path: Path, target: Path) -> None:
    (tmp_path / "outside").mkdir()
    names = [
        ("..", "escaped"),
        ("..",),
        ("/etc/escaped",),
        ("a", "..", "..", "escaped"),
        ("",),
        ("a\0b",),
        ("C:\\escaped",),
        ("\\\\server\\share\\escaped",),
        ("ok.txt:stream",),
        ("NUL",),
        (".localpair-0000000000000000.part",),
    ]

    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            for number, parts in enumerate(names):
                attacker.file(number, parts, b"payload")
            settled = 0
            while settled < len(names):
                message = await attacker.until(49)
                settled += len(message.results)  # type: ignore[union-attr]
            attacker.say(Finish(1))
            with pytest.raises(TransferError):
                await receiving

    run(main())
    found = set(harvest(tmp_path))
    assert {name for name in found if not name.startswith("target/")} == {"outside", "target"}
    assert {name.removeprefix("target/") for name in found if name.startswith("target/")} == {
        "C__escaped",
        "__server_share_escaped",
        "ok.txt_stream",
        "_NUL",
        "_.localpair-0000000000000000.part",
    }


@pytest.mark.parametrize("size", [0, 3, 1 << 20])
def test_a_file_with_other_bytes_than_announced_does_not_arrive(target: Path, size: int) -> None:
    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            attacker.file(0, ("lie",), b"x" * 300_000, size=size)
            attacker.file(1, ("truth",), b"y" * 300_000)
            settled = [await attacker.until(49), await attacker.until(49)]
            attacker.say(Finish(1))
            with pytest.raises(TransferError, match="lie"):
                await receiving
            assert [message.results[0].stored for message in settled] == [False, True]  # type: ignore[union-attr]

    run(main())
    assert set(harvest(target)) == {"truth"}


def test_a_wrong_checksum_does_not_arrive(target: Path) -> None:
    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            attacker.say(Begin(0, Kind.FILE, ("f",), 5))
            attacker.stream.write(DATA, b"12345")
            attacker.say(End(0, bytes(32)))
            await attacker.until(49)
            attacker.say(Finish(1))
            with pytest.raises(TransferError, match="checksum"):
                await receiving

    run(main())
    assert harvest(target) == {}


@pytest.mark.parametrize(
    "frames",
    [
        encode_frame(63, b"?"),
        encode_frame(DATA, b"bytes of nothing"),
        Start(9),
        Finish(2),
        End(0, bytes(32)),
        Begin(7, Kind.FILE, ("f",), 1),
        Note(2, b"a gap"),
        encode_frame(42, b"\xff" * 40),
        b"\xff\xff\xff\xff",
        Attach(bytes(16), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE),
    ],
    ids=repr,
)
def test_a_peer_that_breaks_the_protocol_ends_the_session_and_leaves_nothing(
    target: Path, frames: bytes | Payload
) -> None:
    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            if isinstance(frames, bytes):
                attacker.stream._wire.flush()
                attacker.stream._wire.transport.write(frames)
            else:
                attacker.say(frames)
            with pytest.raises(TransferError, match="broke the protocol"):
                await receiving

    run(main())
    assert harvest(target) == {}


def test_garbage_as_the_first_message_ends_the_session(target: Path) -> None:
    async def main() -> None:
        ours, theirs = await stream_pair()
        async with new_session(ours) as session:
            theirs.write(35, b"\0" * 20)
            with pytest.raises(TransferError, match="broke the protocol"):
                await session.receive_files(target)
        await theirs.close()

    run(main())


def test_a_receiver_that_lies_about_a_checksum_is_found_out(source: Path) -> None:
    async def main() -> None:
        ours, theirs = await stream_pair()
        async with new_session(ours) as session:
            path = plant(source, {"f": b"data"})
            sending = asyncio.create_task(session.send_files([path]))
            theirs.set_limit(FRAME_BYTES, {DATA})
            attacker = Attacker(theirs)
            attacker.say(Attach(bytes(16), b"", 0, 0, SendPhase.IDLE, 0, ReceivePhase.IDLE))
            await attacker.until(40)
            theirs._wire.transport.write(encode_frame(41, b"\0\0\0\1"))
            while not isinstance(part := await theirs.receive(), Frame) or part.type != 44:
                pass
            body = b"\0\0\0\1" + b"\0\1" + bytes(8) + b"w" * 32 + b"\0"
            theirs._wire.transport.write(encode_frame(49, body))
            await attacker.until(47)
            theirs._wire.transport.write(encode_frame(51, b"\0\0\0\1"))
            with pytest.raises(TransferError, match="other bytes"):
                await sending
            theirs.abort()

    run(main())


# --- memory


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("kind", ["unreadable", "files in folders"])
def test_a_receivers_memory_does_not_grow_with_the_number_of_entries(kind: str) -> None:
    """Where each entry is remembered, 8,000 more of them cost 4 and 13 MiB."""
    with receivers.memory_folder() as folder:
        assert run(receivers.growth(receivers.KINDS[kind], folder, 11_000, 19_000)) < 2


# --- processes that are killed

RECEIVER = """
import asyncio, socket, sys
from pathlib import Path
from streams import new_session
from localpair.net.transport.stream import open_stream
from localpair.net.transport.tls import client_context

async def main():
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.setblocking(False)
    async with new_session(await open_stream(sock, client_context(), server_side=False, timeout=10)) as session:
        await session.receive_files(Path(sys.argv[2]))

asyncio.run(main())
"""


async def receiver_process(target: Path) -> tuple[subprocess.Popen[str], Session]:
    """Another process that receives into ``target``, and our session with it."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: ASYNC220 - it starts at once
        [sys.executable, "-W", "error", "-c", RECEIVER, str(theirs.fileno()), str(target)],
        pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    theirs.close()
    ours.setblocking(False)
    stream = await open_stream(ours, server_context(certificate()), server_side=True, timeout=20)
    return process, new_session(stream)


async def struck_down(source: Path, target: Path, blow: signal.Signals, after: int) -> subprocess.Popen[str]:
    """Send ``source`` to a process that gets the signal ``blow`` after so many bytes; it has ended then."""
    process, session = await receiver_process(target)
    async with session:
        sending = asyncio.create_task(session.send_files([source]))
        await until(lambda: session._supervisor._stream.sent >= after)
        process.send_signal(blow)
        with pytest.raises(TransferError):
            await sending
        await asyncio.to_thread(process.wait, 20)
    return process


FILES: Tree = {
    f"d/{number:02}": random.Random(number).randbytes(200_000 + 7 * number) for number in range(60)
}


@pytest.mark.parametrize("after", [100, 150_000, 1_000_000, 3_000_000, 6_000_000])
def test_a_killed_receiver_leaves_only_whole_files_and_the_next_one_tidies_up(
    source: Path, target: Path, after: int
) -> None:
    plant(source, FILES)

    async def main() -> None:
        process = await struck_down(source / "d", target, signal.SIGKILL, after)
        assert process.returncode == -signal.SIGKILL
        assert process.stderr is not None
        process.stderr.close()
        for name, data in harvest(target).items():
            if data is not None and not name.startswith(PART_PREFIX):
                assert data == FILES[name], f"{name} is not whole"
        async with pair() as (one, other):
            await transfer(one, other, [source / "d"], target)
        assert not parts_in(target)

    run(main())


def test_an_interrupted_receiver_leaves_nothing_half_written(source: Path, target: Path) -> None:
    big = plant(source, {"big": bytes(64 << 20)})

    async def main() -> None:
        process = await struck_down(big, target, signal.SIGINT, 3_000_000)
        assert process.stderr is not None
        said = process.stderr.read()
        process.stderr.close()
        assert "KeyboardInterrupt" in said
        assert "never retrieved" not in said
        assert harvest(target) == {}

    run(main())


MOUNTED = """
import asyncio, subprocess, sys
from pathlib import Path
from streams import session_pair, run
from localpair.errors import LocalError, TransferError

async def main():
    one, other = await session_pair()
    async with one, other:
        sent, received = await asyncio.gather(
            one.send_files([Path(sys.argv[1])]), other.receive_files(Path(sys.argv[2])), return_exceptions=True
        )
        assert isinstance(sent, TransferError), repr(sent)
        assert isinstance(received, LocalError), repr(received)
        assert "No space left" in received.message, received.message
    assert all(path.stat().st_size == 50_000 for path in Path(sys.argv[2]).rglob("*") if path.is_file())
    print("as it should be")

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", sys.argv[2]], check=True)
run(main())
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs mount namespaces")
def test_a_disk_that_is_really_full(source: Path, target: Path) -> None:
    plant(source, {f"d/{number}": bytes(50_000) for number in range(60)})
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", sys.executable, "-c", MOUNTED, source / "d", target],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"mount namespaces are refused: {done.stderr.strip()}")
    assert "as it should be" in done.stdout, done.stderr
