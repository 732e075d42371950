"""Real devices for tests: the command line in network namespaces, driven by its JSON lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from netns import Namespace

Event = dict[str, Any]
PATIENCE_S = 40.0  # for an event that must come; a run that needs more is broken


class Device:
    """One run of ``localpair`` in a namespace. ``events`` grows as they come; ``wait`` waits for one."""

    def __init__(
        self, namespace: Namespace, home: Path, arguments: Sequence[str], *, stdin: str | None = None,
        env: dict[str, str] | None = None, wrapper: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.events: list[Event] = []
        self.arguments = list(arguments)
        self._news = threading.Condition()
        self._ended = False
        self.process = namespace.popen(
            [*wrapper, sys.executable, "-m", "localpair", *arguments, "--json"],
            env={"LOCALPAIR_HOME": str(home), **(env or {})},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.talk = ""
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for thread in self._threads:
            thread.start()
        if stdin is not None:
            self.say(stdin)

    def say(self, text: str) -> None:
        """Write to standard input and close it."""
        self.type(text)
        self.process.stdin.close()

    def type(self, text: str) -> None:
        """Write to standard input."""
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def wait(
        self, name: str, when: Callable[[Event], bool] = lambda event: True, limit_s: float = PATIENCE_S
    ) -> Event:
        """The first event of this name that fits, now or later. Fails with everything that was said."""
        deadline = time.monotonic() + limit_s
        with self._news:
            while True:
                for event in self.events:
                    if event["event"] == name and when(event):
                        return event
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no {name!r} from {self.arguments}: {self.events}\n{self.talk}")
                self._news.wait(left)

    def of(self, name: str) -> list[Event]:
        """The events of one name so far."""
        return [event for event in self.events if event["event"] == name]

    def end(self, limit_s: float = PATIENCE_S) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(limit_s)
        for thread in self._threads:
            thread.join(10.0)
        return code

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the end."""
        started = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.end()
        return time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.end()

    def output(self) -> str:
        """Everything that was written, events and talk."""
        return "\n".join(map(json.dumps, self.events)) + self.talk

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _listen(self) -> None:
        for line in self.process.stderr:
            self.talk += line


class Home:
    """A device's state and where it runs: what survives from one run to the next."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self.wrapper: Sequence[str] = ()  # words before each command
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Device:
        """Start ``localpair`` with these arguments."""
        return Device(self.namespace, self.folder, arguments, stdin=stdin, env=env, wrapper=self.wrapper)

    def host(self, *arguments: str, yes: bool = True) -> Device:
        """Start hosting, unattended."""
        return self.run("host", "--qr", "none", *(["--yes"] if yes else []), *arguments)

    def join(self, offer: str, *arguments: str, yes: bool = True) -> Device:
        """Join by the text of an offer."""
        return self.run("join", "-", *(["--yes"] if yes else []), *arguments, stdin=offer + "\n")


def pair(
    host: Home, join: Home, *, host_with: Sequence[str] = (), join_with: Sequence[str] = ()
) -> tuple[Device, Device]:
    """Start both and wait until both are paired; they may still be busy with their files."""
    hosting = host.host(*host_with)
    joining = join.join(hosting.wait("offer")["offer"], *join_with)
    joining.wait("paired")
    hosting.wait("paired")
    return hosting, joining
