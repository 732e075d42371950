"""Two zenoh peers, as its documentation starts them: they find each other by multicast scouting, and connect."""

from __future__ import annotations

import sys
import time

import meet
import zenoh

KEY = "lab/hello"


def host(session: zenoh.Session) -> None:
    """Answer the first question."""
    asked = session.declare_queryable(KEY)
    meet.say("ready")
    with asked.recv() as query:
        query.reply(KEY, "hello")
    meet.say("paired")


def join(session: zenoh.Session) -> None:
    """Ask until somebody answers."""
    while True:
        for reply in session.get(KEY, timeout=1.0):
            if reply.ok is not None:
                meet.say("paired")
                return
        time.sleep(0.05)


def main() -> None:
    """One peer."""
    config = zenoh.Config()
    config.insert_json5("mode", '"peer"')
    with zenoh.open(config) as session:
        {"host": host, "join": join}[sys.argv[1]](session)
        time.sleep(1.0)  # what was said last goes out first


if __name__ == "__main__":
    main()
