"""A second session between the same two devices goes on where the first one was broken off."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from file_trees import Tree, harvest, kept_in, named, plant, transfer
from localpair.errors import TransferError, UnreachableError
from localpair.events import Event, Peer, Progress, Received, Resumed
from localpair.limits import KEPT_LEAST_BYTES
from localpair.net.transport.stream import FrameStream
from localpair.session import Session
from localpair.transfer.folder.inbox import PartFile
from localpair.transfer.workers import Conveyor
from streams import WAY, Net, run, until

SIZE = 12 << 20
SLACK = 1 << 20  # what may be sent again, and TLS
FILM = random.Random(3).randbytes(SIZE)
SENT_AGAIN = (1 << 20) + 64 * 1024  # after a kill; the first messages count as well
CUTS = [2 << 20, 5_000_000, 9_999_999, SIZE - 1000, SIZE + 3000]
"""Bytes of the first session's wire; the last ones break when all, or nearly all, has been written."""


async def session_of(net: Net, sender: str, events: list[Event]) -> tuple[Session, Session]:
    """What the next processes of two devices have: sessions that know nothing of earlier ones."""
    one, other = await net.connect()
    again: dict[str, object] = {"reconnect": None}
    giver = Session(one, peer=Peer("receiver", ""), path=WAY, **again)  # type: ignore[arg-type]
    taker = Session(other, peer=Peer(sender, ""), path=WAY, on_event=events.append, **again)  # type: ignore[arg-type]
    giver.start()
    taker.start()
    return giver, taker


async def attempt(
    path: Path, target: Path, *, cut: int | None = None, sender: str = "sender"
) -> tuple[int, list[Event], list[object]]:
    """One session, whose wire breaks after ``cut`` bytes: bytes carried, the receiver's events, what came of it."""
    net = Net([cut] if cut is not None else None)
    events: list[Event] = []
    giver, taker = await session_of(net, sender, events)
    before = net.carried
    outcome = await asyncio.gather(
        taker.receive_files(target), giver.send_files([path]), return_exceptions=True
    )
    carried = net.carried - before
    await asyncio.gather(giver.close(), taker.close())
    await net.close()
    return carried, events, list(outcome)


def resumed(events: list[Event]) -> list[int]:
    return [event.bytes for event in events if isinstance(event, Resumed)]


@pytest.mark.parametrize("cut", CUTS)
def test_the_next_session_sends_the_rest_alone(source: Path, target: Path, cut: int) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        first, _, outcome = await attempt(path, target, cut=cut)
        assert all(isinstance(error, TransferError) for error in outcome) or cut > SIZE
        part = kept_in(target)[0]
        assert part.key.size == SIZE
        assert named(target) == {}
        second, events, outcome = await attempt(path, target)
        assert not [error for error in outcome if isinstance(error, BaseException)]
        assert harvest(target) == {"film.mkv": FILM}
        assert resumed(events) == [part.bytes]
        assert [event for event in events if isinstance(event, Progress)][-1].bytes == SIZE
        assert SIZE - part.bytes <= second <= SIZE - part.bytes + 300_000
        assert first + second < SIZE + 2 * SLACK

    run(main())


def test_several_broken_sessions_one_after_the_other(source: Path, target: Path) -> None:
    async def main() -> None:
        path = plant(source, {"d/film.mkv": FILM}).parent
        carried = 0
        for cut in (3 << 20, 2 << 20, 4 << 20):
            carried += (await attempt(path, target, cut=cut))[0]
        last, events, _ = await attempt(path, target)
        assert resumed(events)[0] > 7 << 20
        assert [event.bytes for event in events if isinstance(event, Received)] == [SIZE]
        assert carried + last < SIZE + SLACK
        assert not kept_in(target)

    run(main())


def flip(part: Path) -> None:
    with part.open("r+b") as file:
        file.seek(part.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def shorten(part: Path) -> None:
    os.truncate(part, part.stat().st_size - 1_000_000)


def lengthen(part: Path) -> None:
    with part.open("ab") as file:
        file.write(bytes(100_000))


def overfill(part: Path) -> None:
    with part.open("ab") as file:
        file.truncate(SIZE + 1)


def empty(part: Path) -> None:
    os.truncate(part, 0)


@pytest.mark.parametrize("harm", [flip, shorten, lengthen, overfill, empty])
def test_whatever_became_of_the_part_the_file_arrives_as_it_is(
    source: Path, target: Path, harm: Callable[[Path], None]
) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        part = target / kept_in(target)[0].name
        harm(part)
        left = part.stat().st_size
        _, events, outcome = await attempt(path, target)
        assert not [error for error in outcome if isinstance(error, BaseException)]
        assert harvest(target) == {"film.mkv": FILM}
        assert resumed(events) == ([left] if harm is shorten else [])

    run(main())


def test_a_part_that_is_harmed_between_the_telling_and_the_asking(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localpair.transfer.disk import Disk, FoundPart

    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        part, look = target / kept_in(target)[0].name, Disk.look

        def late(self: Disk, found: FoundPart) -> None:
            part.unlink()
            look(self, found)

        monkeypatch.setattr(Disk, "look", late)
        _, events, outcome = await attempt(path, target)
        assert not [error for error in outcome if isinstance(error, BaseException)]
        assert harvest(target) == {"film.mkv": FILM}
        assert resumed(events) == []

    run(main())


@pytest.mark.parametrize("how", ["same size", "grown", "touched"])
def test_a_file_that_changed_begins_anew(source: Path, target: Path, how: str) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        if how == "same size":
            path.write_bytes(FILM[::-1])
        elif how == "grown":
            with path.open("ab") as file:
                file.write(b"the end")
        os.utime(path, ns=(1, 1))
        _, events, _ = await attempt(path, target)
        assert harvest(target) == {"film.mkv": path.read_bytes()}
        assert resumed(events) == []

    run(main())


def test_a_file_that_changed_behind_its_date_is_never_a_mixture(source: Path, target: Path) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        status = path.stat()
        await attempt(path, target, cut=6 << 20)
        path.write_bytes(b"!" + FILM[1:])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        _, events, _ = await attempt(path, target)
        assert harvest(target) == {"film.mkv": b"!" + FILM[1:]}
        assert resumed(events) == []

    run(main())


def test_another_device_gets_nothing_of_it(source: Path, target: Path) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        _, events, _ = await attempt(path, target, sender="somebody else")
        assert resumed(events) == []
        assert named(target) == {"film.mkv": FILM}
        assert len(kept_in(target)) == 1

    run(main())


def test_an_interrupted_question_is_asked_again(source: Path, target: Path) -> None:
    """The second session breaks right when both sides read what they have; the third one goes on."""

    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        before = kept_in(target)
        await attempt(path, target, cut=200)
        assert [part.bytes for part in kept_in(target)] == [before[0].bytes]
        _, events, _ = await attempt(path, target)
        assert resumed(events) == [before[0].bytes]
        assert harvest(target) == {"film.mkv": FILM}

    run(main())


@pytest.mark.parametrize("cut", [50, 150, 250, 400, 100_000, 3_000_000])
def test_a_session_that_goes_on_is_broken_and_found_again(source: Path, target: Path, cut: int) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        net, events = Net([cut]), list[Event]()
        one, other = await net.connect()
        giver = Session(one, peer=Peer("receiver", ""), path=WAY, reconnect=net.reconnect(0))
        taker = Session(
            other,
            peer=Peer("sender", ""),
            path=WAY,
            reconnect=net.reconnect(1),
            on_event=events.append,
        )
        async with giver, taker:
            await transfer(giver, taker, [path], target)
        assert harvest(target) == {"film.mkv": FILM}
        assert len(net.wires) == 2
        assert net.carried < SIZE - (5 << 20) + SLACK
        await net.close()

    run(main())


def test_cancelling_while_a_long_part_is_read_is_quick(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        await attempt(path, target, cut=6 << 20)
        net = Net()
        giver, taker = await session_of(net, "sender", [])
        asked = asyncio.Event()
        put = Conveyor.put

        def seen(self: Conveyor[list[object]], items: list[object]) -> None:
            put(self, items)
            if type(items[-1]).__name__ == "Asking":
                self._loop.call_soon_threadsafe(asked.set)

        monkeypatch.setattr(Conveyor, "put", seen)
        net.wires[0].frozen.clear()
        net.wires[0].frozen.set()
        receiving = asyncio.create_task(taker.receive_files(target))
        sending = asyncio.create_task(giver.send_files([path]))
        await asked.wait()
        sending.cancel()
        async with asyncio.timeout(2):
            await asyncio.wait([sending, receiving])
        assert isinstance(receiving.exception(), TransferError)
        await asyncio.gather(giver.close(), taker.close())
        await net.close()
        assert len(kept_in(target)) == 1

    run(main())


def test_both_sides_say_that_sending_again_goes_on(source: Path, target: Path) -> None:
    async def main() -> None:
        net = Net([6 << 20])
        net.broken = UnreachableError("it sleeps")
        one, other = await net.connect()
        giver = Session(one, peer=Peer("receiver", ""), path=WAY, reconnect=net.reconnect(0))
        taker = Session(other, peer=Peer("sender", ""), path=WAY, reconnect=net.reconnect(1))
        async with giver, taker:
            outcome = await asyncio.gather(
                taker.receive_files(target),
                giver.send_files([plant(source, {"film.mkv": FILM})]),
                return_exceptions=True,
            )
        for error in outcome:
            assert isinstance(error, TransferError)
            assert error.hint is not None
            assert "goes on where it stood" in error.hint
        await net.close()

    run(main())


def test_a_tree_of_large_files_goes_on_in_the_right_one(source: Path, target: Path) -> None:
    async def main() -> None:
        chance = random.Random(5)
        tree: Tree = {f"d/{number}": chance.randbytes(2 * KEPT_LEAST_BYTES) for number in range(4)}
        tree["d/small"] = b"x"
        path = plant(source, tree).parent
        await attempt(path, target, cut=5 * KEPT_LEAST_BYTES // 2 + KEPT_LEAST_BYTES)
        kept = [part.bytes for part in kept_in(target)]  # also one that was whole and had no name yet
        assert kept
        _, events, outcome = await attempt(path, target)
        assert not [error for error in outcome if isinstance(error, BaseException)]
        assert sorted(resumed(events)) == sorted(kept)
        found = {name.replace("d (1)", "d"): data for name, data in named(target).items() if data is not None}
        assert found == tree
        assert not kept_in(target)

    run(main())


def test_a_session_that_waits_for_its_peer_leaves_the_part_to_a_newer_one(source: Path, target: Path) -> None:
    """The sender was killed and is started anew, while the receiver still waits for the one that died."""

    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        old = Net([6 << 20])
        one, other = await old.connect()
        giver = Session(one, peer=Peer("receiver", ""), path=WAY)
        waits = asyncio.Event()
        coming: asyncio.Future[FrameStream] = asyncio.get_running_loop().create_future()

        async def again() -> FrameStream:
            waits.set()
            return await coming

        taker = Session(other, peer=Peer("sender", ""), path=WAY, reconnect=again)
        giver.start()
        receiving = asyncio.create_task(taker.receive_files(target))
        with pytest.raises(TransferError):
            await giver.send_files([path])
        await waits.wait()
        _, events, outcome = await attempt(path, target)
        assert not [error for error in outcome if isinstance(error, BaseException)]
        assert resumed(events)[0] > 5 << 20
        coming.set_exception(UnreachableError("it never comes"))
        with pytest.raises(TransferError):
            await receiving
        assert harvest(target) == {"film.mkv": FILM}
        await asyncio.gather(giver.close(), taker.close())
        await old.close()

    run(main())


def test_a_session_whose_part_a_newer_one_took_begins_that_file_anew(source: Path, target: Path) -> None:
    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        net = Net([6 << 20])
        one, other = await net.connect()
        find, done = net.reconnect(1), asyncio.Event()

        async def later() -> FrameStream:
            await done.wait()
            return await find()

        giver = Session(one, peer=Peer("receiver", ""), path=WAY, reconnect=waiting(net))
        taker = Session(other, peer=Peer("sender", ""), path=WAY, reconnect=later)
        async with giver, taker:
            moving = asyncio.create_task(transfer(giver, taker, [path], target))
            await until(lambda: bool(kept_in(target)) and kept_in(target)[0].bytes > 5 << 20)
            await attempt(path, target)
            done.set()
            await moving
        await net.close()
        assert named(target) == {"film.mkv": FILM, "film (1).mkv": FILM}
        assert not kept_in(target)

    run(main())


def test_a_receiver_whose_disk_stands_still_has_read_no_more_than_may_be_sent_again(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = PartFile.write

    def held_up(part: PartFile, data: memoryview) -> None:
        assert gate.wait(60)
        write(part, data)

    async def main() -> None:
        path = plant(source, {"film.mkv": FILM})
        monkeypatch.setattr(PartFile, "write", held_up)
        net = Net()
        giver, taker = await session_of(net, "sender", [])
        moving = asyncio.create_task(transfer(giver, taker, [path], target))
        stream = taker._supervisor._stream
        await until(lambda: stream.stalled)
        assert KEPT_LEAST_BYTES // 2 < stream.received <= SENT_AGAIN
        gate.set()
        await moving
        await asyncio.gather(giver.close(), taker.close())
        await net.close()
        assert named(target) == {"film.mkv": FILM}

    run(main())


def waiting(net: Net) -> Callable[[], Awaitable[FrameStream]]:
    """A side that is found by the other one."""

    async def again() -> FrameStream:
        return await net._waiting[0].get()

    return again
