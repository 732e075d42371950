"""A stranger on the LAN between devices that are paired: what it records, what it replays, and what it says to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import places
from devices import Home, pair
from localpair.errors import Refusal
from localpair.limits import PAIRING_PORTS
from localpair.wire.messages import REASONS, Hello, Refuse
from netns import Lan, Namespace, lan

pytestmark = pytest.mark.netns
ATTACKER = places.SUPPORT / "attacker.py"
PORT = PAIRING_PORTS[0]
SAY_REVOKED = Refuse(REASONS.index(Refusal.REVOKED), bytes(16))
SAY_FORGOTTEN = Refuse(REASONS.index(Refusal.UNKNOWN_DEVICE), os.urandom(16))


@pytest.fixture
def net() -> Iterator[Lan]:
    with lan(3) as made:
        yield made


@pytest.fixture
def paired(net: Lan, tmp_path: Path) -> tuple[Home, Home]:
    """Two homes that know each other as kitchen and phone; the phone remembers the stranger's address."""
    kitchen, phone = Home(net.host(0), tmp_path / "kitchen"), Home(net.host(1), tmp_path / "phone")
    hosting, joining = pair(kitchen, phone, host_with=["--name", "kitchen"], join_with=["--name", "phone"])
    assert (hosting.end(), joining.end()) == (0, 0)
    store = phone.folder / "trust.json"
    document = json.loads(store.read_text())
    document["devices"][0]["addresses"] = [[net.host(2).address, PORT]]
    store.write_text(json.dumps(document))
    return kitchen, phone


def eve(where: Namespace, kind: str, address: str, count: int, frame: bytes) -> subprocess.Popen[Any]:
    return where.popen(
        [sys.executable, str(ATTACKER), kind, address, str(PORT), str(count), frame.hex()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def pretends(net: Lan, refusal: Refuse, count: int = 30) -> subprocess.Popen[Any]:
    """Eve is there at the address that the phone remembers, and refuses whoever calls."""
    frame = bytes([refusal.TYPE]) + refusal.encode()
    pretending = eve(net.host(2), "pretend", net.host(2).address, count, frame)
    assert pretending.stdout is not None
    assert pretending.stdout.readline() == "there\n"
    return pretending


def answers(net: Lan, hello: bytes, count: int = 1) -> list[str]:
    """What the kitchen says to a stranger's hello, and how it ends the call."""
    done = eve(net.host(2), "say", net.host(0).address, count, hello).communicate(timeout=60)[0]
    lines: list[str] = done.splitlines()
    assert lines.pop() == "done"
    return lines


def test_a_recorded_hello_gets_what_a_made_up_one_gets(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    """Eve waits where the phone once met the kitchen, and takes the phone's hello to whoever listens anywhere."""
    kitchen, phone = paired
    (tmp_path / "note").write_text("x")
    pretending = pretends(net, SAY_FORGOTTEN)
    looking = phone.run("send", "kitchen", str(tmp_path / "note"), "--timeout", "3")
    assert pretending.stdout is not None
    recorded = bytes.fromhex(pretending.stdout.readline())
    assert recorded[0] == Hello.TYPE
    looking.end()
    pretending.kill()
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    made_up = bytes([Hello.TYPE]) + recorded[1:3] + os.urandom(len(recorded) - 3)
    told = answers(net, recorded), answers(net, made_up)
    assert told[0] == told[1]
    heard, _ = told[0]
    assert heard == f"heard {Refuse.TYPE} {REASONS.index(Refusal.WRONG_SECRET)} 17"
    listening.interrupt()


def test_a_stranger_s_refusal_does_not_keep_a_device_from_its_pair(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    (tmp_path / "note").write_text("x")
    pretending = pretends(net, SAY_REVOKED)
    sending = phone.run("send", "kitchen", str(tmp_path / "note"))
    sending.wait("attempt", lambda event: event["outcome"] == "failed" and "does not know" in event["detail"])
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    assert sending.end() == 0, sending.output()
    assert (tmp_path / "inbox" / "note").read_text() == "x"
    listening.interrupt()
    pretending.kill()


@pytest.mark.parametrize("refusal", [SAY_REVOKED, SAY_FORGOTTEN], ids=["revoked", "unknown-device"])
def test_a_stranger_s_refusal_is_no_certainty(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path, refusal: Refuse
) -> None:
    _, phone = paired
    (tmp_path / "note").write_text("x")
    pretending = pretends(net, refusal)
    sending = phone.run("send", "kitchen", str(tmp_path / "note"), "--timeout", "3")
    assert sending.end() == 3, sending.output()
    failed = sending.wait("failed")
    assert failed["reason"] not in set(Refusal)
    assert "most likely" in failed["message"]
    assert "does not know this pair" in failed["why"]
    pretending.kill()


def test_a_device_that_was_forgotten_is_told_the_likely_reason(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    kitchen, phone = paired
    (tmp_path / "note").write_text("x")
    store = phone.folder / "trust.json"
    store.write_text(store.read_text().replace(net.host(2).address, net.host(0).address))
    assert kitchen.run("devices", "forget", "phone").end() == 0
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "note"), "--timeout", "3")
    assert sending.end() == 3, sending.output()
    failed = sending.wait("failed")
    assert failed["message"].startswith("most likely either the other device has forgotten this one")
    assert "pair again" in failed["hint"]
    listening.interrupt()


def test_a_device_that_was_revoked_is_told_so_at_once(
    net: Lan, paired: tuple[Home, Home], tmp_path: Path
) -> None:
    """The kitchen still holds the key, and proves it: this refusal is certain."""
    kitchen, phone = paired
    (tmp_path / "note").write_text("x")
    store = phone.folder / "trust.json"
    store.write_text(store.read_text().replace(net.host(2).address, net.host(0).address))
    assert kitchen.run("devices", "revoke", "phone").end() == 0
    listening = kitchen.run("listen", "--yes", "--receive", str(tmp_path / "inbox"))
    listening.wait("ready")
    sending = phone.run("send", "kitchen", str(tmp_path / "note"))
    assert sending.end() == 4, sending.output()
    failed = sending.wait("failed")
    assert failed["reason"] == "revoked"
    assert failed["t"] - sending.wait("ready")["t"] < 10
    listening.interrupt()
