"""Files over a session, both ways, and what cannot be read."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from pathlib import Path

import pytest

import localpair.transfer.reader
from file_trees import TREE, Tree, harvest, pair, plant, refuse_to_open, transfer
from localpair.choices.selection import Selection
from localpair.errors import LocalError, TransferError
from localpair.events import Event, Progress, Receipt, Received, Sent, Skipped
from localpair.limits import PROGRESS_S, RECEIPT_FILES
from streams import Net, run


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
                for folder in sources:
                    (folder / "small.txt").write_bytes(b"new")
        merged = {**TREE, "d/small (1).txt": b"new"}
        beside = {"d (1)" + name[1:]: data for name, data in TREE.items()} | {"d (1)/small.txt": b"new"}
        for folder in targets:  # by whether the file system keeps extended attributes
            assert harvest(folder) in (merged, {**TREE, **beside})

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


def test_what_cannot_be_read_is_named_by_both_and_the_rest_arrives(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        folder = plant(source)
        (folder / "locked").write_text("secret")
        refuse_to_open(monkeypatch, "locked")
        async with pair() as (one, other):
            outcomes = await asyncio.gather(
                one.send_files([folder]), other.receive_files(target), return_exceptions=True
            )
        for outcome in outcomes:
            assert isinstance(outcome, TransferError)
            assert "locked (Permission denied)" in outcome.message
            assert "by the receiver" not in outcome.message
        assert harvest(target) == TREE

    run(main())


@pytest.mark.parametrize("cuts", [None, [300], [2_000_000]])
def test_what_is_left_out_is_told_by_the_sender_once_and_nothing_fails(
    source: Path, target: Path, cuts: list[int] | None
) -> None:
    async def main() -> None:
        net, events = Net(cuts), (list[Event](), list[Event]())
        folder = plant(source)
        os.mkfifo(folder / "a pipe")
        (folder / "link").symlink_to("/etc/hostname")
        async with pair(net, events=events) as (one, other):
            await transfer(one, other, [folder], target)
        told = [(Path(event.file).name, event.reason) for event in events[0] if isinstance(event, Skipped)]
        assert told == [("a pipe", "special"), ("link", "link")]
        assert not [event for event in events[1] if isinstance(event, Skipped)]
        assert harvest(target) == TREE

    run(main())


def test_what_is_excluded_does_not_arrive_and_is_not_told_to_the_receiver(source: Path, target: Path) -> None:
    async def main() -> None:
        events = (list[Event](), list[Event]())
        folder = plant(source)
        (source / "private.key").write_text("secret")
        (folder / "more.key").write_text("secret")
        async with pair(events=events) as (one, other):
            receiving = asyncio.create_task(other.receive_files(target))
            await one.send_files([source / "private.key", folder], Selection(("*.key",)))
            await receiving
            assert other._supervisor.incoming._receiver.tops.names == ("d",)
        assert [Path(event.file).name for event in events[0] if isinstance(event, Skipped)] == [
            "private.key", "more.key",
        ]  # fmt: skip
        assert harvest(target) == TREE
        last = [event for event in events[1] if isinstance(event, Progress)][-1]
        assert (last.files, last.bytes) == (5, last.total)

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
