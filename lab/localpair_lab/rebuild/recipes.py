"""For each cause, what brings it about in a network: several ways, the slightest first.

A recipe changes a scene and says whether it has anything to change there. What the facts show by themselves (a cable
that is out, a route into a tunnel, what a host refused to send) is in the scene already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from localpair.causes.facts import NeighbourState, RouteFacts, RunFacts
from localpair.causes.rules.view import heard, is_proxied
from localpair.causes.vocabulary import Cause
from localpair.events import Flaw, Phase
from localpair_lab.rebuild.scene import Scene
from localpair_lab.rebuild.topology import Entry, Lan

_LOSS_UNKNOWN: Final = 90  # percent, where nobody counted


@dataclass(frozen=True, slots=True)
class FaultPlace:
    """Where a cause lies, and in which cells: ``others`` are the rest of them."""

    devices: tuple[str, ...]
    cells: Entry
    others: Entry


Recipe: TypeAlias = Callable[[Scene, FaultPlace], bool]


def nothing(scene: Scene, place: FaultPlace) -> bool:
    """What is there already is enough."""
    del scene, place
    return True


# --- A device ---


def closed(scene: Scene, place: FaultPlace, *, both: bool = False, every: bool = False) -> bool:
    """The device's firewall keeps calls out; ``both``: the other's, too; ``every``: beacons as well. On two networks
    a router leads to it: what nothing leads to needs no firewall.
    """
    if not scene.topology.shared:
        scene.join_routers(place.cells, place.others)
    for device in _both(scene) if both else place.devices:
        facts = scene.topology.facts[device]
        open_to_udp = not every and facts.heard is not None and bool(heard(facts))
        what = {"protocol": "tcp"} if open_to_udp else {}
        scene.filter(device, "in", place.cells, do=_verdict(scene, device), **what)
    return True


def shut_in(scene: Scene, place: FaultPlace) -> bool:
    """The device lets nothing out to its networks."""
    for device in place.devices:
        scene.filter(device, "out", place.cells, do="drop")
    return True


def strict(scene: Scene, place: FaultPlace) -> bool:
    """The device's kernel drops what comes by another way than it would answer."""
    for device in place.devices:
        scene.sysctl(scene.devices[device], "net.ipv4.conf.all.rp_filter", "1")
    return True


def gone(scene: Scene, place: FaultPlace) -> bool:
    """The other device goes away as soon as its offer is read."""
    absent = _silent(scene)
    for lan in scene.topology.lans if absent else ():
        for entry in scene.cards_on(absent, lan):
            port = f"{absent}/{entry.get('name', 'eth0')}"
            scene.events.append(
                {**place.cells, "at": "host.offer", "do": "interface-down", "interface": port}
            )
    return bool(absent)


def killed(scene: Scene, place: FaultPlace) -> bool:
    """The host's program is gone, without a goodbye, and the device is there."""
    scene.events.append({**place.cells, "at": "host.offer", "do": "kill", "device": "bob"})
    return True


def cloned(scene: Scene, place: FaultPlace) -> bool:
    """Both devices have one key."""
    for device in scene.devices.values():
        device["identity"] = "clone"
    return not place.cells


def impostor(scene: Scene, place: FaultPlace) -> bool:
    """Something else has the other device's address."""
    facts, absent = scene.topology.facts.get("alice"), "bob"
    shared = scene.topology.shared
    if facts is None or not shared:
        return False
    entries = scene.cards_on(absent, shared[0])
    addresses = [one for entry in entries for one in entry["ip"]]
    scene.move(absent, shared[0], place.cells, place.others)
    scene.decoys["impostor"] = {**place.cells, "on": {shared[0].name: addresses}, "run": _impostor(facts)}
    return True


def _impostor(facts: RunFacts) -> str:
    """What behaves so, by how the connections ended that it took."""
    taken = [one for one in facts.attempts or () if one.phase is not Phase.CONNECT and one.outcome != "ok"]
    if any(one.flaw is Flaw.NO_LOCALPAIR for one in taken):
        return "tcp-garbage"
    return "tcp-silent" if all(one.errno == "ETIMEDOUT" for one in taken) else "tls-stranger"


# --- Between ---


def apart(scene: Scene, place: FaultPlace) -> bool:
    """The network keeps its devices apart."""
    for lan in scene.topology.shared:
        if place.cells:
            one, other = (scene.port(device, lan) for device in _both(scene))
            scene.drop(lan, place.cells, frames_from=one, frames_to=other)
            scene.drop(lan, place.cells, frames_from=other, frames_to=one)
        else:
            scene.networks[lan.name]["isolation"] = "clients"
        _stand_in(scene, lan)
    return bool(scene.topology.shared)


def _stand_in(scene: Scene, lan: Lan) -> None:
    """The router answers for others where the facts show its hardware address in their place."""
    proxied = [
        one for facts in scene.topology.facts.values()
        for one in facts.routes or () if _is_proxied(facts, one)
    ]  # fmt: skip
    for router in scene.routers.values() if proxied else ():
        if lan.name in router["on"]:
            scene.sysctl(router, "net.ipv4.conf.all.proxy_arp_pvlan", "1")
            router["firewall"] = {"through": "drop"}


def _is_proxied(facts: RunFacts, route: RouteFacts) -> bool:
    """As far as the routers of this device are known."""
    known = facts.links is not None and all(one.gateways is not None for one in facts.links)
    return known and is_proxied(facts, route)


def elsewhere(scene: Scene, place: FaultPlace) -> bool:
    """The devices are on two networks that nothing connects."""
    for lan in scene.topology.shared[:1]:
        scene.move(_silent(scene) or "bob", lan, place.cells, place.others)
    return True


def barred(scene: Scene, place: FaultPlace) -> bool:
    """The router between two networks passes nothing on."""
    return not scene.topology.shared and scene.join_routers(
        place.cells, place.others, firewall={"through": "drop"}
    )


def filtered(scene: Scene, place: FaultPlace, *, both: bool = False, every: bool = False) -> bool:
    """Something on the network drops calls of a device, and beacons where none arrived; what either sends where neither
    heard the other, and all of IPv6 where no question for a hardware address is answered in it alone.
    """
    both = both or all(
        facts.heard is not None and not heard(facts) for facts in scene.topology.facts.values()
    )
    for lan in scene.topology.shared:
        for device in _both(scene) if both else place.devices:
            other = next(one for one in _both(scene) if one != device)
            ends = {"frames_from": scene.port(device, lan), "frames_to": scene.port(other, lan)}
            facts = scene.topology.facts[other]
            heard_there = not every and facts.heard is not None and bool(heard(facts))
            for protocol in ("tcp",) if heard_there else ("tcp", "udp"):
                scene.drop(lan, place.cells, **ends, protocol=protocol)
            if both and _answered(scene.topology.facts[device])[1] == {6}:
                scene.drop(lan, place.cells, **ends, family="ipv6")
    return bool(scene.topology.shared)


def unanswered(scene: Scene, place: FaultPlace) -> bool:
    """What the other device sends to this one is lost, answers to its questions for hardware addresses too. Of a
    version of IP whose questions are answered, everything else is lost.
    """
    for lan in scene.topology.shared:
        for device in place.devices:
            other = next(one for one in _both(scene) if one != device)
            ends = {"frames_from": scene.port(other, lan), "frames_to": scene.port(device, lan)}
            found, silent = _answered(scene.topology.facts[device])
            if not silent:
                continue
            if 4 in silent:
                scene.drop(lan, place.cells, **ends)
            else:
                mute = not scene.topology.facts[other].heard
                scene.drop(lan, place.cells, **({} if mute else ends), family="ipv6")
            for version in found - silent:
                scene.drop(lan, place.cells, family=f"ipv{version}")
    return bool(scene.topology.shared)


def _answered(facts: RunFacts) -> tuple[set[int], set[int]]:
    """The versions of IP in which the other device answers for a hardware address, and those in which it does not."""
    rows = [
        one for one in facts.routes or () if one.state is not None and one.gateway is None and not one.errno
    ]
    found: set[int] = {one.destination.version for one in rows if one.state and one.state.is_found}
    silent: set[int] = {one.destination.version for one in rows if one.state is NeighbourState.SILENT}
    return found, silent


def no_groups(scene: Scene, place: FaultPlace) -> bool:
    """No group and no broadcast gets through."""
    for lan in scene.topology.shared:
        if place.cells:
            scene.drop(lan, place.cells, cast="multicast", protocol="udp")
            scene.drop(lan, place.cells, cast="broadcast", protocol="udp")
        else:
            scene.networks[lan.name] |= {"multicast": "drop", "broadcast": "drop"}
    return bool(scene.topology.shared)


def small_only(scene: Scene, place: FaultPlace) -> bool:
    """Large packets vanish."""
    for lan in scene.topology.shared or scene.topology.lans:
        scene.drop(lan, place.cells, protocol="tcp", larger_than="600B")
    return True


def lossy(scene: Scene, place: FaultPlace) -> bool:
    """The network loses much."""
    for lan in scene.topology.shared or scene.topology.lans:
        scene.drop(lan, place.cells, cast="unicast", loss=f"{_LOSS_UNKNOWN}%")
    return True


def _both(scene: Scene) -> tuple[str, ...]:
    return tuple(scene.devices)


def _silent(scene: Scene) -> str:
    """The host, of which the joiner sees nothing: nobody goes away before there is an offer."""
    return "bob" if "bob" in scene.devices else ""


def _verdict(scene: Scene, device: str) -> str:
    """What a firewall does with calls, by what the other device's dials ended with."""
    rows = [
        one
        for name, facts in scene.topology.facts.items()
        if name != device
        for one in facts.attempts or ()
        if not one.opening and one.outcome == "failed"
    ]
    errnos = {one.errno for one in rows}
    if errnos and errnos <= {"ECONNREFUSED"}:
        return "reject-reset"
    found = [
        one for one in rows if one.errno in ("EHOSTUNREACH", "ENETUNREACH") and one.hop and one.hop.is_found
    ]
    return "reject-host" if found and "ETIMEDOUT" not in errnos else "drop"


RECIPES: Final[Mapping[Cause, tuple[Recipe, ...]]] = {
    Cause.NO_USABLE_ADDRESS: (nothing,),
    Cause.INTERFACE_DOWN: (nothing,),
    Cause.NO_CARRIER: (nothing,),
    Cause.PORT_IN_USE: (nothing,),
    Cause.NO_COMMON_FAMILY: (nothing,),
    Cause.NAT_ONE_WAY: (nothing,),
    Cause.VPN_STEALS_PREFIX: (nothing,),
    Cause.VPN_DEFAULT_ROUTE: (nothing,),
    Cause.EGRESS_FILTER: (nothing, shut_in),
    Cause.OS_PERMISSION: (shut_in,),
    Cause.REVERSE_PATH_FILTER: (strict,),
    Cause.FIREWALL_INBOUND: (
        closed, partial(closed, every=True), partial(closed, both=True), partial(closed, both=True, every=True),
    ),
    Cause.PEER_ABSENT: (gone,),
    Cause.WRONG_NETWORK: (elsewhere,),
    Cause.DIFFERENT_NETWORKS: (elsewhere,),
    Cause.CLIENT_ISOLATION: (apart,),
    Cause.FILTER_IN_BETWEEN: (
        filtered, partial(filtered, both=True), partial(filtered, both=True, every=True),
    ),
    Cause.ROUTER_BLOCKS: (barred,),
    Cause.PROXY_ARP: (apart,),
    Cause.ARP_ONE_WAY: (unanswered,),
    Cause.MULTICAST_FILTERED: (no_groups,),
    Cause.MTU_BLACK_HOLE: (small_only,),
    Cause.LOSSY_PATH: (lossy,),
    Cause.INTERCEPTED: (impostor,),
    Cause.WRONG_IDENTITY: (impostor,),
    Cause.STALE_OFFER: (impostor,),
    Cause.HOST_ENDED: (killed,),
    Cause.CLONED_IDENTITY: (cloned,),
    Cause.OWN_OFFER: (cloned,),
}  # fmt: skip
"""Of several, the first with which the oracle knows no way is taken."""
UNEXPLAINED: Final = (
    Cause.FIREWALL_INBOUND,
    Cause.CLIENT_ISOLATION,
    Cause.FILTER_IN_BETWEEN,
    Cause.PEER_ABSENT,
)
"""What is tried where no report names a cause."""
NEEDS_A_WAY: Final = frozenset({Cause.CLONED_IDENTITY, Cause.OWN_OFFER, Cause.HOST_ENDED})
"""With these the devices reach each other, or one is gone, so that no way has to be closed."""
