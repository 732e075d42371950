"""The plan: a scenario with every name, address, MAC, link, rule and moment fixed. The border between the
halves of the lab.

Above it stand the scenario model, the loader and the planner (``plan/planner.py`` makes plans); below it
stand the fabric and the engines, which only carry plans out. The oracle reads plans as well. Nothing here
knows of containers, namespaces, commands or clocks; every value is frozen, compares by content and turns
into JSON with ``as_json``.

Conventions that hold for every field:

- *Nothing is implied.* What the plan does not name does not exist: no address, no route, no default
  gateway, no forwarding, no IPv6. Even the customary accepts of a firewall (loopback, established,
  neighbour discovery) stand there as rules.
- *Order is meaning.* Nodes are made in tuple order, and so are the interfaces of a node, so that their
  kernel indices rise in that order. Rules of a chain, routes and impairments are applied in tuple order;
  the first rule that matches decides.
- *Text form of values.* An address with its prefix is ``192.168.1.10/24`` or ``fd00:1::10/64``; a prefix is
  ``192.168.1.0/24``; an interface anywhere in the lab is ``node/interface`` (``alice/eth0``), called a
  *port* where the network's side of it is meant. Durations end in ``_s`` or ``_ms``, rates in ``_kbit``,
  shares in ``_percent``.
- *Empty means none or any*: an empty string or tuple in a ``Match`` matches everything, anywhere else it
  means "none".
- *Some words are replaced by the engine* in ``argv`` and in the values of ``environment``: a leading
  ``@localpair`` by the command that runs the product, a leading ``@decoy`` or ``@inside`` by the command that runs
  ``decoy.py`` or ``inside.py`` (single files on the standard library alone), a leading ``@program`` by nothing (the
  words after it are a program of the scenario's author), and ``@state`` anywhere in a word by the
  node's own private, empty, writable folder, as seen from inside the node.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from localpair_lab.plan.actions import Action
from localpair_lab.plan.changes import Event, SetClock
from localpair_lab.plan.topology import (
    Impairment,
    Node,
    NodeInterface,
    Segment,
)

PLAN_VERSION = 1
PRODUCT_HOME = {"LOCALPAIR_HOME": "@state/home"}
"""Where every program on a node finds the node's keys and peers, in the form of ``environment``."""


# --- Changes: what happens to the network while it is used


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an engine must build and the run loop must do for one cell of one scenario.

    ``scenario`` and ``cell`` are made of a-z, 0-9 and ``-``. ``source`` is the file the scenario came from,
    for messages. ``needs`` are the capabilities without which the plan cannot be played, out of
    ``CAPABILITIES``. ``limit_s`` bounds the whole run of the actions. ``product`` is the program that plays; what
    stands in ``unplayable`` it has no words for.
    """

    scenario: str
    cell: str
    source: str
    seed: int
    segments: tuple[Segment, ...]
    nodes: tuple[Node, ...]
    impairments: tuple[Impairment, ...] = ()
    events: tuple[Event, ...] = ()
    actions: tuple[Action, ...] = ()
    needs: tuple[str, ...] = ()
    limit_s: float = 60.0
    product: str = "localpair"
    unplayable: tuple[str, ...] = ()
    version: int = PLAN_VERSION

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def interface(self, port: str) -> NodeInterface:
        """The interface of ``node/interface``; KeyError if there is none."""
        owner, _, name = port.partition("/")
        for interface in self.node(owner).interfaces:
            if interface.name == name:
                return interface
        raise KeyError(port)

    def segment(self, name: str) -> Segment:
        """The segment of that name; KeyError if there is none."""
        for segment in self.segments:
            if segment.name == name:
                return segment
        raise KeyError(name)

    def moves_clock(self, node: str) -> bool:
        """Whether an event makes the node's wall clock jump."""
        changes = (event.change for event in self.events)
        return any(isinstance(change, SetClock) and change.node == node for change in changes)

    def ports(self, segment: str) -> tuple[str, ...]:
        """The ports plugged into that segment, in the order they are made."""
        return tuple(
            f"{node.name}/{interface.name}"
            for node in self.nodes
            for interface in node.interfaces
            if interface.kind == "segment" and interface.segment == segment
        )


def as_json(plan: Plan) -> str:
    """The plan as indented JSON, stable: equal plans give equal text."""
    return json.dumps(dataclasses.asdict(plan), indent=2, sort_keys=False)
