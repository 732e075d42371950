"""Where everything of a drawing stands, in pixels. Pure.

Networks are bands in a column; machines stand beside them, on both sides where there is room. All words are inside
boxes, and wires run in the gaps between the columns alone: no wire meets a band that it does not belong to, nor a
label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from localpair_lab.report.drawing.contents import (
    LETTER,
    MachineText,
    NetworkText,
    PortLine,
    reach,
    shortened,
    wrapped,
)
from localpair_lab.report.drawing.ordering import Arrangement

LINE = 16
PAD = 12
BETWEEN = 18
"""Between two boxes of a column."""
WIRE_PITCH = 14
NAME_SIZE = 14
SPACE = 8
INDENT = 8
"""Of what goes on in another line."""


@dataclass(frozen=True, slots=True)
class Room:
    """How wide the columns are, and how many columns of machines there are."""

    sides: int
    machine: tuple[int, int]
    network: tuple[int, int]
    gap: int


WIDE = Room(sides=2, machine=(150, 290), network=(150, 250), gap=64)
NARROW = Room(sides=1, machine=(190, 190), network=(132, 132), gap=46)
"""Fits a telephone that is held upright."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of words: where it begins, how high its letters are, and what it is (a class of the style sheet).

    ``rest`` goes on behind it, as what ``rest_kind`` says. ``most`` letters fit where the words come later.
    """

    x: int
    y: int
    text: str
    kind: str
    size: int = 12
    rest: str = ""
    rest_kind: str = ""
    most: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Its place: left, top, right, bottom."""
        return self.x, self.y - self.size, self.x + self.width, self.y + 3

    @property
    def width(self) -> int:
        """About how many pixels it takes."""
        return reach(self.text, size=self.size) + (SPACE + reach(self.rest) if self.rest else 0)


@dataclass(frozen=True, slots=True)
class Box:
    """A machine or a network: ``kind`` is a machine's role, ``network`` or ``tunnel``."""

    name: str
    kind: str
    x: int
    y: int
    width: int
    height: int
    lines: tuple[TextLine, ...]
    colour: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Its place: left, top, right, bottom."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True, slots=True)
class DrawnWire:
    """From a machine's edge (``x0``, ``y0``) to its network's (``x1``, ``y1``)."""

    port: str
    network: str
    x0: int
    y0: int
    x1: int
    y1: int
    colour: int
    is_live: bool

    def points(self, steps: int = 24) -> Iterator[tuple[float, float]]:
        """Places on the curve, from one end to the other; its handles are level and meet in the middle."""
        middle = (self.x0 + self.x1) / 2
        for step in range(steps + 1):
            t = step / steps
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield a * self.x0 + (b + c) * middle + d * self.x1, (a + b) * self.y0 + (c + d) * self.y1


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole drawing."""

    machines: tuple[Box, ...]
    networks: tuple[Box, ...]
    wires: tuple[DrawnWire, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """A machine's box, and the height at which each of its wires leaves it."""

    box: Box
    heights: Mapping[str, int]


def laid_out(arrangement: Arrangement, room: Room, *, status: bool = False) -> Layout:
    """Every box and wire; with ``status`` each device has an empty line for what its screen says."""
    left_width = _machine_width(arrangement.left, room)
    right_width = _machine_width(arrangement.right, room)
    network_width = _network_width(arrangement.networks, room)
    network_x = left_width + room.gap if arrangement.left else 0
    right_x = network_x + network_width + room.gap
    left = _stacked(arrangement.left, 0, left_width, status=status)
    right = _stacked(arrangement.right, right_x, right_width, status=status)
    colours = {one.name: number for number, one in enumerate(sorted(arrangement.networks, key=_name))}
    bands = _bands(arrangement, network_x, network_width, colours)
    height = max(
        column[-1].y + column[-1].height for column in (_boxes(left), bands, _boxes(right)) if column
    )
    left, right = _centred(left, height), _centred(right, height)
    bands = [_moved(band, (height - _depth(bands)) // 2) for band in bands]
    wires = (*_wires(left, arrangement.left, bands, on_left=True), *_wires(right, arrangement.right, bands))
    width = right_x + right_width if arrangement.right else network_x + network_width
    return Layout((*_boxes(left), *_boxes(right)), tuple(bands), wires, width, height)


def _name(network: NetworkText) -> str:
    return network.name


def _boxes(column: Sequence[_Placed]) -> list[Box]:
    return [placed.box for placed in column]


def _depth(column: Sequence[Box]) -> int:
    return column[-1].y + column[-1].height if column else 0


def _moved(box: Box, by: int) -> Box:
    lines = tuple(replace(line, y=line.y + by) for line in box.lines)
    return replace(box, y=box.y + by, lines=lines)


def _centred(column: Sequence[_Placed], height: int) -> list[_Placed]:
    by = (height - _depth(_boxes(column))) // 2
    return [
        _Placed(_moved(placed.box, by), {port: y + by for port, y in placed.heights.items()})
        for placed in column
    ]


# --- Machines ---


def _machine_width(side: Sequence[MachineText], room: Room) -> int:
    least, most = room.machine
    return min(most, max([least, *(2 * PAD + _need(machine) for machine in side)]))


def _need(machine: MachineText) -> int:
    head = reach(machine.name, size=NAME_SIZE) + reach(machine.does) + 20
    ports = [
        reach(f"{port.name}  {address}") for port in machine.ports for address in port.addresses or ("",)
    ]
    return max([head, *ports, min(250, max(map(reach, machine.notes), default=0))])


def _stacked(side: Sequence[MachineText], x: int, width: int, *, status: bool) -> list[_Placed]:
    placed: list[_Placed] = []
    for machine in side:
        y = placed[-1].box.y + placed[-1].box.height + BETWEEN if placed else 0
        placed.append(_machine(machine, x, y, width, status=status))
    return placed


def _machine(machine: MachineText, x: int, y: int, width: int, *, status: bool) -> _Placed:
    inner = width - 2 * PAD
    lines = [_head(machine, x + PAD, y + 22, inner)]
    heights: dict[str, int] = {}
    for port in machine.ports:
        heights[port.port] = lines[-1].y + LINE - 4
        lines.extend(_port_lines(port, x + PAD, lines[-1].y + LINE, inner))
    for note in machine.notes:
        lines.extend(_note_lines(note, x + PAD, lines[-1].y + LINE, inner))
    if status and machine.role == "device":
        lines.append(TextLine(x + PAD, lines[-1].y + LINE, "", "status", most=int(inner / LETTER)))
    box = Box(machine.name, machine.role, x, y, width, lines[-1].y + PAD - y, tuple(lines))
    return _Placed(box, heights)


def _head(machine: MachineText, x: int, y: int, inner: int) -> TextLine:
    name = _fitted(machine.name, inner, size=NAME_SIZE)
    left = inner - reach(name, size=NAME_SIZE) - SPACE
    does = _fitted(machine.does, left) if machine.does and left > 40 else ""
    return TextLine(x, y, name, "name", NAME_SIZE, does, "does")


def _port_lines(port: PortLine, x: int, y: int, inner: int) -> Iterator[TextLine]:
    """The name and the first address in one line where they fit, further addresses below."""
    name = _fitted(port.name, inner)
    first = port.addresses[0] if port.addresses else ""
    fits = reach(name) + SPACE + reach(first) <= inner
    yield TextLine(x, y, name, "port", rest=first if fits else "", rest_kind="address")
    for number, address in enumerate(port.addresses[1:] if fits else port.addresses, start=1):
        yield TextLine(x + INDENT, y + LINE * number, _fitted(address, inner - INDENT), "address")


def _note_lines(note: str, x: int, y: int, inner: int) -> Iterator[TextLine]:
    for number, text in enumerate(wrapped(note, inner - INDENT)):
        yield TextLine(x + (INDENT if number else 0), y + LINE * number, text, "note")


def _fitted(text: str, width: int, *, size: int = 12) -> str:
    if reach(text, size=size) <= width:
        return text
    return shortened(text, int(width / (LETTER * size / 12)))


# --- Networks ---


def _network_width(networks: Sequence[NetworkText], room: Room) -> int:
    least, most = room.network
    texts = [
        max([reach(network.name, size=NAME_SIZE), *map(reach, network.prefixes), *map(reach, network.notes)])
        for network in networks
    ]
    return min(most, max([least, *(2 * PAD + text for text in texts)]))


def _bands(arrangement: Arrangement, x: int, width: int, colours: Mapping[str, int]) -> list[Box]:
    bands: list[Box] = []
    for network in arrangement.networks:
        y = bands[-1].y + bands[-1].height + BETWEEN if bands else 0
        wires = max(
            sum(port.network == network.name for machine in side for port in machine.ports)
            for side in (arrangement.left, arrangement.right)
        )
        bands.append(_band(network, x, y, width, colours[network.name], WIRE_PITCH * (wires + 1)))
    return bands


def _band(network: NetworkText, x: int, y: int, width: int, colour: int, least: int) -> Box:
    inner = width - 2 * PAD
    texts = [(_fitted(network.name, inner, size=NAME_SIZE), "name", NAME_SIZE)]
    texts += [(_fitted(prefix, inner), "address", 12) for prefix in network.prefixes]
    texts += [("tunnel", "does", 12)] if network.is_tunnel else []
    texts += [(line.text, "note", 12) for note in network.notes for line in _note_lines(note, 0, 0, inner)]
    height = max(22 + LINE * (len(texts) - 1) + PAD, least)
    top = y + (height - LINE * (len(texts) - 1)) // 2 + 5
    lines = tuple(
        TextLine(x + PAD, top + LINE * number, text, kind, size)
        for number, (text, kind, size) in enumerate(texts)
    )
    return Box(network.name, "tunnel" if network.is_tunnel else "network", x, y, width, height, lines, colour)


# --- Wires ---


def _wires(
    column: Sequence[_Placed], side: Sequence[MachineText], bands: Sequence[Box], *, on_left: bool = False
) -> Iterator[DrawnWire]:
    """From the columns' order, which both have from top to bottom: wires to one band never cross."""
    for band in bands:
        mine = [
            (placed, port)
            for placed, machine in zip(column, side, strict=True)
            for port in machine.ports
            if port.network == band.name
        ]
        for number, (placed, port) in enumerate(mine, start=1):
            box = placed.box
            yield DrawnWire(
                port.port,
                band.name,
                box.x + (box.width if on_left else 0),
                placed.heights[port.port],
                band.x + (0 if on_left else band.width),
                band.y + band.height * number // (len(mine) + 1),
                band.colour,
                port.is_live,
            )
