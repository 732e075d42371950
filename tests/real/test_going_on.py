"""Either side is killed in the middle of a large file, and the next `send` goes on: real processes in namespaces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, Home, pair
from file_trees import kept_in, named
from netns import lan

pytestmark = pytest.mark.netns
SIZE = 64 << 20
RATE = "32M"  # so that a run that is killed ends in the middle of the file, and each tells how far it is
LOST = 1 << 20  # bytes that a killed receiver may have read and not written, at most


@pytest.fixture
def paired(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """Two homes that know each other as kitchen and phone."""
    with lan(2) as net:
        kitchen, phone = Home(net.host(0), tmp_path / "kitchen"), Home(net.host(1), tmp_path / "phone")
        hosting, joining = pair(
            kitchen, phone, host_with=["--name", "kitchen"], join_with=["--name", "phone"]
        )
        assert (hosting.end(), joining.end()) == (0, 0)
        yield kitchen, phone


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that nobody has sent yet."""
    path = tmp_path_factory.mktemp("source") / "film.mkv"
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for number in range(SIZE >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrived(device: Device) -> int:
    return max((int(event["bytes"]) for event in device.of("progress")), default=0)


@pytest.mark.parametrize("after", [3 << 20, 20 << 20, 45 << 20])
@pytest.mark.parametrize("who", ["sender", "receiver", "both"])
def test_whoever_is_killed_the_next_send_goes_on(
    paired: tuple[Home, Home], film: Path, tmp_path: Path, who: str, after: int
) -> None:
    kitchen, phone = paired
    inbox = tmp_path / "inbox"
    listening = kitchen.run("listen", "--yes", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(film), "--limit-rate", RATE)
    listening.wait("progress", lambda event: event["bytes"] >= after)
    for device in (sending, listening):
        if who == "both" or (device is sending) == (who == "sender"):
            device.kill()
        else:
            device.interrupt()
    assert named(inbox) == {}
    (part,) = kept_in(inbox)
    assert part.bytes >= arrived(listening) - (0 if who == "sender" else LOST)
    listening = kitchen.run("listen", "--yes", "--once", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(film), "--limit-rate", RATE)
    assert (sending.end(), listening.end()) == (0, 0), (sending.output(), listening.output())
    for device in (sending, listening):
        assert [event["bytes"] for event in device.of("resumed")] == [part.bytes]
        assert arrived(device) == SIZE
    assert [path.name for path in inbox.iterdir()] == ["film.mkv"]
    assert sha256(inbox / "film.mkv") == sha256(film) == sending.wait("sent")["sha256"]


def test_an_offer_between_the_same_devices_goes_on_as_well(
    paired: tuple[Home, Home], film: Path, tmp_path: Path
) -> None:
    kitchen, phone = paired
    inbox = tmp_path / "inbox"
    hosting, joining = pair(
        kitchen,
        phone,
        host_with=["--receive", str(inbox)],
        join_with=["--send", str(film), "--limit-rate", RATE],
    )
    hosting.wait("progress", lambda event: event["bytes"] >= 20 << 20)
    joining.kill()
    hosting.interrupt()
    listening = kitchen.run("listen", "--yes", "--once", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(film))
    assert (sending.end(), listening.end()) == (0, 0), (sending.output(), listening.output())
    assert listening.wait("resumed")["bytes"] >= 20 << 20
    assert sha256(inbox / "film.mkv") == sha256(film)
