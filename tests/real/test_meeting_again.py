"""Paired devices meet again, and payload survives what happens on the way: real devices in namespaces."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, Home, pair
from file_trees import kept_in
from netns import Lan, find_tool, lan

pytestmark = pytest.mark.netns


@pytest.fixture
def net() -> Iterator[Lan]:
    with lan(2) as made:
        yield made


@pytest.fixture
def paired(net: Lan, tmp_path: Path) -> tuple[Home, Home]:
    """Two homes that know each other as kitchen and phone."""
    kitchen, phone = Home(net.host(0), tmp_path / "kitchen"), Home(net.host(1), tmp_path / "phone")
    hosting, joining = pair(kitchen, phone, host_with=["--name", "kitchen"], join_with=["--name", "phone"])
    assert (hosting.end(), joining.end()) == (0, 0)
    return kitchen, phone


def make_file(path: Path, size: int) -> str:
    """A file of random bytes, and its SHA-256."""
    state = hashlib.sha256()
    with path.open("wb") as file:
        while size:
            part = os.urandom(min(size, 1 << 20))
            file.write(part)
            state.update(part)
            size -= len(part)
    return state.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def leftovers(folder: Path) -> list[str]:
    """Everything in a folder that is no whole file of ours."""
    return [path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_a_paired_device_is_found_and_served_without_a_code(
    paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    expected = make_file(tmp_path / "song.flac", 2_000_000)
    inbox = tmp_path / "inbox"
    listening = kitchen.run("listen", "--yes", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "song.flac"))
    assert sending.end() == 0, sending.output()
    received = listening.wait("received")
    assert received["sha256"] == sending.wait("sent")["sha256"] == expected == sha256(inbox / "song.flac")
    assert sending.wait("paired")["peer"]["device_id"] == kitchen_id(phone)
    assert listening.interrupt() < 2.0


def kitchen_id(phone: Home) -> str:
    listing = phone.run("devices", "list")
    assert listing.end() == 0
    (device,) = listing.of("device")
    return str(device["device_id"])


def test_a_stranger_learns_that_somebody_listens_and_nothing_else(
    paired: tuple[Home, Home], net: Lan, tmp_path: Path
) -> None:
    kitchen, phone = paired
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    looking = Home(phone.namespace, tmp_path / "stranger").run("discover")
    assert looking.end() == 0
    assert looking.wait("verdict")["verdict"] == "only-sealed"
    assert [event["event"] for event in looking.events] == ["ready", "sealed", "verdict", "done"]
    told = json.dumps(looking.events[1:])
    assert "192.168.1.10" not in told
    assert "kitchen" not in told
    here = Home(kitchen.namespace, tmp_path / "same host").run("discover", "--timeout", "2")
    assert here.end() == 0
    assert here.wait("verdict")["verdict"] == "nobody-heard"  # what this very device does is no news
    listening.interrupt()


def test_a_listener_stops_dialling_at_goodbye_and_counts_from_the_first_sign(
    paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    make_file(tmp_path / "note", 1000)
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"), "--timeout", "9")
    ready = listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "note"))
    assert sending.end() == 0, sending.output()
    closed = listening.wait("closed")
    assert listening.end() == 0
    late = [one for one in listening.of("attempt") if one["t"] > closed["t"] + 1]
    assert late == [], "nobody listens there any more"
    (met,) = listening.of("paired")
    assert 0 < met["elapsed_ms"] < (met["t"] - ready["t"]) * 1000


def test_several_transfers_one_after_the_other(paired: tuple[Home, Home], tmp_path: Path) -> None:
    kitchen, phone = paired
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    for number in range(3):
        make_file(tmp_path / f"file{number}", 1000)
        assert phone.run("send", "kitchen", str(tmp_path / f"file{number}")).end() == 0
    assert sorted(leftovers(tmp_path / "inbox")) == ["file0", "file1", "file2"]
    listening.interrupt()


def test_the_listener_starts_later_and_behind_a_closed_firewall(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    find_tool("nft")
    net.host(0).firewall()
    kitchen, phone = paired
    make_file(tmp_path / "late", 10_000)
    sending = phone.run("send", "kitchen", str(tmp_path / "late"), "--timeout", "20")
    sending.wait("ready")
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    assert sending.end() == 0, sending.output()
    assert leftovers(tmp_path / "inbox") == ["late"]
    listening.interrupt()


def test_after_a_move_to_another_subnet(net: Lan, paired: tuple[Home, Home], tmp_path: Path) -> None:
    kitchen, phone = paired
    for number in range(2):
        net.host(number).ip("addr flush dev eth0", f"addr add 10.5.0.{number + 7}/24 dev eth0")
    make_file(tmp_path / "moved", 10_000)
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "moved"))
    assert sending.end() == 0, sending.output()
    assert sending.wait("paired")["path"]["remote"].startswith("10.5.0.7:")
    listening.interrupt()


def test_whoever_is_forgotten_is_refused(paired: tuple[Home, Home], tmp_path: Path) -> None:
    kitchen, phone = paired
    make_file(tmp_path / "x", 10)
    assert kitchen.run("devices", "forget", "phone").end() == 0
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "x"), "--timeout", "6")
    assert sending.end() in (3, 4)
    assert not leftovers(tmp_path / "inbox")
    listening.interrupt()


def test_a_revoked_device_loses_its_live_session(paired: tuple[Home, Home], tmp_path: Path) -> None:
    kitchen, phone = paired
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(40 << 30)  # sparse: it would take a minute
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(huge))
    listening.wait("progress")
    assert kitchen.run("devices", "revoke", "phone").end() == 0
    assert sending.end() in (4, 5)
    assert not leftovers(tmp_path / "inbox")
    again = phone.run("send", "kitchen", str(huge), "--timeout", "5")
    assert again.end() in (3, 4)
    listening.interrupt()


def test_a_transfer_may_take_its_time(net: Lan, tmp_path: Path) -> None:
    """On a slow link, right after pairing: whatever the search had still planned must not disturb the session."""
    net.switch.run(
        [
            "tc",
            "qdisc",
            "add",
            "dev",
            net.host(1).port,
            "root",
            "tbf",
            "rate",
            "16mbit",
            "burst",
            "32kb",
            "latency",
            "200ms",
        ]
    )
    expected = make_file(tmp_path / "film.mkv", 8_000_000)
    inbox = tmp_path / "inbox"
    hosting, joining = pair(
        Home(net.host(0), tmp_path / "a"), Home(net.host(1), tmp_path / "b"),
        host_with=["--send", str(tmp_path / "film.mkv")], join_with=["--receive", str(inbox)],
    )  # fmt: skip
    assert (hosting.end(), joining.end()) == (0, 0), hosting.output() + joining.output()
    assert sha256(inbox / "film.mkv") == expected
    assert joining.wait("done")["t"] - joining.wait("paired")["t"] > 2, "slow enough to mean something"


# --- what happens during a transfer ----------------------------------------------------------------------------


def transfer(
    paired: tuple[Home, Home], tmp_path: Path, size: int = 300_000_000
) -> tuple[Device, Device, Path, str]:
    """A transfer under way from the phone to the listening kitchen."""
    kitchen, phone = paired
    source = tmp_path / "film.mkv"
    expected = make_file(source, size)
    inbox = tmp_path / "inbox"
    listening = kitchen.run("listen", "--yes", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(source))
    listening.wait("progress", lambda event: event["bytes"] > 1_000_000)
    return listening, sending, inbox, expected


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_ctrl_c_ends_both_within_their_time_and_leaves_a_part_to_go_on_with(
    paired: tuple[Home, Home], tmp_path: Path, who: str
) -> None:
    listening, sending, inbox, _ = transfer(paired, tmp_path)
    interrupted, other = (sending, listening) if who == "sender" else (listening, sending)
    assert interrupted.interrupt() < 2.0  # half a second is the promise; machines under test are busy
    assert interrupted.process.returncode == 130
    if who == "receiver":
        assert other.end() == 5
    else:
        other.wait("closed")
        other.interrupt()
    (part,) = kept_in(inbox)
    assert [path.name for path in inbox.rglob("*")] == [part.name]
    kitchen, phone = paired
    listening = kitchen.run("listen", "--yes", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "film.mkv"))
    assert [device.wait("resumed")["bytes"] for device in (sending, listening)] == [part.bytes] * 2
    sending.interrupt()
    listening.interrupt()


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_a_power_cut_leaves_no_half_file_under_a_final_name(
    paired: tuple[Home, Home], tmp_path: Path, who: str
) -> None:
    listening, sending, inbox, _ = transfer(paired, tmp_path)
    (sending if who == "sender" else listening).kill()
    assert not leftovers(inbox)
    survivor = listening if who == "sender" else sending
    survivor.interrupt()
    assert not leftovers(inbox)


def test_a_full_disk_is_named_and_leaves_nothing(net: Lan, paired: tuple[Home, Home], tmp_path: Path) -> None:
    """The inbox stands on a file system of 8 MiB, made for the receiver alone."""
    kitchen, phone = paired
    source = tmp_path / "film.mkv"
    make_file(source, 30_000_000)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    script = f'mount -t tmpfs -o size=8m none {inbox} && exec "$@"'
    listening = SmallDisk(kitchen, script, "listen", "--yes", "--receive", str(inbox))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(source))
    assert sending.end() == 5
    failure = listening.wait("closed")["failure"]
    assert "no room" in failure["message"]
    listening.interrupt()


class SmallDisk(Device):
    """A device in a mount namespace of its own, after a command that shapes it."""

    def __init__(self, home: Home, script: str, *arguments: str) -> None:
        super().__init__(_Unshared(home.namespace, script), home.folder, arguments)  # type: ignore[arg-type]


class _Unshared:
    def __init__(self, namespace: object, script: str) -> None:
        self._namespace, self._script = namespace, script

    def popen(self, argv: list[str], **more: object) -> object:
        wrapped = ["unshare", "-m", "sh", "-c", self._script, "sh", *argv]
        return self._namespace.popen(wrapped, **more)  # type: ignore[attr-defined]


def test_a_cable_pulled_for_a_moment_costs_time_and_nothing_else(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    listening, sending, inbox, expected = transfer(paired, tmp_path)
    port = net.host(1).port
    net.switch.ip(f"link set {port} down")
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline and sending.process.poll() is None:
        os.kill(sending.process.pid, 0)
        time.sleep(0.1)  # the cable is out for two seconds: that is the event
    net.switch.ip(f"link set {port} up")
    assert sending.end() == 0, sending.output()[-2000:]
    assert sha256(inbox / "film.mkv") == expected
    listening.interrupt()


def test_an_address_that_changes_in_the_middle_resumes_under_the_same_pairing(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    listening, sending, inbox, expected = transfer(paired, tmp_path, 600_000_000)
    net.host(1).ip("addr flush dev eth0", "addr add 192.168.1.66/24 dev eth0")
    assert sending.end(90) == 0, sending.output()[-3000:]
    assert sha256(inbox / "film.mkv") == expected
    assert sending.of("reconnected")
    assert len(sending.of("paired")) == 1
    listening.interrupt()


def test_a_sleeping_receiver_wakes_up_and_goes_on(paired: tuple[Home, Home], tmp_path: Path) -> None:
    listening, sending, inbox, expected = transfer(paired, tmp_path)
    os.killpg(listening.process.pid, signal.SIGSTOP)
    time.sleep(1.5)  # asleep for this long: that is the event
    os.killpg(listening.process.pid, signal.SIGCONT)
    assert sending.end() == 0
    assert sha256(inbox / "film.mkv") == expected
    listening.interrupt()


def test_one_s_own_listener_is_not_the_device_that_is_meant(
    paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    make_file(tmp_path / "note", 1000)
    own = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "own"))
    own.wait("ready")
    sending = kitchen.run("send", "phone", str(tmp_path / "note"), "--timeout", "4")
    assert sending.end() == 3, sending.output()
    assert sending.of("peer") == [], "that was this device itself"
    failed = sending.wait("failed")
    assert failed["reason"] == "unreachable"
    assert "heard, but" not in failed["message"]
    assert "runs `localpair listen`" in failed["hint"]
    assert sending.of("attempt") == [], "what this device says to its peer, it does not take for its peer's"

    meant = phone.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    meant.wait("ready")
    again = kitchen.run("send", "phone", str(tmp_path / "note"))
    assert again.end() == 0, again.output()
    assert leftovers(tmp_path / "inbox") == ["note"]
    assert leftovers(tmp_path / "own") == []
    assert "send" not in {one["role"] for one in own.of("peer")}, "nor are its senders news to the listener"
    own.interrupt()
    meant.interrupt()


def test_a_paired_device_on_the_same_computer_is_told_about(
    paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    make_file(tmp_path / "note", 1000)
    neighbour = Home(kitchen.namespace, phone.folder)
    listening = neighbour.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = kitchen.run("send", "phone", str(tmp_path / "note"))
    assert sending.end() == 0, sending.output()
    names = [event["event"] for event in sending.events]
    assert names.index("peer") < names.index("paired")
    listening.interrupt()
