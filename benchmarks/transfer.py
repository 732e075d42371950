"""How close a transfer comes to the fastest bare TLS 1.3 loop in Python, and whether small files hit a cliff.

    python benchmarks/transfer.py                       # 1 GiB, then 10,000 small files, over loopback
    python benchmarks/transfer.py --veth                # between two network namespaces (Linux)
    python benchmarks/transfer.py --size 256 --runs 3 --folder /dev/shm

Both ends are processes of their own on this machine. Every kind of run is repeated in turn, so that all see the same
weather, and medians are compared. Three things are measured:

* **bare**: TLS 1.3 between two asyncio protocol objects, from memory to nowhere, with writes of 256 KiB, 512 KiB and
  1 MiB; the fastest of them is the yardstick.
* **session**: ``send_files`` of one file until it is stored, flushed and confirmed: reading, TLS, SHA-256 at both
  ends, writing. ``extra`` is the peak of resident memory over what the process had before the transfer.
* **small**: ``send_files`` of a folder of small files; the first and the last tenth of them are compared.

A bare loop does nothing else, so ``floor`` is given besides: the shortest time in which this machine's cores can do
the bare loop's work and that of the disk and the checksums, both ends together.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from localpair.events import Direction, Event, Peer, Received  # noqa: E402
from localpair.events import Path as Way  # noqa: E402
from localpair.keys import SessionCertificate  # noqa: E402
from localpair.net.stream import open_stream  # noqa: E402
from localpair.net.tls import client_context, server_context  # noqa: E402
from localpair.session import Session  # noqa: E402

MIB = 1 << 20
WRITES = (256 * 1024, 512 * 1024, MIB)


# --- both ends


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in MiB; 0 where there is no such file."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


class Cost:
    """Seconds, processor seconds and memory between two moments."""

    def __init__(self) -> None:
        self.rss = resident("VmRSS")
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def so_far(self, **more: Any) -> dict[str, Any]:
        return {
            "wall": time.perf_counter() - self.wall,
            "cpu": time.process_time() - self.cpu,
            "extra": resident("VmHWM") - self.rss,
            **more,
        }


class BareReceiver(asyncio.BufferedProtocol):
    """Decrypts into one buffer and counts."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.buffer = memoryview(bytearray(256 * 1024))
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.cost = Cost()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.left -= nbytes
        if self.left == 0:
            self.transport.write(b"!")
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(self.cost.so_far())


class BareSender(asyncio.Protocol):
    """Waits while the transport's buffer is full."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.confirmed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.confirmed.set()


async def bare_serve(connection: socket.socket, context: ssl.SSLContext, size: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    _, receiver = await loop.connect_accepted_socket(lambda: BareReceiver(size), connection, ssl=context)
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


def new_session(stream: Any, on_event: Callable[[Event], None] | None = None) -> Session:
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
        spent = cost.so_far(moments=[moment - cost.wall for moment in moments[:: max(1, len(moments) // 10)]])
        await session.wait_closed()
    return spent


async def session_call(connection: socket.socket, path: str) -> dict[str, Any]:
    stream = await open_stream(connection, client_context(), server_side=False, timeout=10)
    async with new_session(stream) as session:
        await session.send_message(b"")  # the connection is ready
        cost = Cost()
        await session.send_files([Path(path)])
        return cost.so_far()


async def serve(kind: str, address: str, argument: str) -> dict[str, Any]:
    """Accept one connection and receive."""
    with socket.create_server((address, 0)) as listener:
        listener.setblocking(False)
        context = server_context(SessionCertificate.generate())
        print(listener.getsockname()[1], flush=True)
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    if kind == "bare":
        return await bare_serve(connection, context, int(argument))
    return await session_serve(connection, context, argument)


async def call(kind: str, address: str, port: int, argument: str) -> dict[str, Any]:
    """Connect and send."""
    connection = socket.create_connection((address, port))
    connection.setblocking(False)
    if kind == "bare":
        size, _, chunk = argument.partition("/")
        return await bare_call(connection, int(size), int(chunk))
    return await session_call(connection, argument)


# --- the one that measures


class Place:
    """Where the two ends run: how to start a program there, and the receiver's address."""

    def __init__(self) -> None:
        self.address = "127.0.0.1"

    def start(self, end: int, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, __file__, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class VethPlace(Place):
    """Two network namespaces and one cable."""

    def __init__(self, network: Any) -> None:
        self.ends = [network.namespace(f"end{number}") for number in range(2)]
        network.cable(self.ends[0], "eth0", self.ends[1], "eth0")
        for number, end in enumerate(self.ends):
            end.ip(f"addr add 192.168.7.{number + 1}/24 dev eth0", "link set eth0 up", "link set lo up")
        self.address = "192.168.7.1"

    def start(self, end: int, *arguments: str) -> subprocess.Popen[str]:
        command = self.ends[end].command([sys.executable, __file__, *arguments])
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def place(veth: bool) -> Iterator[Place]:
    if not veth:
        yield Place()
        return
    from netns import Network

    with Network() as network:
        yield VethPlace(network)


def run(where: Place, kind: str, receive: str, send: str) -> dict[str, Any]:
    """One transfer; the sender's cost, with the receiver's beside it."""
    receiver = where.start(0, "serve", kind, where.address, receive)
    assert receiver.stdout is not None
    port = receiver.stdout.readline().strip()
    sender = where.start(1, "call", kind, where.address, port, send)
    said, _ = sender.communicate(timeout=600)
    heard, _ = receiver.communicate(timeout=60)
    if sender.returncode or receiver.returncode:
        raise SystemExit("a run failed")
    return {**json.loads(said), "receiver": json.loads(heard)}


def local_costs(file: Path, folder: Path) -> float:
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


def measure_large(where: Place, folder: Path, size: int, runs: int) -> dict[str, Any]:
    file = folder / "large"
    with file.open("wb") as target:
        for _ in range(size // MIB):
            target.write(os.urandom(MIB))
    bare: dict[int, list[dict[str, Any]]] = {chunk: [] for chunk in WRITES}
    sessions: list[dict[str, Any]] = []
    floors: list[float] = []
    for _ in range(runs):
        for chunk in WRITES:
            bare[chunk].append(run(where, "bare", str(size), f"{size}/{chunk}"))
        with tempfile.TemporaryDirectory(dir=folder) as target_folder:
            sessions.append(run(where, "session", target_folder, str(file)))
        floors.append(local_costs(file, folder))
    file.unlink()
    best = min(WRITES, key=lambda chunk: median(bare[chunk], "wall"))
    work = median(bare[best], "cpu") + statistics.median(one["receiver"]["cpu"] for one in bare[best])
    floor = max(median(bare[best], "wall"), (work + statistics.median(floors)) / len(os.sched_getaffinity(0)))
    wall = median(sessions, "wall")
    return {
        "bare MB/s": {
            f"{chunk // 1024} KiB": round(size / median(bare[chunk], "wall") / 1e6) for chunk in WRITES
        },
        "session MB/s": round(size / wall / 1e6),
        "session / fastest bare": round(median(bare[best], "wall") / wall, 3),
        "floor MB/s": round(size / floor / 1e6),
        "session / floor": round(floor / wall, 3),
        "sender extra MiB": round(max(one["extra"] for one in sessions), 1),
        "receiver extra MiB": round(max(one["receiver"]["extra"] for one in sessions), 1),
        "sender cpu s": round(median(sessions, "cpu"), 2),
        "receiver cpu s": round(statistics.median(one["receiver"]["cpu"] for one in sessions), 2),
    }


def measure_small(where: Place, folder: Path, count: int, runs: int) -> dict[str, Any]:
    source = folder / "small"
    for number in range(count):
        inner = source / f"{number // 100:03}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number:05}.bin").write_bytes(os.urandom(200 + number % 4000))
    results = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=folder) as target_folder:
            results.append(run(where, "session", target_folder, str(source)))
    shutil.rmtree(source)
    ratios = []
    for result in results:
        marks = result["receiver"]["moments"]
        ratios.append((marks[1] - marks[0]) / (marks[-1] - marks[-2]))
    return {
        "files/s": round(count / median(results, "wall")),
        "last tenth / first tenth": round(statistics.median(ratios), 2),
        "sender extra MiB": round(max(one["extra"] for one in results), 1),
        "receiver extra MiB": round(max(one["receiver"]["extra"] for one in results), 1),
    }


def median(results: list[dict[str, Any]], key: str) -> float:
    return statistics.median(result[key] for result in results)


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "serve":
        print(json.dumps(asyncio.run(serve(*sys.argv[2:5]))))
        return
    if len(sys.argv) > 1 and sys.argv[1] == "call":
        kind, address, port, argument = sys.argv[2:6]
        print(json.dumps(asyncio.run(call(kind, address, int(port), argument))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--veth", action="store_true", help="between two network namespaces")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--small", type=int, default=10_000, help="number of small files; 0 leaves them out")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where files are read and written; default: a temporary one"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name, place(options.veth) as where:
        folder = Path(name)
        cores = len(os.sched_getaffinity(0))
        print(f"{cores} cores, {'veth' if options.veth else 'loopback'}, Python {sys.version.split()[0]}, "
              f"{ssl.OPENSSL_VERSION}")  # fmt: skip
        if options.size:
            for key, value in measure_large(where, folder, options.size * MIB, options.runs).items():
                print(f"  {key}: {value}")
        if options.small:
            print(f"{options.small} small files")
            for key, value in measure_small(where, folder, options.small, options.runs).items():
                print(f"  {key}: {value}")


if __name__ == "__main__":
    main()
