"""How close a transfer comes to the fastest bare TLS 1.3 loop in Python, and whether small files hit a cliff.

    python benchmarks/transfer.py                       # 1 GiB, then 10,000 small files, over a veth (Linux)
    python benchmarks/transfer.py --loopback            # both ends on 127.0.0.1, on any system
    python benchmarks/transfer.py --size 256 --runs 3 --calm 60 --folder /dev/shm

Both ends are processes of their own on this machine. Every kind of run takes its turn in each round, so that all see
the same weather. Measured are

* bare loops: TLS 1.3 between two asyncio protocol objects, from memory to nowhere, which send 256 KiB, 512 KiB and
  1 MiB at a time. The receiver is a plain protocol, which asyncio hands bytes, or a buffered one, into whose memory TLS
  decrypts: the fastest that Python's own library can do.
* the session: ``send_files`` of one file until it is stored, flushed and confirmed, with SHA-256 at both ends.
  ``added`` is the peak of resident memory over what the process held before.
* small files: ``send_files`` of a folder; the last tenth of them is compared with the first. They are confirmed in
  groups of up to 256, which blurs that where there are few.

A bare loop reads no file, computes no checksum and writes nothing. ``least processor time`` is what the session cannot
do without: the fastest bare loop's at both ends, and that of reading, hashing twice, writing and flushing. Where both
ends share few cores it bounds the ratio: ``bound`` is the ratio of a session that costs no more than that and keeps
all cores busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Report, installed, parser, progress, undisturbed

from localpair.events import Direction, Event, Peer, Received
from localpair.events import Path as Way
from localpair.keys import SessionCertificate
from localpair.net.transport.stream import FrameStream, open_stream
from localpair.net.transport.tls import client_context, server_context
from localpair.session import Session

MIB = 1 << 20
WRITES = (256 * 1024, 512 * 1024, MIB)
RECEIVERS = ("plain", "buffered")
ADDED_AIM_MIB = 64.0


# --- what both ends measure


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in MiB; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


class Cost:
    """Seconds, processor seconds and memory from now on."""

    def __init__(self) -> None:
        self.rss = resident("VmRSS")
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def so_far(self, **more: Any) -> dict[str, Any]:
        """What has been spent."""
        return {
            "wall": time.perf_counter() - self.wall,
            "cpu": time.process_time() - self.cpu,
            "added": resident("VmHWM") - self.rss,
            **more,
        }


# --- bare loops


class Counting:
    """Counts to the end, confirms and closes."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """TLS stands."""
        self.transport = transport
        self.cost = Cost()

    def count(self, size: int) -> None:
        """So many bytes more."""
        self.left -= size
        if self.left == 0:
            self.transport.write(b"!")
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self.done.set_result(self.cost.so_far())


class BufferedReceiver(Counting, asyncio.BufferedProtocol):
    """TLS decrypts into one buffer."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.buffer = memoryview(bytearray(256 * 1024))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Always the same one."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """The buffer was filled."""
        self.count(nbytes)


class PlainReceiver(Counting, asyncio.Protocol):
    """Gets bytes."""

    def data_received(self, data: bytes) -> None:
        """Bytes."""
        self.count(len(data))


class BareSender(asyncio.Protocol):
    """Waits while the transport's buffer is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.confirmed = asyncio.Event()

    def pause_writing(self) -> None:
        """The buffer is full."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """The receiver has everything."""
        self.confirmed.set()


async def bare_serve(
    connection: socket.socket, context: ssl.SSLContext, kind: str, size: int
) -> dict[str, Any]:
    made = BufferedReceiver if kind == "buffered" else PlainReceiver
    loop = asyncio.get_running_loop()
    _, receiver = await loop.connect_accepted_socket(lambda: made(size), connection, ssl=context)
    return await receiver.done


async def bare_call(connection: socket.socket, size: int, chunk: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    transport, sender = await loop.create_connection(
        BareSender, sock=connection, ssl=client_context(), server_hostname=""
    )
    data = os.urandom(chunk)
    cost = Cost()
    for _ in range(size // chunk):
        transport.write(data)
        await sender.writable.wait()
    await sender.confirmed.wait()
    spent = cost.so_far()
    transport.close()
    return spent


# --- sessions


def new_session(stream: FrameStream, on_event: Callable[[Event], None] | None = None) -> Session:
    way = Way("", "", Direction.OUT, "offer")
    return Session(stream, peer=Peer("bench", ""), path=way, on_event=on_event)


async def session_serve(connection: socket.socket, context: ssl.SSLContext, folder: str) -> dict[str, Any]:
    stream = await open_stream(connection, context, server_side=True, timeout=10)
    moments: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, Received):
            moments.append(time.perf_counter())

    async with new_session(stream, note) as session:
        cost = Cost()
        await session.receive_files(Path(folder))
        tenth = max(1, (len(moments) - 1) // 10)
        moments.insert(0, cost.wall)
        spent = cost.so_far(first=moments[tenth] - moments[0], last=moments[-1] - moments[-tenth - 1])
        await session.wait_closed()
    return spent


async def session_call(connection: socket.socket, path: str) -> dict[str, Any]:
    stream = await open_stream(connection, client_context(), server_side=False, timeout=10)
    async with new_session(stream) as session:
        await session.send_message(b"")  # both sides are up
        cost = Cost()
        await session.send_files([Path(path)])
        return cost.so_far()


async def serve(kind: str, address: str, argument: str) -> dict[str, Any]:
    """Accept one connection and receive; the port goes out first."""
    with socket.create_server((address, 0)) as listener:
        listener.setblocking(False)
        context = server_context(SessionCertificate.generate())
        print(listener.getsockname()[1], flush=True)
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    if kind in RECEIVERS:
        return await bare_serve(connection, context, kind, int(argument))
    return await session_serve(connection, context, argument)


async def call(kind: str, address: str, port: str, argument: str) -> dict[str, Any]:
    """Connect and send."""
    connection = socket.create_connection((address, int(port)))
    connection.setblocking(False)
    if kind in RECEIVERS:
        size, _, chunk = argument.partition("/")
        return await bare_call(connection, int(size), int(chunk))
    return await session_call(connection, argument)


# --- where the two ends run


@dataclass(frozen=True, slots=True)
class Place:
    """How to start a program at either end, and the receiver's address."""

    address: str
    command: Callable[[int, list[str]], list[str]]
    environment: dict[str, str]

    def start(self, end: int, *words: str) -> subprocess.Popen[str]:
        """Start this file at one end."""
        command = self.command(end, [sys.executable, __file__, *words])
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def transfer(self, kind: str, receive: str, send: str) -> dict[str, Any]:
        """One transfer: the sender's cost, and the receiver's under ``receiver``."""
        receiver = self.start(0, "serve", kind, self.address, receive)
        assert receiver.stdout is not None
        port = receiver.stdout.readline().strip()
        sender = self.start(1, "call", kind, self.address, port, send)
        said, _ = sender.communicate(timeout=900)
        heard, _ = receiver.communicate(timeout=60)
        if sender.returncode or receiver.returncode:
            raise SystemExit(f"a transfer failed ({kind})")
        return {**json.loads(said), "receiver": json.loads(heard)}


@contextlib.contextmanager
def on_loopback(environment: dict[str, str]) -> Iterator[Place]:
    yield Place("127.0.0.1", lambda _, words: words, environment)


@contextlib.contextmanager
def on_a_cable(environment: dict[str, str]) -> Iterator[Place]:
    """Two network namespaces and one veth between them."""
    from netns import Network

    with Network() as network:
        ends = [network.namespace(f"end{number}") for number in range(2)]
        network.cable(ends[0], "eth0", ends[1], "eth0")
        for number, end in enumerate(ends):
            end.ip(f"addr add 192.168.7.{number + 1}/24 dev eth0", "link set eth0 up", "link set lo up")
        yield Place("192.168.7.1", lambda end, words: ends[end].command(words), environment)


# --- the measurements


def measure_large(report: Report, place: Place, folder: Path, size: int, runs: int, calm_s: float) -> None:
    """One large file, beside bare loops of its size."""
    file = folder / "large"
    with file.open("wb") as target:
        for _ in range(size // MIB):
            target.write(os.urandom(MIB))
    bare: dict[tuple[str, int], list[dict[str, Any]]] = {
        (kind, chunk): [] for kind in RECEIVERS for chunk in WRITES
    }
    sessions: list[dict[str, Any]] = []
    local: list[float] = []
    for number in range(runs):
        progress(f"large file, round {number + 1} of {runs}")
        for kind, chunk in bare:
            send = f"{size}/{chunk}"
            found = undisturbed(lambda k=kind, s=send: place.transfer(k, str(size), s), calm_s)  # type: ignore[misc]
            bare[kind, chunk].append(found)
        sessions.append(undisturbed(lambda: receive_in(place, folder, file), calm_s))
        local.append(local_cost(file, folder))
    progress("")
    file.unlink()
    _tell_large(report, bare, sessions, local)


def receive_in(place: Place, folder: Path, sent: Path) -> dict[str, Any]:
    """Send ``sent`` into a new folder."""
    with tempfile.TemporaryDirectory(dir=folder) as target:
        return place.transfer("session", target, str(sent))


def _tell_large(
    report: Report,
    bare: dict[tuple[str, int], list[dict[str, Any]]],
    sessions: list[dict[str, Any]],
    local: list[float],
) -> None:
    fastest = {}
    for kind in RECEIVERS:
        chunk = min(WRITES, key=lambda one: statistics.median(run["wall"] for run in bare[kind, one]))
        runs = bare[kind, chunk]
        name = f"bare loop, {kind} protocol, {chunk // 1024} KiB writes"
        fastest[kind] = report.add(name, "s", [run["wall"] for run in runs])
        spent = report.add(f"{name}: processor", "s", [run["cpu"] + run["receiver"]["cpu"] for run in runs])
    session = report.add("session", "s", [run["wall"] for run in sessions])
    report.add("session: sender's processor", "s", [run["cpu"] for run in sessions])
    report.add("session: receiver's processor", "s", [run["receiver"]["cpu"] for run in sessions])
    least = report.add("session: least processor time", "s", [spent.median + one for one in local])
    _tell_memory(report, "session", sessions)
    for kind, figure in fastest.items():
        report.ratio(f"session's rate / bare loop's, {kind} protocol", figure, session)
    cores = os.cpu_count() or 1
    bound = min(1.0, fastest["buffered"].median / (least.median / cores))
    report.ratios[f"bound of that ratio on {cores} cores, buffered protocol"] = round(bound, 2)


def _tell_memory(report: Report, name: str, runs: list[dict[str, Any]]) -> None:
    report.add(f"{name}: added at the sender", "MiB", [run["added"] for run in runs], ADDED_AIM_MIB)
    report.add(
        f"{name}: added at the receiver", "MiB", [run["receiver"]["added"] for run in runs], ADDED_AIM_MIB
    )


def local_cost(file: Path, folder: Path) -> float:
    """Processor seconds for reading, hashing twice, writing and flushing ``file`` without any network."""
    before = time.process_time()
    with file.open("rb", buffering=0) as source, (folder / "copy").open("wb", buffering=0) as target:
        checksums = hashlib.sha256(), hashlib.sha256()
        while chunk := source.read(512 * 1024):
            for checksum in checksums:
                checksum.update(chunk)
            target.write(chunk)
        os.fsync(target.fileno())
    (folder / "copy").unlink()
    return time.process_time() - before


def measure_small(report: Report, place: Place, folder: Path, count: int, runs: int, calm_s: float) -> None:
    """Many small files in folders of a hundred."""
    source = folder / "small"
    for number in range(count):
        inner = source / f"{number // 100:03}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number:05}.bin").write_bytes(os.urandom(200 + number % 4000))
    found = []
    for number in range(runs):
        progress(f"small files, round {number + 1} of {runs}")
        found.append(undisturbed(lambda: receive_in(place, folder, source), calm_s))
    progress("")
    shutil.rmtree(source)
    name = f"{count} small files"
    report.add(name, "s", [run["wall"] for run in found])
    report.add(f"{name}: rate", "files/s", [count / run["wall"] for run in found])
    first = report.add(f"{name}: first tenth", "s", [run["receiver"]["first"] for run in found])
    last = report.add(f"{name}: last tenth", "s", [run["receiver"]["last"] for run in found])
    report.ratio("last tenth / first tenth", last, first)
    _tell_memory(report, name, found)


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        print(json.dumps(asyncio.run(serve(*sys.argv[2:]))))
        return 0
    if sys.argv[1:2] == ["call"]:
        print(json.dumps(asyncio.run(call(*sys.argv[2:]))))
        return 0
    made = parser(__doc__, runs=5)
    made.add_argument("--loopback", action="store_true", help="on 127.0.0.1 instead of a veth")
    made.add_argument(
        "--size", type=int, default=1024, help="MiB of the large file; 0 leaves it out (default: 1024)"
    )
    made.add_argument(
        "--small", type=int, default=10_000, help="small files; 0 leaves them out (default: 10000)"
    )
    made.add_argument(
        "--folder", type=Path, help="where files are read and written (default: a temporary one)"
    )
    options = made.parse_args()
    report = Report("transfer")
    where = on_loopback if options.loopback else on_a_cable
    with (
        tempfile.TemporaryDirectory(dir=options.folder, prefix="localpair-transfer-") as folder,
        installed() as environment,
        where(environment) as place,
    ):
        if options.size:
            measure_large(report, place, Path(folder), options.size * MIB, options.runs, options.calm)
        if options.small:
            measure_small(report, place, Path(folder), options.small, options.runs, options.calm)
    report.facts["openssl"] = ssl.OPENSSL_VERSION
    return report.finish(options.check)


if __name__ == "__main__":
    sys.exit(main())
