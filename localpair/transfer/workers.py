"""Threads for what blocks (disks and checksums), and the two ways between them and the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Workers:
    """``count`` threads that do jobs from one queue; with one thread, in order.

    The threads are daemons: a disk that never answers must not keep the process from ending. A job handles its own
    errors; what escapes it goes to ``failed``, on the thread.
    """

    def __init__(self, count: int, name: str, failed: Callable[[BaseException], None]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._failed = failed
        self._ended: Callable[[], None] = _nothing
        self._lock = threading.Lock()
        self._running = count
        self._threads = [
            threading.Thread(target=self._work, name=f"localpair-{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Queue a job."""
        self._jobs.put(job)

    def end(self, then: Callable[[], None] | None = None) -> None:
        """Let the threads finish what is queued and end; the last one does ``then``. Never blocks."""
        self._ended = then or _nothing
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; whether all threads have ended."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - handed on, the thread stays
                self._failed(error)
            # A waiting thread must not keep the last job's bytes alive.
            del job
        with self._lock:
            self._running -= 1
            last = self._running == 0
        if last:
            self._ended()


def _nothing() -> None:
    pass


class Conveyor(Generic[_Item]):
    """From one thread to the event loop, in order, with at most ``slots`` items on the way."""

    class Stopped(Exception):  # noqa: N818 - no error: the consumer has left
        """The loop takes nothing more; the thread should end."""

    def __init__(self, slots: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[_Item] = deque()
        self._slots = threading.Semaphore(slots)
        self._arrived = asyncio.Event()
        self._waiting = True
        self._stopped = False

    @property
    def starving(self) -> bool:
        """Whether the loop waits for an item, so that a thread should not collect any longer."""
        return not self._items

    def put(self, item: _Item) -> None:
        """Called by the thread: blocks while all slots are taken. Raises Stopped."""
        self._slots.acquire()
        if self._stopped:
            raise self.Stopped
        self._items.append(item)
        if self._waiting:
            self._waiting = False
            # A loop that is closed takes nothing more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._arrived.set)

    async def get(self) -> _Item:
        """The next item; cancelling loses none."""
        while not self._items:
            self._arrived.clear()
            self._waiting = True
            # The thread may have looked at ``_waiting`` just before it was set.
            if not self._items:
                await self._arrived.wait()
        item = self._items.popleft()
        self._slots.release()
        return item

    def stop(self) -> None:
        """The thread's next ``put`` raises Stopped."""
        self._stopped = True
        self._items.clear()
        self._slots.release()
