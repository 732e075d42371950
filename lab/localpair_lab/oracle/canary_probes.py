"""The canary's questions: what the fabric must carry and must not, before any device starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import permutations
from typing import Literal

from localpair_lab.oracle.links import is_plugged
from localpair_lab.oracle.multicast import DISCOVERY_PORT, GROUPS, LIMITED_BROADCAST, hears
from localpair_lab.oracle.packet import Delivery, Packet, family
from localpair_lab.oracle.routing import own_addresses
from localpair_lab.oracle.tcp import PAIRING_PORT
from localpair_lab.oracle.walk import StateAt, Walk, walk
from localpair_lab.plan.build.routing import NAMES_PORT
from localpair_lab.plan.model import Plan
from localpair_lab.plan.probe import Probe
from localpair_lab.plan.topology import Node, NodeInterface

RESOLVER = "names"  # what the program of a machine that answers is called
MOST_PAIRS = 60  # of nodes; beyond that the canary asks a sample, neighbours in the plan's order


def probes(plan: Plan) -> tuple[Probe, ...]:
    """The canary for ``plan``. Impairments are not there yet when it runs, so they play no part."""
    calm = dataclasses.replace(plan, impairments=())
    found = [
        probe for pair in _pairs(calm) for probe in (*_group_probes(calm, *pair), *_unicasts(calm, *pair))
    ]
    found += resolver_probes(calm)
    return tuple(dataclasses.replace(probe, id=f"probe-{n}") for n, probe in enumerate(found, start=1))


def _pairs(plan: Plan) -> list[tuple[Node, Node]]:
    pairs = list(permutations(plan.nodes, 2))
    if len(pairs) <= MOST_PAIRS:
        return pairs
    nodes = plan.nodes
    near = [(nodes[n], nodes[n - 1]) for n in range(len(nodes))]
    return (near + [(second, first) for first, second in near])[:MOST_PAIRS]


def _group_probes(plan: Plan, sender: Node, receiver: Node) -> Iterator[Probe]:
    for source in _plugged(sender):
        for target in _plugged(receiver):
            if source.segment != target.segment:
                continue
            for group in (*GROUPS, LIMITED_BROADCAST):
                if _speaks(source, group) and _speaks(target, group):
                    yield _group_probe(
                        plan, f"{sender.name}/{source.name}", f"{receiver.name}/{target.name}", group
                    )


def _group_probe(plan: Plan, source: str, target: str, group: str) -> Probe:
    found = hears(plan, source, target, group)
    kind: Literal["multicast", "broadcast"] = "broadcast" if group == LIMITED_BROADCAST else "multicast"
    return Probe("", kind, source, target, group, DISCOVERY_PORT, _judged(found.answer))


def _plugged(node: Node) -> tuple[NodeInterface, ...]:
    return tuple(entry for entry in node.interfaces if entry.kind == "segment" and is_plugged(entry))


def _speaks(interface: NodeInterface, address: str) -> bool:
    if family(address) == "ipv6":
        return bool(interface.link_local)
    return any(family(text) == "ipv4" for text in interface.addresses)


def _unicasts(plan: Plan, sender: Node, receiver: Node) -> Iterator[Probe]:
    mine = own_addresses(sender)
    for address, at in own_addresses(receiver).items():
        if address in mine or address.startswith("fe80:") or at.kind == "bridge":
            continue
        for interface in (*_plugged(sender), *(one for one in sender.interfaces if one.kind == "translator")):
            own = [text.partition("/")[0] for text in interface.addresses if family(text) == family(address)]
            if own:
                source, target = f"{sender.name}/{interface.name}", f"{receiver.name}/{at.name}"
                yield _unicast(plan, source, target, address, own[0], "udp")
                yield _unicast(plan, source, target, address, own[0], "tcp")


def _unicast(
    plan: Plan, source: str, target: str, address: str, own: str, kind: Literal["udp", "tcp"]
) -> Probe:
    origin, goal = source.partition("/")[0], target.partition("/")[0]
    packet = Packet(family(address), kind, own, address, PAIRING_PORT, PAIRING_PORT, syn=kind == "tcp")
    there = walk(plan, origin, packet, lambda _: "new")
    answer = there.answer if there.at == goal else Delivery.NO
    if there.at != goal and not there.reason:
        # A published port, or an address that another node has, too: who answers there, nobody can tell.
        answer = Delivery.MAYBE
    elif there.reason == "no-neighbour":  # another probe, the other way, may have made the two acquainted
        answer = Delivery.MAYBE
    if kind == "tcp" and there.at == goal and there.answer is not Delivery.NO and there.arrived is not None:
        reply = there.arrived.reply()
        back = walk(plan, goal, reply, _answering(there), answers=there)
        # An earlier probe may have asked by another address of its node; then this one asks nobody any more.
        strange = walk(plan, goal, reply, _answering(there), answers=dataclasses.replace(there, crossed=()))
        asked = Delivery.MAYBE if strange.reason == "no-neighbour" else Delivery.YES
        if back.reason == "no-neighbour":  # the answer leaves by another link; as above
            answer = Delivery.MAYBE
        else:
            answer = answer & back.answer & asked if back.at == origin else Delivery.NO
    return Probe("", kind, source, target, address, PAIRING_PORT, _judged(answer))


def resolver_probes(plan: Plan) -> Iterator[Probe]:
    """Whether the questions of each machine reach those of its resolvers that answer."""
    answering = {
        address: (node, at)
        for node in plan.nodes
        if any(program.name == RESOLVER for program in node.programs)
        for address, at in own_addresses(node).items()
    }
    for node in plan.nodes:
        for address in asked_for_names(node):
            if address in answering and answering[address][0] is not node:
                packet = Packet(family(address), "udp", "", address, PAIRING_PORT, NAMES_PORT)
                there, (goal, at) = walk(plan, node.name, packet, lambda _: "new"), answering[address]
                answer = there.answer if there.at == goal.name else Delivery.NO
                source, target = f"{node.name}/{node.interfaces[0].name}", f"{goal.name}/{at.name}"
                yield Probe("", "udp", source, target, address, NAMES_PORT, _judged(answer))


def asked_for_names(node: Node) -> tuple[str, ...]:
    """The resolvers that the node's programs ask."""
    lines = (line.split() for line in node.resolver.splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def _judged(answer: Delivery) -> bool | None:
    return None if answer is Delivery.MAYBE else answer is Delivery.YES


def _answering(there: Walk) -> StateAt:
    return lambda node: "established" if node in there.visited else "invalid"
