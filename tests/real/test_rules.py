"""A rule for a paired device, with real devices in namespaces and nobody at any terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Home, pair
from netns import Lan, lan

pytestmark = pytest.mark.netns


@pytest.fixture
def net() -> Iterator[Lan]:
    with lan(2) as made:
        yield made


def test_a_running_listener_heeds_the_rule_for_a_device(net: Lan, tmp_path: Path) -> None:
    kitchen, phone = Home(net.host(0), tmp_path / "kitchen"), Home(net.host(1), tmp_path / "phone")
    hosting, joining = pair(kitchen, phone, host_with=["--name", "kitchen"], join_with=["--name", "phone"])
    assert (hosting.end(), joining.end()) == (0, 0)
    song, inbox, own = tmp_path / "song.flac", tmp_path / "inbox", tmp_path / "own"
    song.write_bytes(b"la" * 50_000)

    without = kitchen.run("listen", "--receive", str(inbox))
    assert without.end() == 4, "nobody is there to be asked, and no rule answers"
    assert kitchen.run("devices", "rules", "phone", "--accept", "always", "--receive", str(own)).end() == 0

    listening = kitchen.run("listen", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(song))
    assert sending.end() == 0, sending.output()
    assert (own / song.name).read_bytes() == song.read_bytes()

    assert kitchen.run("devices", "rules", "phone", "--max-size", "1k").end() == 0
    too_much = phone.run("send", "kitchen", str(song))
    assert too_much.end() == 5, too_much.output()
    assert "it brings more than 1000 bytes" in too_much.output()

    assert kitchen.run("devices", "rules", "phone", "--accept", "never").end() == 0
    refused = phone.run("send", "kitchen", str(song))
    assert refused.end() == 5, refused.output()
    assert "a rule there refuses what this device sends" in refused.output()
    closed = listening.wait("closed", lambda event: (event["failure"] or {}).get("reason") == "not-approved")
    assert closed["failure"]["message"].startswith("a rule on this device refuses what phone (")

    assert kitchen.run("devices", "rules", "phone", "--reset").end() == 0
    unasked = phone.run("send", "kitchen", str(song))
    assert unasked.end() == 5, unasked.output()
    assert "nobody could be asked there" in unasked.output()
    listening.interrupt()
    assert [path.name for path in own.iterdir()] == [song.name]
    assert not list(inbox.iterdir())
