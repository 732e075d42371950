"""What becomes of files whose names are taken, as the receiver's person has said."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

import localpair.transfer.writer
from file_trees import Tree, bytes_under_way, harvest, named, pair, parts_in, plant, transfer
from localpair.choices.terms import Existing, NameConflict, Resolver, Terms
from localpair.errors import TransferError
from localpair.events import Event, Progress, Received, Sent, Skipped, Unchanged
from localpair.limits import SMALL_FILE_BYTES
from streams import Net, run, until

LARGE = SMALL_FILE_BYTES + 7
NEW: Tree = {"d": None, "d/small": b"new", "d/large": b"n" * LARGE, "d/same": b"same", "d/fresh": b"fresh"}
OLD: Tree = {"d": None, "d/small": b"old", "d/large": b"o" * LARGE, "d/same": b"same", "d/other": b"other"}


async def send_over(
    source: Path,
    target: Path,
    existing: Existing,
    cuts: list[int] | None = None,
    resolve: Resolver | None = None,
) -> tuple[list[Event], list[Event]]:
    """Send ``source`` over a new session; both sides' events."""
    events: tuple[list[Event], list[Event]] = ([], [])
    more = {} if resolve is None else {"resolve": resolve}
    async with pair(Net(cuts), events=events) as (one, other):
        await transfer(one, other, [source], target, terms=Terms(existing=existing), **more)
    return events


def skipped(events: list[Event]) -> list[str]:
    return sorted(event.file for event in events if isinstance(event, Skipped))


def stored(events: list[Event], target: Path) -> list[str]:
    return sorted(
        event.path.relative_to(target).as_posix() for event in events if isinstance(event, Received)
    )


def whole(events: list[Event]) -> tuple[int, int]:
    last = [event for event in events if isinstance(event, Progress)][-1]
    return last.bytes, last.files


SUM = (sum(len(data or b"") for data in NEW.values()), 4)


@pytest.mark.parametrize("cuts", [None, [300], [900], [40_000]])
def test_skip_keeps_what_stands_and_sends_the_rest(
    source: Path, target: Path, cuts: list[int] | None
) -> None:
    async def main() -> None:
        plant(target, OLD)
        sent, received = await send_over(plant(source, NEW), target, Existing.SKIP, cuts)
        assert harvest(target) == {**OLD, "d/fresh": b"fresh"}
        assert stored(received, target) == ["d/fresh"]
        # Whatever is in them: they are not even read.
        assert skipped(received) == ["d/large", "d/same", "d/small"]
        assert skipped(sent) == [str(source / name) for name in skipped(received)]
        assert whole(sent) == whole(received) == SUM

    run(main())


@pytest.mark.parametrize("cuts", [None, [300], [900], [40_000]])
def test_replace_takes_the_place_and_nothing_else(source: Path, target: Path, cuts: list[int] | None) -> None:
    async def main() -> None:
        plant(target, OLD)
        sent, received = await send_over(plant(source, NEW), target, Existing.REPLACE, cuts)
        assert harvest(target) == {**NEW, "d/other": b"other"}
        assert stored(received, target) == ["d/fresh", "d/large", "d/small"]
        assert [event.file for event in received if isinstance(event, Unchanged)] == ["d/same"]
        assert sum(isinstance(event, Sent) for event in sent) == 3
        assert whole(sent) == whole(received) == SUM

    run(main())


def test_rename_adds_nothing_to_a_folder_of_somebody_else(source: Path, target: Path) -> None:
    async def main() -> None:
        plant(target, OLD)
        await send_over(plant(source, NEW), target, Existing.RENAME)
        moved = {name.replace("d", "d (1)", 1): data for name, data in NEW.items()}
        assert harvest(target) == {**OLD, **moved}

    run(main())


def test_an_old_file_stays_until_the_new_one_is_whole(source: Path, target: Path) -> None:
    async def main() -> None:
        plant(target, {"big": b"old"})
        path = plant(source, {"big": bytes(200 << 20)})
        async with pair() as (one, other):
            receiving = asyncio.create_task(other.receive_files(target, Terms(existing=Existing.REPLACE)))
            sending = asyncio.create_task(one.send_files([path]))
            await until(lambda: bytes_under_way(target) > 0)
            sending.cancel()
            with pytest.raises(TransferError):
                await receiving
        assert named(target) == {"big": b"old"}

    run(main())


def test_what_replaces_a_private_file_is_private(source: Path, target: Path) -> None:
    async def main() -> None:
        plant(target, OLD)
        (target / "d/small").chmod(0o600)
        (target / "d/large").chmod(0o755)
        await send_over(plant(source, NEW), target, Existing.REPLACE)
        assert stat.S_IMODE((target / "d/small").stat().st_mode) == 0o600
        assert not (target / "d/large").stat().st_mode & 0o111
        assert (target / "d/small").read_bytes() == b"new"

    run(main())


@pytest.mark.parametrize("existing", [Existing.SKIP, Existing.REPLACE, Existing.ASK])
def test_links_and_folders_are_neither_followed_nor_replaced(
    source: Path, target: Path, tmp_path: Path, existing: Existing
) -> None:
    async def main() -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "kept").write_bytes(b"kept")
        plant(target, {"d/x": b"x"})
        (target / "d/small").symlink_to(outside / "kept")
        (target / "d/sub").symlink_to(outside)
        (target / "d/large").mkdir()
        tree: Tree = {
            "d": None,
            "d/small": b"new",
            "d/large": b"n" * LARGE,
            "d/sub": None,
            "d/sub/kept": b"evil",
        }
        await send_over(plant(source, tree), target, existing)
        assert (outside / "kept").read_bytes() == b"kept"
        assert [path.name for path in outside.iterdir()] == ["kept"]
        assert (target / "d/small").is_symlink()
        assert (target / "d/large").is_dir()
        assert (target / "d/small (1)").read_bytes() == b"new"
        assert (target / "d/large (1)").read_bytes() == b"n" * LARGE
        assert (target / "d/sub (1)/kept").read_bytes() == b"evil"

    run(main())


def test_a_person_decides_for_each(source: Path, target: Path) -> None:
    asked: list[NameConflict] = []
    answers = {"small": Existing.SKIP, "large": Existing.REPLACE}

    async def resolve(conflict: NameConflict) -> Existing:
        asked.append(conflict)
        await asyncio.sleep(0)
        return answers[conflict.path.name]

    async def main() -> None:
        plant(target, OLD)
        sent, received = await send_over(plant(source, NEW), target, Existing.ASK, resolve=resolve)
        assert harvest(target) == {**OLD, "d/large": NEW["d/large"], "d/fresh": b"fresh"}
        assert skipped(received) == ["d/small"]
        assert skipped(sent) == [str(source / "d/small")]
        assert whole(sent) == whole(received) == SUM

    run(main())
    assert sorted(conflict.path for conflict in asked) == [target / "d/large", target / "d/small"]
    assert {(conflict.size, conflict.standing_size) for conflict in asked} == {(3, 3), (LARGE, LARGE)}


@pytest.mark.parametrize("failure", ["late", "broken", "asks back"])
def test_where_nobody_decides_both_are_kept(
    source: Path, target: Path, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(localpair.transfer.writer, "APPROVAL_S", 0.05)

    async def resolve(_: NameConflict) -> Existing:
        if failure == "late":
            await asyncio.Event().wait()
        if failure == "broken":
            raise RuntimeError("a fault of the program")
        return Existing.ASK

    async def main() -> None:
        plant(target, {"film": b"o" * LARGE})
        await send_over(plant(source, {"film": b"n" * LARGE}), target, Existing.ASK, resolve=resolve)
        assert harvest(target) == {"film": b"o" * LARGE, "film (1)": b"n" * LARGE}

    run(main())


def test_cancelling_while_a_person_is_asked_is_quick(source: Path, target: Path) -> None:
    async def main() -> None:
        plant(target, OLD)
        asking = asyncio.Event()

        async def resolve(_: NameConflict) -> Existing:
            asking.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with pair() as (one, other):
            receiving = asyncio.create_task(
                other.receive_files(target, Terms(existing=Existing.ASK), resolve=resolve)
            )
            sending = asyncio.create_task(one.send_files([plant(source, NEW)]))
            await asking.wait()
            receiving.cancel()
            async with asyncio.timeout(10):
                await asyncio.wait([receiving, sending])
            assert receiving.cancelled()
            assert isinstance(sending.exception(), TransferError)
        assert {name: named(target).get(name) for name in OLD} == OLD
        assert not parts_in(target)

    run(main())
