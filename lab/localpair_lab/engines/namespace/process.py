"""A process of a node in a namespace, and how it is ended."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localpair_lab.engines.base import OutputLine
from localpair_lab.engines.lines import Lines, PipeLines
from localpair_lab.engines.namespace import visible
from localpair_lab.engines.namespace.forkserver_client import fork_server
from localpair_lab.errors import HINT, LabError
from localpair_lab.fabric.system import channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from localpair_lab.plan.topology import Node


_END_S = 5.0


class FabricProcess:
    """The fabric as a child process, one question at a time."""

    def __init__(self) -> None:
        source = fork_server()
        self.has_product = source.has_product
        self._folders = source.folders
        self._fork = source.fork()
        self._lock = asyncio.Lock()

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The fabric's answer."""
        answer, _ = await self.ask_for(message)
        return answer

    async def ask_for(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        """The fabric's answer with its descriptors."""
        async with self._lock:
            try:
                answer, passed = await asyncio.to_thread(channel.ask, self._fork.channel, message)
            except OSError as error:
                await self.end()
                raise LabError(f"the fabric is gone: {self._fork.last_words()}", hint=HINT) from error
        if not answer["ok"]:
            raise LabError(f"fabric: {answer['error']}")
        return answer, passed

    async def make_root(self, commands: Iterable[str]) -> None:
        """Make the root of all nodes; those commands can be started there. Said once, before the first node."""
        folders = [*self._folders, *visible.of_programs(commands), *visible.of_the_lab()]
        await self.ask({"do": "root", "folders": folders})

    def outer_pid(self, pid: int) -> int:
        """The process id, as seen from here, of one that the fabric knows by ``pid``. Raises ``LabError``."""
        (fabric,) = _children(self._fork.pid)
        for child in _children(fabric):
            status = Path(f"/proc/{child}/status").read_text()
            numbers = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
            if int(numbers[1]) == pid:
                return child
        raise LabError(f"the fabric has no process {pid} any more")

    async def end(self) -> str:
        """Hang up and wait; what it complained of."""
        await asyncio.to_thread(self._fork.end, _END_S)
        return self._fork.log()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@dataclass(slots=True)
class NodeProcess:
    """A program running in a node."""

    node: str
    pid: int
    _place: NodeInitClient
    _lines: Lines
    _stdin: asyncio.WriteTransport
    _status: asyncio.Future[int]

    def lines(self) -> AsyncIterator[OutputLine]:
        """See ``Process``."""
        return self._lines.read()

    async def write(self, data: bytes) -> None:
        """See ``Process``."""
        if not self._stdin.is_closing():
            self._stdin.write(data)

    async def close_stdin(self) -> None:
        """See ``Process``."""
        self._stdin.close()

    async def signal(self, number: int) -> None:
        """See ``Process``."""
        if not self._status.done():
            await self._place.ask({"do": "signal", "pid": self.pid, "number": number})

    async def wait(self) -> int:
        """See ``Process``."""
        return await asyncio.shield(self._status)


class NodeInitClient:
    """The engine's end of the channel to a node's first process."""

    def __init__(self, node: Node, descriptor: int) -> None:
        self.node = node
        self._channel = socket.socket(fileno=descriptor)
        self._answers: deque[asyncio.Future[tuple[dict[str, Any], list[int]]]] = deque()
        self._statuses: dict[int, asyncio.Future[int]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._channel, self._hear)

    def _hear(self) -> None:
        try:
            message, descriptors = channel.receive(self._channel)
        except (channel.ChannelClosedError, OSError):
            self.close()
            return
        if "ended" in message:
            self._statuses[message["ended"]].set_result(message["status"])
            return
        if "started" in message:
            self._statuses[message["started"]] = self._loop.create_future()
        self._answers.popleft().set_result((message, descriptors))

    async def ask(
        self, message: dict[str, Any], descriptors: Sequence[int] = ()
    ) -> tuple[dict[str, Any], list[int]]:
        """The answer and its descriptors. Raises ``OSError`` as the node's kernel said."""
        future: asyncio.Future[tuple[dict[str, Any], list[int]]] = self._loop.create_future()
        self._answers.append(future)
        channel.send(self._channel, message, descriptors)
        answer, passed = await future
        if "error" in answer:
            raise OSError(answer["errno"], f"{self.node.name}: {answer['error']}")
        return answer, passed

    async def start(
        self,
        argv: list[str],
        environment: dict[str, str],
        *,
        is_product: bool,
        is_confined: bool,
        preforked: str = "",
    ) -> NodeProcess:
        """Start a program with pipes to all three of its streams. See ``fabric.server.init`` for the rest."""
        (stdin, write), (read_out, stdout), (read_error, stderr) = os.pipe(), os.pipe(), os.pipe()
        message = {
            "do": "start",
            "argv": argv,
            "environment": environment,
            "product": is_product,
            "confined": is_confined,
            "preforked": preforked,
        }
        try:
            answer, _ = await self.ask(message, [stdin, stdout, stderr])
        finally:
            for end in (stdin, stdout, stderr):
                os.close(end)
        lines = Lines()
        await self._loop.connect_read_pipe(lambda: PipeLines(lines, "stdout"), os.fdopen(read_out, "rb", 0))
        await self._loop.connect_read_pipe(lambda: PipeLines(lines, "stderr"), os.fdopen(read_error, "rb", 0))
        writer, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write, "wb", 0))
        pid = answer["started"]
        return NodeProcess(self.node.name, pid, self, lines, writer, self._statuses[pid])

    def close(self) -> None:
        """Hang up: the node ends. Programs that still ran count as killed."""
        if self._channel.fileno() < 0:
            return
        self._loop.remove_reader(self._channel)
        self._channel.close()
        for status in self._statuses.values():
            if not status.done():
                status.set_result(-9)
        for answer in self._answers:
            answer.set_exception(ConnectionError(f"node {self.node.name} is gone"))
