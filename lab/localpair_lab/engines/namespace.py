"""Plans on plain Linux network namespaces: no container, no root where the kernel allows it, nothing left
behind.

One fabric process per run owns everything: the bridges in its own network, and each node as the first
process of namespaces of its own. All of them are children by blood and by ``PDEATHSIG``, so the end of the
lab, however sudden, is the end of them.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localpair_lab import capabilities, paths
from localpair_lab import plan as p
from localpair_lab.engines.base import Line, Missing
from localpair_lab.engines.forks import zygote
from localpair_lab.engines.lines import Lines, PipeLines
from localpair_lab.engines.wiring import STEPS_FILE, Wiring, collect, held_nodes
from localpair_lab.errors import HINT, LabError
from localpair_lab.fabric.server import init, prefork
from localpair_lab.fabric.system import channel, clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from localpair_lab.engines.wiring import Prober
    from localpair_lab.plan.changes import Change
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Node

_DECOY = paths.PACKAGE / "decoy.py"
_SANDBOX = paths.PACKAGE / "fabric" / "system" / "sandbox.py"
_END_S = 5.0
_SIGNALS = {"kill": 9, "pause": 19, "resume": 18}


class FabricProcess:
    """The fabric as a child process, one question at a time."""

    def __init__(self) -> None:
        source = zygote()
        self.has_product = source.has_product
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
    _place: HeldNode
    _lines: Lines
    _stdin: asyncio.WriteTransport
    _status: asyncio.Future[int]

    def lines(self) -> AsyncIterator[Line]:
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


class HeldNode:
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
        self, argv: list[str], environment: dict[str, str], *, is_product: bool, warm: str
    ) -> NodeProcess:
        """Start a program with pipes to all three of its streams. ``warm``: see ``fabric.holder``."""
        (stdin, write), (read_out, stdout), (read_error, stderr) = os.pipe(), os.pipe(), os.pipe()
        message = {
            "do": "start",
            "argv": argv,
            "environment": environment,
            "product": is_product,
            "warm": prefork,
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


class NamespaceRunning:
    """A plan's network in namespaces."""

    def __init__(
        self, plan: Plan, folder: Path, product: Sequence[str], wiring: Wiring, *, cold: bool
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._product = list(product)
        self._fabric = FabricProcess()
        self._is_warm = not cold and self._fabric.has_product
        self._wiring = wiring
        self._nodes: dict[str, HeldNode] = {}
        self._pids: dict[str, int] = {}
        self._is_down = False

    @property
    def folder(self) -> Path:
        """Where this run's artifacts go."""
        return self._folder

    async def build(self) -> None:
        """Nodes, then the network, its canary, captures and impairments. Raises ``LabError``."""
        for node in held_nodes(self._plan):
            furniture = {"hosts": node.hosts_file, "resolver": node.resolver}
            message = {"do": "hold", "node": node.name, **furniture}
            answer, (descriptor,) = await self._fabric.ask_for(message)
            self._pids[node.name] = answer["pid"]
            self._nodes[node.name] = HeldNode(node, descriptor)
        answer = await self._fabric.ask({"do": "stand", **self._wiring.project()})
        self._wiring.judge(answer["arrived"], self._folder)

    async def start(self, node: str, argv: Sequence[str], environment: Mapping[str, str]) -> NodeProcess:
        """See ``Running``."""
        place = self._nodes[node]
        words = [self._replaced(word) for word in argv]
        commands = {"@localpair": self._product, "@decoy": [sys.executable, str(_DECOY)]}
        command = [*commands.get(words[0], [words[0]]), *words[1:]]
        is_product = words[0] == "@localpair"
        if place.node.sandbox and is_product:
            command = [sys.executable, "-I", "-S", str(_SANDBOX), *place.node.sandbox, "--", *command]
        values = self._environment(place.node, environment)
        warmly = is_product and self._is_warm and not place.node.sandbox and prefork.fits(values)
        return await place.start(command, values, is_product=is_product, warm="@localpair" if warmly else "")

    def _environment(self, node: Node, further: Mapping[str, str]) -> dict[str, str]:
        moves = self._plan.moves_clock(node.name)
        shift = clock.shifted(node.clock_offset_s, clock.library(), moves=moves)
        merged = {**shift, **dict(node.environment), **further}
        return {name: self._replaced(value) for name, value in merged.items()}

    @staticmethod
    def _replaced(word: str) -> str:
        return word.replace("@state", str(init.STATE))

    async def put(self, node: str, name: str, data: bytes) -> None:
        """See ``Running``."""
        _, (descriptor,) = await self._nodes[node].ask({"do": "open", "name": name, "write": True})
        with os.fdopen(descriptor, "wb") as file:
            await asyncio.to_thread(file.write, data)

    async def get(self, node: str, name: str) -> bytes:
        """See ``Running``."""
        _, (descriptor,) = await self._nodes[node].ask({"do": "open", "name": name, "write": False})
        with os.fdopen(descriptor, "rb") as file:
            return await asyncio.to_thread(file.read)

    async def apply(self, change: Change) -> None:
        """See ``Running``."""
        if change.do == "signal-node":
            await self._nodes[change.node].ask({"do": "signal-product", "number": _SIGNALS[change.signal]})
        elif change.do == "set-clock":
            await self.put(change.node, clock.FILE, clock.reading(change.offset_s).encode())
        else:
            await self._wiring.change(change, self._fabric)

    def enter(self, node: str, *, terminal: bool) -> list[str]:
        """See ``Running``."""
        del terminal  # it is the caller's own
        if node not in self._nodes:
            raise LabError(f"{node} runs no programs")
        flags = ["--net", "--mount", "--uts", "--ipc", "--pid"]
        flags += [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        place = ["nsenter", "--target", str(self._fabric.outer_pid(self._pids[node])), *flags]
        return [*place, "sh", "-c", self._entrance(self._nodes[node].node), "sh"]

    def _entrance(self, node: Node) -> str:
        """A shell's words that begin anew where the node's programs begin: nothing of the caller's home is left."""
        base = init.base_environment()
        beside = {"PATH": f"{Path(self._product[0]).parent}:{base['PATH']}"}
        values = {**base, **beside, **self._environment(node, p.PRODUCT_HOME)}
        settings = shlex.join(f"{name}={value}" for name, value in values.items())
        return f'cd {init.STATE} && exec env -i TERM="${{TERM:-dumb}}" {settings} "$@"'

    def captures(self) -> list[str]:
        """See ``Running``."""
        return []

    async def captured(self) -> None:
        """See ``Running``."""
        await self._fabric.ask({"do": "stop-capture"})

    async def collect(self) -> None:
        """See ``Running``."""
        await asyncio.to_thread((self._folder / STEPS_FILE).write_text, self._wiring.script())
        await collect(self._fabric, self._folder)

    async def down(self) -> None:
        """See ``Running``."""
        if self._is_down:
            return
        self._is_down = True
        for node in self._nodes.values():
            node.close()
        if words := await self._fabric.end():
            await asyncio.to_thread((self._folder / "fabric.log").write_text, words)


class NamespaceEngine:
    """See ``Engine``. ``product`` is the command that runs localpair (the installed one without it); ``prober`` gives
    the canary its probes.

    Devices fork a process that has localpair imported already, with the same outcome in a third of the processor's
    time. ``cold``: they start it as a person's shell does, which is what figures of time need.
    """

    name = "namespace"

    def __init__(
        self, product: Sequence[str] | None = None, prober: Prober | None = None, *, cold: bool = False
    ) -> None:
        self._product = tuple(product or capabilities.product_command())
        self._cold = cold or product is not None
        self._prober = prober

    def supports(self, plan: Plan) -> list[Missing]:
        """See ``Engine``."""
        return capabilities.missing(plan.needs, capabilities.namespaces())

    async def up(self, plan: Plan, folder: Path) -> NamespaceRunning:
        """See ``Engine``."""
        folder = await asyncio.to_thread(_made, folder)
        prober = self._prober or _oracle_probes()
        has_tunnels = not capabilities.namespaces().get("tunnel-device")
        captures = str(folder / "captures")
        wiring = Wiring(plan, prober(plan), captures, has_tunnels=has_tunnels)
        running = NamespaceRunning(plan, folder, self._product, wiring, cold=self._cold)
        try:
            await running.build()
        except BaseException:
            await running.collect()
            await running.down()
            raise
        return running


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _oracle_probes() -> Prober:
    from localpair_lab.oracle.judge import probes

    return probes
