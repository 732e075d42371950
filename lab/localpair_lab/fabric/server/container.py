"""The fabric's programs for containers: the server that wires them, the device that waits, the client from
outside.

A device sends its own network namespace over the socket they share, so the fabric needs no sight of other
containers' processes: NET_ADMIN and SYS_ADMIN are enough. It can say nothing else there (``admission``); orders come
by a socket in the fabric's own container.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import stat
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Final

from localpair_lab.fabric.server import admission, features, init
from localpair_lab.fabric.server.server import Server
from localpair_lab.fabric.steps import FABRIC
from localpair_lab.fabric.system import channel, clock, namespaces, processor
from localpair_lab.fabric.system.isolation import confinement
from localpair_lab.fabric.traffic import follow, tunnel

PROJECT: Final = Path(
    "/etc/localpair-lab.json"
)  # in the fabric's container, where a rendered project is to be built
STARTED: Final = "[lab] the program has started"
START: Final = "LOCALPAIR_LAB_START"
BY_SIGNAL: Final = 192  # exit statuses above are signals; what runs here uses none of them
_CONTROL: Final = Path("/run/fabric.sock")
_NODE_SOCKET: Final = Path("/run/node.sock")
_WRITES_TO: Final = ("/captures", "/run", "/proc/sys/net", str(tunnel.DEVICE), os.devnull)
_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.01
_FOLLOW_MS: Final = 50  # how often a capture that is followed is looked at


def main(word: str, rest: list[str]) -> int:
    """Run the program that ``word`` names."""
    if word == "serve":
        return serve(Path(rest[0]), is_guest="guest" in rest[1:])
    if word == "join":
        return join(Path(rest[0]), rest[1])
    if word == "ask":
        return ask()
    if word == "tell":
        return tell(rest[0])
    if word == "captures":
        return pack_captures(Path(rest[0]))
    if word == "follow":
        return follow_capture(Path(rest[0]), rest[1])
    found = {"run": run, "try": try_everything}.get(word)
    if found is None:
        sys.stderr.write(f"no such program of the fabric: {word}\n")
        return 2
    return found()


def serve(path: Path, *, is_guest: bool = False) -> int:
    """Listen until SIGTERM, for devices at ``path``. Where there is a project, build it for them."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    namespaces.writable_kernel_settings()
    listener = _listen(_CONTROL)
    door = _listen(path, kind=admission.KIND, mode=0o666)  # devices run without privilege
    _make_tunnel_device()
    confinement.confine_fabric(_WRITES_TO)
    if PROJECT.exists() and not os.fork():
        listener.close()
        door.close()
        return wire(json.loads(PROJECT.read_text()))
    Server(listener=listener, admission=admission.NodeAdmission(path, door), is_guest=is_guest).run()
    return 0


def wire(project: dict[str, Any]) -> int:
    """Have the fabric build the project once its devices are there, then let them go."""
    client = connect(_CONTROL)
    requests: list[channel.Message] = [{"do": "await", "nodes": [FABRIC, *project["nodes"]]}]
    requests += [{"do": "keep-order"}] if project["keeps_order"] else []
    for request in (*requests, {"do": "stand", **project}, {"do": "release"}):
        answer, _ = channel.ask(client, request)
        if not answer["ok"]:
            sys.stderr.write(f"fabric: {answer['error']}\n")
            return 1
    sys.stderr.write("fabric: the network stands\n")
    return 0


def join(path: Path, node: str) -> int:
    """Bring our network namespace to the fabric and sleep; a device's main program."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Path("/etc/hosts").write_text(os.environ.get("LOCALPAIR_LAB_HOSTS", ""))
    Path("/etc/resolv.conf").write_text(os.environ.get("LOCALPAIR_LAB_RESOLVER", ""))
    with connect(path, kind=admission.KIND) as client:
        socket.send_fds(client, [node.encode()], [namespaces.open_network()])
        word, _, number = client.recv(admission.LONGEST).partition(b" ")
    if word != admission.STANDS:
        sys.stderr.write(f"{node}: the fabric does not let it in\n")
        return 1
    if number:
        processor.keep_to(int(number))
    sys.stderr.write(f"{node}: the network stands\n")
    init.NodeInit(listener=_listen(_NODE_SOCKET)).run()
    return 0


def run() -> int:
    """Have this container's init start the program described in the environment, with our own three
    streams.

    Ends as the program does: with its status, or with ``BY_SIGNAL`` and the signal's number.
    """
    client = connect(_NODE_SOCKET)
    answer, _ = channel.ask(client, json.loads(os.environ[START]), [0, 1, 2])
    if "error" in answer:
        sys.stderr.write(f"{answer['error']}\n")
        return 1
    sys.stderr.write(f"{STARTED}\n")
    sys.stderr.flush()
    status = int(channel.receive(client)[0]["status"])
    return status if status >= 0 else BY_SIGNAL - status


def tell(message: str) -> int:
    """Tell this container's init something."""
    answer, _ = channel.ask(connect(_NODE_SOCKET), json.loads(message))
    return 0 if answer.get("ok") else 1


def try_everything() -> int:
    """Print what a fabric can do in this container, as JSON."""
    namespaces.writable_kernel_settings()
    _make_tunnel_device()
    confinement.confine_fabric(_WRITES_TO)
    found = {**features.run(), "clock": "" if clock.library() else "libfaketime is not in the image"}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def ask() -> int:
    """Carry requests from stdin to the fabric and its answers to stdout, a line each."""
    client = connect(_CONTROL)
    namespaces.keep_capabilities(())
    for line in sys.stdin:
        answer, _ = channel.ask(client, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def pack_captures(folder: Path) -> int:
    """Write the captures so far to stdout, a tar archive; they may grow meanwhile, which stops `docker cp`."""
    namespaces.keep_capabilities(())
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for path in sorted(folder.glob("*.pcapng")):
            data = path.read_bytes()
            entry = tarfile.TarInfo(f"{folder.name}/{path.name}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return 0


def follow_capture(folder: Path, port: str) -> int:
    """Write a port's capture to stdout while it grows, until stdin ends or nobody reads any more."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    watched = select.poll()
    watched.register(sys.stdin, select.POLLIN)

    def goes_on() -> bool:
        return not watched.poll(_FOLLOW_MS) or os.read(sys.stdin.fileno(), 4096) != b""

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    try:
        follow.follow(folder, port, write, goes_on)
    except BrokenPipeError:
        os._exit(0)  # without flushing to nobody
    return 0


def _listen(path: Path, *, kind: int = socket.SOCK_STREAM, mode: int = 0o600) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    listener.bind(str(path))
    path.chmod(mode)
    listener.listen(256)
    return listener


def _make_tunnel_device() -> None:
    if not tunnel.DEVICE.exists():
        tunnel.DEVICE.parent.mkdir(exist_ok=True)
        try:
            os.mknod(tunnel.DEVICE, stat.S_IFCHR | 0o600, os.makedev(10, 200))
        except OSError:  # then the trial of it says why
            pass


def connect(path: Path, *, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A channel to the program that listens at ``path``, which may be starting still."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        client = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return client
