"""Several devices at a time: real processes on three hosts of one network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Home, pair
from netns import lan

pytestmark = pytest.mark.netns
SIZE = 600_000


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[dict[str, Home]]:
    """Phone, which knows kitchen and study, and these two, which know phone."""
    with lan(3) as net:
        names = ("phone", "kitchen", "study")
        found = {name: Home(net.host(number), tmp_path / name) for number, name in enumerate(names)}
        for name in names[1:]:
            sides = pair(
                found[name], found["phone"], host_with=["--name", name], join_with=["--name", "phone"]
            )
            assert [side.end() for side in sides] == [0, 0]
        yield found


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mkv"
    path.write_bytes(os.urandom(SIZE))
    return path


def test_two_devices_get_the_same_and_one_that_is_away_is_told(
    homes: dict[str, Home], film: Path, tmp_path: Path
) -> None:
    there = {name: tmp_path / f"in-{name}" for name in ("kitchen", "study")}
    words = ["send", "kitchen", str(film), "--to", "study"]
    listening = {name: homes[name].run("listen", "--yes", "--receive", str(there[name])) for name in there}
    for device in listening.values():
        device.wait("ready")
    sending = homes["phone"].run(*words)
    assert sending.end() == 0, sending.output()
    assert all((folder / "film.mkv").read_bytes() == film.read_bytes() for folder in there.values())
    assert len({event["device_id"] for event in sending.of("sent")}) == 2
    listening["study"].interrupt()
    film.write_bytes(os.urandom(SIZE))
    sending = homes["phone"].run(*words, "--timeout", "2")
    assert sending.end() == 3, sending.output()
    assert (there["kitchen"] / "film (1).mkv").read_bytes() == film.read_bytes()
    told = {event["name"]: event["failure"] for event in sending.of("delivered")}
    assert told["kitchen"] is None
    assert told["study"]["reason"] == "unreachable"
    listening["kitchen"].interrupt()


def test_one_listener_takes_what_two_devices_send_at_the_same_time(
    homes: dict[str, Home], film: Path, tmp_path: Path
) -> None:
    listening = homes["phone"].run("listen", "--yes", "--receive", str(tmp_path / "in"))
    listening.wait("ready")
    senders = [
        homes[name].run("send", "phone", str(film), "--limit-rate", "200K") for name in ("kitchen", "study")
    ]
    assert [device.end() for device in senders] == [0, 0], [device.output() for device in senders]
    listening.interrupt()
    contents = [path.read_bytes() for path in (tmp_path / "in").iterdir()]
    assert contents == [film.read_bytes()] * 2
    whose = [event["device_id"] for event in listening.of("progress")]
    first, last = ({device: order.index(device) for device in set(whose)} for order in (whose, whose[::-1]))
    assert len(first) == 2
    ends = {device: len(whose) - 1 - last[device] for device in last}
    assert max(first.values()) < min(ends.values()), "neither waited for the other one"


def test_a_receiver_that_limits_the_rate_keeps_its_sender(
    homes: dict[str, Home], film: Path, tmp_path: Path
) -> None:
    """All its sender can do meanwhile is wait."""
    listening = homes["phone"].run(
        "listen", "--yes", "--once", "--receive", str(tmp_path / "in"), "--limit-rate", "300K"
    )
    listening.wait("ready")
    sending = homes["kitchen"].run("send", "phone", str(film))
    assert (sending.end(), listening.end()) == (0, 0), sending.output()
    begun, stored = listening.of("paired")[0]["t"], listening.of("received")[0]["t"]
    assert stored - begun > 1, "600 kB at 300 kB a second"
    assert (tmp_path / "in" / "film.mkv").read_bytes() == film.read_bytes()
