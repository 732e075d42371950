"""Starts the programs that carry packets in another form, and keeps them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localpair_lab.fabric.carriers import CarryTrunk, Translate
from localpair_lab.fabric.system import children, links
from localpair_lab.fabric.traffic import impairment, translation, trunk, tunnel

if TYPE_CHECKING:
    import socket

    from localpair_lab.fabric.system.places import Places


class Carrying:
    """The programs, each by the channel that ends it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.controls: list[socket.socket] = []

    def apply(self, step: CarryTrunk | Translate) -> None:
        """Start one. Raises ``OSError``."""
        if isinstance(step, CarryTrunk):
            self._carry_trunk(step)
        else:
            self._translate(step)

    def _carry_trunk(self, step: CarryTrunk) -> None:
        with self._places.inside(step.place):
            near = trunk.TrunkEnd(trunk.open_cable(step.near), _opened(step.near_ports))
            far = trunk.TrunkEnd(trunk.open_cable(step.far), _opened(step.far_ports))
        what = f"trunk {step.near}"
        _, control = children.fork_with_control(lambda theirs: trunk.run(near, far, theirs), what=what)
        self.controls.append(control)
        for end in (near, far):
            for one in (end.cable, *end.ports.values()):
                one.close()

    def _translate(self, step: Translate) -> None:
        with self._places.inside(step.place):
            device = tunnel.open_tunnel(step.link, step.index)
        addresses = translation.FamilyMap.of(step.prefix, step.pairs)
        what = f"translator {step.place}/{step.link}"
        _, control = children.fork_with_control(
            lambda theirs: translation.run(device, addresses, theirs), what=what
        )
        self.controls.append(control)
        os.close(device)
        links.set_mtu(self._places, step.place, step.link, step.mtu)


def _opened(ports: tuple[tuple[int, str], ...]) -> dict[int, socket.socket]:
    return {tag: impairment.open_port(link) for tag, link in ports}
