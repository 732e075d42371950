"""A drawing as SVG: no scripts, no fonts and no links to anything outside; readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from localpair_lab.plan.model import Plan
from localpair_lab.report.drawing.contents import machines, networks, wrapped
from localpair_lab.report.drawing.layout import (
    SPACE,
    WIDE,
    Box,
    DrawnWire,
    Layout,
    Room,
    TextLine,
    laid_out,
)
from localpair_lab.report.drawing.ordering import arranged
from localpair_lab.visible_text import markup

MARGIN = 24
COLOURS = 6
"""So many colours of networks the style sheet has."""
_LEAST_WIDTH = 640


def style() -> str:
    """The style sheet of drawings, for pages that hold some."""
    return files(__package__).joinpath("drawing.css").read_text(encoding="utf-8")


def layout(plan: Plan, prefixes: Mapping[str, str], room: Room = WIDE, *, status: bool = False) -> Layout:
    """Where everything of the plan stands; ``prefixes`` gives the subnets of each network as text."""
    return laid_out(arranged(machines(plan), networks(plan, prefixes), sides=room.sides), room, status=status)


def document(plan: Plan, title: str, summary: str, prefixes: Mapping[str, str], lines: Sequence[str]) -> str:
    """A file of its own: the drawing below its title and summary, and ``lines`` below it."""
    drawn = layout(plan, prefixes)
    width = max(drawn.width, _LEAST_WIDTH)
    above = [*wrapped(title, width, size=18)[:1], *wrapped(summary, width, size=13)]
    below = [part for line in lines for part in wrapped(line, width)]
    top = MARGIN + 18 + 18 * len(above)
    height = top + drawn.height + 24 + 16 * len(below) + MARGIN
    size = (
        f"width='{width + 2 * MARGIN}' height='{height}' viewBox='{-MARGIN} 0 {width + 2 * MARGIN} {height}'"
    )
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} class='drawing alone' role='img'>",
        f"<title>{markup(title)}</title><desc>{markup(summary)}</desc>",
        f"<style>{style()}</style>",
        f"<rect class='page' x='{-MARGIN}' y='0' width='{width + 2 * MARGIN}' height='{height}' rx='14'/>",
        *_above(above),
        f"<g transform='translate({(width - drawn.width) // 2} {top})'>",
        *_elements(drawn),
        "</g>",
        *(
            _text(TextLine(0, top + drawn.height + 24 + 16 * number, line, "story"))
            for number, line in enumerate(below, start=1)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _above(lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        first = number == 0
        yield _text(TextLine(0, 38 + 20 * number, line, "title" if first else "summary", 18 if first else 13))


def inline(drawn: Layout, label: str) -> str:
    """A part of a page that has the style sheet; ``label`` says what it shows."""
    around = 6
    box = f"{-around} {-around} {drawn.width + 2 * around} {drawn.height + 2 * around}"
    size = f"width='{drawn.width + 2 * around}' height='{drawn.height + 2 * around}'"
    head = f"<svg class='drawing' role='img' aria-label='{markup(label)}' {size} viewBox='{box}'>"
    return "\n".join([head, *_elements(drawn), "</svg>"])


# --- Elements ---


def _elements(drawn: Layout) -> Iterator[str]:
    for wire in drawn.wires:
        yield _wire(wire)
    for box in (*drawn.networks, *drawn.machines):
        yield from _box(box)
    for wire in drawn.wires:
        yield from _ends(wire)


def _wire(wire: DrawnWire) -> str:
    middle = (wire.x0 + wire.x1) // 2
    path = f"M{wire.x0} {wire.y0}C{middle} {wire.y0} {middle} {wire.y1} {wire.x1} {wire.y1}"
    state = "" if wire.is_live else " dead"
    return (
        f"<path class='wire n{wire.colour % COLOURS}{state}' data-port='{markup(wire.port)}' "
        f"data-network='{markup(wire.network)}' d='{path}'/>"
    )


def _ends(wire: DrawnWire) -> Iterator[str]:
    for x, y in ((wire.x0, wire.y0), (wire.x1, wire.y1)):
        yield f"<circle class='end n{wire.colour % COLOURS}' cx='{x}' cy='{y}' r='4'/>"


def _box(box: Box) -> Iterator[str]:
    network = box.kind in ("network", "tunnel")
    colour = f" n{box.colour % COLOURS}" if network else ""
    what = "data-band" if network else "data-node"
    place = f"x='{box.x}' y='{box.y}' width='{box.width}' height='{box.height}' rx='{14 if network else 8}'"
    yield f"<g class='{'band' if network else 'machine'} {box.kind}{colour}' {what}='{markup(box.name)}'>"
    yield f"<rect {place}/>"
    for line in box.lines:
        yield _text(line)
    yield "</g>"


def _text(line: TextLine) -> str:
    rest = (
        f"<tspan class='{line.rest_kind}' dx='{SPACE}' font-size='12'>{markup(line.rest)}</tspan>"
        if line.rest
        else ""
    )
    place = f"x='{line.x}' y='{line.y}' font-size='{line.size}'"
    place += f" data-most='{line.most}'" if line.most else ""
    return f"<text class='{line.kind}' {place}>{markup(line.text)}{rest}</text>"
