"""The drawing's geometry, over the whole library: wires keep to the gaps, words to their boxes, boxes apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product
from math import factorial

import pytest
from localpair_lab.cli.selection import subnets
from localpair_lab.loading.cases import PlannedCell, all_cells
from localpair_lab.oracle.states import states
from localpair_lab.report.drawing.contents import machines, networks, reach, wrapped
from localpair_lab.report.drawing.layout import NARROW, WIDE, Box, DrawnWire, Layout, Room
from localpair_lab.report.drawing.ordering import Arrangement, arranged
from localpair_lab.report.drawing.svg import layout

Rectangle = tuple[int, int, int, int]
CELLS = list(all_cells())
MOST_ORDERS = 3000


def layouts(cell: PlannedCell, room: Room) -> Iterator[Layout]:
    """The drawing of every state that the cell's network goes through."""
    for plan in states(cell.plan):
        yield layout(plan, subnets(cell), room, status=True)


def crosses(wire: DrawnWire, place: Rectangle) -> bool:
    left, top, right, bottom = place
    return any(left < x < right and top < y < bottom for x, y in wire.points())


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("room", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_no_wire_crosses_a_box_or_a_word(cell: PlannedCell, room: Room) -> None:
    for drawn in layouts(cell, room):
        boxes = (*drawn.machines, *drawn.networks)
        places = [box.box for box in boxes] + [line.box for box in boxes for line in box.lines]
        assert [wire.port for wire in drawn.wires for place in places if crosses(wire, place)] == []


@pytest.mark.parametrize("room", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_words_stay_in_their_boxes_and_boxes_apart(cell: PlannedCell, room: Room) -> None:
    for drawn in layouts(cell, room):
        boxes = (*drawn.machines, *drawn.networks)
        assert [pair for pair in combinations([box.box for box in boxes], 2) if overlap(*pair)] == []
        assert [line.text for box in boxes for line in box.lines if not _holds(box, line.box)] == []
        lines = [[line.box for line in box.lines] for box in boxes]
        assert [pair for box in lines for pair in combinations(box, 2) if overlap(*pair)] == []
        assert all(box.x >= 0 and box.y >= 0 for box in boxes)
        assert all(box.x + box.width <= drawn.width and box.y + box.height <= drawn.height for box in boxes)


def _holds(box: Box, place: Rectangle) -> bool:
    left, top, right, bottom = box.box
    return left <= place[0] and top <= place[1] and place[2] <= right and place[3] <= bottom


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_every_interface_that_leads_somewhere_has_its_wire(cell: PlannedCell) -> None:
    (drawn, *_) = layouts(cell, WIDE)
    entries = [
        f"{node.name}/{entry.name}"
        for node in cell.plan.nodes
        for entry in node.interfaces
        if entry.kind not in ("bridge", "translator") and node.role != "hub"
    ]
    assert sorted(wire.port for wire in drawn.wires) == sorted(entries)


def test_a_narrow_drawing_fits_a_telephone() -> None:
    assert max(drawn.width for cell in CELLS for drawn in layouts(cell, NARROW)) <= 376


@pytest.mark.parametrize("sides", [1, 2])
def test_no_order_has_fewer_crossings(sides: int) -> None:
    tried = 0
    for cell in CELLS:
        if cell.cell.name != cell.loaded.cells[0].name:
            continue  # cells of one file differ little
        found = arranged(machines(cell.plan), networks(cell.plan, subnets(cell)), sides=sides)
        columns = (found.left, found.networks, found.right)
        orders = factorial(len(found.left)) * factorial(len(found.networks)) * factorial(len(found.right))
        if orders > MOST_ORDERS:
            continue
        tried += 1
        fewest = min(Arrangement(*one).crossings for one in product(*map(permutations, columns)))  # type: ignore[arg-type]
        assert found.crossings == fewest, cell.title
    assert tried > 150


def test_few_wires_cross_in_the_whole_library() -> None:
    crossings = [
        arranged(machines(cell.plan), networks(cell.plan, subnets(cell)), sides=2).crossings for cell in CELLS
    ]
    assert max(crossings) <= 1
    assert sum(crossings) <= 0.02 * len(CELLS), (
        "two routers between the same two networks cross, and little else"
    )


def test_a_wire_through_a_box_is_noticed() -> None:
    wire = DrawnWire("alice/eth0", "lan", 0, 0, 100, 100, 0, is_live=True)
    assert crosses(wire, (40, 40, 60, 60))
    assert not crosses(wire, (0, 60, 40, 100))


def test_long_words_are_cut_to_their_line() -> None:
    assert wrapped("in: everything new: drop", 90) == ["in:", "everything", "new: drop"]
    (line,) = wrapped("x" * 100, 90)
    assert reach(line) <= 90
    assert line.endswith("…")
