"""The command line as people run it: processes on two hosts of one network, with nothing replaced."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localpair.limits import KEPT_LEAST_BYTES
from localpair.protocol.transfer.filenames import PART_PREFIX
from netns import lan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns import Namespace

pytestmark = pytest.mark.netns
LIMIT_S = 40


class Device:
    """A host with its own state, and the programs that run on it."""

    def __init__(self, namespace: Namespace, home: Path) -> None:
        self.namespace = namespace
        self.home = home
        home.mkdir()

    def start(self, *words: object, **environment: str) -> Program:
        """Start ``localpair`` here."""
        process = self.namespace.popen(
            [sys.executable, "-m", "localpair", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env={"LOCALPAIR_HOME": str(self.home / "state"), "LOCALPAIR_DEBUG": "", **environment},
        )
        return Program(process)

    def run(self, *words: object, stdin: str = "", **environment: str) -> Program:
        """Run ``localpair`` here to its end."""
        program = self.start(*words, **environment)
        program.end(stdin)
        return program


class Program:
    """A run of the command line with ``--json``, and what it said."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self.err = ""

    def until(self, name: str) -> dict[str, Any]:
        """The next event of this name."""
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        raise AssertionError(f"no {name}: {self.events[-1:]} {self.process.stderr.read()}")

    def end(self, stdin: str = "") -> int:
        """Wait for the end; the exit code."""
        out, self.err = self.process.communicate(stdin, timeout=LIMIT_S)
        self.events += [json.loads(line) for line in out.splitlines()]
        return self.code

    @property
    def code(self) -> int:
        return self.process.returncode

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    def all(self, name: str) -> list[dict[str, Any]]:
        """All events of this name."""
        return [event for event in self.events if event["event"] == name]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Device, Device]]:
    with lan(2) as built:
        yield Device(built.host(0), tmp_path / "one"), Device(built.host(1), tmp_path / "two")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photos"
    (path / "summer").mkdir(parents=True)
    for number in range(20):
        (path / "summer" / f"{number}.jpg").write_bytes(os.urandom(1000 * number))
    (path / "empty").touch()
    return path


def _contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("addresses", ["all", "none"])
def test_host_sends_and_join_receives(addresses: str, pair: tuple[Device, Device], folder: Path) -> None:
    one, two = pair
    host = one.start(
        "host", "--json", "--yes", "--name", "Anna", "--send", folder, "--offer-addresses", addresses
    )
    offer = host.until("offer")
    join = two.run(
        "join", "-", "--json", "--yes", "--name", "Bert", "--receive", "in", stdin=json.dumps(offer)
    )
    assert (join.code, host.end()) == (0, 0), join.err + host.err
    assert _contents(two.home / "in" / "photos") == _contents(folder)
    assert {Path(event["path"]).name: event["sha256"] for event in join.all("received")} == {
        Path(name).name: digest for name, digest in _contents(folder).items()
    }
    (seen_by_host,), (seen_by_join,) = host.all("paired"), join.all("paired")
    assert seen_by_host["peer"]["label"] == "Bert"
    assert seen_by_join["peer"]["label"] == "Anna"
    assert seen_by_host["path"]["remote"] == seen_by_join["path"]["local"]
    assert {seen_by_host["path"]["direction"], seen_by_join["path"]["direction"]} == {"in", "out"}
    assert [program.events[-2]["event"] for program in (host, join)] == ["closed", "closed"]


def test_both_ways_at_once(pair: tuple[Device, Device], folder: Path, tmp_path: Path) -> None:
    one, two = pair
    (tmp_path / "letter.txt").write_text("hello")
    host = one.start("host", "--json", "--yes", "--send", folder, "--receive", "in")
    offer = host.until("offer")["offer"]
    join = two.run(
        "join", "--json", "--yes", "--send", tmp_path / "letter.txt", "--receive", "in", LOCALPAIR_OFFER=offer
    )
    assert (join.code, host.end()) == (0, 0), join.err + host.err
    assert (one.home / "in" / "letter.txt").read_text() == "hello"
    assert _contents(two.home / "in" / "photos") == _contents(folder)


def test_what_nobody_takes_fails_clearly_on_both_sides_and_can_be_sent_later(
    pair: tuple[Device, Device], folder: Path
) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes", "--name", "Anna", "--send", folder)
    offer = host.until("offer")
    join = two.run("join", "-", "--json", "--name", "Bert", stdin=json.dumps(offer))
    assert (join.code, host.end()) == (5, 5), join.err + host.err
    for side, message in ((host, "nothing was sent"), (join, "nothing was received")):
        assert len(side.all("paired")) == 1
        assert side.last["reason"] == "transfer"
        assert message in side.last["message"]
        assert "localpair listen" in side.last["hint"]
        assert side.err.count("error:") == side.err.count("hint:") == 1, side.err
    listening = two.start("listen", "--yes", "--json", "--once", "--receive", "in")
    listening.until("ready")
    sending = one.run("send", "Bert", folder, "--json")
    assert (sending.code, listening.end()) == (0, 0), sending.err + listening.err
    assert _contents(two.home / "in" / "photos") == _contents(folder)


def test_the_way_that_is_wanted_on_both_sides_is_carried_all_the_same(
    pair: tuple[Device, Device], folder: Path
) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes", "--send", folder, "--receive", "in")
    offer = host.until("offer")
    join = two.run("join", "-", "--json", "--yes", "--send", folder, stdin=json.dumps(offer))
    assert (join.code, host.end()) == (5, 5), join.err + host.err
    assert _contents(one.home / "in" / "photos") == _contents(folder)


def test_send_says_what_a_paired_device_has_to_do(pair: tuple[Device, Device], folder: Path) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes", "--name", "Anna")
    join = two.run("join", "-", "--json", stdin=json.dumps(host.until("offer")))
    assert (join.code, host.end()) == (0, 0), join.err + host.err
    nobody = two.run("send", "Anna", folder, "--json", "--timeout", "3")
    assert nobody.code == 3
    assert "running `localpair listen`" in nobody.last["hint"]
    unheard = one.run("listen", "--yes", "--once", "--timeout", "1", "--json")
    assert unheard.code == 3, unheard.err
    assert unheard.all("verdict")[0]["facts"]["role"] == "listen"
    busy = one.start("host", "--json", "--yes", "--timeout", "30")
    busy.until("offer")
    sending = two.run("send", "Anna", folder, "--json", "--timeout", "3")
    assert sending.code in {3, 4}
    assert "localpair listen" in sending.last["hint"], sending.last
    for said in (nobody, sending):
        assert "its offer" not in said.last["hint"]
        assert "read the offer" not in said.last["hint"]
    busy.process.send_signal(signal.SIGINT)
    busy.end()


def test_the_post_flow_over_a_picture(pair: tuple[Device, Device]) -> None:
    one, two = pair
    picture = one.home / "offer.png"
    join = two.start("join", "--flow", "post", "--image", picture, "--json")
    join.until("ready")
    host = one.run("host", "--flow", "post", "--yes", "--json", "--qr", picture)
    assert (join.end(), host.code) == (0, 0), join.err + host.err
    assert host.all("paired")
    assert join.all("paired")


def test_paired_devices_meet_again_without_an_offer(pair: tuple[Device, Device], folder: Path) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes", "--name", "Anna")
    offer = host.until("offer")["offer"]
    assert two.run("join", "--json", LOCALPAIR_OFFER=offer).code == 0
    assert host.end() == 0
    listen = one.start("listen", "--yes", "--once", "--receive", "in", "--json")
    listen.until("ready")
    send = two.run("send", "Anna", folder, "--json")
    assert (send.code, listen.end()) == (0, 0), send.err + listen.err
    assert _contents(one.home / "in" / "photos") == _contents(folder)
    assert len(send.all("sent")) == len(listen.all("received")) == 21
    (device,) = two.run("devices", "--json").all("device")
    assert (device["name"], device["state"]) == ("Anna", "paired")
    assert two.run("devices", "forget", "Anna", "--json").code == 0
    assert two.run("send", "Anna", folder, "--json").last["reason"] == "usage"


def test_who_is_not_approved_gets_nothing(pair: tuple[Device, Device]) -> None:
    one, two = pair
    host = one.start("host", "--json")
    offer = host.until("offer")["offer"]
    join = two.run("join", "--json", LOCALPAIR_OFFER=offer)
    assert (join.code, host.end("")) == (4, 4)
    assert (join.last["reason"], host.last["reason"]) == ("not-approved", "not-approved")
    assert "--yes" in host.last["hint"]
    assert not two.run("devices", "--json").all("device")


def test_an_offer_works_once(pair: tuple[Device, Device]) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes")
    offer = host.until("offer")["offer"]
    assert two.run("join", "--json", LOCALPAIR_OFFER=offer).code == 0
    assert host.end() == 0
    again = two.run("join", "--json", "--timeout", "2", LOCALPAIR_OFFER=offer)
    assert (again.code, again.last["reason"]) == (3, "unreachable")
    assert again.last["hint"]


@pytest.mark.parametrize("interrupted", ["host", "join"])
def test_an_interrupt_in_the_middle_leaves_a_part_that_the_next_offer_goes_on_with(
    interrupted: str, pair: tuple[Device, Device], tmp_path: Path
) -> None:
    one, two = pair
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2 << 30)

    def begin() -> tuple[Program, Program]:
        host = one.start("host", "--json", "--yes", "--send", large)
        offer = host.until("offer")["offer"]
        return host, two.start("join", "--json", "--yes", "--receive", "in", LOCALPAIR_OFFER=offer)

    host, join = begin()
    while join.until("progress")["bytes"] < 2 * KEPT_LEAST_BYTES:
        pass
    stopped, other = (host, join) if interrupted == "host" else (join, host)
    began = time.monotonic()
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.end() == 130, stopped.err
    assert time.monotonic() - began < 3
    assert other.end() == 5, other.err
    assert "Traceback" not in stopped.err + other.err
    (part,) = (two.home / "in").iterdir()
    assert part.name.startswith(PART_PREFIX)
    arrived = part.stat().st_size
    again = begin()
    assert [program.until("resumed")["bytes"] for program in again] == [arrived] * 2
    for program in again:
        program.process.kill()
        program.end()


def test_no_secret_is_said_but_in_the_offer(pair: tuple[Device, Device]) -> None:
    one, two = pair
    host = one.start("host", "--json", "--yes", LOCALPAIR_DEBUG="1")
    offer = host.until("offer")["offer"]
    join = two.run("join", "--json", LOCALPAIR_DEBUG="1", LOCALPAIR_OFFER=offer)
    assert (join.code, host.end()) == (0, 0)
    others = [json.dumps(event) for event in host.events + join.events if event["event"] != "offer"]
    said = "\n".join([host.err, join.err, *others]).lower()
    from localpair.wire.offer import Offer

    secret = Offer.parse(offer).secret
    assert "paired" in said
    for form in (offer[3:60], secret.hex(), repr(secret)[2:-1]):
        assert form.lower() not in said


def test_a_trace_tells_both_sides_of_a_transfer(pair: tuple[Device, Device], tmp_path: Path) -> None:
    one, two = pair
    content = tmp_path / "private name.txt"
    content.write_bytes(b"what nobody else may read " * 40_000)
    traces = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    host = one.start("host", "--json", "--yes", "--send", content, LOCALPAIR_TRACE=str(traces[0]))
    offer = json.dumps(host.until("offer"))
    join = two.run(
        "join", "-", "--json", "--yes", "--receive", "in", stdin=offer, LOCALPAIR_TRACE=str(traces[1])
    )
    assert (join.code, host.end()) == (0, 0), join.err + host.err
    sides = [[json.loads(line) for line in trace.read_text("utf-8").splitlines()] for trace in traces]
    both = {
        "run",
        "agent",
        "datagram",
        "peer",
        "candidate",
        "phase",
        "nomination",
        "frame",
        "session",
        "transfer",
    }
    for lines in sides:
        assert both <= {line["kind"] for line in lines}
        assert [line["t"] for line in lines] == sorted(line["t"] for line in lines)
    assert {line["kind"] for line in sides[0] + sides[1]} >= {"dial", "call"}
    data = [[line["bytes"] for line in lines if line.get("name") == "Data"] for lines in sides]
    assert sum(data[0]) == sum(data[1]) == content.stat().st_size
    assert data[0] == data[1]  # a line for each frame, however it was cut on its way
    for trace in traces:
        assert "nobody" not in trace.read_text("utf-8")
        assert "private name" not in trace.read_text("utf-8")


def test_discover_and_addresses_see_the_network(pair: tuple[Device, Device]) -> None:
    one, two = pair
    listening = two.start("discover", "--json", "--timeout", "15")
    listening.until("ready")
    found = one.run("discover", "--json", "--timeout", "2")
    assert found.code == 0
    assert {peer["addresses"][0]["address"] for peer in found.all("peer")} == {"192.168.1.20"}
    listening.process.send_signal(signal.SIGTERM)
    assert listening.end() == 143
    addresses = one.run("addresses", "--json")
    assert addresses.all("verdict")[0]["addresses"][0]["address"] == "192.168.1.10"
