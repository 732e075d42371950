"""An engine without a network: every node is this machine, the product is ``lab_device.py`` beside this
file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localpair_lab import paths
from localpair_lab.engines.base import Missing, OutputLine
from localpair_lab.errors import LabError
from localpair_lab.run.runner import RunOptions, run_cell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from localpair_lab.judge.verdict import Outcome
    from localpair_lab.loading.cases import PlannedCell
    from localpair_lab.plan.changes import Change
    from localpair_lab.plan.model import Plan

OFFER = "LP1-THIS-IS-THE-FAKE-OFFER-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # what lab_device.py shows
HERE = Path(__file__).resolve().parent
DECOY, INSIDE = paths.PACKAGE / "decoy.py", paths.PACKAGE / "inside.py"
TWO_DEVICES = """
networks: {lan: 192.168.1.0/24}
devices:
  alice: {on: {lan: 192.168.1.10}}
  bob: {on: {lan: 192.168.1.20}}
"""


def played(cell: PlannedCell, engine: FakeEngine, folder: Path, **options: Any) -> Outcome:
    """Play the cell with these run options; its artifacts are in ``folder / "artifacts"``."""
    return asyncio.run(run_cell(cell, engine, folder / "artifacts", RunOptions(**options)))


class FakeProcess:
    """A plain child process."""

    def __init__(self, node: str, process: asyncio.subprocess.Process) -> None:
        self.node = node
        self._process = process
        self._queue: asyncio.Queue[OutputLine | None] = asyncio.Queue()
        streams = ((process.stdout, "stdout"), (process.stderr, "stderr"))
        self._readers = [asyncio.create_task(self._read(stream, name)) for stream, name in streams]

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        async for raw in stream:
            text = raw.decode().rstrip("\n")
            await self._queue.put(OutputLine(name, text, time.monotonic()))  # type: ignore[arg-type]
        await self._queue.put(None)

    async def lines(self) -> AsyncIterator[OutputLine]:
        open_streams = 2
        while open_streams:
            line = await self._queue.get()
            if line is None:
                open_streams -= 1
            else:
                yield line

    async def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    async def close_stdin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def signal(self, number: int) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def wait(self) -> int:
        return await self._process.wait()

    async def gone(self) -> None:
        await self.close_stdin()
        await self._process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)


class FakeRunning:
    """The network that always stands; ``changes`` are those that were asked for."""

    def __init__(self, plan: Plan, folder: Path, device: Mapping[str, str]) -> None:
        self.plan = plan
        self.folder = folder
        self.device = dict(device)
        self.meeting = tempfile.mkdtemp(prefix="lab-")  # short: a socket's path has at most 107 characters
        self.changes: list[Change] = []
        self.processes: list[FakeProcess] = []
        self.is_down = False

    def _state(self, node: str) -> Path:
        state = self.folder / "state" / node
        state.mkdir(parents=True, exist_ok=True)
        return state

    async def start(self, node: str, argv: Sequence[str], environment: Mapping[str, str]) -> FakeProcess:
        words = {
            "@localpair": [sys.executable, str(HERE / "lab_device.py")],
            "@decoy": [sys.executable, str(DECOY)],
            "@inside": [sys.executable, str(INSIDE)],
            "@program": [],
        }
        command = [*words[argv[0]], *argv[1:]]
        state = str(self._state(node))
        meet = {"FAKE_MEET": self.meeting, "PATH": os.environ["PATH"]}
        values = {**meet, **self.device, **environment}
        process = await asyncio.create_subprocess_exec(
            *[word.replace("@state", state) for word in command],
            env={key: value.replace("@state", state) for key, value in values.items()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(FakeProcess(node, process))
        return self.processes[-1]

    async def put(self, node: str, name: str, data: bytes, *, executable: bool = False) -> None:
        path = self._state(node) / name
        path.write_bytes(data)
        path.chmod(0o700 if executable else 0o600)

    async def get(self, node: str, name: str) -> bytes:
        return (self._state(node) / name).read_bytes()

    async def apply(self, change: Change) -> None:
        self.changes.append(change)

    async def captured(self) -> None:
        pass

    async def collect(self) -> None:
        (self.folder / "collected").write_text("yes")

    async def down(self) -> None:
        self.is_down = True
        shutil.rmtree(self.meeting, ignore_errors=True)
        for process in self.processes:
            await process.signal(9)
            await process.gone()


class FakeEngine:
    """Plays anything; ``device`` is the environment that tells the device how to behave."""

    name = "namespace"

    def __init__(
        self, device: Mapping[str, str] | None = None, *, fault: str = "", missing: str = ""
    ) -> None:
        self._device = device or {}
        self._fault = fault
        self._missing = missing
        self.running: FakeRunning | None = None

    def supports(self, plan: Plan) -> list[Missing]:
        return [Missing(self._missing, "this is a fake")] if self._missing else []

    async def up(self, plan: Plan, folder: Path) -> FakeRunning:
        if self._fault:
            raise LabError(self._fault, hint="mend it")
        self.running = FakeRunning(plan, folder, self._device)
        return self.running
