"""A plan as a picture: networks are bars, machines are boxes, each interface is a line from its box to its
bar.

SVG without scripts, fonts or links to anything outside, readable on light and dark pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from localpair_lab.plan.model import Plan
from localpair_lab.plan.topology import Node, NodeInterface
from localpair_lab.report.describe import machine_notes, network_notes, story

LANE = 168  # pixels for one interface
BOX = 64
BAR = 34
GAP = 24
MARGIN = 28
PAGE = "#f7f8fa"
LABELS = 200  # at the left end of the bars, where no line passes
LINE = 15
LETTER = 6.6  # pixels, about, at 12 to 13 pixels of height
COLOURS = ("#3b7dd8", "#2a9d76", "#b0672b", "#8a5cc2", "#c2456b", "#4b7c8c")
ROLE_FILL = {"device": "#ffffff", "router": "#eef3fb", "decoy": "#fbeeee", "hub": "#f3effa"}
FONT = "font-family='ui-sans-serif, system-ui, sans-serif'"


@dataclass(frozen=True, slots=True)
class BoxPosition:
    """Where a machine's box stands."""

    node: Node
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a network's bar stands."""

    name: str
    label: str
    notes: str
    y: int
    colour: str
    dashed: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole picture."""

    spots: tuple[BoxPosition, ...]
    bars: dict[str, Bar]
    width: int
    height: int
    story_y: int


def draw(
    plan: Plan, title: str, summary: str, prefixes: dict[str, str], *, happened: Sequence[str] = ()
) -> str:
    """The plan as an SVG document; ``prefixes`` gives the subnets of each network as text.

    Below it stands what will happen, or, after a run, what ``happened``, line by line.
    """
    lines = tuple(happened) or tuple(story(plan))
    layout = _layout(plan, summary, prefixes, lines)
    size = f"width='{layout.width}' height='{layout.height}' viewBox='0 0 {layout.width} {layout.height}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT} role='img'>",
        f"<title>{escape(title)}</title><desc>{escape(summary)}</desc>",
        f"<rect width='{layout.width}' height='{layout.height}' rx='14' fill='{PAGE}'/>",
        _text(MARGIN, 34, title, size=18, weight=600),
        _text(MARGIN, 56, summary, size=13, fill="#566"),
        *_lines(layout),
        *(part for bar in layout.bars.values() for part in _bar(bar, layout.width)),
        *(part for spot in layout.spots for part in _box(plan, spot)),
        *_ends(layout),
        *_story(lines, layout),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


# --- Layout ---


def _drawn(node: Node) -> tuple[NodeInterface, ...]:
    """The interfaces that lead somewhere: on a segment, or into a tunnel."""
    return tuple(entry for entry in node.interfaces if entry.kind != "bridge")


def _network_of(entry: NodeInterface) -> str:
    return entry.segment or entry.far_end.partition("/")[0].removesuffix("-hub")


def _layout(plan: Plan, summary: str, prefixes: dict[str, str], lines: Sequence[str]) -> Layout:
    upper = [node for node in plan.nodes if node.role == "router"]
    lower = [node for node in plan.nodes if node.role in ("device", "decoy")]
    heights = {node.name: _box_height(plan, node) for node in (*upper, *lower)}
    y = 80
    top = y + max((heights[node.name] for node in upper), default=0)
    bars = _bars(plan, prefixes, top + (GAP + 18 if upper else 0))
    below = max((bar.y for bar in bars.values()), default=top) + BAR + GAP + 26
    spots = [*_row(plan, upper, heights, y, bottom=top), *_row(plan, lower, heights, below, bottom=0)]
    texts = [_reach([bar.notes]) + MARGIN + LABELS for bar in bars.values()]
    texts.append(_reach([summary, *lines]) + MARGIN)
    width = max([*texts, *(spot.x + spot.width + MARGIN for spot in spots)]) + MARGIN
    bottom = below + max((heights[node.name] for node in lower), default=0)
    return Layout(tuple(spots), bars, width, bottom + GAP + LINE * (len(lines) + 2), bottom + GAP)


def _reach(texts: list[str]) -> int:
    """About how many pixels the longest text takes."""
    return round(max((len(text) for text in texts), default=0) * LETTER)


def _box_height(plan: Plan, node: Node) -> int:
    bridges = sum(entry.kind == "bridge" for entry in node.interfaces)
    return BOX + LINE * (len(machine_notes(plan, node)) + bridges)


def _bars(plan: Plan, prefixes: dict[str, str], y: int) -> dict[str, Bar]:
    names = [segment.name for segment in plan.segments]
    tunnels = [node.name.removesuffix("-hub") for node in plan.nodes if node.role == "hub"]
    bars = {}
    for number, name in enumerate((*names, *tunnels)):
        notes = [] if name in tunnels else network_notes(plan, plan.segment(name))
        label = f"{name}  {prefixes.get(name, '')}{'  tunnel' if name in tunnels else ''}"
        colour = COLOURS[number % len(COLOURS)]
        bars[name] = Bar(name, label, " · ".join(notes), y + number * (BAR + GAP), colour, name in tunnels)
    return bars


def _row(
    plan: Plan, nodes: list[Node], heights: dict[str, int], y: int, *, bottom: int
) -> Iterator[BoxPosition]:
    x = MARGIN + LABELS
    for node in nodes:
        width = max([len(_drawn(node)) * LANE, LANE, _reach(machine_notes(plan, node)) + 28])
        top = bottom - heights[node.name] if bottom else y
        yield BoxPosition(node, x, top, width, heights[node.name])
        x += width + GAP


# --- Drawing ---


def _text(
    x: int,
    y: int,
    text: str,
    *,
    size: int = 12,
    weight: int = 400,
    fill: str = "#1d2733",
    halo: bool = False,
) -> str:
    place = f"x='{x}' y='{y}' font-size='{size}' font-weight='{weight}'"
    behind = (
        f"<text {place} fill='{PAGE}' stroke='{PAGE}' stroke-width='4'>{escape(text)}</text>" if halo else ""
    )
    return f"{behind}<text {place} fill='{fill}'>{escape(text)}</text>"


def _lanes(layout: Layout) -> Iterator[tuple[BoxPosition, NodeInterface, int, int, Bar]]:
    """Each drawn interface: its box, itself, its lane's x, the y of its box's edge, and its bar."""
    for spot in layout.spots:
        for number, entry in enumerate(_drawn(spot.node)):
            bar = layout.bars.get(_network_of(entry))
            if bar is not None:
                above = spot.y < bar.y
                yield (
                    spot,
                    entry,
                    spot.x + number * LANE + LANE // 2,
                    spot.y + (spot.height if above else 0),
                    bar,
                )


def _lines(layout: Layout) -> Iterator[str]:
    for _, entry, x, y, bar in _lanes(layout):
        dash = " stroke-dasharray='3 5'" if not (entry.present and entry.up and entry.carrier) else ""
        ends = f"x1='{x}' y1='{y}' x2='{x}' y2='{bar.y + BAR // 2}'"
        yield f"<line {ends} stroke='{bar.colour}' stroke-width='2.5'{dash}/>"


def _ends(layout: Layout) -> Iterator[str]:
    """The dots on the bars, and each interface's name and addresses beside its line."""
    for spot, entry, x, y, bar in _lanes(layout):
        place = f"cx='{x}' cy='{bar.y + BAR // 2}' r='5'"
        yield f"<circle {place} fill='#fff' stroke='{bar.colour}' stroke-width='2.5'/>"
        label = y + 14 if spot.y < bar.y else y - 6
        addresses = ", ".join(address.partition("/")[0] for address in entry.addresses) or "no address"
        state = "" if entry.present else " (later)"
        state = state or ("" if entry.up and entry.carrier else " (down)")
        yield _text(x + 8, label, f"{entry.name}{state}  {addresses}", size=11, fill="#344", halo=True)


def _bar(bar: Bar, width: int) -> Iterator[str]:
    dash = " stroke-dasharray='7 5'" if bar.dashed else ""
    place = f"x='{MARGIN}' y='{bar.y}' width='{width - 2 * MARGIN}' height='{BAR}' rx='{BAR // 2}'"
    paint = f"fill='{bar.colour}' fill-opacity='0.14' stroke='{bar.colour}' stroke-width='1.5'"
    yield f"<rect {place} {paint}{dash}/>"
    yield _text(MARGIN + 18, bar.y + 22, bar.label, size=13, weight=600, fill=bar.colour)
    if bar.notes:
        yield _text(MARGIN + LABELS, bar.y + BAR + 15, bar.notes, fill="#a03030", halo=True)


def _box(plan: Plan, spot: BoxPosition) -> Iterator[str]:
    node = spot.node
    fill = ROLE_FILL[node.role]
    yield (
        f"<rect x='{spot.x}' y='{spot.y}' width='{spot.width}' height='{spot.height}' rx='10' fill='{fill}' "
        "stroke='#93a1b1' stroke-width='1.2'/>"
    )
    yield _text(spot.x + 14, spot.y + 24, node.name, size=15, weight=600)
    does = [action.verb for action in plan.actions if action.node == node.name]
    yield _text(spot.x + 14, spot.y + 42, ", ".join(does) or node.role, size=12, fill="#566")
    y = spot.y + 42
    for entry in node.interfaces:
        if entry.kind == "bridge":
            y += LINE
            yield _text(spot.x + 14, y, f"{entry.name}  {', '.join(entry.addresses)}", size=11, fill="#566")
    for note in machine_notes(plan, node):
        y += LINE
        yield _text(spot.x + 14, y, note, size=11, fill="#a03030")


def _story(lines: Sequence[str], layout: Layout) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        yield _text(MARGIN, layout.story_y + LINE * number, line, size=12, fill="#344")
