"""How much memory an idle `localpair host` holds, what a flood of datagrams adds to it, and many entries to a receiver.

    python benchmarks/memory.py                    # Linux with network namespaces
    python benchmarks/memory.py --flood 60 --rate 5000
    python benchmarks/memory.py --many             # only a receiver of very many entries, against one of 10,000

Two network namespaces on one bridge, without a route out, play two hosts. What is measured:

* idle: resident memory of `localpair host --json --yes` once its offer has stood for `--settle` seconds;
  `private` is what no other process shares. Processor time while idle is given besides.
* flood: the same after so many seconds of datagrams to its discovery port, from 200 addresses in turn: garbage, open
  beacons and strangers' sealed ones, each with a new instance. What the process spent and what the kernel dropped
  because it was not read in time are counted. Then somebody who holds the offer's secret floods, too.
* entries: by how much a receiver grows from its 11,000th entry to its last one: entries that cannot be read, empty
  files, folders, and files in folders of their own, received into memory.
* many: what a receiver holds after 474,000 entries that cannot be read, and after 100,000 empty files, beside what it
  holds after 10,000 of them: as a ratio.
* virtual: a discovery machine alone that hears 200 devices for ten minutes of virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from measuring import BESIDE, Report, installed, parser, progress

from localpair.keys import Purpose, Role, SharedSecret, random_bytes
from localpair.limits import BEACON_BYTES, DISCOVERY_PORT
from localpair.protocol.discovery import Discovery, Self
from localpair.protocol.discovery_events import BeaconSource, Carrier
from localpair.protocol.keyring import OFFER, Keyring
from localpair.wire.beacon import Beacon, BeaconKind, Part
from localpair.wire.offer import Offer
from netns import Lan, why_no_namespaces
from receivers import KINDS, growth, held, memory_folder

IDLE_AIM_MIB = 40.0
ENTRIES_AIM_MIB = 2.0
FIRST_ENTRIES = 11_000  # by then it remembers as much as it ever will
FEW_ENTRIES, MANY_ENTRIES = 10_000, {"unreadable": 474_000, "empty files": 100_000}
MIB = 1024 * 1024
SOURCES = 200
STRANGERS = ("garbage", "open", "stranger")
INSIDER = ("ours",)
VIRTUAL_S, VIRTUAL_DEVICES, VIRTUAL_BEAT_S = 600.0, 200, 5.0
_PACE_S = 0.01  # the flood comes in steps


# --- what a process holds and spends


@dataclass(frozen=True, slots=True)
class Holding:
    """A process at one moment: memory in MiB, processor seconds so far."""

    resident: float
    private: float
    peak: float
    cpu: float


def holding(process: int) -> Holding:
    """What ``process`` holds, as the kernel counts it."""
    folder = Path("/proc") / str(process)
    status = _fields(folder / "status")
    shares = _fields(folder / "smaps_rollup")
    ticks = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    private = shares.get("Private_Dirty", 0.0) + shares.get("Private_Clean", 0.0)
    return Holding(status["VmRSS"], private, status["VmHWM"], cpu)


def _fields(file: Path) -> dict[str, float]:
    """The fields of a file in /proc that are given in kB, in MiB."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value.split()[0]) / 1024
    return found


def datagrams_of(process: int) -> dict[str, int]:
    """What the kernel has counted of UDP in the network namespace of ``process``."""
    text = (Path("/proc") / str(process) / "net" / "snmp").read_text(encoding="ascii")
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Udp:"))
    return dict(zip(names, map(int, values), strict=True))


# --- the flood, in the other namespace


def flood(target: str, kinds: str, seconds: str, rate: str, secret: str) -> None:
    """Send datagrams to ``target`` for ``seconds``; prints how many."""
    sockets = [_socket_of(number) for number in range(SOURCES)]
    make = Maker(bytes.fromhex(secret))
    chosen, step = kinds.split(","), max(1, round(float(rate) * _PACE_S))
    started, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < float(seconds):
        while sent < elapsed * float(rate) + step:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                datagram = make.datagram(chosen[sent % len(chosen)], sent)
                sockets[sent % SOURCES].sendto(datagram, (target, DISCOVERY_PORT))
            sent += 1
        time.sleep(_PACE_S)
    print(sent)


def _socket_of(number: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((source_address(number), 0))
    return made


def source_address(number: int) -> str:
    """One of the flooding host's own addresses."""
    return f"192.168.1.{30 + number}"


class Maker:
    """Makes datagrams of each kind, every one with a new instance."""

    def __init__(self, secret: bytes) -> None:
        strangers = SharedSecret(b"somebody else's!", Purpose.OFFER, Role.JOINER)
        self._ring = Keyring(
            [("stranger", strangers), ("ours", SharedSecret(secret, Purpose.OFFER, Role.JOINER))]
        )

    def datagram(self, kind: str, number: int) -> bytes:
        """One datagram."""
        if kind == "garbage":
            return os.urandom(BEACON_BYTES)
        addresses = tuple(IPv4Address(0x0A00_0000 + (number * 8 + step) % 2**24) for step in range(8))
        beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, os.urandom(16), 1, 40000, 40000, addresses=addresses)
        return self._ring.seal(None if kind == "open" else kind, beacon, os.urandom(12))


# --- a host that is watched


class Host:
    """A `localpair host` that waits; its events are read and only the offer is kept."""

    def __init__(self, lan: Lan, folder: Path, environment: dict[str, str]) -> None:
        self.lan = lan
        self.offer = ""
        self._offered = threading.Event()
        words = ["host", "--json", "--yes", "--qr", "none", "--timeout", "3600"]
        self.process: subprocess.Popen[str] = lan.host(0).popen(
            [sys.executable, "-m", "localpair", *words],
            env={"LOCALPAIR_HOME": str(folder), **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._offered.wait(30):
            raise SystemExit("the host makes no offer")

    def now(self) -> Holding:
        """What it holds now."""
        return holding(self.process.pid)

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.lan.host(0).processes.remove(self.process)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "offer":
                self.offer = event["offer"]
                self._offered.set()
        self._offered.set()


@contextlib.contextmanager
def hosting(lan: Lan, environment: dict[str, str]) -> Iterator[Host]:
    """A host with state of its own."""
    with tempfile.TemporaryDirectory(prefix="localpair-memory-") as folder:
        host = Host(lan, Path(folder), environment)
        try:
            yield host
        finally:
            host.end()


def measure_idle(report: Report, lan: Lan, environment: dict[str, str], runs: int, settle_s: float) -> None:
    """Start a host several times and see what it holds when it waits."""
    found, spent = [], []
    with hosting(lan, environment):
        pass  # this one compiles, which takes memory of its own
    for number in range(runs):
        progress(f"idle, run {number + 1} of {runs}")
        with hosting(lan, environment) as host:
            before = host.now()
            time.sleep(settle_s)
            found.append(host.now())
            spent.append((found[-1].cpu - before.cpu) / settle_s * 1000)
    report.add("idle: resident", "MiB", [one.resident for one in found], IDLE_AIM_MIB)
    report.add("idle: private", "MiB", [one.private for one in found])
    report.add("idle: processor, for a second", "ms", spent)


def measure_floods(
    report: Report, lan: Lan, environment: dict[str, str], seconds: float, rate: float, settle_s: float
) -> None:
    """Flood one host, first as a stranger, then as somebody who has seen the offer."""
    lan.host(1).ip(*(f"addr add {source_address(number)}/24 dev eth0" for number in range(SOURCES)))
    with hosting(lan, environment) as host:
        time.sleep(settle_s)
        for kinds in (STRANGERS, INSIDER):
            name = "flood by strangers" if kinds == STRANGERS else "flood by a holder of the secret"
            progress(name)
            measure_flood(report, host, name, kinds, (seconds, rate))
            time.sleep(settle_s)
    progress("")


def measure_flood(
    report: Report, host: Host, name: str, kinds: tuple[str, ...], how: tuple[float, float]
) -> None:
    """One flood: what it added, what it cost, and what was dropped."""
    before, counted = host.now(), datagrams_of(host.process.pid)
    secret = Offer.parse(host.offer).secret.hex()
    words = [host.lan.host(0).address, ",".join(kinds), *map(str, how), secret]
    command = [sys.executable, __file__, "flood", *words]
    done = host.lan.host(1).run(command, limit_s=how[0] + 60, env={"PYTHONPATH": BESIDE})
    time.sleep(1.0)  # until what is queued has been read
    after, recounted = host.now(), datagrams_of(host.process.pid)
    read = recounted["InDatagrams"] - counted["InDatagrams"]
    report.add(f"{name}: resident after it", "MiB", [after.resident])
    report.add(f"{name}: added", "MiB", [after.resident - before.resident])
    report.add(f"{name}: processor, for a datagram", "us", [(after.cpu - before.cpu) / max(1, read) * 1e6])
    report.facts[name] = {
        "seconds": how[0],
        "rate": how[1],
        "sent": int(done.stdout),
        "read": read,
        "dropped": recounted["RcvbufErrors"] - counted["RcvbufErrors"],
        "cpu_s": round(after.cpu - before.cpu, 2),
        "peak_mib": round(after.peak, 1),
    }
    print(f"  {name}: {json.dumps(report.facts[name])}")


# --- a receiver of many entries


def measure_entries(report: Report, count: int) -> None:
    """Send ``count`` entries of each kind to a receiver of its own."""
    for name, entry in KINDS.items():
        progress(f"{count} entries: {name}")
        with memory_folder() as folder:
            grown = asyncio.run(growth(entry, folder, FIRST_ENTRIES, count))
        report.add(f"{count} entries, {name}: added", "MiB", [grown], ENTRIES_AIM_MIB)
    progress("")


def measure_many(report: Report) -> None:
    """What a receiver of very many entries holds, beside what it held after the first ones."""
    for name, count in MANY_ENTRIES.items():
        progress(f"{count} entries: {name}")
        with memory_folder() as folder:
            few, many = asyncio.run(held(KINDS[name], folder, FEW_ENTRIES, count))
        one = report.add(f"{name}: resident after {count}", "MiB", [many])
        report.ratio(
            f"{name}: after {count} / after {FEW_ENTRIES}", one,
            report.add(f"{name}: resident after {FEW_ENTRIES}", "MiB", [few]),
        )  # fmt: skip
    progress("")


# --- a machine alone, over virtual time


def measure_virtual(report: Report, runs: int) -> None:
    """Let a machine hear a crowd for ten virtual minutes; each in a process of its own."""
    for flow in ("pre", "post"):
        found = []
        for number in range(runs):
            progress(f"virtual, flow {flow}, run {number + 1} of {runs}")
            done = subprocess.run(
                [sys.executable, __file__, "virtual", flow], stdout=subprocess.PIPE, text=True, check=True
            )
            found.append(float(done.stdout))
        report.add(f"ten virtual minutes, flow {flow}: added", "MiB", found)
    progress("")


def virtual(flow: str) -> None:
    """Hear the crowd, and print how many MiB that added to this process."""
    ring = Keyring(
        [(OFFER, SharedSecret(random_bytes(16), Purpose.OFFER, Role.ISSUER))] if flow == "pre" else []
    )
    crowd = Keyring(
        [(OFFER, SharedSecret(random_bytes(16), Purpose.OFFER, Role.JOINER))] if flow == "pre" else []
    )
    me = Self(Part.HOST, b"\xff" * 16, random_bytes(32), 46821, 46821)
    discovery = Discovery(me, ring, 0.0)
    gc.collect()
    before = holding(os.getpid()).resident
    for beat in range(int(VIRTUAL_S / VIRTUAL_BEAT_S)):
        for number in range(VIRTUAL_DEVICES):
            now = (beat + number / VIRTUAL_DEVICES) * VIRTUAL_BEAT_S
            hear(discovery, crowd, number, beat, now)
    gc.collect()
    print(holding(os.getpid()).resident - before)


def hear(discovery: Discovery, crowd: Keyring, number: int, beat: int, now: float) -> None:
    """One beat of one device, by multicast and by broadcast."""
    secret = OFFER if len(crowd) else None
    instance = number.to_bytes(16, "big")
    beacon = Beacon(BeaconKind.ANNOUNCE, Part.JOIN, instance, beat + 1, 46821, 46821, beat_ms=6000)
    datagram = crowd.seal(secret, beacon, random_bytes(12))
    source = BeaconSource(IPv4Address(f"192.168.1.{number + 1}"), 46821, 2)
    for carrier in (Carrier.MULTICAST, Carrier.BROADCAST):
        discovery.receive(datagram, source, carrier, now)
    discovery.timer(now)
    discovery.take_events()
    discovery.take_transmits()


def main() -> int:
    if sys.argv[1:2] == ["flood"]:
        flood(*sys.argv[2:])
        return 0
    if sys.argv[1:2] == ["virtual"]:
        virtual(sys.argv[2])
        return 0
    options_parser = parser(__doc__, runs=5, timed=False)
    options_parser.add_argument(
        "--settle", type=float, default=5.0, metavar="S", help="wait before looking (5)"
    )
    options_parser.add_argument("--flood", type=float, default=20.0, metavar="S", help="length; 0: none (20)")
    options_parser.add_argument(
        "--rate", type=float, default=2000.0, metavar="N", help="datagrams a second (2000)"
    )
    options_parser.add_argument(
        "--entries", type=int, default=50_000, metavar="N", help="to a receiver; 0: none (50000)"
    )
    options_parser.add_argument("--many", action="store_true", help="only very many entries; takes minutes")
    options = options_parser.parse_args()
    if options.many:
        measure_many(report := Report("memory"))
        return report.finish(options.check)
    if reason := why_no_namespaces():
        raise SystemExit(reason)
    report = Report("memory")
    with installed() as environment, Lan(2) as lan:
        measure_idle(report, lan, environment, options.runs, options.settle)
        if options.flood:
            measure_floods(report, lan, environment, options.flood, options.rate, options.settle)
    if options.entries > FIRST_ENTRIES:
        measure_entries(report, options.entries)
    measure_virtual(report, min(options.runs, 3))
    return report.finish(options.check)


if __name__ == "__main__":
    sys.exit(main())
