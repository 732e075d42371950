"""The lab's end of the fork server: one for each process of the lab, started when it is first needed."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Final

from localpair_lab import paths
from localpair_lab.errors import HINT, LabError
from localpair_lab.fabric.system import channel

_PROGRAM: Final = paths.PACKAGE / "engines" / "namespace" / "forkserver.py"
_KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG")
_OURS: Final = "LOCALPAIR_LAB_"


@dataclass(slots=True)
class Fork:
    """A fabric's process, and the channel to it."""

    pid: int
    channel: socket.socket
    _errors: IO[bytes]
    _pidfd: int
    _words: str | None = None

    def end(self, patience_s: float) -> None:
        """Hang up and wait; whoever does not end in time is killed. What it owned, the kernel removes."""
        self.channel.close()
        if self._words is None and not self._has_ended(patience_s):
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:  # it ended just now
                pass
            self._has_ended(patience_s)

    def _has_ended(self, patience_s: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(patience_s * 1000))

    def log(self) -> str:
        """All that it complained of; after ``end``."""
        if self._words is None:
            os.close(self._pidfd)
            with self._errors as errors:
                self._words = errors.read().decode(errors="replace")
        return self._words

    def last_words(self) -> str:
        """Why it ended, in a line; after ``end``."""
        lines = self.log().strip().splitlines()
        return lines[-1] if lines else "it ended without a word"


class ForkServer:
    """The process itself. ``has_product``: its children's devices can live as localpair without a start. ``folders``:
    what its interpreter and localpair consist of.
    """

    def __init__(self) -> None:
        self._owner = os.getpid()
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-I",
            str(_PROGRAM),
            str(theirs.fileno()),
            str(os.getpid()),
            str(paths.IMPORT_ROOT),
        ]
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_OURS)}
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=kept,  # a forked device shows it for ever, whatever its own environment says
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._channel = ours
        try:
            hello, _ = channel.receive(ours)
        except channel.ChannelClosedError as error:
            self.end()
            raise LabError("the lab's fork server did not start", hint=HINT) from error
        self.has_product = bool(hello["product"])
        self.folders: list[str] = hello["folders"]

    @property
    def is_usable(self) -> bool:
        """Whether it lives, and is this process's own."""
        return self._owner == os.getpid() and self._process.poll() is None

    def fork(self) -> Fork:
        """A new fabric. Raises ``LabError``."""
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        errors = os.fdopen(reading, "rb")
        try:
            with theirs:
                answer, (pidfd,) = channel.ask(self._channel, {"do": "own"}, [theirs.fileno(), writing])
        except OSError as error:
            errors.close()
            ours.close()
            raise LabError(f"the lab's fork server is gone: {error}", hint=HINT) from error
        finally:
            os.close(writing)
        return Fork(answer["pid"], ours, errors, pidfd)

    def end(self) -> None:
        """Hang up, and wait: it has nothing to finish. Nothing happens in a process that does not own it."""
        if self._owner != os.getpid():
            return
        self._channel.close()
        self._process.wait()


_zygotes: list[ForkServer] = []  # one, or none yet


def fork_server() -> ForkServer:
    """This process's fork server, started when it is first asked for. Raises ``LabError``."""
    if not _zygotes or not _zygotes[0].is_usable:
        for spent in _zygotes:
            spent.end()
        _zygotes[:] = [ForkServer()]
        atexit.register(_zygotes[0].end)
    return _zygotes[0]
