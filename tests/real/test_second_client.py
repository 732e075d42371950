"""A client that was written from docs/protocol.md and docs/payload.md alone pairs with the package, both ways."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import places
import second_client
from devices import Device
from file_trees import Tree, harvest, plant
from netns import Lan, Namespace, lan

MODULES = [
    places.SUPPORT / name for name in ("second_client.py", "second_client_offer.py", "second_client_files.py")
]
PATIENCE_S = 60.0
SMALL: Tree = {
    "one.bin": random.Random(1).randbytes(3_000_001),
    "photos/summer.txt": b"sand",
    "photos/empty": b"",
    "photos/empty folder": None,
    "photos/deep/er/\u00fcber.txt": b"\0\xff" * 700,
}
MANY: Tree = {f"many/{number:04}": b"%d" % number for number in range(1_500)}  # more than the window holds


class SecondClient:
    """One run of the second client in a namespace; it prints JSON lines."""

    def __init__(self, namespace: Namespace, *arguments: str) -> None:
        self.said: dict[str, Any] = {}
        self.process = namespace.popen(
            [sys.executable, str(MODULES[0]), *arguments],
            env={"PYTHONPATH": str(places.SUPPORT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def offer(self) -> str:
        """The offer of one that hosts."""
        for line in self.process.stdout:
            self.said.update(json.loads(line))
            if "offer" in self.said:
                return self.said["offer"]
        raise AssertionError(self.process.stderr.read())

    def end(self, offer: str | None = None) -> dict[str, Any]:
        """Everything that was said until the end, as one object; fails where that was no success."""
        out, talk = self.process.communicate(offer, PATIENCE_S)
        for line in out.splitlines():
            self.said.update(json.loads(line))
        assert (self.process.returncode, self.said.get("done")) == (0, True), f"{self.said}\n{talk}"
        return self.said


@pytest.fixture
def network() -> Iterator[Lan]:
    with lan() as built:
        yield built


class Places:
    """What each side sends and where it stores what it gets."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self.home = root / "home"
        self.source, self.by_package, self.by_second = (root / name for name in ("source", "one", "other"))
        for folder in (self.source, self.by_package, self.by_second):
            folder.mkdir()
        plant(self.source, tree)
        self.whole = harvest(self.source)  # with the folders
        self.paths = [str(path) for path in sorted(self.source.iterdir())]

    def package(self, *, sends: bool, receives: bool) -> list[str]:
        words = [word for path in self.paths for word in ("--send", path)] if sends else []
        return [*words, *(["--receive", str(self.by_package)] if receives else []), "--yes"]

    def second(self, *, sends: bool, receives: bool) -> list[str]:
        words = ["--send", *self.paths] if sends else []
        return [*words, *(["--receive", str(self.by_second)] if receives else [])]

    def check(self, *, sent: bool, received: bool) -> None:
        """By the second client."""
        assert harvest(self.by_package) == (self.whole if sent else {})
        assert harvest(self.by_second) == (self.whole if received else {})


WAYS = pytest.mark.parametrize(
    ("sends", "receives", "tree"),
    [
        pytest.param(False, False, SMALL, id="nothing"),
        pytest.param(True, False, SMALL, id="sends"),
        pytest.param(False, True, SMALL, id="receives"),
        pytest.param(True, True, SMALL, id="both"),
        pytest.param(True, True, MANY, id="many"),
    ],
)


@pytest.mark.netns
@WAYS
def test_the_second_client_joins(
    sends: bool, receives: bool, tree: Tree, network: Lan, tmp_path: Path
) -> None:
    files = Places(tmp_path, tree)
    host = Device(network.host(0), files.home, ["host", *files.package(sends=receives, receives=sends)])
    client = SecondClient(network.host(1), "join", *files.second(sends=sends, receives=receives))
    said = client.end(host.wait("offer")["offer"])
    _agree(host, said)
    files.check(sent=sends, received=receives)


@pytest.mark.netns
@WAYS
def test_the_second_client_hosts(
    sends: bool, receives: bool, tree: Tree, network: Lan, tmp_path: Path
) -> None:
    files = Places(tmp_path, tree)
    address = network.host(0).address
    client = SecondClient(
        network.host(0), "host", address, "46821", *files.second(sends=sends, receives=receives)
    )
    words = ["join", "-", *files.package(sends=receives, receives=sends)]
    joining = Device(network.host(1), files.home, words, stdin=client.offer())
    said = client.end()
    _agree(joining, said)
    files.check(sent=sends, received=receives)


@pytest.mark.netns
def test_the_second_client_meets_the_package_again(network: Lan, tmp_path: Path) -> None:
    """With the pair's key, which is therefore the same on both sides, and without an offer."""
    files, kept = Places(tmp_path, SMALL), str(tmp_path / "kept")
    host = Device(network.host(0), files.home, ["host", "--receive", str(files.by_package), "--yes"])
    joined = SecondClient(network.host(1), "join", "--keep", kept, "--send", *files.paths[:1])
    said = joined.end(host.wait("offer")["offer"])
    assert host.end() == 0
    listening = Device(network.host(0), files.home, ["listen", "--yes", "--receive", str(files.by_package)])
    port = listening.wait("ready")["ports"]["tcp"]
    again = SecondClient(
        network.host(1), "meet", network.host(0).address, str(port), kept, "--send", *files.paths[1:]
    )
    assert again.end()["paired"] == said["paired"]
    assert listening.wait("closed")["failure"] is None
    assert listening.wait("paired")["peer"]["device_id"] == said["own_id"]
    listening.interrupt()
    files.check(sent=True, received=False)


FILM: Tree = {"film.mkv": random.Random(2).randbytes(60_000_000)}
ENOUGH = 5_000_000  # bytes that have arrived when a side is killed


@pytest.mark.netns
def test_the_second_client_goes_on_with_what_the_package_has_kept(network: Lan, tmp_path: Path) -> None:
    files, kept = Places(tmp_path, FILM), str(tmp_path / "kept")
    host = Device(network.host(0), files.home, ["host", "--receive", str(files.by_package), "--yes"])
    SecondClient(network.host(1), "join", "--keep", kept).end(host.wait("offer")["offer"])
    assert host.end() == 0
    listening = Device(network.host(0), files.home, ["listen", "--yes", "--receive", str(files.by_package)])
    where = [network.host(0).address, str(listening.wait("ready")["ports"]["tcp"]), kept]
    first = SecondClient(network.host(1), "meet", *where, "--send", *files.paths)
    listening.wait("progress", lambda event: event["bytes"] > ENOUGH)
    first.process.kill()
    first.process.communicate()
    again = SecondClient(network.host(1), "meet", *where, "--send", *files.paths).end()
    assert again["resumed"] == listening.wait("resumed")["bytes"] > ENOUGH
    listening.interrupt()
    files.check(sent=True, received=False)


@pytest.mark.netns
def test_the_package_goes_on_with_what_the_second_client_has_kept(network: Lan, tmp_path: Path) -> None:
    files = Places(tmp_path, FILM)
    words = ["join", "-", *files.package(sends=True, receives=False)]
    listening = [network.host(0).address, "46821", "--receive", str(files.by_second)]
    client = SecondClient(network.host(0), "host", *listening)
    joining = Device(network.host(1), files.home, words, stdin=client.offer())
    joining.wait("progress", lambda event: event["bytes"] > 2 * ENOUGH)
    joining.process.kill()
    client.process.communicate()
    joining.end()
    client = SecondClient(network.host(0), "host", *listening)
    joining = Device(network.host(1), files.home, words, stdin=client.offer())
    client.end()
    assert joining.end() == 0
    assert joining.wait("resumed")["bytes"] > ENOUGH
    files.check(sent=False, received=True)


def _agree(device: Device, said: dict[str, Any]) -> None:
    """Both have paired, with each other, and both screens showed the same code."""
    assert device.end() == 0, (device.events, device.talk)
    approval = device.wait("approval")
    assert approval["code"].replace(" ", "") == said["code"]
    assert device.wait("paired")["peer"]["device_id"] == said["own_id"]
    assert device.wait("closed")["failure"] is None


VECTORS = json.loads((places.VECTORS / "offers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["offers"] + VECTORS["dropped"], ids=lambda vector: vector["name"])
def test_the_second_client_finds_offers_in_other_text(vector: dict[str, Any]) -> None:
    text, expected = vector["text"].lower(), vector["offer"]
    wrapped = "> ".join(f"{text[begin : begin + 20]}-\n" for begin in range(0, len(text), 20))
    offer = second_client.parse_offer(f"Scan this or paste {wrapped} see you soon, Tom")
    assert (offer.key_hash.hex(), offer.secret.hex()) == (expected["key_hash"], expected["secret"])
    assert offer.port == expected["tcp_port"]
    assert [f"{address}/{prefix}" for address, prefix in offer.addresses] == expected["candidates"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_second_client_knows_the_pages_only(module: Path) -> None:
    """It imports the standard library and ``cryptography``; what it took from the package would prove nothing."""
    allowed = {*sys.stdlib_module_names, "cryptography", *(path.stem for path in MODULES)} - {
        "importlib",
        "runpy",
    }
    imported: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Name):
            assert node.id != "__import__"
    assert imported
    assert imported <= allowed
