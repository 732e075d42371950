"""The fabric's programs for containers: the server that wires them, the device that waits, the voice from
outside.

A device sends its own network namespace over the socket they share, so the fabric needs no sight of other
containers' processes: NET_ADMIN and SYS_ADMIN are enough.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

from lab.fabric import channel, namespaces, programs
from lab.fabric.server import Server
from lab.fabric.steps import FABRIC

_PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.01


def main(word: str, rest: list[str]) -> int:
    """Run the program that ``word`` names."""
    if word == "serve":
        return serve(Path(rest[0]), Path(rest[1]) if len(rest) > 1 else None)
    if word == "join":
        return join(Path(rest[0]), rest[1])
    if word == "ask":
        return ask(Path(rest[0]))
    sys.stderr.write(f"no such program of the fabric: {word}\n")
    return 2


def serve(path: Path, project: Path | None) -> int:
    """Listen at ``path`` until SIGTERM. With ``project`` (steps and node names as JSON), wire it by
    ourselves.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    programs.writable_kernel_settings()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(str(path))
    path.chmod(0o666)  # devices run without privilege; the folder is shared with nobody else
    listener.listen(256)
    if project and not os.fork():
        listener.close()
        return wire(path, project)
    Server(listener=listener).run()
    return 0


def wire(path: Path, project: Path) -> int:
    """Ask the fabric at ``path`` for everything that ``project`` says, once its devices are there."""
    parts = json.loads(project.read_text())
    voice = connect(path)
    for request in (
        {"do": "await", "nodes": [FABRIC, *parts["nodes"]]},
        {"do": "apply", "steps": parts["steps"]},
        {"do": "settle", **parts["settle"]},
        {"do": "apply", "steps": parts["begin"]},
        {"do": "release"},
    ):
        answer, _ = channel.ask(voice, request)
        if not answer["ok"]:
            sys.stderr.write(f"fabric: {answer['error']}\n")
            return 1
    sys.stderr.write("fabric: the network stands\n")
    return 0


def join(path: Path, node: str) -> int:
    """Bring our network namespace to the fabric and sleep; a device's main program."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    voice = connect(path)
    answer, _ = channel.ask(voice, {"do": "join", "node": node}, [namespaces.open_network()])
    sys.stderr.write(f"{node}: the network stands\n" if answer["ok"] else f"{node}: {answer['error']}\n")
    while True:
        signal.pause()


def ask(path: Path) -> int:
    """Carry requests from stdin to the fabric and its answers to stdout, a line each."""
    voice = connect(path)
    for line in sys.stdin:
        answer, _ = channel.ask(voice, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def connect(path: Path) -> socket.socket:
    """A channel to the fabric, which may be starting still."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        voice = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            voice.connect(str(path))
        except OSError:
            voice.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        else:
            return voice
