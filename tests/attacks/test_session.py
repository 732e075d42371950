"""A hostile peer in a session: names, sizes, checksums and messages that break the protocol."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from file_trees import harvest, plant
from localpair.errors import TransferError
from localpair.events import Event, Receipt, Unchanged
from localpair.limits import FRAME_BYTES
from localpair.net.transport.stream import Frame, FrameStream
from localpair.transfer.folder import directory_handle
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
    Result,
    SendPhase,
    Settled,
    Start,
    decode_payload,
)
from streams import new_session, run, stream_pair, until


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

    async def settled(self) -> tuple[Result, ...]:
        """The next results."""
        message = await self.until(Settled.TYPE)
        assert isinstance(message, Settled)
        return message.results

    def file(self, number: int, parts: tuple[str, ...], data: bytes, *, size: int | None = None) -> None:
        self.say(Begin(number, Kind.FILE, parts, len(data) if size is None else size))
        if data:
            self.stream.write(DATA, data)
        self.say(End(number, hashlib.sha256(data).digest()))


@asynccontextmanager
async def attacked(
    target: Path, events: list[Event] | None = None
) -> AsyncIterator[tuple[Attacker, asyncio.Task[Receipt]]]:
    ours, theirs = await stream_pair()
    async with new_session(ours, events) as session:
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


def test_one_entry_too_deep_does_not_end_the_session(target: Path) -> None:
    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            attacker.file(0, ("d",) * 200, b"deep")
            attacker.file(1, ("n" * 5000,), b"long")
            attacker.file(2, ("f",), b"here")
            while not (await attacker.until(49)).results[0].stored:  # type: ignore[union-attr]
                pass
            attacker.say(Finish(1))
            with pytest.raises(TransferError, match=r"2 files did not arrive: .*deeper than 64"):
                await receiving

    run(main())
    assert harvest(target) == {"f": b"here"}


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
            theirs._wire.transport.write(encode_frame(41, b"\0\0\0\1" + b"\0\0" + b"\0"))
            while not isinstance(part := await theirs.receive(), Frame) or part.type != 44:
                pass
            body = b"\0\0\0\1" + b"\0\1" + bytes(8) + b"\0" + b"w" * 32 + b"\0"
            theirs._wire.transport.write(encode_frame(49, body))
            await attacker.until(47)
            theirs._wire.transport.write(encode_frame(51, b"\0\0\0\1"))
            with pytest.raises(TransferError, match="other bytes"):
                await sending
            theirs.abort()

    run(main())


def test_nothing_is_compared_any_more_for_a_session_that_has_ended(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that comes again and again would have ever more threads read its largest file."""
    size, begun = 1 << 40, threading.Event()
    with (target / "large").open("wb") as file:
        file.truncate(size)  # takes no room, and an hour to be read
    compare = directory_handle._digest

    def noted(*args: Any) -> bytes | None:
        begun.set()
        return compare(*args)

    monkeypatch.setattr(directory_handle, "_digest", noted)

    def readers() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name.startswith("localpair-flush")]

    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            attacker.say(*(Begin(number, Kind.CHECK, ("large",), size) for number in range(8)))
            await until(begun.is_set)
        with pytest.raises(TransferError):
            await receiving
        await until(lambda: not readers())

    run(main(), 30)


def test_a_question_about_a_file_makes_no_folder(target: Path) -> None:
    async def main() -> None:
        async with attacked(target) as (attacker, receiving):
            attacker.say(Begin(0, Kind.CHECK, ("a", "b", "c", "file"), 5), Begin(1, Kind.CHECK, ("file",), 5))
            told = [*(await attacker.settled()), *(await attacker.settled())]
            assert [(one.id, one.stored, one.sha256) for one in told] == [
                (0, True, bytes(32)),
                (1, True, bytes(32)),
            ]
            attacker.say(Finish(1))
            await receiving

    run(main())
    assert harvest(target) == {}


def test_nobody_is_told_that_a_file_is_here_which_is_not(target: Path) -> None:
    events: list[Event] = []

    async def main() -> None:
        async with attacked(target, events) as (attacker, receiving):
            attacker.say(Begin(0, Kind.CHECK, ("file",), 5))
            await attacker.settled()
            attacker.say(Begin(1, Kind.SAME, ("file",), 5))
            (result,) = await attacker.settled()
            assert not result.stored
            attacker.say(Finish(1))
            with pytest.raises(TransferError):
                await receiving

    run(main())
    assert not [event for event in events if isinstance(event, Unchanged)]
