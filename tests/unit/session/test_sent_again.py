"""A folder that is sent again: what is missing or has changed goes over the wire, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from file_trees import TREE, Tree, harvest, kept_in, named, pair, plant, refuse_to_open, transfer
from localpair.errors import TransferError
from localpair.events import Event, Progress, Received, Sent, Unchanged
from localpair.limits import UNSETTLED_ENTRIES
from streams import Net, run

FILES = [name for name, data in TREE.items() if data is not None]


def unchanged(events: list[Event]) -> list[str]:
    return sorted(event.file for event in events if isinstance(event, Unchanged))


async def again(
    source: Path, target: Path, cuts: list[int] | None = None, *, marked: bool = True
) -> tuple[int, list[Event], list[Event]]:
    """Send ``source`` over a new session: bytes on the wire, and both sides' events."""
    net, events = Net(cuts), (list[Event](), list[Event]())
    async with pair(net, events=events) as (one, other):
        before = net.carried
        await transfer(one, other, [source], target)
        carried = net.carried - before
    return carried, events[0], events[1]


def needs_marks(folder: Path) -> None:
    try:
        os.setxattr(folder, "user.localpair.test", b"x")
    except (OSError, AttributeError):
        pytest.skip("this file system keeps no extended attributes")


def test_a_folder_that_is_there_already_is_not_sent(source: Path, target: Path) -> None:
    needs_marks(target)

    async def main() -> None:
        folder = plant(source)
        await again(folder, target)
        carried, sent, received = await again(folder, target)
        assert harvest(target) == TREE
        assert unchanged(received) == sorted(FILES)
        assert unchanged(sent) == sorted(str(source / name) for name in FILES)
        assert not [event for event in received if isinstance(event, Received)]
        assert carried < 10_000
        for events in (sent, received):
            last = [event for event in events if isinstance(event, Progress)][-1]
            assert (last.bytes, last.files) == (sum(len(data or b"") for data in TREE.values()), len(FILES))

    run(main())


def test_what_changed_and_what_is_missing_is_sent(source: Path, target: Path) -> None:
    needs_marks(target)

    async def main() -> None:
        folder = plant(source)
        await again(folder, target)
        (folder / "small.txt").write_bytes(b"HELLO")
        (folder / "new.txt").write_bytes(b"new")
        (target / "d/deep/er/file").unlink()
        carried, _, received = await again(folder, target)
        assert harvest(target) == {**TREE, "d/small (1).txt": b"HELLO", "d/new.txt": b"new"}
        stored = sorted(
            event.path.relative_to(target).as_posix() for event in received if isinstance(event, Received)
        )
        assert stored == ["d/deep/er/file", "d/new.txt", "d/small (1).txt"]
        assert carried < 80_000
        # The changed one is recognised under its number from now on.
        _, _, received = await again(folder, target)
        assert not [event for event in received if isinstance(event, Received)]

    run(main())


def test_another_date_alone_moves_nothing_and_another_content_under_the_same_date_does(
    source: Path, target: Path
) -> None:
    async def main() -> None:
        path = plant(source, {"film": TREE["d/big.bin"]})
        await again(path, target)
        os.utime(path, ns=(1, 1))
        _, _, received = await again(path, target)
        assert unchanged(received) == ["film"]
        status = (target / "film").stat()
        data = bytearray(path.read_bytes())
        data[1000] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        await again(path, target)
        assert harvest(target) == {"film": TREE["d/big.bin"], "film (1)": bytes(data)}

    run(main())


def test_a_folder_of_somebody_else_is_neither_compared_nor_added_to(source: Path, target: Path) -> None:
    async def main() -> None:
        folder = plant(source)
        plant(target)
        _, _, received = await again(folder, target)
        assert unchanged(received) == []
        moved = {name.replace("d", "d (1)", 1): data for name, data in TREE.items()}
        assert harvest(target) == {**TREE, **moved}

    run(main())


def test_a_link_in_a_folder_that_was_sent_leads_nowhere(source: Path, target: Path, tmp_path: Path) -> None:
    needs_marks(target)

    async def main() -> None:
        folder = plant(source, {"d/sub/file": b"same"}).parent.parent
        await again(folder, target)
        outside = tmp_path / "outside"
        outside.mkdir()
        (target / "d/sub/file").unlink()
        (target / "d/sub").rmdir()
        (target / "d/sub").symlink_to(outside)
        await again(folder, target)
        assert list(outside.iterdir()) == []
        assert (target / "d/sub (1)/file").read_bytes() == b"same"

    run(main())


def test_a_link_under_the_name_of_a_file_is_not_read(source: Path, target: Path, tmp_path: Path) -> None:
    async def main() -> None:
        path = plant(source, {"film": b"same"})
        secret = tmp_path / "secret"
        secret.write_bytes(b"same")
        (target / "film").symlink_to(secret)
        _, _, received = await again(path, target)
        assert unchanged(received) == []
        assert (target / "film (1)").read_bytes() == b"same"

    run(main())


@pytest.mark.parametrize("cut", [100, 400, 700, 1500, 3000, 200_000])
def test_a_break_while_comparing_loses_and_doubles_nothing(source: Path, target: Path, cut: int) -> None:
    needs_marks(target)

    async def main() -> None:
        chance = random.Random(cut)
        tree: Tree = {f"d/{number % 7}/{number}": chance.randbytes(200) for number in range(60)}
        tree["d/large"] = chance.randbytes(2_500_000)
        folder = plant(source, tree).parent.parent
        await again(folder, target)
        for name in ("d/3/3", "d/large"):
            (source / name).write_bytes(b"changed" * 200_000)
        _, sent, received = await again(folder, target, [cut])
        found = {name: data for name, data in harvest(target).items() if data is not None}
        assert found == {**tree, "d/3/3 (1)": b"changed" * 200_000, "d/large (1)": b"changed" * 200_000}
        assert sum(isinstance(event, Sent) for event in sent) == 2
        assert sum(isinstance(event, Received) for event in received) == 2

    run(main())


def test_more_files_than_the_window_holds(source: Path, target: Path) -> None:
    needs_marks(target)

    async def main() -> None:
        tree: Tree = {f"d/{number:04}": b"%d" % number for number in range(2 * UNSETTLED_ENTRIES)}
        folder = plant(source, tree).parent
        await again(folder, target)
        for number in (0, 1000, 2047):
            (folder / f"{number:04}").write_bytes(b"another")
        carried, _, received = await again(folder, target)
        assert len(unchanged(received)) == len(tree) - 3
        assert sum(isinstance(event, Received) for event in received) == 3
        assert carried < 400_000

    run(main())


def test_a_file_that_cannot_be_read_while_others_are_compared_fails_alone(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_marks(target)

    async def main() -> None:
        folder = plant(source)
        await again(folder, target)
        (folder / "small.txt").chmod(0)
        if os.access(folder / "small.txt", os.R_OK):  # root reads everything
            refuse_to_open(monkeypatch, "small.txt")
        with pytest.raises(TransferError):
            await again(folder, target)
        assert harvest(target) == TREE

    run(main())


def test_a_tree_that_was_killed_half_way_is_completed_in_place(source: Path, target: Path) -> None:
    needs_marks(target)

    async def main() -> None:
        chance = random.Random(5)
        tree: Tree = {f"d/{number:02}": chance.randbytes(300_000) for number in range(20)}
        tree["d/99"] = chance.randbytes(5_000_000)
        folder = plant(source, tree).parent
        net = Net([8_000_000])
        async with pair(net) as (one, other):
            one._supervisor._reconnect = other._supervisor._reconnect = None
            await asyncio.gather(
                one.send_files([folder]), other.receive_files(target), return_exceptions=True
            )
        missing = sum(len(data or b"") for name, data in tree.items() if name not in named(target))
        kept = sum(part.bytes for part in kept_in(target))
        assert missing - kept < sum(len(data or b"") for data in tree.values())
        carried, _, _ = await again(folder, target)
        assert {name: data for name, data in harvest(target).items() if data is not None} == tree
        assert carried < missing - kept + 100_000

    run(main())
