"""What both engines do with a plan's network: build it, let the canary through, capture, change, look.

The engines differ in how they reach their fabric; ``Voice`` hides that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from lab import plan as p
from lab.engines.base import LabError
from lab.fabric import steps
from lab.fabric.compile import compiler
from lab.fabric.selection import is_kept
from lab.fabric.steps import FABRIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lab.engines.base import Probe
    from lab.fabric.compile import Compiler
    from lab.plan import Plan

    Prober: TypeAlias = Callable[[Plan], Sequence[Probe]]

STEPS_FILE = "fabric.sh"


class Voice(Protocol):
    """A way to ask a fabric."""

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises ``LabError`` where it refuses or is gone."""
        ...


def held_nodes(plan: Plan) -> list[p.Node]:
    """The nodes that run programs; the fabric keeps the others by itself."""
    return [node for node in plan.nodes if not is_kept(node)]


def settled(plan: Plan, parts: Compiler) -> dict[str, Any]:
    """What the fabric should wait for once a plan's network is wired."""
    links: list[tuple[str, str]] = []
    for node in plan.nodes:
        for interface in node.interfaces:
            if interface.kind == "segment" and interface.present and interface.up and interface.carrier:
                port = f"{node.name}/{interface.name}"
                links += [(node.name, interface.name), (FABRIC, parts.names.port(port))]
    return {"links": links, "places": [node.name for node in plan.nodes]}


def project(plan: Plan, parts: Compiler) -> dict[str, Any]:
    """Everything a fabric needs to build the plan's network without being asked again."""
    return {
        "nodes": [node.name for node in held_nodes(plan)],
        "steps": [steps.encode(step) for step in parts.network()],
        "settle": settled(plan, parts),
        "begin": [steps.encode(step) for step in parts.begin()],
    }


class Wiring:
    """One plan's network in one fabric."""

    def __init__(self, plan: Plan, folder: Path, voice: Voice, *, has_tunnels: bool) -> None:
        self._plan = plan
        self._folder = folder
        self._voice = voice
        self._parts = compiler(plan, tunnels="device" if has_tunnels else "veth")
        self._applied: list[steps.Step] = []

    async def build(self) -> None:
        """Wire everything and wait until it carries frames."""
        await self._apply(self._parts.network())
        await self._voice.ask({"do": "settle", **settled(self._plan, self._parts)})

    async def check(self, probes: Iterable[Probe]) -> None:
        """Send the canary. Raises ``LabError`` naming every probe that did not do what the oracle says."""
        expected = {probe.id: probe for probe in probes}
        if not expected:
            return
        messages = [self._message(probe) for probe in expected.values()]
        answer = await self._voice.ask({"do": "canary", "probes": messages})
        wrong = [
            probe
            for name, probe in expected.items()
            if probe.expected is not None and answer["arrived"][name] != probe.expected
        ]
        (self._folder / "canary.json").write_text(json.dumps({"probes": messages, **answer}, indent=1))
        if wrong:
            raise LabError(
                "canary: the network is not what the plan says: " + "; ".join(map(_told, wrong)),
                hint=f"compare {self._folder / 'canary.json'} with {self._folder / STEPS_FILE}",
            )

    def _message(self, probe: Probe) -> dict[str, Any]:
        six = ":" in probe.address
        interface = self._plan.interface(probe.source)
        own = [address for address in interface.addresses if (":" in address) == six]
        if six and (probe.address.startswith(("fe8", "fe9", "fea", "feb", "ff")) or not own):
            own = [interface.link_local] if interface.link_local else own
        return {
            "id": probe.id,
            "kind": probe.kind,
            "source": probe.source,
            "target": probe.target,
            "address": probe.address,
            "port": probe.port,
            "expected": probe.expected,
            "source_address": own[0].partition("/")[0] if own else "",
        }

    async def begin(self) -> None:
        """Let impairments and bursts loose."""
        await self._apply(self._parts.begin())

    async def capture(self, folder: str) -> None:
        """Capture every port that is there into ``folder``, as the fabric sees it."""
        ports = {
            f"{node.name}/{interface.name}": self._parts.names.outer(f"{node.name}/{interface.name}")
            for node in self._plan.nodes
            for interface in node.interfaces
            if interface.kind == "segment" and interface.present
        }
        await self._voice.ask({"do": "capture", "folder": folder, "ports": ports})
        self._capture_folder = folder

    async def change(self, change: p.Change) -> None:
        """Carry out one change of the network and wait until it stands."""
        await self._apply(self._parts.change(change))
        links = self._links_after(change)
        await self._voice.ask({"do": "settle", "links": links, "places": [port for port, _ in links[:1]]})
        if isinstance(change, p.CreateInterface) and change.interface.kind == "segment":
            port = f"{change.node}/{change.interface.name}"
            link = self._parts.names.outer(port)
            await self._voice.ask({"do": "capture", "folder": self._capture_folder, "ports": {port: link}})

    def _links_after(self, change: p.Change) -> list[tuple[str, str]]:
        match change:
            case p.SetLink(up=True) | p.Roam():
                node, _, name = change.port.partition("/")
                return [(node, name)]
            case p.CreateInterface(interface=p.Interface(up=True, carrier=True)):
                return [(change.node, change.interface.name)]
            case _:
                return []

    async def stop_captures(self) -> None:
        """Complete the capture files."""
        await self._voice.ask({"do": "stop-capture"})

    async def look(self) -> Mapping[str, str]:
        """The state of every place, in words."""
        answer = await self._voice.ask({"do": "look"})
        looks: dict[str, str] = answer["looks"]
        return looks

    def script(self) -> str:
        """Everything applied so far as a shell script that a person can replay."""
        return steps.script(self._applied, [node.name for node in held_nodes(self._plan)])

    async def _apply(self, wanted: Iterable[steps.Step]) -> None:
        listed = list(wanted)
        self._applied += listed
        if listed:
            await self._voice.ask({"do": "apply", "steps": [steps.encode(step) for step in listed]})


def _told(probe: Probe) -> str:
    way = f"{probe.kind} from {probe.source} to {probe.target} ({probe.address} port {probe.port})"
    return f"{way} {'did not arrive' if probe.expected else 'arrived and should not'}"
