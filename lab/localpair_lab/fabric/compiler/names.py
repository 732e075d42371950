"""The names that the links and namespaces of a plan have inside the fabric. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.compiler.selection import every_port, trunked_ports, wired_ports

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from localpair_lab.plan.model import Plan

_FITTING: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ without its zero byte


@dataclass(frozen=True, slots=True)
class Names:
    """Where the pieces of a plan are found. Ports are ``node/interface``."""

    bridges: dict[str, str]
    ports: dict[str, str]
    wired: frozenset[str]

    def port(self, port: str) -> str:
        """The link that is the bridge's port, the one that flags and rules speak of."""
        return self.ports[port]

    def group(self, segment: str) -> int:
        """The group of the links that are plugged into the segment; 0 is that of all other links."""
        return 1 + list(self.bridges).index(segment)

    def outer(self, port: str) -> str:
        """The link at the other end of the node's cable: the bridge's port itself, or the near end of a
        wire.
        """
        return f"w{self._number(port)}-out" if port in self.wired else self.ports[port]

    def inner(self, port: str) -> str:
        """The far end of a wire, whose peer is the bridge's port."""
        return f"w{self._number(port)}-in"

    def trunk(self, node: str) -> tuple[str, str]:
        """The two ends of a node's trunk, the node's own and the switch's."""
        number = min(self._number(port) for port in self.ports if port.startswith(f"{node}/"))
        return f"trunk{number}", f"trunk{number}-sw"

    def stub(self, port: str) -> str:
        """The namespace behind a container bridge."""
        return f"behind-{port.replace('/', '.')}"

    def _number(self, port: str) -> int:
        return list(self.ports).index(port)


def names(plan: Plan) -> Names:
    """The names of a plan's pieces; short readable ones where they fit."""
    bridges = [segment.name for segment in plan.segments]
    return Names(
        bridges=_fitting("br", bridges, [f"br-{name}" for name in bridges]),
        ports=_fitting("port", every_port(plan), [port.replace("/", ".") for port in every_port(plan)]),
        wired=wired_ports(plan) | trunked_ports(plan),
    )


def _fitting(short: str, keys: Iterable[str], run_options: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, (key, wish) in enumerate(zip(keys, run_options, strict=True)):
        fits = _FITTING.fullmatch(wish) is not None and wish not in found.values()
        found[key] = wish if fits else f"{short}{number}"
    return found


def stub_port(bridge: str, index: int, taken: Collection[str]) -> str:
    """The link that joins a container bridge of a node to what is behind it; ``taken`` are the node's own names."""
    run_options = (f"v.{bridge}", f"veth{index}", *(f"veth{index}.{number}" for number in range(len(taken))))
    return next(wish for wish in run_options if _FITTING.fullmatch(wish) and wish not in taken)
