"""A stranger who opens connections as fast as he is told.

    python flooder.py KIND ADDRESS PORT RATE SECONDS SOURCE ...

He knows no secret. ``KIND`` is how far each connection goes before it falls silent; all are held open, up to HELD:

    silent     nothing is said
    trickle    one byte of a preamble each second
    preamble   a whole preamble, and nothing to what is asked then
    answer     a made-up answer to that, and nothing more
    tls        the same, and a whole TLS handshake
    hello      the same, and a HELLO with a made-up tag

``RATE`` connections a second in all, from each SOURCE address in turn, for SECONDS at most. Writes "flooding" once it
is under way; ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from localpair.keys import Role
from localpair.net.transport.tls import client_context
from localpair.wire.framing import frame_header
from localpair.wire.messages import CallKind, Preamble

KINDS = ("silent", "trickle", "preamble", "answer", "tls", "hello")
HELD = 3000
QUESTION_BYTES = 16
ANSWER_BYTES = 32
TRICKLE_S = 1.0

Steps = Iterator[int]
"""What a connection waits for: selectors.EVENT_READ, EVENT_WRITE, or 0: for the next second."""


@dataclass(eq=False)
class Caller:
    """One connection. ``steps`` run until the next thing that it waits for."""

    sock: socket.socket
    steps: Steps = field(init=False)
    awake_at: float = 0.0


class Flood:
    """All connections of one attacker."""

    def __init__(self, kind: str, target: tuple[str, int], rate: float, sources: Sequence[str]) -> None:
        self.depth, self.target, self.rate, self.sources = KINDS.index(kind), target, rate, sources
        self.chosen = selectors.DefaultSelector()
        self.context = client_context()
        self.held: deque[Caller] = deque()
        self.sleepers: deque[Caller] = deque()
        self.opened = 0

    def run(self, seconds: float) -> None:
        """Keep the rate, and go on with whoever can go on, until the time or standard input ends."""
        self.chosen.register(sys.stdin, selectors.EVENT_READ, None)
        started = time.monotonic()
        while (now := time.monotonic()) < started + seconds:
            while self.opened < (now - started) * self.rate:
                self.open()
            if self.opened > self.rate / 4:
                print("flooding", flush=True)
            for key, _ in self.chosen.select(1 / self.rate):
                if key.data is None:
                    return
                self.go_on(key.data)
            while self.sleepers and self.sleepers[0].awake_at <= now:
                self.go_on(self.sleepers.popleft())

    def open(self) -> None:
        """Start one more connection."""
        source = self.sources[self.opened % len(self.sources)]
        self.opened += 1
        sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        sock.setblocking(False)
        sock.bind((source, 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect(self.target)
        caller = Caller(sock)
        caller.steps = self.talk(caller)
        self.held.append(caller)
        self.go_on(caller)
        if len(self.held) > HELD:
            self.close(self.held.popleft())

    def go_on(self, caller: Caller) -> None:
        """Let one connection go on to the next thing that it waits for."""
        with contextlib.suppress(KeyError, ValueError):
            self.chosen.unregister(caller.sock)
        try:
            waits_for = next(caller.steps)
        except (OSError, StopIteration):
            return  # it is held as it is
        if waits_for:
            self.chosen.register(caller.sock, waits_for, caller)
        else:
            caller.awake_at = time.monotonic() + TRICKLE_S
            self.sleepers.append(caller)

    def close(self, caller: Caller) -> None:
        """Give one connection up."""
        with contextlib.suppress(KeyError, ValueError):
            self.chosen.unregister(caller.sock)
        caller.steps = iter(())
        caller.sock.close()

    def talk(self, caller: Caller) -> Steps:
        """What a connection says, as far as this flood goes."""
        yield selectors.EVENT_WRITE
        preamble = Preamble(CallKind.PAIR, Role.JOINER, True).encode()
        if self.depth == KINDS.index("silent"):
            return
        if self.depth == KINDS.index("trickle"):
            for byte in preamble[:-1]:
                caller.sock.send(bytes([byte]))
                yield 0
            return
        caller.sock.send(preamble)
        yield from receive(caller.sock, len(preamble) + QUESTION_BYTES)
        if self.depth == KINDS.index("preamble"):
            return
        caller.sock.send(os.urandom(ANSWER_BYTES))
        if self.depth == KINDS.index("answer"):
            return
        caller.sock = secured = self.context.wrap_socket(caller.sock, do_handshake_on_connect=False)
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                yield selectors.EVENT_READ
        if self.depth == KINDS.index("hello"):
            hello = b"\x01\x01\x00" + os.urandom(68) + b"\x04" + os.urandom(4) + b"\x00"
            secured.send(frame_header(1, len(hello)) + hello)


def receive(sock: socket.socket, size: int) -> Steps:
    """Wait until so many bytes have come."""
    while size > 0:
        yield selectors.EVENT_READ
        part = sock.recv(size)
        if not part:
            raise ConnectionResetError
        size -= len(part)


if __name__ == "__main__":
    kind, address, port, rate, seconds, *sources = sys.argv[1:]
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * HELD, most), most))
    flood = Flood(kind, (address, int(port)), float(rate), sources)
    flood.run(float(seconds))
    print(flood.opened, flush=True)
