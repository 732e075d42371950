"""What both engines do with a plan's network: build it, judge the canary, change it, look at it.

The engines differ in how they reach their fabric; ``FabricClient`` hides that.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import time
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from localpair_lab import plan as p
from localpair_lab.errors import LabError
from localpair_lab.fabric import steps
from localpair_lab.fabric.compiler.leases import lease_of
from localpair_lab.fabric.compiler.network import compiler
from localpair_lab.fabric.compiler.selection import is_kept, keeps_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from localpair_lab.fabric.compiler.network import Compiler
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.probe import Probe

    Prober: TypeAlias = Callable[[Plan], Sequence[Probe]]

STEPS_FILE = "fabric.sh"
_LOOK_S = 0.02  # between two looks at a lease
_LATE_S = 5.0  # how late a client may renew
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class FabricClient(Protocol):
    """A way to ask a fabric."""

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises ``LabError`` where it refuses or is gone."""
        ...


def held_nodes(plan: Plan) -> list[p.Node]:
    """The nodes that run programs; the fabric keeps the others by itself."""
    return [node for node in plan.nodes if not is_kept(node)]


class Wiring:
    """One plan's network in one fabric. ``captures`` is the folder for captures, as the fabric sees it."""

    def __init__(
        self,
        plan: Plan,
        probes: Iterable[Probe],
        captures: str,
        *,
        parts: Compiler | None = None,
    ) -> None:
        self._plan = plan
        self._probes = {probe.id: probe for probe in probes}
        self._captures = captures
        self._parts = parts or compiler(plan)
        self._applied: list[steps.Step] = [*self._parts.network(), *self._parts.begin()]

    @property
    def keeps_order(self) -> bool:
        """Whether the whole network has to stand on one processor."""
        return keeps_order(self._plan)

    def project(self) -> dict[str, Any]:
        """Everything a fabric needs to build the network, check it and begin, without being asked again."""
        ports = {
            f"{node.name}/{interface.name}": self._tapped(node.name, interface)
            for node in self._plan.nodes
            for interface in node.interfaces
            if interface.present
        }
        return {
            "nodes": [node.name for node in held_nodes(self._plan)],
            "keeps_order": self.keeps_order,
            "steps": [steps.encode(step) for step in self._parts.network()],
            "settle": {
                "links": self._parts.working_links(),
                "places": [node.name for node in self._plan.nodes],
            },
            "probes": [self._message(probe) for probe in self._probes.values()],
            "capture": {"folder": self._captures, "ports": ports},
            "begin": [steps.encode(step) for step in self._parts.begin()],
        }

    def judge(self, arrived: Mapping[str, bool], folder: Path) -> None:
        """Compare what the canary saw with what the oracle says, and keep both in ``folder``.

        Raises ``LabError`` naming every probe that did something else.
        """
        seen = [
            {**dataclasses.asdict(probe), "arrived": arrived[name]} for name, probe in self._probes.items()
        ]
        (folder / "canary.json").write_text(json.dumps(seen, indent=1))
        (folder / STEPS_FILE).write_text(self.script(), encoding="utf-8")
        wrong = [probe for name, probe in self._probes.items() if probe.expected not in {None, arrived[name]}]
        if wrong:
            raise LabError(
                "canary: the network is not what the plan says: " + "; ".join(map(_told, wrong)),
                hint=f"compare {folder / 'canary.json'} with {folder / STEPS_FILE}",
            )

    def _message(self, probe: Probe) -> dict[str, Any]:
        six = ":" in probe.address
        interface = self._plan.interface(probe.source)
        own = [address for address in interface.addresses if (":" in address) == six]
        if six and (probe.address.startswith(("fe8", "fe9", "fea", "feb", "ff")) or not own):
            own = [interface.link_local] if interface.link_local else own
        source = own[0].partition("/")[0] if own else ""
        return {**dataclasses.asdict(probe), "source_address": source}

    async def change(self, change: p.Change, client: FabricClient) -> None:
        """Have the fabric carry out one change and wait until it stands."""
        wanted = list(self._parts.change(change))
        self._applied += wanted
        if isinstance(
            change, p.CreateInterface
        ):  # captured before it is up: its first packets explain the next ones
            port = f"{change.node}/{change.interface.name}"
            ports = {port: self._tapped(change.node, change.interface)}
            made = list(takewhile(lambda step: not isinstance(step, steps.SetLinkState), wanted))
            await _apply(made, client)
            await client.ask({"do": "capture", "folder": self._captures, "ports": ports})
            wanted = wanted[len(made) :]
        await _apply(wanted, client)
        if isinstance(change, p.ChangeLease):
            await self._lease(change, client)
        links = _links_after(change)
        await client.ask({"do": "settle", "links": links, "places": [place for place, _ in links]})

    async def _lease(self, change: p.ChangeLease, client: FabricClient) -> None:
        """Wait until the client has what the server gave it, or has lost what it had. Raises ``LabError``."""
        interface = self._plan.interface(change.port)
        leases = self._plan.segment(interface.segment).leases
        wanted = lease_of(interface, change.addresses)
        deadline = time.monotonic() + _LATE_S + (leases.seconds if leases else 0)
        while (held := (await client.ask({"do": "leases"}))["held"][change.port]) != wanted:
            if time.monotonic() > deadline:
                raise LabError(
                    f"{change.port} has {held or 'no address'} and should have {wanted or 'none'} by now"
                )
            await asyncio.sleep(_LOOK_S)

    def _tapped(self, node: str, interface: p.NodeInterface) -> tuple[str, str]:
        """Where a port is captured: at the fabric's end of its cable, or inside where there is none."""
        if interface.kind == "segment":
            return steps.FABRIC, self._parts.names.outer(f"{node}/{interface.name}")
        return node, interface.name

    def script(self) -> str:
        """Everything applied so far as a shell script that a person can replay."""
        return steps.script(self._applied, [node.name for node in held_nodes(self._plan)])


async def _apply(wanted: Iterable[steps.Step], client: FabricClient) -> None:
    await client.ask({"do": "apply", "steps": [steps.encode(step) for step in wanted]})


def _links_after(change: p.Change) -> list[tuple[str, str]]:
    """The links that work once the change stands."""
    match change:
        case p.SetLink(up=True) | p.Roam():
            node, _, name = change.port.partition("/")
            return [(node, name)]
        case p.CreateInterface(interface=p.NodeInterface(up=True, carrier=True)):
            return [(change.node, change.interface.name)]
        case _:
            return []


async def collect(client: FabricClient, folder: Path) -> None:
    """Complete the captures and write down the state of every place. Problems are written, never raised."""
    try:
        await client.ask({"do": "stop-capture"})
        answer = await client.ask({"do": "look"})
        await asyncio.to_thread(_write_looks, folder / "state", answer["looks"])
    except (LabError, OSError) as error:
        await asyncio.to_thread((folder / "collect-errors.txt").write_text, f"{error}\n")


def _write_looks(folder: Path, looks: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for place, text in looks.items():
        if _PLACE.fullmatch(place):  # a name from inside is no path here
            (folder / f"{place}.txt").write_text(text)


def _told(probe: Probe) -> str:
    way = f"{probe.kind} from {probe.source} to {probe.target} ({probe.address} port {probe.port})"
    return f"{way} {'did not arrive' if probe.expected else 'arrived and should not'}"
