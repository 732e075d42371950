"""Simple plans on Compose's own bridge networks (``--lab-wiring=docker``). Pure.

Docker gives each network a subnet of its own choice; the fabric, standing in the engine's network as a guest,
then gives the devices the names, addresses and routes of the plan, and sets the ports' flags. The networks
are never ``internal`` (that eats multicast) and get neither an address of the host nor masquerading, so
nothing leads out.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Final

import yaml

from localpair_lab import plan as p
from localpair_lab.engines.base import Missing
from localpair_lab.engines.compose.render import BASE, machine
from localpair_lab.engines.compose.running import CAPTURES, ComposeRunning, ContainerFabricClient
from localpair_lab.engines.network import Wiring
from localpair_lab.fabric.compiler.names import names
from localpair_lab.fabric.compiler.network import BridgedCompiler
from localpair_lab.fabric.steps import FABRIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Node

_OPTIONS: Final = {
    "com.docker.network.bridge.inhibit_ipv4": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "false",
}
_ANYWHERE: Final = (p.SignalNode, p.SetClock)  # changes that leave the network alone
_ONLY_FLAT: Final = "the engine's own bridges play flat networks of devices only: "


def unplayable(plan: Plan) -> list[Missing]:
    """Why the plan is no simple one; an empty list: it can be played on the engine's own bridges."""
    reasons = [reason for node in plan.nodes for reason in _odd_node(node)]
    reasons += ["impairments"] if plan.impairments else []
    reasons += [f"event {event.id}" for event in plan.events if not isinstance(event.change, _ANYWHERE)]
    for segment in plan.segments:
        odd = [rule for rule in segment.rules if not _is_whole_filter(rule)]
        reasons += [f"a DHCP server on {segment.name}"] if segment.leases else []
        reasons += [f"router advertisements on {segment.name}"] if segment.advertised else []
        reasons += [f"rules or snooping of {segment.name}"] if odd or segment.snooping else []
        has_ipv6 = any(plan.interface(port).link_local for port in plan.ports(segment.name))
        reasons += [f"a filter on {segment.name} beside IPv6"] if segment.rules and has_ipv6 else []
    return [Missing("events", _ONLY_FLAT + reason, "--lab-wiring=fabric") for reason in reasons]


def _odd_node(node: Node) -> list[str]:
    if node.role not in {"device", "decoy"}:
        return [f"{node.name} is a {node.role}"]
    reasons = [
        f"{node.name}/{interface.name} is no plain interface"
        for interface in node.interfaces
        if interface.kind != "segment" or not (interface.present and interface.up and interface.carrier)
    ]
    if len({interface.segment for interface in node.interfaces}) < len(node.interfaces):
        reasons.append(f"{node.name} has two interfaces on one network")
    if node.image:
        reasons.append(f"{node.name} has an image of its own")
    return reasons


def _is_whole_filter(rule: p.SegmentRule) -> bool:
    return rule == p.SegmentRule(p.Match(cast="multicast"), why=rule.why)


def network_name(project: str, plan: Plan, segment: str) -> str:
    """The engine's name for a segment's network."""
    return f"{project}-{plan.segments.index(plan.segment(segment))}"


def bridged(plan: Plan, *, name: str, image: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The Compose project of a simple plan."""
    base: dict[str, Any] = yaml.safe_load(BASE.read_text())
    common = {"image": image, "pull_policy": "never", "labels": dict(labels)}
    fabric = {**base["services"]["fabric"], **common, "network_mode": "host"}
    fabric["command"] = [*fabric["command"], "guest"]
    services = {FABRIC: fabric}
    for node in plan.nodes:
        device = copy.deepcopy(base["services"]["device"])
        del device["network_mode"]
        device["networks"] = [interface.segment for interface in node.interfaces]
        device["command"].append(node.name)
        services[node.name] = {**device, **common, **machine(node)}
    networks = {
        segment.name: {
            "name": network_name(name, plan, segment.name),
            "driver_opts": dict(_OPTIONS),
            "labels": dict(labels),
        }
        for segment in plan.segments
    }
    volumes = {volume: {"labels": dict(labels)} for volume in base["volumes"]}
    return {"name": name, "services": services, "networks": networks, "volumes": volumes}


class BridgedRunning(ComposeRunning):
    """A simple plan on the engine's own bridge networks: a check that the fabric is no fiction."""

    def _rendered(self, image_name: str, images: Mapping[str, str]) -> dict[str, Any]:
        del images  # a device that has one of its own is not played here (``unplayable``)
        return bridged(self._plan, name=self._name, image=image_name, labels=self._lease.labels())

    async def _outcome(self, client: ContainerFabricClient) -> dict[str, Any]:
        found = await asyncio.to_thread(self._found)
        parts = BridgedCompiler(self._plan, names(self._plan), found=found)
        self._wiring = Wiring(self._plan, self._probes, CAPTURES, parts=parts)
        await client.ask({"do": "await", "nodes": [node.name for node in self._plan.nodes]})
        answer = await client.ask({"do": "stand", **self._wiring.project()})
        await client.ask({"do": "release"})
        return answer

    def _found(self) -> dict[str, str]:
        """The MAC that the engine gave each port."""
        macs: dict[str, str] = {}
        for node in self._plan.nodes:
            shown = self._host.client.api.inspect_container(self._container(node.name))
            networks = shown["NetworkSettings"]["Networks"]
            for interface in node.interfaces:
                name = network_name(self._name, self._plan, interface.segment)
                macs[f"{node.name}/{interface.name}"] = networks[name]["MacAddress"]
        return macs
