"""One process of an action: read it, feed it, stop it, until it has ended or its deadline has."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import Any

from localpair_lab.engines.base import EngineProcess, OutputLine
from localpair_lab.plan.actions import Action
from localpair_lab.plan.changes import When
from localpair_lab.run.output import MOST_CHARACTERS, json_event, named_events
from localpair_lab.run.signals import NeverError, Signals
from localpair_lab.timeline import ActionRecord, Record, SaidLine, SeenEvent, shown
from localpair_lab.visible_text import printable

DRAIN_S = 1.0
GRACE_S = 2.0  # from the interrupt to the kill


@dataclass(slots=True)
class ProcessMonitor:
    """Watches one process; what it learns goes to ``record``, to the timeline and to the signals."""

    action: Action
    process: EngineProcess
    record: ActionRecord
    signals: Signals
    run: Record

    async def monitor(self) -> None:
        """Until the process has ended, by itself or by its deadline."""
        reading = asyncio.create_task(self._read())
        others = [asyncio.create_task(self._feed()), asyncio.create_task(self._stop())]
        try:
            self.record.exit = await self._wait()
            await self._drained(reading)
        finally:
            for task in (reading, *others):
                task.cancel()
            await asyncio.gather(reading, *others, return_exceptions=True)
        self.record.ended = self.signals.now()
        self._note(f"ends with {self.record.exit}")
        await self.signals.post(f"{self.action.id}.ended")
        await self.signals.close(self.action.id, f"{self.action.id} ended with {self.record.exit}")

    async def _drained(self, reading: asyncio.Task[None]) -> None:
        """Until all has been read; of a program that left others behind with its output, not for ever."""
        done, _ = await asyncio.wait([reading], timeout=None if self.action.is_product else DRAIN_S)
        if not done:
            self._note("has left others behind, which hold its output; what they say is not read")

    async def _wait(self) -> int:
        try:
            return await asyncio.wait_for(self.process.wait(), self.action.deadline_s)
        except TimeoutError:
            self.record.given_up = self.action.gives_up
            self.record.timed_out = not self.action.background and not self.action.gives_up
            self._note(f"still runs after {self.action.deadline_s:g} s")
        await self.process.signal(signal.SIGINT)
        try:
            return await asyncio.wait_for(self.process.wait(), GRACE_S)
        except TimeoutError:
            await self.process.signal(signal.SIGKILL)
            return await self.process.wait()

    async def _feed(self) -> None:
        """What it is given at once, the offer or the answer code, each at its moment, and then the end of stdin."""
        action, run = self.action, self.run
        if action.stdin:
            await self.process.write(action.stdin.encode())
        await self._carry("offer", action.offer_at, action.offer_from, run.offers)
        await self._carry("answer", action.answer_at, action.answer_from, run.answers)
        await self.process.close_stdin()

    async def _carry(self, what: str, at: When | None, source: str, texts: dict[str, list[str]]) -> None:
        if at is None:
            return
        try:
            await self.signals.wait(at)
        except NeverError as never:
            self._note(f"gets no {what}: {never}")
            return
        self._note(f"gets the {what} of {source}")
        await self.process.write(f"{texts[source][-1]}\n".encode())

    async def _stop(self) -> None:
        if self.action.stop_at is None:
            return
        try:
            await self.signals.wait(self.action.stop_at)
        except NeverError as never:
            self._note(f"not stopped: {never}")
            return
        self._note(f"is stopped: {self.action.stop}")
        await self.process.signal(signal.SIGINT if self.action.stop == "interrupt" else signal.SIGKILL)

    def _note(self, text: str) -> None:
        self.run.note(self.signals.now(), "action", self.action.id, text)

    async def _read(self) -> None:
        left = MOST_CHARACTERS
        async for line in self.process.lines():
            left -= len(line.text) + 1
            if left >= 0:
                await self._take(line, line.at - self.signals.begin)
            elif left + len(line.text) + 1 >= 0:
                self._note(f"says more than {MOST_CHARACTERS >> 20} MiB; the rest is not kept")

    async def _take(self, line: OutputLine, at: float) -> None:
        event = json_event(self.action.words, line)
        text = printable(line.text if event is None else shown(str(event["event"]), event))
        self.record.log.append(f"{at:8.3f} {line.stream}: {text}")
        self.record.said.append(SaidLine(at, line.stream, line.text))
        if event is None:
            self._take_text(line, at, text)
        else:
            await self._take_event(event, line, at)
        for named in named_events(self.action.words, line):
            await self._take_event(named, line, at)

    async def _take_event(self, event: dict[str, Any], line: OutputLine, at: float) -> None:
        name = str(event["event"])
        self.record.seen.append(SeenEvent(at, name, event))
        self.run.note(at, "json", self.action.id, printable(shown(name, event)))
        for carried, texts in (("offer", self.run.offers), ("answer", self.run.answers)):
            if name == carried:
                texts.setdefault(self.action.id, []).append(str(event.get(name, "")))
        await self.signals.post(f"{self.action.id}.{name}", line.at)

    def _take_text(self, line: OutputLine, at: float, text: str) -> None:
        if line.stream == "stdout":
            self.record.stray.append(line.text)
        self.run.note(at, line.stream, self.record.id, text)
