"""How long it takes to send a tree again of which three files have changed, beside rsync; and to go on with one.

    python benchmarks/again.py                          # 20,000 files; Linux with network namespaces, and rsync
    python benchmarks/again.py --files 2000 --runs 5

Two devices on one veth, a pair already, real command lines and fresh processes. In each round, in turn:

* again: three files have changed, and ``localpair send`` sends the tree;
* one file: ``localpair send`` of one small file, which is what starting and meeting takes;
* rsync: the same tree and as many changes to rsync's own server over the same veth, ``-a`` (sizes and dates), and
  ``-ac`` (checksums of all files on both sides, which is what localpair compares);
* going on: a tree of as many files, its sender killed half way; from the next one's start to its first new file.

``added`` is what the tree costs beyond one file. Without rsync the comparison is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import BESIDE, Report, parser, progress, undisturbed

from devices import Device, Home, pair
from netns import Lan, lan, why_no_namespaces

SIZE = 1500  # bytes of a file, on average
IN_A_FOLDER = 100
CHANGED = 3
_LIMIT_S = 1800.0
_PORT = "46899"


class Trees:
    """A pair of devices, and a tree on the one's disk."""

    def __init__(self, network: Lan, folder: Path, files: int) -> None:
        self.kitchen = Home(network.host(0), folder / "kitchen")
        self.phone = Home(network.host(1), folder / "phone")
        self.address = network.host(0).address
        self.folder, self.files, self.turn = folder, files, 0
        ends = pair(self.kitchen, self.phone, host_with=["--name", "kitchen"])
        if [one.end() for one in ends] != [0, 0]:
            raise SystemExit("the two devices do not pair")
        self.tree = self.grow("tree")
        (folder / "note").write_text("hello")

    def grow(self, name: str) -> Path:
        """A new tree."""
        tree = self.folder / name
        for number in range(self.files):
            folder = tree / str(number // IN_A_FOLDER)
            if not number % IN_A_FOLDER:
                folder.mkdir(parents=True)
            (folder / f"{number}.txt").write_bytes(os.urandom(SIZE // 2 + number % SIZE))
        return tree

    def change(self) -> None:
        """Three files are other ones, as long as they were."""
        self.turn += 1
        for number in range(CHANGED):
            which = (self.turn * 7919 + number * self.files // CHANGED) % self.files
            path = self.tree / str(which // IN_A_FOLDER) / f"{which}.txt"
            path.write_bytes(os.urandom(path.stat().st_size))

    @contextmanager
    def listening(self) -> Iterator[Device]:
        """The kitchen receives, for one session or several."""
        device = self.kitchen.run(
            "listen", "--yes", "--receive", str(self.folder / "inbox"), "--existing", "replace"
        )
        device.wait("ready")
        try:
            yield device
        finally:
            device.interrupt()

    def send(self, path: Path) -> tuple[float, Device]:
        """Seconds from the sender's start to its end, and what it said."""
        started = time.perf_counter()
        device = self.phone.run("send", "kitchen", str(path))
        code = device.process.wait(_LIMIT_S)
        seconds = time.perf_counter() - started
        device.end()
        if code:
            raise SystemExit(f"exit {code}: {device.talk}")
        return seconds, device

    def again(self) -> float:
        """Three of all files have changed."""
        self.change()
        seconds, device = self.send(self.tree)
        if len(device.of("sent")) != CHANGED:
            raise SystemExit(f"{len(device.of('sent'))} files were sent in place of {CHANGED}")
        return seconds

    def going_on(self) -> float:
        """Seconds from the start of a sender to its first new file; the one before it died half way."""
        tree = self.grow(f"large-{self.turn}")
        half = sum(path.stat().st_size for path in tree.rglob("*.txt")) // 2
        in_two_seconds = ["--limit-rate", str(half)]
        with self.listening() as listening:
            sending = self.phone.run("send", "kitchen", str(tree), *in_two_seconds)
            listening.wait("progress", lambda event: event["bytes"] >= half, _LIMIT_S)
            sending.kill()
        with self.listening():
            started = time.perf_counter()
            device = self.phone.run("send", "kitchen", str(tree))
            device.wait("sent", limit_s=_LIMIT_S)
            seconds = time.perf_counter() - started
            device.process.wait(_LIMIT_S)
            device.end()
        shutil.rmtree(tree)
        return seconds


class Rsync:
    """The same tree, kept alike by rsync's own server."""

    def __init__(self, trees: Trees) -> None:
        self.trees, self.inbox = trees, trees.folder / "rsync-inbox"
        self.inbox.mkdir()
        config = trees.folder / "rsyncd.conf"
        config.write_text(
            f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n[inbox]\npath = {self.inbox}\nread only = no\n"
        )
        server = ["rsync", "--daemon", "--no-detach", "--port", _PORT, "--config", str(config)]
        trees.kitchen.namespace.popen(server, stdin=subprocess.DEVNULL)
        while not self._answers():
            time.sleep(0.05)
        self.run("-a")

    def _answers(self) -> bool:
        asked = ["rsync", f"rsync://{self.trees.address}:{_PORT}/"]
        return self.trees.phone.namespace.run(asked, check=False).returncode == 0

    def run(self, how: str) -> float:
        """Seconds until the two trees are the same."""
        target = f"rsync://{self.trees.address}:{_PORT}/inbox/"
        started = time.perf_counter()
        self.trees.phone.namespace.run(["rsync", how, f"{self.trees.tree}/", target], limit_s=_LIMIT_S)
        return time.perf_counter() - started

    def changed(self, how: str) -> float:
        """The same after three files have changed."""
        self.trees.change()
        return self.run(how)


def measure(report: Report, trees: Trees, runs: int, calm_s: float) -> None:
    """All kinds in each round, so that they see the same weather."""
    kinds = {"again": trees.again, "one file": lambda: trees.send(trees.folder / "note")[0]}
    if shutil.which("rsync"):
        rsync = Rsync(trees)
        kinds |= {f"rsync {how}": lambda how=how: rsync.changed(how) for how in ("-a", "-ac")}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    with trees.listening():
        progress("the tree is sent for the first time")
        first = trees.send(trees.tree)[0]
        for number in range(runs):
            for name, kind in kinds.items():
                progress(f"round {number + 1} of {runs}: {name}")
                found[name].append(undisturbed(kind, calm_s))
                if name.startswith("rsync"):
                    trees.send(trees.tree)  # what rsync's rounds have changed is no work of the next one
    progress("")
    report.facts |= {"files": trees.files, "first_s": round(first, 2)}
    figures = {name: report.add(name, "s", values) for name, values in found.items()}
    added = [one - other for one, other in zip(found["again"], found["one file"], strict=True)]
    figures["added"] = report.add("again, added", "s", added)
    for name in ("again", "added"):
        for other in [name for name in figures if name.startswith("rsync")]:
            report.ratio(f"{name} / {other}", figures[name], figures[other])
    going = [undisturbed(trees.going_on, 0.0) for _ in range(min(runs, 3))]
    report.add("going on, to the first new file", "s", going, 2.0)


def main(arguments: list[str]) -> int:
    """Measure, and print."""
    options = parser(__doc__, 5)
    options.add_argument("--files", type=int, default=20_000, help="in the tree (default: 20000)")
    chosen = options.parse_args(arguments)
    reason = why_no_namespaces()
    if reason:
        raise SystemExit(reason)
    report = Report("again")
    with tempfile.TemporaryDirectory(prefix="localpair-again-") as folder, lan(2) as network:
        measure(report, Trees(network, Path(folder), chosen.files), chosen.runs, chosen.calm)
    return report.finish(chosen.check)


if __name__ == "__main__":
    sys.path.insert(0, BESIDE)
    sys.exit(main(sys.argv[1:]))
