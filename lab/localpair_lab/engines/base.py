"""What the run loop asks of an engine, and nothing more.

    engine.supports(plan)          what is missing here, in words; empty: it can be played
    running = await engine.up(plan, folder)
        process = await running.start("alice", ("@localpair", "host", "--json"), {})
        async for line in process.lines(): ...
        await running.apply(change)
        await running.collect()
    await running.down()

An engine raises ``LabError`` for every fault of its own, so that it never looks like a failure of the
product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from localpair_lab.plan.changes import Change
    from localpair_lab.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Missing:
    """A capability that this machine lacks for a plan: its name out of ``plan.CAPABILITIES``, why, and
    what would mend it.
    """

    capability: str
    reason: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line that a process wrote, without its line feed. ``at`` is ``time.monotonic()`` of the lab when
    it arrived.
    """

    stream: Literal["stdout", "stderr"]
    text: str
    at: float


class EngineProcess(Protocol):
    """A process in a node."""

    @property
    def node(self) -> str: ...

    def lines(self) -> AsyncIterator[OutputLine]:
        """Every line of both streams in order of arrival, from the start on; ends when both streams have
        ended. Call once.
        """
        ...

    async def write(self, data: bytes) -> None:
        """To its stdin; a process that is gone is no error."""
        ...

    async def close_stdin(self) -> None: ...

    async def signal(self, number: int) -> None:
        """To the process itself; one that is gone is no error."""
        ...

    async def wait(self) -> int:
        """Its exit status; minus the signal's number where one ended it."""
        ...


class Running(Protocol):
    """A plan whose network stands and whose canary has passed."""

    @property
    def folder(self) -> Path:
        """Where this run's artifacts go; the one that was given to ``up``."""
        ...

    async def start(self, node: str, argv: Sequence[str], environment: Mapping[str, str]) -> EngineProcess:
        """Start a process in the node, with ``@`` words replaced, a clean environment and the node's own
        one under ``environment``.
        """
        ...

    async def put(self, node: str, name: str, data: bytes, *, executable: bool = False) -> None:
        """Write a file into the node's state folder, which the node's programs may start if it is ``executable``."""
        ...

    async def get(self, node: str, name: str) -> bytes:
        """Read a file of the node's state folder; FileNotFoundError where there is none."""
        ...

    async def apply(self, change: Change) -> None:
        """Carry one change out; returns when it stands."""
        ...

    async def captured(self) -> None:
        """End the captures: ``folder/captures`` holds all of them, complete, when this returns. May be called twice."""
        ...

    async def capture_again(self) -> None:
        """After ``captured``: capture the ports that are there, into further files of ``captures/``."""
        ...

    async def collect(self) -> None:
        """Bring captures, logs, and the state of every node into ``folder``. Errors are written there,
        never raised.
        """
        ...

    def enter(self, node: str, *, terminal: bool) -> list[str]:
        """The words before a command that run it in the node, by the same user, on a ``terminal`` or without one.

        It finds ``localpair`` on its PATH and has the node's environment, home and state, as the plan's actions have.
        LabError for a node that runs no programs.
        """
        ...

    def captures(self) -> list[str]:
        """A command that writes the captures so far to stdout, a tar archive of ``captures/``; no words at all where
        they are in ``folder`` as they grow.
        """
        ...

    def following(self) -> list[str]:
        """A command that, with a port such as ``alice/eth0`` as its last word, writes its capture to stdout while it
        grows, until its stdin ends.
        """
        ...

    async def down(self) -> None:
        """End every process and leave nothing behind. Never raises for what is already gone; may be called
        twice.
        """
        ...


class Engine(Protocol):
    """One way of carrying plans out on this machine."""

    @property
    def name(self) -> str:
        """``compose`` or ``namespace``."""
        ...

    def supports(self, plan: Plan) -> list[Missing]:
        """What this machine lacks for the plan; an empty list: it can be played. Cheap after the first
        call.
        """
        ...

    async def up(self, plan: Plan, folder: Path) -> Running:
        """Build the network, run the canary, start the captures. Raises LabError; leaves nothing behind
        when it does.
        """
        ...
