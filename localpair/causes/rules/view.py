"""What rules ask of facts. A question that the facts do not answer raises `UnknownFactError`: nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, TypeVar

from localpair.address import DIALLABLE_CLASSES, SPECIAL_CLASSES, AddressClass, IPAddress, classify
from localpair.candidate import InterfaceKind
from localpair.causes.facts import (
    AttemptFacts,
    CallReach,
    CarrierName,
    CounterFacts,
    DialTime,
    GatewayFacts,
    HeardFacts,
    LinkFacts,
    NeighbourState,
    RouteFacts,
    RunFacts,
    RunRole,
    SentFacts,
)
from localpair.causes.vocabulary import Cause, Place
from localpair.dataclass import dataclass
from localpair.events import Flaw, Phase

_Known = TypeVar("_Known")
_USABLE: Final = DIALLABLE_CLASSES | SPECIAL_CLASSES
# Whoever was told addresses of the other device: by an offer, or by the record of a pair.
_SEEKERS: Final = (RunRole.JOIN, RunRole.SEND, RunRole.DIAGNOSE)
FORBIDDEN: Final = frozenset({"EPERM", "EACCES"})
"""What this host says of what it does not let out."""
UNANSWERED: Final = frozenset({"ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"})
"""What a dial ends with that nobody took, and whose port nobody refused."""
_STRAYS: Final = 3  # dropped packets of a run: reports of groups, answers that came late
_SELDOM_S: Final = (
    2  # for each dropped packet: strays come less often, beacons that a filter drops more often
)
_COUNTED_LEAST: Final = 8  # beacons sent, before their loss is reckoned
_LOST_SHARE: Final = 0.3


class UnknownFactError(Exception):
    """A fact that a rule needs is not there."""


def known(value: _Known | None, name: str) -> _Known:
    """``value``, where it is known. Raises UnknownFactError."""
    if value is None:
        raise UnknownFactError(name)
    return value


@dataclass(frozen=True, slots=True)
class View:
    """The facts as a rule looks at them: from ``here`` to ``there``. Whoever reads the verdict is ``here``, unless
    the view is ``mirrored``.
    """

    here: RunFacts
    there: RunFacts | None = None
    mirrored: bool = False

    @property
    def me(self) -> str:
        """What ``here`` is called in a sentence."""
        return "the other device" if self.mirrored else "this device"

    @property
    def peer(self) -> str:
        """What ``there`` is called in a sentence."""
        return "this device" if self.mirrored else "the other device"

    def at(self, device: Place) -> Place:
        """``device``, named by this view, as whoever reads the verdict has to name it."""
        if device is Place.BETWEEN or not self.mirrored:
            return device
        return Place.THERE if device is Place.HERE else Place.HERE


def facts_there(view: View) -> RunFacts:
    """The facts of ``there``. Raises UnknownFactError where it has told none."""
    return known(view.there, "the other device's facts")


# --- Links ---


def links(facts: RunFacts) -> tuple[LinkFacts, ...]:
    """All interfaces."""
    return known(facts.links, "links")


def lan_links(facts: RunFacts) -> list[LinkFacts]:
    """The interfaces behind which neighbours can be, alive or not."""
    inner = (InterfaceKind.LOOPBACK, InterfaceKind.TUNNEL)
    return [one for one in links(facts) if one.kind not in inner and not one.point_to_point]


def is_alive(link: LinkFacts) -> bool:
    """Whether packets can leave."""
    return link.up and link.carrier is not False


def has_address(link: LinkFacts) -> bool:
    """Whether it has an address that can be called."""
    return any(not one.tentative and classify(one.address) in _USABLE for one in link.addresses)


def usable_links(facts: RunFacts) -> list[LinkFacts]:
    """The interfaces over which this device can be called now."""
    return [one for one in lan_links(facts) if is_alive(one) and has_address(one)]


def holds(link: LinkFacts, address: IPAddress) -> bool:
    """Whether an address lies in a subnet of the link, by its real mask."""
    return any(
        one.prefix > 0
        and one.address.version == address.version
        and (int(one.address) ^ int(address)) >> (one.address.max_prefixlen - one.prefix) == 0
        for one in link.addresses
    )


def links_to(facts: RunFacts, address: IPAddress) -> list[LinkFacts]:
    """The usable interfaces in whose subnets an address lies."""
    return [one for one in usable_links(facts) if holds(one, address)]


def told_own(facts: RunFacts) -> set[IPAddress]:
    """The addresses of the other device that are this device's own as well, on a network of it."""
    own = {one.address for link in outer_links(facts) for one in link.addresses}
    return {route.destination for route in known(facts.routes, "routes")} & own


def by_index(facts: RunFacts, index: int | None) -> LinkFacts | None:
    """The interface of that index."""
    return next((one for one in links(facts) if one.index == index), None)


def own_addresses(facts: RunFacts) -> frozenset[IPAddress]:
    """All addresses of this host."""
    return frozenset(one.address for link in links(facts) for one in link.addresses)


def callable_addresses(facts: RunFacts) -> frozenset[IPAddress]:
    """The addresses at which this device can be called."""
    every = (one.address for link in usable_links(facts) for one in link.addresses)
    return frozenset(address for address in every if classify(address) in _USABLE)


def is_inner(link: LinkFacts) -> bool:
    """Whether it most likely leads to containers or virtual machines of this host, and to no network."""
    return link.kind is InterfaceKind.BRIDGE and not link.gateways


def outer_links(facts: RunFacts) -> list[LinkFacts]:
    """The usable interfaces that lead to a network, as far as one can tell."""
    return [one for one in usable_links(facts) if not is_inner(one)]


def versions_outward(facts: RunFacts) -> set[int]:
    """The versions of IP in which this device can be called from a network."""
    every = (one.address for link in outer_links(facts) for one in link.addresses)
    return {address.version for address in every if classify(address) in _USABLE}


def counts_others(facts: RunFacts) -> bool:
    """Whether what the kernel has dropped for this device alone, as it counts, may be none of its: two interfaces in
    one subnet hear each other, and one without the multicast flag drops all groups as if they were for it alone.
    """
    found = outer_links(facts)
    pairs = [(one, other) for one in found for other in found if one is not other]
    in_both = (
        entry.address.version == 4 and holds(other, entry.address)
        for one, other in pairs
        for entry in one.addresses
    )
    return any(not one.multicast for one in found) or any(in_both)


def is_strict(facts: RunFacts) -> bool:
    """Whether a usable interface has the strict reverse path filter."""
    return any(one.reverse_path == 1 for one in usable_links(facts))


def gateways(facts: RunFacts) -> tuple[GatewayFacts, ...]:
    """The routers of the usable links. Raises UnknownFactError where one's are unknown."""
    return tuple(gateway for link in usable_links(facts) for gateway in known(link.gateways, "gateways"))


def is_tunnel(link: LinkFacts) -> bool:
    """Whether it leads into a tunnel, or to the one other end of a point-to-point link."""
    return link.kind is InterfaceKind.TUNNEL or link.point_to_point


def names(found: Iterable[LinkFacts]) -> str:
    """The names of interfaces for a sentence."""
    return " and ".join(one.name for one in found)


# --- Ways to the other device ---


class Reach(IntEnum):
    """How near a way to an address came, the nearest last."""

    NO_WAY = 0  # the system has no route
    INNER = 1  # it lies behind a bridge of this host, as addresses of somebody else's containers seem to
    ROUTED = 2  # through a router, or into a tunnel
    UNASKED = 3  # on the link, and nobody has asked for its hardware address
    SILENT = 4  # on the link, and nobody answers
    PROXIED = 5  # on the link, and a router answers for it
    FOUND = 6  # on the link, and it answers


@dataclass(frozen=True, slots=True)
class WayThere:
    """One address of the other device, the route to it, and how its dials ended."""

    address: IPAddress
    route: RouteFacts
    reach: Reach
    attempts: tuple[AttemptFacts, ...]

    def ended_with(self, *errnos: str) -> bool:
        """Whether it was dialled, and every dial ended with one of these."""
        return bool(self.attempts) and all(one.errno in errnos for one in self.attempts)


def ways(facts: RunFacts) -> list[WayThere]:
    """Every address of the other device that is none of this host, the nearest first. Needs links, routes, attempts."""
    own = own_addresses(facts)
    found = [
        _way(facts, route)
        for route in known(facts.routes, "routes")
        if route.destination not in own and classify(route.destination) is not AddressClass.LOOPBACK
    ]
    return sorted(found, key=lambda way: -way.reach)


def nearest(facts: RunFacts) -> list[WayThere]:
    """The ways that came nearest, all of one reach; none where no address is known."""
    every = ways(facts)
    # That nobody here has a link-local address says little of a device that has others, behind a router.
    is_elsewhere = any(way.reach >= Reach.ROUTED and not _is_local(way.address) for way in every)
    found = [
        one for one in every if not (is_elsewhere and one.reach is Reach.SILENT and _is_local(one.address))
    ]
    return [way for way in found if way.reach is found[0].reach]


def _is_local(address: IPAddress) -> bool:
    return address.version == 6 and address.is_link_local


def _way(facts: RunFacts, route: RouteFacts) -> WayThere:
    attempts = tuple(one for one in dials(facts) if one.address == route.destination)
    return WayThere(route.destination, route, _reach(facts, route), attempts)


def _reach(facts: RunFacts, route: RouteFacts) -> Reach:
    on_link = links_to(facts, route.destination)
    if route.errno:
        return Reach.NO_WAY
    leaves_it = route.index is not None and route.index not in {link.index for link in on_link}
    if route.gateway is not None or not on_link or leaves_it:
        return Reach.ROUTED
    if all(is_inner(link) for link in on_link):
        return Reach.INNER
    state = known(route.state, "routes.state")
    if state is NeighbourState.ABSENT:
        return Reach.UNASKED
    if state is NeighbourState.SILENT:
        return Reach.SILENT
    return Reach.PROXIED if is_proxied(facts, route) else Reach.FOUND


def asked_by_groups(found: Iterable[WayThere]) -> tuple[Cause, ...]:
    """What also explains that nobody answers for a hardware address, where every question went to a group, as those of
    IPv6 do: that no group gets through.
    """
    return (Cause.MULTICAST_FILTERED,) if all(way.address.version == 6 for way in found) else ()


def is_tunnelled(facts: RunFacts, way: WayThere) -> bool:
    """Whether what is for that address goes into a tunnel, since it lies in no own network. A tunnel's own subnet is as
    good as a network.
    """
    taken = by_index(facts, way.route.index)
    if taken is None or holds(taken, way.address):
        return False
    return is_tunnel(taken) and not links_to(facts, way.address)


def is_proxied(facts: RunFacts, route: RouteFacts) -> bool:
    """Whether a router's hardware address was given for a neighbour that is no router."""
    if route.mac is None or route.gateway is not None:
        return False
    return route.mac in {one.mac for one in gateways(facts) if one.address != route.destination}


def dials(facts: RunFacts) -> list[AttemptFacts]:
    """The failed dials of listeners. Those between fixed ports are left out: nobody listens there."""
    every = known(facts.attempts, "attempts")
    return [one for one in every if not one.opening and one.outcome == "failed"]


def was_met(facts: RunFacts) -> bool:
    """Whether anything at all stood over TCP, in either direction, and not with this host itself, which has the other
    device's address where the two are in conflict. Needs links, attempts, calls.
    """
    own = own_addresses(facts)
    dialled = {one.address for one in known(facts.attempts, "attempts") if _has_stood(one)}
    called = {one.source for one in known(facts.calls, "calls") if one.reach is not CallReach.ACCEPTED}
    return bool((dialled | called) - own)


def _has_stood(one: AttemptFacts) -> bool:
    return one.phase not in (Phase.BIND, Phase.CONNECT)


def stalls(facts: RunFacts, least: int = 2) -> list[AttemptFacts]:
    """The dials whose connections stood, exchanged short words, and got no full packet, where they are at least so
    many, with the calls of the other device that came no further either. Needs attempts, calls.
    """
    short = [
        one for one in dials(facts) if one.phase in (Phase.TLS, Phase.HELLO) and one.took is DialTime.LATE
    ]
    further = (Phase.PROOF, Phase.NOMINATION, Phase.APPROVAL, Phase.COMMIT)
    stalled = [one for one in short if one.errno in ("", "ETIMEDOUT") and one.flaw is Flaw.NONE]
    calls = known(facts.calls, "calls")
    is_passed = any(one.phase in further for one in dials(facts)) or any(
        one.reach in (CallReach.ENCRYPTED, CallReach.VERIFIED) for one in calls
    )
    broken = sum(one.count for one in calls if one.reach is CallReach.KNOWN)
    broken = broken if broken > 1 else 0  # one alone may be of a machine that was busy
    many = sum(one.count for one in stalled) + broken >= least
    return stalled if many and not is_passed else []


def called_by_holder(facts: RunFacts) -> bool:
    """Whether somebody called who holds a secret of ours. Needs calls."""
    return any(one.reach.holds_secret for one in known(facts.calls, "calls"))


def heard(facts: RunFacts) -> list[HeardFacts]:
    """What was heard of the other device by datagrams."""
    return [one for one in known(facts.heard, "heard") if one.carrier is not CarrierName.TCP]


def may_drop(facts: RunFacts) -> bool:
    """Whether the kernel may have kept beacons from this device by a filter: it has dropped more packets than strays
    are, or does not say how many.
    """
    if facts.counters is None:
        return True
    dropped = sum(one.undelivered for one in facts.counters)
    return dropped > _STRAYS and dropped * _SELDOM_S >= facts.lasted_s


def is_dense(facts: RunFacts) -> bool:
    """Whether so many beacons came that few can have been lost: at its fastest the other device sends one each second
    by each carrier, from when it was heard first until it says goodbye.
    """
    voices = heard(facts)
    is_over = facts.peer is not None and facts.peer.goodbye
    last = max((one.last_s for one in voices), default=0) if is_over else facts.lasted_s
    span = last - min((one.first_s for one in voices), default=0)
    groups = 2 if any(one.carrier is not CarrierName.MULTICAST for one in voices) else 1
    return any(one.count * 10 >= 7 * _beat(one, groups) * max(1, span) for one in voices)


def _beat(voice: HeardFacts, groups: int) -> int:
    """Beacons of one beat: there are two groups over IPv4, of which a network may carry one. Where nothing but groups
    is heard, one is taken for granted.
    """
    return groups if voice.carrier is CarrierName.MULTICAST and voice.source.version == 4 else 1


def seeks(facts: RunFacts) -> bool:
    """Whether this side is the one that was told addresses."""
    return facts.role in _SEEKERS


# --- What left, and what arrived ---


def to_the_network(facts: RunFacts) -> Iterator[SentFacts]:
    """The beacons that were for others, and not for this host. Needs links, sent."""
    inner = {one.index for one in links(facts) if one.kind is InterfaceKind.LOOPBACK}
    own = own_addresses(facts)
    for one in known(facts.sent, "sent"):
        to = one.address
        stays = to is not None and (to in own or classify(to) is AddressClass.LOOPBACK)
        if one.index not in inner and not stays:
            yield one


def counted(facts: RunFacts, version: int) -> CounterFacts:
    """The kernel's counters for one version of IP."""
    rows = known(facts.counters, "counters")
    return known(next((one for one in rows if one.version == version), None), "counters")


def is_thinned(view: View) -> bool:
    """Whether many of the beacons from ``here`` to one address of ``there`` were lost, and not all."""
    sent, came = counted_beacons(view)
    return sent >= _COUNTED_LEAST and 0 < came < (1 - _LOST_SHARE) * sent


def _places(view: View) -> set[IPAddress]:
    """The addresses of ``there`` that lie on a link of ``here``; where none does, all that lead to a network."""
    every = {one.address for link in outer_links(facts_there(view)) for one in link.addresses}
    near = {one.destination for one in view.here.routes or () if one.gateway is None and not one.errno}
    return every & near or every


def counted_beacons(view: View) -> tuple[int, int]:
    """How many beacons went from ``here`` to one address of ``there``, and how many of them came."""
    there = facts_there(view)
    places, own = _places(view), callable_addresses(view.here)
    rows = [row for row in known(view.here.sent, "sent") if row.carrier is CarrierName.UNICAST]
    voices = [one for one in heard(there) if one.carrier is CarrierName.UNICAST]
    sent = sum(row.count for row in rows if row.address in places and not row.errno)
    return sent, sum(one.count for one in voices if one.source in own)
