"""The network interfaces of this host at one moment, whoever told: ``net/host/read.py`` asks the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from localpair.address import AddressClass, IPAddress, classify, subnet_of, unscoped
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.dataclass import dataclass
from localpair.endpoint import scope_of
from localpair.neighbourhood import Neighbourhood
from localpair.ranking import links_to


@dataclass(frozen=True, slots=True)
class SkippedSource:
    """Something that was not read or is not used: an interface or a whole source, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A host that answered on a link lately, from the neighbour table; ``index`` is the interface."""

    index: int
    address: IPAddress


@dataclass(frozen=True, slots=True)
class DirectedBroadcast:
    """A subnet's broadcast address, with the own address to send from and the interface it leaves through."""

    index: int
    source: IPAddress
    broadcast: IPAddress


@dataclass(frozen=True, slots=True)
class Interfaces:
    """One snapshot of all interfaces, sorted by name, so that two snapshots of one state are equal.

    ``source`` says who told: ``netlink``, ``portable``, ``ioctl``, ``routes`` or ``none``. ``skipped`` holds what
    could not be read; ``unused()`` what was read and is of no use.
    """

    interfaces: tuple[Interface, ...] = ()
    skipped: tuple[SkippedSource, ...] = ()
    source: str = "netlink"
    by_index: Mapping[int, Interface] = field(init=False, repr=False, compare=False)
    own_addresses: frozenset[IPAddress] = field(init=False, repr=False, compare=False)
    near: Neighbourhood = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.interfaces, key=lambda one: (one.name, one.index)))
        own = (details.address for one in ordered for details in one.addresses)
        object.__setattr__(self, "interfaces", ordered)
        object.__setattr__(self, "by_index", MappingProxyType({one.index: one for one in ordered}))
        object.__setattr__(self, "own_addresses", frozenset(own))
        object.__setattr__(self, "near", Neighbourhood.of(ordered))

    def owner(self, address: IPAddress, scope: int = 0) -> Interface | None:
        """The interface that has ``address``; ``scope`` tells apart those that share a link-local one."""
        plain = unscoped(address)
        for interface in self.interfaces:
            if scope in (0, interface.index) and any(one.address == plain for one in interface.addresses):
                return interface
        return None

    def is_own(self, address: IPAddress) -> bool:
        """Whether an address is this host's."""
        return unscoped(address) in self.own_addresses or classify(address) is AddressClass.LOOPBACK

    def on_link(self, address: IPAddress) -> tuple[Interface, ...]:
        """The interfaces in whose own subnets, by the real mask, ``address`` lies; the narrowest subnet first."""
        return links_to(unscoped(address), self.interfaces)

    def directed_broadcasts(self) -> tuple[DirectedBroadcast, ...]:
        """The broadcast address of every IPv4 subnet, once for each interface.

        A /31 or /32 has none (RFC 3021), nor has the loopback, a point-to-point link or a link without carrier.
        """
        found: dict[tuple[int, IPAddress], DirectedBroadcast] = {}
        for interface in self.interfaces:
            for details in interface.addresses if _sends(interface) else ():
                broadcast = _broadcast(details)
                if broadcast is not None:
                    entry = DirectedBroadcast(interface.index, details.address, broadcast)
                    found.setdefault((interface.index, broadcast), entry)
        return tuple(found.values())

    def multicast_interfaces(self) -> tuple[Interface, ...]:
        """The interfaces to join groups on and to send to groups from, each with at least one usable address."""
        return tuple(one for one in self.interfaces if not _why_unused(one))

    def scopes_of(self, address: IPAddress) -> tuple[int, ...]:
        """The scopes with which to use a peer's ``address``: every link for link-local IPv6, else 0 alone."""
        if not scope_of(address, 1):
            return (0,)
        return tuple(
            one.index for one in sorted(self.interfaces, key=lambda one: one.index) if _has_link_local(one)
        )

    def unused(self) -> tuple[SkippedSource, ...]:
        """The interfaces that carry no multicast of ours, each with the reason."""
        return tuple(
            SkippedSource(one.name, reason) for one in self.interfaces if (reason := _why_unused(one))
        )


def _has_link_local(interface: Interface) -> bool:
    """Whether a link-local peer can be behind it. It takes no multicast of ours: discovery of neighbours is the
    kernel's.
    """
    alive = interface.up and interface.carrier is not False and interface.kind is not InterfaceKind.LOOPBACK
    return alive and any(scope_of(one.address, 1) and not one.tentative for one in interface.addresses)


def _sends(interface: Interface) -> bool:
    loopback = interface.kind is InterfaceKind.LOOPBACK
    return interface.up and interface.carrier is not False and not loopback and not interface.point_to_point


def _broadcast(details: InterfaceAddress) -> IPAddress | None:
    usable = classify(details.address) not in (AddressClass.LOOPBACK, AddressClass.UNSPECIFIED)
    if details.address.version != 4 or details.prefix > 30 or details.prefix == 0 or not usable:
        return None
    return subnet_of(details.address, details.prefix).broadcast_address


def _why_unused(interface: Interface) -> str:
    checks = (
        (interface.kind is InterfaceKind.LOOPBACK, "loopback"),
        (not interface.up, "down"),
        (interface.carrier is False, "no carrier"),
        (interface.point_to_point, "point-to-point"),
        (not interface.multicast, "multicast is off"),
        (not interface.addresses, "no address"),
        (all(one.tentative for one in interface.addresses), "no address has passed duplicate detection yet"),
    )
    return next((reason for applies, reason in checks if applies), "")
