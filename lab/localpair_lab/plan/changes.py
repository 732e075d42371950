"""What changes while a plan is played, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from localpair_lab.plan.topology import (
    Chain,
    Impairment,
    Level,
    NodeInterface,
    NodeRoute,
    PortFlags,
    SegmentRule,
)


@dataclass(frozen=True, slots=True)
class SetLink:
    """``cable``: the network's side of the port goes down or up (the node sees its carrier go, keeps
    addresses and routes).

    ``interface``: the node's own side is set down or up; when it comes up, ``routes`` are put back.
    """

    port: str
    up: bool
    level: Level
    routes: tuple[NodeRoute, ...] = ()
    do: Literal["set-link"] = "set-link"


@dataclass(frozen=True, slots=True)
class Readdress:
    """Every address of the port but link-local goes and ``addresses`` come; then ``routes`` (of this
    interface) are put back.
    """

    port: str
    addresses: tuple[str, ...]
    routes: tuple[NodeRoute, ...] = ()
    do: Literal["readdress"] = "readdress"


@dataclass(frozen=True, slots=True)
class ChangeLease:
    """The DHCP server's address for the port becomes the IPv4 one of ``addresses``, which its client takes when it
    renews. Not ``granted``: the server answers it no more, and once the lease has run out, ``addresses`` are what it
    has. Then ``routes`` (of this interface) are put back.
    """

    port: str
    addresses: tuple[str, ...]
    routes: tuple[NodeRoute, ...] = ()
    granted: bool = True
    do: Literal["change-lease"] = "change-lease"


@dataclass(frozen=True, slots=True)
class MoveAddress:
    """``address`` goes from the port ``holder`` and comes to ``port``, which announces it (gratuitous ARP). Both are on
    one segment.
    """

    port: str
    holder: str
    address: str
    do: Literal["move-address"] = "move-address"


@dataclass(frozen=True, slots=True)
class DeleteInterface:
    """The interface vanishes from the node, as a USB adapter that is pulled."""

    port: str
    do: Literal["delete-interface"] = "delete-interface"


@dataclass(frozen=True, slots=True)
class CreateInterface:
    """``interface`` (complete, as if ``present``) appears in ``node``, with a new kernel index; then
    ``routes`` are added.
    """

    node: str
    interface: NodeInterface
    routes: tuple[NodeRoute, ...] = ()
    do: Literal["create-interface"] = "create-interface"


@dataclass(frozen=True, slots=True)
class Roam:
    """The port moves to another segment: carrier goes, addresses change, carrier comes. Same interface,
    same index.
    """

    port: str
    segment: str
    flags: PortFlags
    addresses: tuple[str, ...]
    routes: tuple[NodeRoute, ...] = ()
    do: Literal["roam"] = "roam"


@dataclass(frozen=True, slots=True)
class SignalNode:
    """Every process of the product in the node is killed (SIGKILL), paused (SIGSTOP) or resumed (SIGCONT)."""

    node: str
    signal: Literal["kill", "pause", "resume"]
    do: Literal["signal-node"] = "signal-node"


@dataclass(frozen=True, slots=True)
class SetClock:
    """The node's wall clock is ``offset_s`` off from now on, also for programs that run. Monotonic clocks stay."""

    node: str
    offset_s: float
    do: Literal["set-clock"] = "set-clock"


@dataclass(frozen=True, slots=True)
class SetSegment:
    """The segment's rules and port flags become these, whole. ``flags`` pairs a port with its flags."""

    segment: str
    rules: tuple[SegmentRule, ...]
    flags: tuple[tuple[str, PortFlags], ...] = ()
    querier: bool = False
    do: Literal["set-segment"] = "set-segment"


@dataclass(frozen=True, slots=True)
class SetPrefixes:
    """The segment's router advertises ``prefixes`` from now on, and ``deprecated`` as such: hosts keep addresses of
    these, and prefer others.
    """

    segment: str
    prefixes: tuple[str, ...]
    deprecated: tuple[str, ...] = ()
    do: Literal["set-prefixes"] = "set-prefixes"


@dataclass(frozen=True, slots=True)
class SetChains:
    """The node's firewall becomes these chains, whole; connections already tracked stay tracked."""

    node: str
    chains: tuple[Chain, ...]
    do: Literal["set-chains"] = "set-chains"


@dataclass(frozen=True, slots=True)
class SetImpairments:
    """The impairments of one port become these, whole; empty heals it."""

    port: str
    impairments: tuple[Impairment, ...]
    do: Literal["set-impairments"] = "set-impairments"


Change: TypeAlias = (
    SetLink
    | Readdress
    | ChangeLease
    | MoveAddress
    | DeleteInterface
    | CreateInterface
    | Roam
    | SignalNode
    | SetClock
    | SetSegment
    | SetPrefixes
    | SetChains
    | SetImpairments
)


@dataclass(frozen=True, slots=True)
class When:
    """A moment: ``delay_s`` after ``anchor`` has happened.

    ``anchor`` is empty (the start of the run, when the network stands), ``action.event`` (the first JSON
    event of that name which that action's process wrote; ``started`` and ``ended`` are events of every
    action) or ``event.done`` with an event's id. ``occurrence`` is 1 for the first event of that name.
    """

    anchor: str = ""
    delay_s: float = 0.0
    occurrence: int = 1


@dataclass(frozen=True, slots=True)
class Event:
    """A change of the network at a moment. ``id`` is unique among events and actions; ``text`` says it in
    the author's words.
    """

    id: str
    when: When
    change: Change
    text: str = ""
