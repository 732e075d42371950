"""Which box stands above which, so that as few wires as possible cross. Pure and deterministic.

Networks stand in a column between two columns of machines, so that every wire crosses one gap and no box. Two wires
of one gap cross where their ends stand in opposite order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TypeVar

from localpair_lab.report.drawing.contents import MachineText, NetworkText

_Box = TypeVar("_Box")
_ROUNDS = 12
_FEW = 5
"""Up to so many networks every order is tried."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The columns from top to bottom."""

    left: tuple[MachineText, ...]
    networks: tuple[NetworkText, ...]
    right: tuple[MachineText, ...]

    @property
    def crossings(self) -> int:
        """How many pairs of wires cross."""
        place = {network.name: number for number, network in enumerate(self.networks)}
        return sum(_inversions(_ends(side, place)) for side in (self.left, self.right))


def _ends(side: Sequence[MachineText], place: dict[str, int]) -> list[int]:
    """Where each wire of a column ends, in the order in which they begin."""
    return [place[port.network] for machine in side for port in machine.ports if port.network in place]


def _inversions(ends: Sequence[int]) -> int:
    return sum(ends[one] > ends[two] for two in range(len(ends)) for one in range(two))


def arranged(machines: Sequence[MachineText], networks: Sequence[NetworkText], *, sides: int) -> Arrangement:
    """The best order that is found. ``sides`` 1: all machines stand on the right."""
    left, right = _divided(machines) if sides == 2 else ([], list(machines))
    starts = (
        list(permutations(networks))
        if len(networks) <= _FEW
        else [tuple(networks), tuple(reversed(networks))]
    )
    found = [_settled(left, start, right) for start in starts]
    return min(found, key=lambda one: one.crossings)


def _divided(machines: Sequence[MachineText]) -> tuple[list[MachineText], list[MachineText]]:
    """Routers to the left, and as many of the rest as balance the columns; who pairs stands face to face."""
    routers = [machine for machine in machines if machine.role == "router"]
    rest = sorted(
        (machine for machine in machines if machine.role != "router"),
        key=lambda machine: machine.role != "device",
    )
    left, right = list(routers), list[MachineText]()
    for machine in rest:
        lighter = left if _weight(left) < _weight(right) or not (left or right) else right
        lighter.append(machine)
    return left, right


def _weight(side: Sequence[MachineText]) -> int:
    return sum(3 + len(machine.ports) + len(machine.notes) for machine in side)


def _settled(
    left: Sequence[MachineText], networks: Sequence[NetworkText], right: Sequence[MachineText]
) -> Arrangement:
    """From this order of networks on: each column by the middle of what it is joined to, then by exchanges."""
    best = Arrangement(_by_middle(left, networks), tuple(networks), _by_middle(right, networks))
    for _ in range(_ROUNDS):
        better = _exchanged(best)
        if better.crossings >= best.crossings:
            break
        best = better
    return best


def _by_middle(side: Sequence[MachineText], networks: Sequence[NetworkText]) -> tuple[MachineText, ...]:
    place = {network.name: number for number, network in enumerate(networks)}

    def middle(machine: MachineText) -> float:
        ends = _ends([machine], place)
        return sum(ends) / len(ends) if ends else len(networks)

    return tuple(sorted(side, key=middle))


def _exchanged(now: Arrangement) -> Arrangement:
    """The best of what one exchange of neighbours in any column makes."""
    found = [
        *(Arrangement(one, now.networks, now.right) for one in _neighbours(now.left)),
        *(Arrangement(now.left, now.networks, one) for one in _neighbours(now.right)),
        *(
            Arrangement(_by_middle(now.left, one), one, _by_middle(now.right, one))
            for one in _neighbours(now.networks)
        ),
    ]
    return min(found, key=lambda one: one.crossings, default=now)


def _neighbours(column: tuple[_Box, ...]) -> list[tuple[_Box, ...]]:
    """The column with two neighbours exchanged, in every way."""
    return [
        (*column[:one], column[two], column[one], *column[two + 1 :])
        for one, two in pairwise(range(len(column)))
    ]
