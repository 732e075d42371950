"""The trace: a JSON line for everything that a run does on the network, in a file that ``LOCALPAIR_TRACE`` or the
program names.

A caller asks ``TRACE.on`` first, so a run without a trace pays for one attribute check at each place. What a line
holds is chosen here, field by field: addresses, ports, sizes, names of messages and states. The content of a datagram,
a frame or a message is in no field, and so no secret can get into a line.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from localpair._version import __version__
from localpair.dataclass import dataclass
from localpair.errors import LocalError
from localpair.names.aliases import alias
from localpair.protocol.discovery_events import Foreign, Gone, Heard, HearsUs, Invited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from localpair.address import IPAddress
    from localpair.candidate import Candidate
    from localpair.events import Attempt, Direction, Path, Phase
    from localpair.protocol.discovery import Self
    from localpair.protocol.discovery_events import BeaconSource, Carrier, DiscoveryEvent, Transmit
    from localpair.protocol.handshake import Handshake, HandshakeEvent

_MODE: Final = 0o600
VARIABLE: Final = "LOCALPAIR_TRACE"
_HINT: Final = "Name a file that you may write to."
_HINT_ENVIRONMENT: Final = f"Let {VARIABLE} name a file that you may write to, or unset it."
# A pipe that nobody reads is an error, and no run that never starts.
_FLAGS: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_log = logging.getLogger(__name__)

Way = Literal["in", "out"]


@dataclass(frozen=True, eq=False, slots=True)
class TraceFile:
    """A file that gets the lines."""

    path: str
    descriptor: int

    @classmethod
    def open(cls, path: str) -> TraceFile:
        """Append to ``path``, which nobody else may read. Raises OSError, and ValueError for what is no path."""
        file = cls(path, os.open(path, _FLAGS, _MODE))
        try:
            if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(file.descriptor).st_mode):
                os.fchmod(file.descriptor, _MODE)
            file.write("run", {"version": __version__, "wall": round(time.time(), 6)})
        except OSError:
            file.close()
            raise
        return file

    def write(self, kind: str, fields: dict[str, object]) -> None:
        """One write for a line, so that several processes may share a file."""
        line = {"t": round(time.monotonic(), 6), "pid": os.getpid(), "kind": kind, **fields}
        os.write(self.descriptor, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Write nothing more."""
        with suppress(OSError):  # what could not be written was told of
            os.close(self.descriptor)


class Trace:
    """Writes lines to each file that is open. ``t`` in a line is the system's monotonic clock in seconds, which all
    processes of a computer share; the first line of a run tells the wall clock.
    """

    __slots__ = ("_files", "_followed", "_lock", "_transfers", "on")

    def __init__(self) -> None:
        self.on = False
        self._files: tuple[TraceFile, ...] = ()
        self._lock = threading.RLock()  # two threads may each run a loop, and one of them end its trace
        self._followed: TraceFile | None = None
        self._transfers: dict[str, tuple[int, str]] = {}

    def open(self, path: str, *, hint: str = _HINT) -> TraceFile:
        """Append to ``path`` until ``close``. Raises LocalError with ``hint`` where that is not possible."""
        try:
            file = TraceFile.open(path)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise LocalError(f"the trace cannot be written to {path}: {why}", hint=hint) from error
        with self._lock:
            self._files, self.on = (*self._files, file), True
            self._transfers.clear()  # a file tells from its start on how each batch stands
        return file

    def close(self, file: TraceFile) -> None:
        """Write nothing more to it."""
        with self._lock:
            if file in self._files:  # else it failed, and was closed then
                self._files = tuple(other for other in self._files if other is not file)
                self.on = bool(self._files)
                file.close()

    def follow_environment(self) -> None:
        """Append to the file that LOCALPAIR_TRACE names, if any, until ``stop_following``; where that is under way, or
        has failed, go on as it is. Raises LocalError where the file cannot be written from the start.
        """
        path = os.environ.get(VARIABLE, "")
        if path and (self._followed is None or self._followed.path != path):
            self.stop_following()
            self._followed = self.open(path, hint=_HINT_ENVIRONMENT)

    def stop_following(self) -> None:
        """Write nothing more to the file that the environment named."""
        if self._followed is not None:
            self.close(self._followed)
        self._followed = None

    # -- what is traced -----------------------------------------------------------------------------------------

    def agent(self, own: Self) -> None:
        """The sockets are open; ``alias`` is what the other side calls this one."""
        self._line(
            "agent", alias=alias(own.instance), part=own.part.value, tcp_port=own.tcp_port, udp_port=own.udp_port,
            dial_port=own.dial_port,
        )  # fmt: skip

    def sent(self, transmit: Transmit, outcome: str) -> None:
        """A datagram was given to the system."""
        self._line(
            "datagram", way="out", to=_place(transmit.address, transmit.port), interface=transmit.interface,
            carrier=transmit.carrier.value, bytes=len(transmit.datagram), outcome=outcome,
        )  # fmt: skip

    def received(self, source: BeaconSource, carrier: Carrier, size: int) -> None:
        """A datagram came, from whomever."""
        self._line(
            "datagram", way="in", source=_place(source.address, source.port), interface=source.interface,
            carrier=carrier.value, bytes=size,
        )  # fmt: skip

    def peer(self, event: DiscoveryEvent) -> None:
        """What discovery made of datagrams."""
        match event:
            case Heard(source=source):
                self._line(
                    "peer", what="heard", alias=alias(event.instance), part=event.part.value,
                    known=event.secret is not None, source=_place(source.address, source.port),
                    carrier=event.carrier.value, tcp_port=event.tcp_port, dial_port=event.dial_port,
                    claims=[str(claim) for claim in event.claims],
                )  # fmt: skip
            case HearsUs():
                self._line(
                    "peer", what="hears us", alias=alias(event.instance), address=str(event.address),
                    carrier=event.carrier.value, known=event.secret is not None,
                )  # fmt: skip
            case Gone():
                self._line("peer", what="gone", alias=alias(event.instance), goodbye=event.said_goodbye)
            case Foreign():
                self._line("peer", what=event.reason, source=str(event.source))
            case Invited(source=source):
                self._line("peer", what="rendezvous", source=_place(source.address, source.port))

    def candidate(self, candidate: Candidate, what: str) -> None:
        """An address of the peer became known, or is held back for want of a network."""
        self._line(
            "candidate",
            what=what,
            **_target(candidate),
            origin=candidate.origin.name,
            evidence=candidate.evidence.name,
        )

    def dial(self, candidate: Candidate, phase: Phase) -> None:
        """A dial of ours has come as far as ``phase``."""
        self._line("dial", **_target(candidate), phase=phase.value)

    def attempt(self, attempt: Attempt) -> None:
        """A dial has ended, or a connection was nominated."""
        self._line(
            "attempt", **_target(attempt.candidate), direction=attempt.direction.value, phase=attempt.phase.value,
            outcome=attempt.outcome, ms=round(attempt.ms, 1), errno=attempt.errno, detail=attempt.detail,
        )  # fmt: skip

    def call(self, address: IPAddress, what: str, detail: str = "") -> None:
        """A connection that somebody else has opened to us."""
        self._line("call", source=str(address), what=what, detail=detail)

    def phase(
        self,
        candidate: Candidate,
        direction: Direction,
        handshake: Handshake,
        events: Iterable[HandshakeEvent],
    ) -> None:
        """The handshake on a connection has come to a state, with these events."""
        self._line(
            "phase", **_target(candidate), direction=direction.value, role=handshake.role.value,
            state=handshake.state.value, events=[type(event).__name__ for event in events],
        )  # fmt: skip

    def nomination(self, path: Path, device_id: str) -> None:
        """This connection became the session."""
        self._line(
            "nomination", local=path.local, remote=path.remote, direction=path.direction.value, carrier=path.carrier,
            device=device_id,
        )  # fmt: skip

    def frame(self, way: Way, remote: tuple[str, int], kind: int, size: int) -> None:
        """A frame with a body of ``size`` bytes."""
        name = _names().get(kind, "")
        self._line("frame", way=way, remote=_place(*remote), type=kind, name=name, bytes=size)

    def session(self, what: str, remote: tuple[str, int]) -> None:
        """The session has got a connection, or lost it."""
        self._line("session", what=what, remote=_place(*remote))

    def transfer(self, side: str, batch: int, phase: str, events: Iterable[object]) -> None:
        """A batch of files, as this ``side`` sees it: a line where something has happened."""
        named = [type(event).__name__ for event in events]
        if named or self._transfers.get(side) != (batch, phase):
            self._transfers[side] = (batch, phase)
            self._line("transfer", side=side, batch=batch, phase=phase, events=named)

    # -- lines --------------------------------------------------------------------------------------------------

    def _line(self, kind: str, **fields: object) -> None:
        with self._lock:
            for file in self._files:
                try:
                    file.write(kind, fields)
                except OSError as error:
                    _log.warning("the trace ends: %s: %s", file.path, error.strerror)
                    self.close(file)


TRACE: Final = Trace()
"""The one of this process."""


@contextmanager
def tracing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Append what this process does on the network to ``path``, a JSON line each, until the block is left.

    The file is made for its owner alone, and no line holds a secret, a name of a file or content. Where it cannot be
    written any more, the trace ends with a warning in the log. Raises LocalError where it cannot be written at all.
    Beside this, every run of this package follows ``LOCALPAIR_TRACE``.
    """
    file = TRACE.open(os.fspath(path))
    try:
        yield
    finally:
        TRACE.close(file)


def _target(candidate: Candidate) -> dict[str, object]:
    """A candidate and the way to it; what says nothing is left out."""
    ways = {"scope": candidate.scope, "bind_to": candidate.bind_to, "dial_from": candidate.dial_from}
    local = {"local": str(candidate.local)} if candidate.local is not None else {}
    shown = {name: number for name, number in ways.items() if number}
    return {"candidate": str(candidate), "via": candidate.via, **shown, **local}


def _place(host: IPAddress | str, port: int) -> str:
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


@cache
def _names() -> dict[int, str]:
    """What the types of frames are called."""
    from localpair.wire import messages, payload

    return {**messages.NAMES, **payload.NAMES}
