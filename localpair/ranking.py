"""Which address to offer, try or show first, and why.

Pure functions of properties: the order in which a platform lists its interfaces never matters, ties are broken by
interface name and then by address, and every rank explains itself. Ranking orders and never drops; the few
addresses that cannot be of use to a peer are named by ``why_not_offered``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Final, NamedTuple

from localpair.address import DIALLABLE_CLASSES, SPECIAL_CLASSES, AddressClass, IPAddress, unscoped
from localpair.candidate import (
    Candidate,
    Evidence,
    Interface,
    InterfaceAddress,
    InterfaceKind,
    Origin,
)
from localpair.dataclass import dataclass
from localpair.endpoint import scope_of
from localpair.limits import ANSWER_CODE_ADDRESSES, OFFER_CANDIDATES, OFFER_SHOWN_BYTES

_LAN_CLASSES: Final = frozenset({AddressClass.PRIVATE, AddressClass.UNIQUE_LOCAL})
_WIRES: Final = frozenset({InterfaceKind.ETHERNET, InterfaceKind.WIRELESS, InterfaceKind.VETH})
_ORDINARY_PLACE: Final = 2  # of ``_place``: what lies behind it is a bridge, a tunnel, or no address of a LAN
_CLASS_ORDER: Final = (
    AddressClass.PRIVATE,
    AddressClass.UNIQUE_LOCAL,
    AddressClass.CGNAT,
    AddressClass.GLOBAL,
    AddressClass.LINK_LOCAL,
)


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """Where an address stands; the smaller rank is tried first. ``reasons`` tell a person why, weightiest first."""

    grades: tuple[int, ...]
    name: str
    number: tuple[int, int]
    reasons: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class RankedPeer:
    """A peer's candidate in its place. ``own`` marks an address that this host has itself.

    An own address leads to this host and nowhere else, so it is dialled only where the peer is known to run here.
    """

    candidate: Candidate
    rank: Rank
    own: bool


class _Grade(NamedTuple):
    value: int
    reason: str = ""


# --- Our own addresses -----------------------------------------------------------------------------------------


def is_tunnel(interface: Interface) -> bool:
    """Whether ``interface`` leads into a tunnel or to the one other end of a point-to-point link."""
    return interface.kind is InterfaceKind.TUNNEL or interface.point_to_point


def is_lan(interface: Interface) -> bool:
    """Whether neighbours can be on its link now: it is up, has a carrier, and is neither a tunnel nor the loopback."""
    inner = interface.kind is InterfaceKind.LOOPBACK or is_tunnel(interface)
    return interface.up and interface.carrier is not False and not inner


def why_not_offered(interface: Interface, details: InterfaceAddress) -> str:
    """Why no peer can use this address of ours; empty where it is offered."""
    cls = Candidate(details.address).cls
    if cls not in DIALLABLE_CLASSES | SPECIAL_CLASSES:
        return f"{cls} address"
    if cls in SPECIAL_CLASSES and is_tunnel(interface):
        return f"{cls} address in the tunnel {interface.name}"
    if not interface.up:
        return f"{interface.name} is down"
    if details.tentative:
        return "duplicate address detection has not finished"
    if cls in SPECIAL_CLASSES | {AddressClass.LINK_LOCAL} and interface.carrier is False:
        return f"{cls} address, and {interface.name} has no carrier"
    if cls in SPECIAL_CLASSES and not is_lan(interface):
        return f"{cls} address on {interface.name}, which is no LAN"
    return ""


def own_candidates(
    interfaces: Sequence[Interface],
    *,
    port: int = 0,
    known: Mapping[tuple[IPAddress, int], tuple[Evidence, Origin]] | None = None,
) -> tuple[Candidate, ...]:
    """Every address of ``interfaces`` that is worth offering, best first, with the reasons of its rank.

    ``known`` maps (address, scope) to what is already known about it; the rest is merely assigned. ``scope`` is the
    interface's index for link-local IPv6 and 0 for everything else.
    """
    known = known or {}
    found = [
        _own_candidate(interface, details, port, known)
        for interface in interfaces
        for details in interface.addresses
        if not why_not_offered(interface, details)
    ]
    return order_own(found, interfaces)


def order_own(candidates: Iterable[Candidate], interfaces: Sequence[Interface]) -> tuple[Candidate, ...]:
    """Our own ``candidates``, best first, each carrying the reasons of its rank."""
    by_name = {interface.name: interface for interface in interfaces}
    ranked = [(rank_own(one, by_name.get(one.interface or "")), one) for one in candidates]
    ranked.sort(key=lambda pair: pair[0])
    return tuple(replace(one, reasons=rank.reasons) for rank, one in ranked)


def rank_own(candidate: Candidate, interface: Interface | None) -> Rank:
    """The rank of one of our own addresses for the offer and for announcements.

    A call to oneself proves ownership and nothing about reachability, so only what a peer has seen outranks the
    properties of a working interface. An address without an interface is one that a translation has made.
    """
    grades = (
        _alive(interface),
        _seen(candidate),
        _place(candidate, interface),
        _multicast(interface),
        _wire(interface),
        _freshness(candidate, interface),
        _family(candidate),
        _numbering(candidate),
        _confirmed(candidate),
    )
    return _rank(candidate, grades)


def select_for_offer(
    candidates: Sequence[Candidate], limit: int = OFFER_CANDIDATES, room: int = OFFER_SHOWN_BYTES
) -> tuple[Candidate, ...]:
    """At most ``limit`` of our ranked ``candidates``, still in their order, that take no more than ``room`` bytes.

    First the best of each family, then the best of each interface and family, then whatever is left: a host with
    many container bridges still offers its one IPv6 address, and a second network card is not crowded out.
    """
    chosen: set[int] = set()
    taken: set[IPAddress] = set()
    for key in (_by_family, _by_interface, _by_itself):
        seen = {key(candidates[place]) for place in chosen}
        for place, candidate in enumerate(candidates):
            fresh = key(candidate) not in seen and candidate.address not in taken
            size = 1 + candidate.address.max_prefixlen // 8
            if fresh and len(chosen) < limit and size <= room:
                room -= size
                chosen.add(place)
                taken.add(candidate.address)
                seen.add(key(candidate))
    return tuple(candidates[place] for place in sorted(chosen))


def select_for_answer(
    candidates: Sequence[Candidate],
    interfaces: Sequence[Interface],
    towards_peer: Collection[IPAddress] = (),
    limit: int = ANSWER_CODE_ADDRESSES,
) -> tuple[IPAddress, ...]:
    """The few of our ranked ``candidates`` that are worth being typed by hand, IPv4 first.

    ``towards_peer`` are those that the routing table uses towards the peer's addresses. Beside them stand only
    addresses of ordinary interfaces, since a container bridge or a tunnel would cost letters and lead nowhere; IPv6,
    four times as long, stands there only where nothing else does.
    """
    by_name = {interface.name: interface for interface in interfaces}
    routed = [one for one in candidates if one.address in towards_peer]
    plain = [one for one in candidates if _is_ordinary(one, by_name.get(one.interface or ""))]
    of4 = [one for one in plain if one.address.version == 4]
    chosen = [*routed, *of4] or plain or list(candidates)
    best = list(dict.fromkeys(one.address for one in chosen))[:limit]
    return tuple(sorted(best, key=lambda address: address.version))


def _is_ordinary(candidate: Candidate, interface: Interface | None) -> bool:
    alive = interface is not None and interface.up and interface.carrier is not False
    return alive and _place(candidate, interface).value <= _ORDINARY_PLACE


def _own_candidate(
    interface: Interface,
    details: InterfaceAddress,
    port: int,
    known: Mapping[tuple[IPAddress, int], tuple[Evidence, Origin]],
) -> Candidate:
    scope = scope_of(details.address, interface.index)
    evidence, origin = known.get((details.address, scope), (Evidence.ASSIGNED, Origin.INTERFACE))
    return Candidate(
        address=details.address,
        port=port,
        prefix=details.prefix,
        scope=scope,
        origin=origin,
        evidence=evidence,
        interface=interface.name,
    )


def _seen(candidate: Candidate) -> _Grade:
    if candidate.evidence < Evidence.SEEN_OVER_UDP:
        return _Grade(0)
    return _Grade(-int(candidate.evidence), f"a peer's view: {candidate.evidence.label}")


def _alive(interface: Interface | None) -> _Grade:
    if interface is None:
        return _Grade(1, "no interface is known to have it")
    if not interface.up:
        return _Grade(2, f"{interface.name} is down")
    if interface.carrier is False:
        return _Grade(1, f"{interface.name} has no carrier")
    return _Grade(0)


def _place(candidate: Candidate, interface: Interface | None) -> _Grade:
    """Link-local, global and shared addresses last; a tunnel before them; then how connected the interface is."""
    match candidate.cls:
        case AddressClass.LINK_LOCAL:
            return _Grade(7, "link-local address")
        case AddressClass.GLOBAL:
            return _Grade(6, "global address")
        case AddressClass.CGNAT:
            return _Grade(5, "shared address (100.64.0.0/10): an overlay or a carrier")
        case cls if cls in _LAN_CLASSES or (cls in SPECIAL_CLASSES and interface is not None):
            return _surroundings(cls, interface)
        case cls:
            return _Grade(8, f"{cls} address")


def _surroundings(cls: AddressClass, interface: Interface | None) -> _Grade:
    if interface is None:
        return _Grade(2, f"{cls} address, interface unknown")
    name = interface.name
    if is_tunnel(interface):
        return _Grade(4, f"{cls} address in the tunnel {name}")
    if interface.gateway:
        return _Grade(0, f"{cls} address, a default route leaves through {name}")
    if interface.kind is InterfaceKind.BRIDGE:
        return _Grade(3, f"{cls} address on the bridge {name} without a default route, as containers have")
    if interface.neighbours:
        return _Grade(1, f"{cls} address, {name} has neighbours")
    return _Grade(2, f"{cls} address, {name} has neither default route nor neighbours (host-only, or quiet)")


def _multicast(interface: Interface | None) -> _Grade:
    if interface is None or interface.multicast:
        return _Grade(0)
    return _Grade(1, f"{interface.name} carries no multicast")


def _wire(interface: Interface | None) -> _Grade:
    if interface is None or interface.kind in _WIRES:
        return _Grade(0)
    return _Grade(2 if is_tunnel(interface) else 1, f"{interface.name} is a {interface.kind} interface")


def _freshness(candidate: Candidate, interface: Interface | None) -> _Grade:
    for details in interface.addresses if interface else ():
        if details.address == candidate.address:
            if details.deprecated:
                return _Grade(2, "deprecated")
            if details.temporary:
                return _Grade(1, "temporary")
    return _Grade(0)


def _numbering(candidate: Candidate) -> _Grade:
    """A LAN may be numbered out of a block with another purpose; beside another address that one is the safer one."""
    if candidate.cls in SPECIAL_CLASSES:
        return _Grade(1, "a number that is set aside for another purpose")
    return _Grade(0)


def _confirmed(candidate: Candidate) -> _Grade:
    if candidate.evidence >= Evidence.SELF_CONFIRMED:
        return _Grade(0)
    return _Grade(1, "not confirmed by a call to oneself")


def _by_family(candidate: Candidate) -> object:
    return candidate.address.version


def _by_interface(candidate: Candidate) -> object:
    return (candidate.interface, candidate.address.version)


def _by_itself(candidate: Candidate) -> object:
    return candidate.key


# --- The peer's addresses --------------------------------------------------------------------------------------


def links_to(address: IPAddress, interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
    """The interfaces that are up and on whose own subnet, by its real mask, ``address`` lies.

    The narrowest subnet comes first, then by name. The far end of a point-to-point link counts as on that link.
    """
    found: dict[int, tuple[int, str, Interface]] = {}
    for interface in interfaces:
        prefixes = [one.prefix for one in interface.addresses if interface.up and _covers(one, address)]
        if prefixes:
            found[interface.index] = (-max(prefixes), interface.name, interface)
    return tuple(interface for _, _, interface in sorted(found.values(), key=lambda entry: entry[:2]))


def rank_peers(
    candidates: Iterable[Candidate],
    interfaces: Sequence[Interface],
    *,
    same_host: bool = False,
    preference: Sequence[IPAddress] = (),
) -> tuple[RankedPeer, ...]:
    """The peer's ``candidates`` in the order in which to dial them; none is dropped.

    ``preference`` holds addresses as their owner ranked them, best first: it knows its own interfaces, and decides
    between candidates that look alike from here. Own addresses are flagged and come last, unless ``same_host``.
    """
    own = frozenset(one.address for interface in interfaces for one in interface.addresses)
    places = {unscoped(address): place for place, address in reversed(list(enumerate(preference)))}
    ranked = []
    for candidate in candidates:
        address = candidate.address
        mine = address in own
        rank = _rank_peer(candidate, interfaces, mine and not same_host, places.get(address, len(preference)))
        ranked.append(RankedPeer(replace(candidate, reasons=rank.reasons), rank, mine))
    return tuple(sorted(ranked, key=lambda entry: entry.rank))


def _rank_peer(candidate: Candidate, interfaces: Sequence[Interface], own: bool, preference: int) -> Rank:
    grades = (
        _Grade(1, "an address of this host itself: not dialled") if own else _Grade(0),
        _Grade(-int(candidate.evidence), candidate.evidence.label),
        _on_link(candidate, interfaces),
        _class(candidate),
        _Grade(preference),
        _family(candidate),
    )
    return _rank(candidate, grades)


def _on_link(candidate: Candidate, interfaces: Sequence[Interface]) -> _Grade:
    """In a subnet of ours, elsewhere, or only in one that leads into a tunnel or has no carrier.

    Every link has the link-local prefix, so being within it says nothing about where the peer is.
    """
    if candidate.cls is AddressClass.LINK_LOCAL:
        return _Grade(1)
    links = links_to(candidate.address, interfaces)
    for interface in links:
        if interface.carrier is not False and not is_tunnel(interface):
            return _Grade(0, f"in the subnet of {interface.name}")
    if links:
        return _Grade(2, f"reached only through {links[0].name}")
    return _Grade(1, "in none of our subnets: routed, if at all")


def _class(candidate: Candidate) -> _Grade:
    cls = candidate.cls
    place = _CLASS_ORDER.index(cls) if cls in _CLASS_ORDER else len(_CLASS_ORDER)
    return _Grade(place, f"{cls} address")


def _covers(details: InterfaceAddress, address: IPAddress) -> bool:
    if details.address.version != address.version:
        return False
    if details.peer is not None and unscoped(details.peer) == unscoped(address):
        return True
    if details.prefix == 0:
        return False  # Linux makes no route of it: a mask that holds everybody says nothing of the link
    return (int(details.address) ^ int(address)) >> (address.max_prefixlen - details.prefix) == 0


# --- Both ------------------------------------------------------------------------------------------------------


def _family(candidate: Candidate) -> _Grade:
    return _Grade(0 if candidate.address.version == 4 else 1)


def _rank(candidate: Candidate, grades: Sequence[_Grade]) -> Rank:
    return Rank(
        grades=tuple(grade.value for grade in grades),
        name=candidate.interface or "",
        number=(candidate.address.version, int(candidate.address)),
        reasons=tuple(grade.reason for grade in grades if grade.reason),
    )
