"""A stand-in for localpair: ``host`` and ``join`` meet at a socket in ``FAKE_MEET`` and say that they paired.

``FAKE_ROLE_mood`` in the environment makes a verb misbehave: ``mute``, ``crash``, ``hang``, ``leak``,
``stray``, ``refuse``, ``leak-trace``; ``answer`` makes the joiner show an answer code and the host insist on it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

ANSWER = "LA:FAKE-CODE"
OFFER = "LP1-THIS-IS-THE-FAKE-OFFER-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PATH = {"local": "192.168.1.20:46821", "remote": "192.168.1.10:40000", "direction": "in", "carrier": "offer"}


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, "t": time.monotonic(), **fields}), flush=True)


def trace(kind: str, **fields: object) -> None:
    """As localpair does; ``FAKE_ROLE_clock`` is how far this computer's clock is from the lab's."""
    if path := os.environ.get("LOCALPAIR_TRACE"):
        t = time.monotonic() + float(os.environ.get(f"FAKE_{sys.argv[1]}_clock", "0"))
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"t": t, "pid": os.getpid(), "kind": kind, **fields}) + "\n")


def mood(verb: str) -> str:
    return os.environ.get(f"FAKE_{verb}_mood", "")


def host(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        say("ready", ports={"tcp": 46821, "udp": 46821}, addresses=[{"address": "192.168.1.20"}])
        trace("frame", way="in")
        say("offer", offer=OFFER, expires_in=120)
        if mood("host") == "answer" and sys.stdin.readline() != f"{ANSWER}\n":
            sys.exit(4)
        listener.settimeout(
            float(sys.argv[sys.argv.index("--timeout") + 1]) if "--timeout" in sys.argv else 20
        )
        try:
            listener.accept()
        except TimeoutError:
            say("failed", reason="unreachable", exit_code=3, message="nobody came")
            sys.exit(3)
    say("paired", peer={"label": "x"}, path=PATH, elapsed_ms=12.5)


def join(place: str) -> None:
    offer = sys.stdin.readline().strip()
    if offer != OFFER:
        say("failed", reason="offer", exit_code=2, message="no offer")
        sys.exit(2)
    say("attempt", candidate="172.17.0.1:46821", direction="out", phase="connect", outcome="failed", ms=1.0)
    if mood("join") == "answer":
        say("answer", answer=ANSWER, expires_in=100)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(place)
    trace("frame", way="out")
    path = {**PATH, "local": PATH["remote"], "remote": PATH["local"], "direction": "out"}
    say("paired", peer={"label": "y"}, path=path, elapsed_ms=10.0)


def misbehave(how: str) -> None:
    if how == "crash":
        raise RuntimeError("on purpose")
    if how == "refuse":
        say("failed", reason="wrong-secret", exit_code=4, message="the offer is not ours")
        sys.exit(4)
    if how == "leak":
        print(f"debug: secret is {OFFER}", file=sys.stderr, flush=True)
    if how == "leak-trace":
        trace("frame", body=OFFER)
    if how == "stray":
        print("hello", flush=True)
    if how == "hang":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)


def main() -> None:
    verb = sys.argv[1]
    trace("run")
    misbehave(mood(verb))
    place = str(Path(os.environ["FAKE_MEET"]) / "meet")
    {"host": host, "join": join}.get(verb, lambda _: say("done"))(place)


main()
