"""What stands in the boxes of a drawing: the words of each machine and of each network. Pure, without any geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface
from localpair_lab.report.describe import does_words, machine_notes, network_notes

LETTER = 6.7
"""Pixels of a letter, about, at 12 pixels of height: enough for the wider system fonts."""
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class PortLine:
    """One interface in its machine's box. ``network`` is what its wire leads to; empty: no wire.

    ``addresses`` stand below each other. ``is_live``: it is there, up, and has a carrier.
    """

    port: str
    name: str
    addresses: tuple[str, ...]
    network: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class MachineText:
    """A machine's box. ``notes`` are what is special about it, mostly what it keeps out."""

    name: str
    role: str
    does: str
    ports: tuple[PortLine, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkText:
    """A network's band. ``notes`` are what it does to packets."""

    name: str
    prefixes: tuple[str, ...]
    notes: tuple[str, ...]
    is_tunnel: bool


def machines(plan: Plan) -> tuple[MachineText, ...]:
    """Every machine but the hubs of tunnels, which are drawn as networks."""
    return tuple(_machine(plan, node) for node in plan.nodes if node.role != "hub")


def _machine(plan: Plan, node: Node) -> MachineText:
    verbs = list(dict.fromkeys(does_words(action) for action in plan.actions if action.node == node.name))
    ports = tuple(_port(node, entry) for entry in node.interfaces)
    does = ", ".join(verbs) or ("" if node.role == node.name else node.role)
    return MachineText(node.name, node.role, does, ports, tuple(machine_notes(plan, node)))


def _port(node: Node, entry: NodeInterface) -> PortLine:
    state = "" if entry.present else " (not there)"
    state = state or ("" if entry.up else " (off)") or ("" if entry.carrier else " (no carrier)")
    addresses = tuple(address.partition("/")[0] for address in entry.addresses)
    return PortLine(
        f"{node.name}/{entry.name}",
        f"{entry.name}{state}",
        addresses or (() if entry.kind in ("bridge", "translator") else ("no address",)),
        "" if entry.kind in ("bridge", "translator") else network_of(entry),
        entry.present and entry.up and entry.carrier,
    )


def network_of(entry: NodeInterface) -> str:
    """The segment that an interface is plugged into, or the network of its tunnel."""
    return entry.segment or entry.far_end.partition("/")[0].removesuffix("-hub")


def networks(plan: Plan, prefixes: Mapping[str, str]) -> tuple[NetworkText, ...]:
    """Every segment and every tunnel network; ``prefixes`` gives the subnets of each as text."""
    return tuple(_networks(plan, prefixes))


def _networks(plan: Plan, prefixes: Mapping[str, str]) -> Iterator[NetworkText]:
    for segment in plan.segments:
        notes = tuple(network_notes(plan, segment))
        yield NetworkText(segment.name, _parts(prefixes, segment.name), notes, is_tunnel=False)
    for node in plan.nodes:
        if node.role == "hub":
            name = node.name.removesuffix("-hub")
            yield NetworkText(name, _parts(prefixes, name), tuple(machine_notes(plan, node)), is_tunnel=True)


def _parts(prefixes: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part for part in prefixes.get(name, "").split(", ") if part)


# --- Fitting words into boxes ---


def reach(text: str, *, size: int = 12) -> int:
    """About how many pixels the text takes at that height of letters."""
    return round(len(text) * LETTER * size / 12)


def wrapped(text: str, width: int, *, size: int = 12) -> list[str]:
    """The text in lines of at most ``width`` pixels; a word that is longer is cut."""
    most = max(4, int(width / (LETTER * size / 12)))
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if len(longer) <= most:
            lines[-1] = longer
        else:
            lines.append(word)
    return [shortened(line, most) for line in lines if line]


def shortened(text: str, most: int) -> str:
    """The text in at most so many letters."""
    return text if len(text) <= most else f"{text[: most - 1]}{ELLIPSIS}"
