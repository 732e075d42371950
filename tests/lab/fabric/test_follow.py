"""A capture that is followed: whole packets, as they are written, and one section however many files there are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from localpair_lab.fabric.traffic.follow import follow
from localpair_lab.fabric.traffic.pcapng import INBOUND, CaptureWriter, packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def capture(port: str, *frames: bytes) -> bytes:
    """A file of that port with these frames."""
    file = io.BytesIO()
    writer = CaptureWriter(file, port)
    for frame in frames:
        writer.packet(7, frame, len(frame), INBOUND)
    return file.getvalue()


def followed(folder: Path, port: str, steps: Iterable[Callable[[], object]]) -> list[bytes]:
    """What came on stdout after each of the steps, which stand for the time that passes."""
    came: list[bytes] = []
    waiting = iter(steps)

    def wait() -> bool:
        step = next(waiting, None)
        came.append(b"")
        if step is not None:
            step()
        return step is not None

    def write(data: bytes) -> None:
        came[-1] += data

    follow(folder, port, write, wait)
    return came


def frames(data: bytes) -> list[bytes]:
    return [found.frame for found in packets(data)]


def test_packets_come_as_soon_as_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "alice.eth0.pcapng"
    whole = capture("alice/eth0", b"first", b"second")
    cut = len(capture("alice/eth0", b"first"))

    def grow(end: int) -> Callable[[], object]:
        return lambda: path.write_bytes(whole[:end])

    came = followed(tmp_path, "alice/eth0", [grow(30), grow(cut), grow(cut + 20), grow(len(whole))])
    assert came[0] == b"", "half a header is nothing that a program could read"
    assert frames(came[1]) == [b"first"]
    assert came[2] == b"", "nor is half a packet"
    assert b"".join(came) == whole


def test_an_interface_that_came_back_goes_on_in_the_same_section(tmp_path: Path) -> None:
    first, later = capture("alice/eth0", b"before"), capture("alice/eth0", b"after")
    (tmp_path / "alice.eth0.pcapng").write_bytes(first)
    came = followed(
        tmp_path, "alice/eth0", [lambda: (tmp_path / "alice.eth0-2.pcapng").write_bytes(later), bool]
    )
    data = b"".join(came)
    assert frames(data) == [b"before", b"after"]
    assert data.startswith(first)
    assert data.count(first[:28]) == 1, "one section: not every program goes on after the end of one"


def test_another_ports_capture_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "alice.eth0.pcapng").write_bytes(capture("alice/eth0", b"mine"))
    (tmp_path / "alice.eth0-2.pcapng").write_bytes(capture("alice/eth0-2", b"of an interface of that name"))
    assert frames(b"".join(followed(tmp_path, "alice/eth0", [bool]))) == [b"mine"]


def test_the_last_packets_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "alice.eth0.pcapng").write_bytes(capture("alice/eth0", b"all of it"))
    assert frames(b"".join(followed(tmp_path, "alice/eth0", []))) == [b"all of it"]
