"""Starts the programs that carry packets in another form, and keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localpair_lab.fabric.system import children
from localpair_lab.fabric.traffic import impairment, trunk

if TYPE_CHECKING:
    import socket

    from localpair_lab.fabric.carriers import CarryTrunk
    from localpair_lab.fabric.system.places import Places


class Carrying:
    """The programs, each by the channel that ends it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.controls: list[socket.socket] = []

    def apply(self, step: CarryTrunk) -> None:
        """Start one. Raises ``OSError``."""
        with self._places.inside(step.place):
            near = trunk.TrunkEnd(trunk.open_cable(step.near), _opened(step.near_ports))
            far = trunk.TrunkEnd(trunk.open_cable(step.far), _opened(step.far_ports))
        what = f"trunk {step.near}"
        _, control = children.fork_with_control(lambda theirs: trunk.run(near, far, theirs), what=what)
        self.controls.append(control)
        for end in (near, far):
            for one in (end.cable, *end.ports.values()):
                one.close()


def _opened(ports: tuple[tuple[int, str], ...]) -> dict[int, socket.socket]:
    return {tag: impairment.open_port(link) for tag, link in ports}
