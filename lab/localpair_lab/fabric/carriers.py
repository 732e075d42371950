"""Steps that start programs which carry packets in another form: under tags, or under the other family's addresses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CarryTrunk:
    """A program that carries frames over the cable ``near``-``far`` under the tags of IEEE 802.1Q (0: none): those of
    the links in ``near_ports`` to those of ``far_ports`` that have the same tag, and back.
    """

    place: str
    near: str
    far: str
    near_ports: tuple[tuple[int, str], ...]
    far_ports: tuple[tuple[int, str], ...]

    @property
    def text(self) -> str:
        there, here = (
            ", ".join(f"{link} {f'tagged {tag}' if tag else 'untagged'}" for tag, link in ports) or "nothing"
            for ports in (self.far_ports, self.near_ports)
        )
        return f"# a program carries over {self.near}: {here}; and takes at {self.far}: {there}"
