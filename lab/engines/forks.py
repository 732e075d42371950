"""The lab's end of the zygote: one for each process of the lab, started when it is first needed."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from lab import capabilities
from lab.engines.base import LabError
from lab.fabric import channel

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAM: Final = Path(__file__).with_name("zygote.py")


@dataclass(frozen=True, slots=True)
class Fork:
    """A fabric's process. ``errors`` is what it complains to."""

    pid: int
    errors: IO[bytes]
    _pidfd: int

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended in time."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def kill(self) -> None:
        """End it, however busy it is."""
        try:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:  # it ended just now
            pass

    def close(self) -> str:
        """What it complained of; after its end."""
        os.close(self._pidfd)
        with self.errors as log:
            return log.read().decode(errors="replace")


class Zygote:
    """The process itself. ``has_product``: its children's devices can live as localpair without a start."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", str(_PROGRAM), str(theirs.fileno()), str(os.getpid()), str(_ROOT)]
        with theirs:
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._channel = ours
        try:
            hello, _ = channel.receive(ours)
        except channel.ChannelClosedError as error:
            self.end()
            raise LabError("the lab's zygote did not start", hint=capabilities.HINT) from error
        self.has_product = bool(hello["product"])

    @property
    def is_usable(self) -> bool:
        """Whether it lives, and is this process's own."""
        return self._owner == os.getpid() and self._process.poll() is None

    def fork(self, served: socket.socket) -> Fork:
        """A fabric at the other end of ``served``. Raises ``LabError``."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        errors = os.fdopen(reading, "rb")
        try:
            answer, (pidfd,) = channel.ask(self._channel, {"do": "own"}, [served.fileno(), writing])
        except OSError as error:
            errors.close()
            raise LabError(f"the lab's zygote is gone: {error}", hint=capabilities.HINT) from error
        finally:
            os.close(writing)
        return Fork(answer["pid"], errors, pidfd)

    def end(self) -> None:
        """Hang up, and wait: it has nothing to finish. Nothing happens in a process that does not own it."""
        if self._owner != os.getpid():
            return
        self._channel.close()
        self._process.wait()
