"""One play in namespaces while it runs."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localpair_lab import paths
from localpair_lab import plan as p
from localpair_lab.engines.namespace import device_programs
from localpair_lab.engines.namespace.process import FabricProcess, NodeInitClient, NodeProcess
from localpair_lab.engines.network import STEPS_FILE, Wiring, collect, held_nodes
from localpair_lab.errors import LabError
from localpair_lab.fabric.server import init, node_files, prefork
from localpair_lab.fabric.system import clock
from localpair_lab.fabric.system.isolation.account import Account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from localpair_lab.plan.changes import Change
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Node


_DECOY = paths.PACKAGE / "decoy.py"


_INSIDE = paths.PACKAGE / "inside.py"


_SANDBOX = paths.PACKAGE / "fabric" / "system" / "sandbox.py"


_FABRIC = paths.PACKAGE / "fabric" / "__main__.py"


_ENTRANCE = paths.PACKAGE / "fabric" / "system" / "entrance.py"


_SIGNALS = {"kill": 9, "pause": 19, "resume": 18}


def _own(file: Path) -> list[str]:
    """A program of the lab's own that needs the standard library alone."""
    return [sys.executable, "-I", "-S", str(file)]


class NamespaceRunning:
    """A plan's network in namespaces."""

    def __init__(
        self, plan: Plan, folder: Path, product: Sequence[str], wiring: Wiring, *, cold: bool
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._product = list(product)
        self._fabric = FabricProcess()
        self._is_preforked = not cold and self._fabric.has_product
        self._wiring = wiring
        self._nodes: dict[str, NodeInitClient] = {}
        self._pids: dict[str, int] = {}
        self._accounts: dict[str, Account] = {}
        self._is_down = False

    @property
    def folder(self) -> Path:
        """Where this run's artifacts go."""
        return self._folder

    async def build(self) -> None:
        """Nodes, then the network, its canary, captures and impairments. Raises ``LabError``."""
        if self._wiring.keeps_order:
            await self._fabric.ask({"do": "keep-order"})
        await self._fabric.make_root([self._product[0]])
        for node in held_nodes(self._plan):
            etc_files = {"hosts": node.hosts_file, "resolver": node.resolver}
            message = {"do": "hold", "node": node.name, **etc_files}
            answer, (descriptor,) = await self._fabric.ask_for(message)
            self._pids[node.name] = answer["pid"]
            self._accounts[node.name] = Account(**answer["account"])
            self._nodes[node.name] = NodeInitClient(node, descriptor)
        answer = await self._fabric.ask({"do": "stand", **self._wiring.project()})
        self._wiring.judge(answer["arrived"], self._folder)

    async def start(self, node: str, argv: Sequence[str], environment: Mapping[str, str]) -> NodeProcess:
        """See ``Running``."""
        place = self._nodes[node]
        words = [self._replaced(word) for word in argv]
        commands = {
            "@localpair": self._product,
            "@decoy": _own(_DECOY),
            "@inside": _own(_INSIDE),
            "@program": [],
        }
        command = [*commands.get(words[0], [words[0]]), *words[1:]]
        is_product = words[0] == "@localpair"
        if place.node.sandbox and is_product:
            command = [sys.executable, "-I", "-S", str(_SANDBOX), *place.node.sandbox, "--", *command]
        values = self._environment(place.node, environment)
        if is_product and self._is_preforked and not place.node.sandbox and prefork.fits(values):
            program = [
                self._product[-1],
                *words[1:],
            ]  # as its own `sys.argv`, without the interpreter's words
            return await place.start(
                program, values, is_product=True, is_confined=True, preforked="@localpair"
            )
        if words[0] == "@program":
            values = {"PATH": device_programs.path(self._product[0]), **values}
        is_signalled = words[0] in ("@localpair", "@program")
        return await place.start(command, values, is_product=is_signalled, is_confined=words[0] in commands)

    def _environment(self, node: Node, further: Mapping[str, str]) -> dict[str, str]:
        moves = self._plan.moves_clock(node.name)
        shift = clock.shifted(node.clock_offset_s, clock.library(), moves=moves)
        merged = {**shift, **dict(node.environment), **further}
        return {name: self._replaced(value) for name, value in merged.items()}

    @staticmethod
    def _replaced(word: str) -> str:
        return word.replace("@state", str(node_files.STATE))

    async def put(self, node: str, name: str, data: bytes, *, executable: bool = False) -> None:
        """See ``Running``."""
        message = {"do": "open", "name": name, "write": True, "executable": executable}
        _, (descriptor,) = await self._nodes[node].ask(message)
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
            message = {"do": "set-clock", "reading": clock.reading(change.offset_s)}
            await self._nodes[change.node].ask(message)
        else:
            await self._wiring.change(change, self._fabric)

    def enter(self, node: str, *, terminal: bool) -> list[str]:
        """See ``Running``."""
        if node not in self._nodes:
            raise LabError(f"{node} runs no programs")
        flags = ["--net", "--mount", "--uts", "--ipc", "--pid"]
        flags += [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        place = ["nsenter", "--target", str(self._fabric.outer_pid(self._pids[node])), *flags]
        account, kind = self._accounts[node], "terminal" if terminal else "pipes"
        door = [sys.executable, "-I", "-S", str(_ENTRANCE), kind, *account.words()]
        return [*place, *door, "sh", "-c", self._entrance(self._nodes[node].node), "sh"]

    def _entrance(self, node: Node) -> str:
        """A shell's words that begin anew where the node's programs begin: nothing of the caller's home is left."""
        base = init.base_environment()
        values = {
            **base,
            "PATH": device_programs.path(self._product[0]),
            **self._environment(node, p.PRODUCT_HOME),
        }
        settings = shlex.join(f"{name}={value}" for name, value in values.items())
        return f'cd {node_files.STATE} && exec env -i TERM="${{TERM:-dumb}}" {settings} "$@"'

    def captures(self) -> list[str]:
        """See ``Running``."""
        return []

    def following(self) -> list[str]:
        """See ``Running``."""
        return [*_own(_FABRIC), "follow", str(self._folder / "captures")]

    async def captured(self) -> None:
        """See ``Running``."""
        await self._fabric.ask({"do": "stop-capture"})

    async def capture_again(self) -> None:
        """See ``Running``."""
        await self._fabric.ask({"do": "capture-again"})

    async def collect(self) -> None:
        """See ``Running``."""
        await asyncio.to_thread((self._folder / STEPS_FILE).write_text, self._wiring.script(), "utf-8")
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
