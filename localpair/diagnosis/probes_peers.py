"""Checks that listen to the network: groups, broadcast, and whether others are found and find us.

Packets go to localpair's own groups with hop limit 1 and to the directed broadcast addresses of own subnets, and
nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from localpair.diagnosis.evidence import plain, word
from localpair.events import Attempt, Event, Judged, NearbyPeer, OwnAddressSeen, PeerFound, SealedHeard
from localpair.limits import (
    DIAGNOSIS_LISTEN_S,
    DISCOVERY_VERDICT_S,
    FACTS_WAIT_S,
    GROUP_IPV6,
    GROUP_LINK_LOCAL,
    GROUP_SCOPED,
)
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.read import read_interfaces
from localpair.net.netcheck.lacking import lacking_versions, lacks_multicast
from localpair.net.netcheck.multicast_echo import EchoTarget, MulticastEcho, Stranger
from localpair.protocol.discovery_events import Carrier

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json

_GROUPS_4: Final = (IPv4Address(GROUP_LINK_LOCAL), IPv4Address(GROUP_SCOPED))
_GROUP_6: Final = IPv6Address(GROUP_IPV6)
_TOWARDS_S: Final = (
    10.0  # towards an offer: dials have come to their ends by then, and the facts of both are told
)
_LEAVE_S: Final = 0.3  # of a check's time, for closing its sockets


async def multicast(_: CheckContext, notes: CheckNotes) -> None:
    """For each interface and group: join, send, and hear one's own copy; who else is heard meanwhile."""
    found = read_interfaces()
    lacking = lacking_versions()
    targets = [target for target in _targets(found) if target.address.version not in lacking]
    for unused in found.unused():
        notes.add("not_tried", {"interface": unused.name, "reason": unused.reason})
    for target in _targets(found):
        if target.address.version in lacking:
            why = f"this system has no IPv{target.address.version}"
            notes.add("not_tried", {"interface": target.interface.name, "reason": why})
    if not targets:
        notes.skip("no interface carries multicast")
        return
    await _listen(targets, found, notes)


async def broadcast(_: CheckContext, notes: CheckNotes) -> None:
    """For each IPv4 subnet: send to its broadcast address by the real mask, and hear one's own copy."""
    if 4 in lacking_versions():
        notes.skip("this system has no IPv4, and so no broadcast")
        return
    found = read_interfaces()
    targets = [
        EchoTarget(found.by_index[one.index], one.broadcast, Carrier.BROADCAST)
        for one in found.directed_broadcasts()
    ]
    if not targets:
        notes.skip("no subnet has a broadcast address")
        return
    await _listen(targets, found, notes)


async def discovery(setting: CheckContext, notes: CheckNotes) -> None:
    """Look for other devices for a few seconds: who is found, who hears us, and where they see us."""
    if setting.discover is None:
        notes.skip("discovery was left out")
        return
    peers: dict[str, PeerFound] = {}
    sealed = False
    longest = DISCOVERY_VERDICT_S if setting.offer is None else _TOWARDS_S
    window = max(0.0, min(longest, notes.left() - FACTS_WAIT_S - 2 * _LEAVE_S))
    try:
        async with asyncio.timeout(window + FACTS_WAIT_S + _LEAVE_S):
            async for event in setting.discover(window):
                _note(event, peers, notes)
                sealed = sealed or isinstance(event, SealedHeard)
    except TimeoutError:
        pass  # it was asked for a bounded time and took longer; what it told counts
    notes.fact("seconds", window)
    notes.fact("sealed", sealed)
    if not notes.has("reached"):
        notes.say(_summary(list(peers.values()), window, sealed=sealed))


def _summary(peers: list[PeerFound], window: float, *, sealed: bool) -> str:
    if peers:
        mutual = sum(one.hears_us for one in peers)
        others = "; others are near that keep to themselves" if sealed else ""
        return f"{len(peers)} found, {mutual} of them told that they hear us{others}"
    if sealed:
        return (
            "somebody is near, but keeps to itself, as paired devices do and those with an offer between them"
        )
    return f"nobody was found in {window:.1f} s; another device has to run localpair at the same time"


def _note(event: Event, peers: dict[str, PeerFound], notes: CheckNotes) -> None:
    """Keep what one event tells. Who has once said that it hears us has said so."""
    if isinstance(event, PeerFound):
        earlier = peers.get(event.peer.instance)
        hears = event.hears_us or (earlier is not None and earlier.hears_us)
        peers[event.peer.instance] = PeerFound(event.peer, event.heard, hears)
        notes.fact("peers", [_peer(one) for one in peers.values()])
    elif isinstance(event, OwnAddressSeen):
        seen = {"address": event.address, "evidence": event.evidence.label, "by": event.by}
        notes.add("seen_at", seen)
    elif isinstance(event, Attempt) and event.outcome == "ok":
        notes.fact("reached", str(event.candidate))
        notes.say(f"the other device was reached at {event.candidate}, with the key of its offer")
    elif isinstance(event, Judged):
        notes.fact("run", event.facts)
        notes.fact("claimed", event.claimed)


def _targets(found: Interfaces) -> Iterator[EchoTarget]:
    for interface in found.multicast_interfaces():
        versions = {details.address.version for details in interface.addresses if not details.tentative}
        for group in (*_GROUPS_4, _GROUP_6):
            if group.version in versions:
                yield EchoTarget(interface, group, Carrier.MULTICAST)


async def _listen(targets: list[EchoTarget], found: Interfaces, notes: CheckNotes) -> None:
    """Open localpair's own sockets, send every probe once, listen for a beat, and note what was heard."""
    echo = MulticastEcho(targets)
    try:
        echo.start()
        notes.fact("targets", [_row(target) for target in targets])
        await asyncio.sleep(max(0.0, min(DIAGNOSIS_LISTEN_S, notes.left() - _LEAVE_S)))
    finally:
        echo.close()
        notes.fact("sockets", echo.notes)
        notes.fact("targets", [_row(target) for target in targets])
        notes.fact("heard", [_stranger(one, found) for one in echo.strangers])
    _tell(targets, notes)


def _tell(targets: list[EchoTarget], notes: CheckNotes) -> None:
    without = _without_multicast(targets)
    faults = [f"this system has no IPv{version} multicast" for version in sorted(without)]
    faults += [
        f"{target.name}: {fault}"
        for target in targets
        if target.address.version not in without and (fault := _fault(target))
    ]
    if faults:
        notes.fail("; ".join(faults))
    well = sum(target.heard is not None for target in targets)
    notes.say(f"own copy heard {well} of {len(targets)} times")


def _without_multicast(targets: list[EchoTarget]) -> frozenset[int]:
    """The versions of IP in which no group can be joined on any interface, since there is no multicast."""
    groups = [target for target in targets if target.carrier is Carrier.MULTICAST]
    lacking = {target.address.version for target in groups if lacks_multicast(target.join)}
    return frozenset(lacking - {one.address.version for one in groups if not lacks_multicast(one.join)})


def _fault(target: EchoTarget) -> str:
    if target.carrier is Carrier.MULTICAST and _joined(target) != "ok":
        return f"cannot be joined ({_joined(target)})"
    if target.send is not None:
        return f"sending was refused ({word(target.send)})"
    return "" if target.heard is not None else "the own copy was not heard"


def _joined(target: EchoTarget) -> str:
    return "no socket" if target.deaf else word(target.join)


def _row(target: EchoTarget) -> Facts:
    """What came of one target."""
    row: dict[str, Json] = {"interface": target.interface.name, "address": str(target.address)}
    if target.carrier is Carrier.MULTICAST:
        row["join"] = _joined(target)
    row["send"] = word(target.send)
    row["own_copy"] = target.heard is not None
    row["ms"] = plain(target.ms)
    return row


def _stranger(heard: Stranger, found: Interfaces) -> Facts:
    return {
        "address": str(heard.address),
        "kind": heard.kind,
        "packets": heard.packets,
        "this_host": heard.address in found.own_addresses,
    }


def _peer(found: PeerFound) -> Facts:
    peer: NearbyPeer = found.peer
    return {
        "instance": peer.instance,
        "role": peer.role,
        "tcp_port": peer.tcp_port,
        "hears_us": found.hears_us,
        "addresses": [
            {"address": str(one.address), "evidence": one.evidence.label, "origin": one.origin.value}
            for one in peer.addresses
        ],
        "label": peer.label or None,
    }
