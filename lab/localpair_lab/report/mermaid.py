"""A plan as Mermaid text, for places that draw it themselves."""

from __future__ import annotations

from collections.abc import Iterator

from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node
from localpair_lab.report.describe import machine_notes, network_notes
from localpair_lab.visible_text import markup


def mermaid(plan: Plan, prefixes: dict[str, str]) -> str:
    """The plan as a Mermaid flowchart."""
    lines = ["flowchart TB"]
    for segment in plan.segments:
        notes = "<br/>".join(
            [f"{segment.name} {prefixes.get(segment.name, '')}", *network_notes(plan, segment)]
        )
        lines.append(f'  net_{_id(segment.name)}(["{notes}"])')
    for node in plan.nodes:
        notes = "<br/>".join([f"<b>{node.name}</b>", *machine_notes(plan, node)])
        lines.append(f'  {_id(node.name)}["{notes}"]')
    for node in plan.nodes:
        lines.extend(f"  {line}" for line in _edges(node))
    return "\n".join(lines) + "\n"


def _edges(node: Node) -> Iterator[str]:
    for entry in node.interfaces:
        label = " ".join([markup(entry.name), *(address.partition("/")[0] for address in entry.addresses)])
        if entry.kind == "segment":
            yield f'{_id(node.name)} ---|"{label}"| net_{_id(entry.segment)}'
        elif entry.kind == "tunnel" and node.role != "hub":
            yield f'{_id(node.name)} -.-|"{label}"| {_id(entry.far_end.partition("/")[0])}'


def _id(name: str) -> str:
    return name.replace("-", "_")
