"""The one loop over actions and events. It waits for moments and never for luck: no sleep stands in for an
event.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from localpair_lab.engines.base import EngineProcess, Running
from localpair_lab.errors import LabError
from localpair_lab.plan.actions import Action, FileContent, SampleFile
from localpair_lab.plan.changes import Event, SetClock
from localpair_lab.plan.model import Plan
from localpair_lab.run import traces
from localpair_lab.run.load_pressure import Pressure
from localpair_lab.run.process import GRACE_S, ProcessMonitor
from localpair_lab.run.signals import NeverError, Signals
from localpair_lab.timeline import ActionRecord, Record
from localpair_lab.visible_text import printable

HELPER_READY_S = 10.0
CHECKSUMS_S = 20.0
OFFER_WORD = "@offer"
KEY_FILE = "home/device.key"
TURN_S = 0.1  # how often the lab looks at its own delay


async def play(plan: Plan, running: Running, *, trace: bool = False) -> Record:
    """Start helpers, play every action and event, end what is left; with ``trace``, the timeline holds what the
    product traced. Raises LabError for faults of the lab's own.
    """
    player = _Player(plan, running, trace)
    watch, pressure = asyncio.create_task(_watch_turns(player.record)), Pressure()
    try:
        await player.start_helpers()
        await player.put_files()
        player.signals.begin, player.record.began_ns = time.monotonic(), time.time_ns()
        await player.play()
        await player.take_checksums()
        if trace:
            await traces.collect(running, player.record, player.signals.begin)
    finally:
        watch.cancel()
        player.record.elapsed_s, player.record.pressure = player.signals.now(), pressure.share()
        player.record.write(running.folder)
    return player.record


async def _watch_turns(record: Record) -> None:
    """How late the lab itself is at its worst: a starved machine proves nothing about time."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(TURN_S)
        record.slowest_turn_s = max(record.slowest_turn_s, loop.time() - before - TURN_S)


@dataclass(slots=True)
class _Player:
    plan: Plan
    running: Running
    trace: bool
    signals: Signals = field(default_factory=Signals)
    record: Record = field(default_factory=Record)
    processes: dict[str, EngineProcess] = field(default_factory=dict)
    helpers: list[asyncio.Task[None]] = field(default_factory=list)

    # --- Helpers ---

    async def start_helpers(self) -> None:
        """Every program of every node, until each has said that it is ready."""
        for node in self.plan.nodes:
            for program in node.programs:
                process = await self.running.start(node.name, program.argv, {})
                ready = asyncio.Event()
                listener = self._listen_to_helper(f"{node.name}:{program.name}", process, ready)
                self.helpers.append(asyncio.create_task(listener))
                try:
                    await asyncio.wait_for(ready.wait(), HELPER_READY_S)
                except TimeoutError:
                    raise LabError(f"the helper {program.name} on {node.name} did not get ready") from None

    async def _listen_to_helper(self, name: str, process: EngineProcess, ready: asyncio.Event) -> None:
        async for line in process.lines():
            self.record.note(self.signals.now(), "helper", name, line.text)
            if line.text == "ready":
                ready.set()

    async def put_files(self) -> None:
        """The device keys that the scenario gives, where localpair keeps its own; what clocks show at first."""
        for node in self.plan.nodes:
            if self.plan.moves_clock(node.name):
                await self.running.apply(SetClock(node.name, node.clock_offset_s))
            if node.identity:
                key = hashlib.sha256(f"identity {node.identity}".encode()).digest()
                await self.running.put(node.name, KEY_FILE, key)

    # --- The loop ---

    async def play(self) -> None:
        """All actions and events at once; over when the last action that is no background has ended."""
        events = [asyncio.create_task(self._guard(self._change, event)) for event in self.plan.events]
        actions = {action.id: asyncio.create_task(self._act(action)) for action in self.plan.actions}
        awaited = [actions[action.id] for action in self.plan.actions if not action.background]
        try:
            await self._until(awaited or list(actions.values()), events)
        finally:
            for task in events:
                task.cancel()
            await self._end_all(actions)
            for task in (*events, *actions.values(), *self.helpers):
                task.cancel()
            await asyncio.gather(*events, *actions.values(), *self.helpers, return_exceptions=True)

    async def _until(self, awaited: list[asyncio.Task[None]], events: list[asyncio.Task[None]]) -> None:
        """Wait for the actions; a fault in any task ends it all."""
        pending: set[asyncio.Task[None]] = {*awaited, *events}
        try:
            async with asyncio.timeout(self.plan.limit_s):
                while any(not task.done() for task in awaited):
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
        except TimeoutError:
            self.record.note(
                self.signals.now(), "run", "lab", f"the limit of {self.plan.limit_s:g} s is over"
            )

    async def _end_all(self, actions: dict[str, asyncio.Task[None]]) -> None:
        """Interrupt what still runs, then kill it; the actions' own tasks record how it ended."""
        left = [name for name, process in self.processes.items() if not actions[name].done()]
        for name in left:
            self.record.actions[name].ended_by_lab = True
            await self.processes[name].signal(signal.SIGINT)
        tasks = [actions[name] for name in left]
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=GRACE_S)
            for name in left:
                if actions[name] in slow:
                    await self.processes[name].signal(signal.SIGKILL)
            await asyncio.wait(tasks, timeout=GRACE_S)

    async def _guard(self, play: Callable[[Event], Awaitable[None]], event: Event) -> None:
        try:
            await play(event)
        except NeverError as never:
            self.record.unreached.append(event.id)
            await self.signals.close(event.id, f"{event.id} was not played")
            self.record.note(self.signals.now(), "event", event.id, f"not played: {never}")

    async def _change(self, event: Event) -> None:
        await self.signals.wait(event.when)
        self.record.note(self.signals.now(), "event", event.id, event.text)
        await self.running.apply(event.change)
        self.record.note(self.signals.now(), "event", event.id, "done")
        await self.signals.post(f"{event.id}.done")

    # --- Actions ---

    async def _act(self, action: Action) -> None:
        record = ActionRecord(action.id, action.node, action.verb, is_product=action.is_product)
        self.record.actions[action.id] = record
        try:
            await self.signals.wait(action.when)
            action = await self._with_offer(action)
        except NeverError as never:
            record.skipped = str(never)
            self.record.note(self.signals.now(), "action", action.id, f"not started: {never}")
            await self.signals.close(action.id, f"{action.id} was not started")
            return
        for file in action.files:
            data = self._sample(file) if isinstance(file, SampleFile) else await self._content(file)
            await self.running.put(action.node, file.name, data, executable=isinstance(file, FileContent))
        traced = traces.variables(action) if self.trace else {}
        process = await self.running.start(action.node, action.argv, {**dict(action.environment), **traced})
        record.started = self.signals.now()
        self.processes[action.id] = process
        words = action.argv if action.is_product else action.argv[1:]
        note = printable(f"starts on {action.node}: {' '.join(words)}")
        self.record.note(record.started, "action", action.id, note)
        await self.signals.post(f"{action.id}.started")
        waiting = asyncio.create_task(self._await_port(action))
        try:
            await ProcessMonitor(action, process, record, self.signals, self.record).monitor()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _with_offer(self, action: Action) -> Action:
        """The action with the offer among its words, where it takes it there and not from stdin."""
        if action.offer_at is None or not any(OFFER_WORD in word for word in action.argv):
            return action
        await self.signals.wait(action.offer_at)
        offer = self.record.offers[action.offer_from][-1]
        argv = tuple(word.replace(OFFER_WORD, offer) for word in action.argv)
        return dataclasses.replace(action, argv=argv, offer_at=None)

    async def _await_port(self, action: Action) -> None:
        """Say that the action is ready once something listens where it will."""
        if action.words.port is None:
            return
        protocol, port = action.words.port
        process = await self.running.start(action.node, ("@inside", "listens", protocol, str(port)), {})
        try:
            async for line in process.lines():
                if line.text == "ready":
                    await self.signals.post(f"{action.id}.ready", line.at)
                    self.record.note(self.signals.now(), "action", action.id, f"listens at {protocol} {port}")
        finally:
            await process.signal(signal.SIGKILL)

    async def take_checksums(self) -> None:
        """Of every file that an expectation names, taken by its own device: the lab reads none of them."""
        for action in self.plan.actions:
            if action.wanted_files and self.record.actions[action.id].started is not None:
                await self._take_checksums(action.node, action.wanted_files)

    async def _take_checksums(self, node: str, names: tuple[str, ...]) -> None:
        process = await self.running.start(
            node, ("@inside", "checksums", *(f"@state/{one}" for one in names)), {}
        )
        try:
            async with asyncio.timeout(CHECKSUMS_S):
                said = [line.text async for line in process.lines() if line.stream == "stdout"]
        except TimeoutError:
            await process.signal(signal.SIGKILL)
            raise LabError(f"the checksums of {node}'s files took more than {CHECKSUMS_S:g} s") from None
        self.record.checksums.update({(node, name): text for name, text in zip(names, said, strict=False)})

    async def _content(self, file: FileContent) -> bytes:
        if file.text is not None:
            return file.text.encode()
        path = Path(self.plan.source).parent / file.source
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise LabError(f"{path} cannot be read: {error.strerror}") from None
        return data

    def _sample(self, sample: SampleFile) -> bytes:
        """The same bytes for the same seed and name, so that a run can be played again."""
        chance = random.Random(f"{self.plan.seed}/{sample.name}")  # noqa: S311 - content, no secret
        data = chance.randbytes(sample.size)
        self.record.sent[sample.name] = hashlib.sha256(data).hexdigest()
        return data
