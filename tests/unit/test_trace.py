"""The trace: who may read it, what ends it, what stands in it, and that it does nothing where nobody wants it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from localpair.candidate import Candidate
from localpair.errors import LocalError
from localpair.events import Attempt, Direction, Phase
from localpair.limits import FRAME_BYTES
from localpair.net.transport.stream import Piece
from localpair.protocol.discovery_events import BeaconSource, Carrier, Heard, Transmit
from localpair.trace import TRACE, Trace, tracing
from localpair.wire.beacon import Part
from localpair.wire.payload import DATA
from streams import run, stream_pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = b"nobody may read this"
DIALLED = Candidate(ip_address("192.168.1.2"), 4000)


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Path]:
    """The process's own trace, on."""
    path = tmp_path / "trace.jsonl"
    with tracing(path):
        yield path


def lines(path: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, path.read_text("utf-8").splitlines()) if line["kind"] == kind]


# -- the file


@pytest.mark.parametrize("before", [None, 0o644], ids=["new", "there"])
def test_nobody_else_may_read_it(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "trace.jsonl"
    if before is not None:
        path.write_text("earlier\n")
        path.chmod(before)
    with tracing(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text("utf-8").startswith("earlier\n") is (before is not None)


def pipe_without_reader(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (lambda folder: str(folder / "none" / "trace"), "No such file or directory"),
        (str, "Is a directory"),
        (lambda _: "/dev/full", "No space left on device"),
        (pipe_without_reader, "No such device or address"),
        (lambda _: "a\0b", "null"),
    ],
    ids=["no-folder", "folder", "full", "pipe", "no-name"],
)
def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path, place: Any, why: str) -> None:
    path = place(tmp_path)
    with pytest.raises(LocalError, match=why) as caught, tracing(path):
        pass
    assert path in caught.value.message
    assert "Name a file" in (caught.value.hint or "")
    assert not TRACE.on


def test_a_file_that_fails_later_ends_the_trace_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    one = Trace()
    pipe = one.open(str(tmp_path / "pipe"))
    os.close(reader)
    whole = tmp_path / "trace.jsonl"
    one.open(str(whole))
    with caplog.at_level(logging.WARNING):
        one.dial(DIALLED, Phase.TLS)
        one.dial(DIALLED, Phase.PIN)
    one.close(pipe)
    assert [line["phase"] for line in lines(whole, "dial")] == ["tls", "pin"], "the other one goes on"
    assert caplog.text.count("the trace ends") == 1


def test_each_file_has_what_happened_while_it_was_open(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    with tracing(outer):
        TRACE.transfer("send", 1, "OPEN", ())
        with tracing(str(inner)):
            TRACE.transfer("send", 1, "OPEN", ())
            TRACE.dial(DIALLED, Phase.TLS)
        TRACE.dial(DIALLED, Phase.PIN)
    TRACE.dial(DIALLED, Phase.HELLO)
    assert not TRACE.on
    assert [line["phase"] for line in lines(outer, "dial")] == ["tls", "pin"]
    assert [line["phase"] for line in lines(inner, "dial")] == ["tls"]
    assert [line["phase"] for line in lines(inner, "transfer")] == ["OPEN"], "how it stood as the file began"


def test_the_environment_is_followed_once_and_as_long_as_it_names_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    one = Trace()
    one.follow_environment()
    assert not one.on
    for path in (first, first, second):
        monkeypatch.setenv("LOCALPAIR_TRACE", str(path))
        one.follow_environment()
        one.dial(DIALLED, Phase.TLS)
    one.stop_following()
    assert not one.on
    assert [(len(lines(path, "run")), len(lines(path, "dial"))) for path in (first, second)] == [
        (1, 2),
        (1, 1),
    ]


def test_a_file_that_the_environment_names_wrongly_is_an_error_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Trace()
    monkeypatch.setenv("LOCALPAIR_TRACE", str(tmp_path / "none" / "trace"))
    for _ in range(2):
        with pytest.raises(LocalError, match="No such file") as caught:
            one.follow_environment()
        assert "LOCALPAIR_TRACE" in (caught.value.hint or "")
    assert not one.on


# -- the lines


def test_a_frame_is_its_type_and_length(trace: Path) -> None:
    async def main() -> None:
        one, other = await stream_pair()
        other.set_limit(1 + FRAME_BYTES, {DATA})  # the type counts
        one.write(1, SECRET)
        one.write(99)
        assert (await other.read()).body == SECRET
        assert (await other.read()).body == b""
        one.write(DATA, bytes(FRAME_BYTES))  # arrives in several pieces
        pieces = []
        while not pieces or not pieces[-1].last:
            piece = await other.receive()
            assert isinstance(piece, Piece)
            pieces.append(piece)
            piece.release()
        assert len(pieces) > 1
        await asyncio.gather(one.close(), other.close())

    run(main())
    wanted = [("Hello", 1, 20), ("", 99, 0), ("Data", DATA, FRAME_BYTES)]
    for way in ("out", "in"):
        seen = [line for line in lines(trace, "frame") if line["way"] == way]
        assert [(line["name"], line["type"], line["bytes"]) for line in seen] == wanted
    assert SECRET not in trace.read_bytes()


def test_a_datagram_is_its_way_and_length(trace: Path) -> None:
    group, sender = ip_address("ff02::1"), ip_address("fe80::2")
    TRACE.sent(Transmit(SECRET, group, 4000, 3, Carrier.MULTICAST), "ENETUNREACH")
    TRACE.received(BeaconSource(sender, 4001, 3, 3), Carrier.MULTICAST, 20)
    out, into = lines(trace, "datagram")
    assert (out["to"], out["interface"], out["bytes"], out["outcome"]) == (
        "[ff02::1]:4000",
        3,
        20,
        "ENETUNREACH",
    )
    assert (into["source"], into["carrier"], into["bytes"]) == ("[fe80::2]:4001", "multicast", 20)
    assert SECRET not in trace.read_bytes()


def test_a_peer_is_told_by_its_alias_and_never_by_the_name_of_a_secret(trace: Path) -> None:
    source = BeaconSource(ip_address("192.168.1.2"), 4001)
    TRACE.peer(
        Heard(
            b"i" * 16,
            Part.HOST,
            SECRET.decode(),
            "Anna's phone",
            1,
            2,
            3,
            (),
            source,
            Carrier.UNICAST,
            first=True,
        )
    )
    (line,) = lines(trace, "peer")
    assert (line["what"], line["known"], line["source"]) == ("heard", True, "192.168.1.2:4001")
    assert "-" in line["alias"]
    assert SECRET not in trace.read_bytes()
    assert b"Anna" not in trace.read_bytes()


def test_a_dial_tells_how_far_it_got_and_by_which_way(trace: Path) -> None:
    candidate = Candidate(ip_address("192.168.1.2"), 4000, via="offer", bind_to=3)
    TRACE.candidate(candidate, "new")
    TRACE.dial(candidate, Phase.CONNECT)
    TRACE.attempt(Attempt(candidate, Direction.OUT, Phase.CONNECT, "failed", 1.234, "ECONNREFUSED"))
    seen = [line for kind in ("candidate", "dial", "attempt") for line in lines(trace, kind)]
    assert {(line["candidate"], line["via"], line["bind_to"]) for line in seen} == {
        ("192.168.1.2:4000", "offer", 3)
    }
    assert not any("dial_from" in line or "local" in line for line in seen)  # the routing table's own way
    assert [line.get("phase") for line in seen] == [None, "connect", "connect"]
    assert (seen[2]["outcome"], seen[2]["errno"], seen[2]["ms"]) == ("failed", "ECONNREFUSED", 1.2)


def test_a_batch_has_a_line_where_something_has_happened(trace: Path) -> None:
    TRACE.transfer("send", 1, "OFFERED", ())
    TRACE.transfer("send", 1, "OFFERED", ())
    TRACE.transfer("receive", 1, "OFFERED", ())
    TRACE.transfer("send", 1, "OPEN", [SECRET])
    seen = [(line["side"], line["phase"], line["events"]) for line in lines(trace, "transfer")]
    assert seen == [("send", "OFFERED", []), ("receive", "OFFERED", []), ("send", "OPEN", ["bytes"])]


# -- off


def test_nothing_is_called_where_nobody_wants_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: object) -> None:
        raise AssertionError("somebody did not look at TRACE.on")

    monkeypatch.setattr(Trace, "frame", called)

    async def main() -> None:
        one, other = await stream_pair()
        one.write(1, b"x")
        assert (await other.read()).body == b"x"
        await asyncio.gather(one.close(), other.close())

    run(main())
