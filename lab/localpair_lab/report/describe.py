"""Plans in a few words: what a network does, what a machine keeps out, what changes. For pictures and
lists.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from localpair_lab.plan.actions import Action
from localpair_lab.plan.changes import When
from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Match, Node, Segment, SegmentRule

OWN_RULE = "the scenario's own rule"


def network_notes(plan: Plan, segment: Segment) -> list[str]:
    """What the network does to packets, one short phrase each."""
    notes = [_rule(rule) for rule in segment.rules]
    flags = [plan.interface(port).flags for port in plan.ports(segment.name)]
    if any(flag.isolated for flag in flags):
        notes.append("clients isolated")
    if any(not flag.multicast_flood for flag in flags):
        notes.append("multicast not flooded")
    if segment.snooping:
        notes.append("snooping, with querier" if segment.querier else "snooping, no querier")
    if segment.mtu != 1500:
        notes.append(f"MTU {segment.mtu}")
    return list(dict.fromkeys(notes))


def _rule(rule: SegmentRule) -> str:
    what = match_words(rule.match) or "everything"
    ports = ""
    if rule.from_ports:
        ports += f" from {', '.join(rule.from_ports)}"
    if rule.to_ports:
        ports += f" to {', '.join(rule.to_ports)}"
    if rule.only_s != (0.0, 0.0):
        return f"{what}{ports} lost {rule.only_s[0]:g} s of every {sum(rule.only_s):g}"
    share = "dropped" if rule.loss_percent >= 100 else f"lost {rule.loss_percent:g} %"
    return f"{what}{ports} {share}"


def match_words(match: Match) -> str:
    """``IPv4 multicast``, ``tcp larger than 1300 B``."""
    family = {"ipv4": "IPv4", "ipv6": "IPv6", "": ""}[match.family]
    words = [family, match.cast, match.protocol]
    if match.sources:
        words.append(f"from {', '.join(match.sources)}")
    if match.destinations:
        words.append(", ".join(match.destinations))
    if match.destination_ports:
        words.append("port " + ", ".join(_ports(*pair) for pair in match.destination_ports))
    if match.larger_than:
        words.append(f"packets over {match.larger_than} B")
    return " ".join(word for word in words if word)


def _ports(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def machine_notes(plan: Plan, node: Node) -> list[str]:
    """What is special about the machine, one short phrase each."""
    notes: list[str] = []
    for chain in node.chains if node.role != "router" else ():
        own = [rule for rule in chain.rules if rule.why == OWN_RULE]
        notes.extend(f"{chain.hook}: {match_words(rule.match) or 'all'}: {rule.verdict}" for rule in own)
        if chain.default != "accept":
            notes.append(f"{chain.hook}: {'the rest' if own else 'everything new'}: {chain.default}")
    if node.source_nat:
        notes.append(f"translates towards {', '.join(nat.interface_out for nat in node.source_nat)}")
    routes = [route for route in node.routes if route.destination not in ("0.0.0.0/0", "::/0")]
    notes.extend(f"route {route.destination} via {route.interface or route.kind}" for route in routes)
    notes.extend(program.name.rpartition("-")[0] or program.name for program in node.programs)
    notes.extend(_trunk_notes(node))
    notes.extend(f"{one.name} translates by {one.mapped.prefix}" for one in node.interfaces if one.mapped)
    if node.clock_offset_s:
        notes.append(f"clock {node.clock_offset_s / 3600:+g} h")
    notes.extend(
        _impairment(entry.loss_percent, entry.delay_ms, entry.rate_kbit, entry.direction)
        for entry in plan.impairments
        if entry.port.partition("/")[0] == node.name
    )
    return list(dict.fromkeys(notes))


def _trunk_notes(node: Node) -> Iterator[str]:
    """How each interface on the machine's trunk is tagged, and where its switch knows no such tag."""
    known = {tag for tag, _ in node.trunk.switch} if node.trunk is not None else set()
    for name, tag in node.trunk.tags if node.trunk is not None else ():
        words = f"tagged {tag}" if tag else "untagged"
        yield f"trunk: {name} {words}{'' if tag in known else ', not at the switch'}"


def _impairment(loss: float, delay: float, rate: float, direction: str) -> str:
    parts = [f"{loss:g} % lost"] if loss else []
    parts += [f"{delay:g} ms"] if delay else []
    parts += [f"{rate:g} kbit/s"] if rate else []
    return f"wire {direction} it: {', '.join(parts) or 'exact drops'}"


def moment_words(when: When) -> str:
    """``host.offer + 2 s``."""
    if not when.anchor:
        return f"after {when.delay_s:g} s" if when.delay_s else "at the start"
    later = f" + {when.delay_s:g} s" if when.delay_s else ""
    return f"{when.anchor}{later}"


def command_words(action: Action) -> str:
    """``localpair host``, or the author's own command."""
    return f"localpair {action.verb}" if action.is_product else shlex.join(action.argv[1:])


def does_words(action: Action) -> str:
    """What a device does in one word: ``host``, or the program's name."""
    return action.verb if action.is_product else PurePosixPath(action.argv[1]).name


def story(plan: Plan) -> Iterator[str]:
    """Actions and changes in the order of writing."""
    for action in plan.actions:
        does = action.verb if action.is_product else command_words(action)
        yield f"{moment_words(action.when)}: {action.node} runs {does}"
        if action.answer_at is not None:
            yield f"{moment_words(action.answer_at)}: the answer code of {action.answer_from} is typed at {action.id}"
    for event in plan.events:
        yield f"{moment_words(event.when)}: {event.text}"
