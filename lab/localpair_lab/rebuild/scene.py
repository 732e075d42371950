"""A scenario while it is put together: the network that the facts show, and what recipes add to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from localpair.address import IPAddress
from localpair.causes.facts import CarrierName, DialTime, LinkFacts, RunFacts, SentFacts
from localpair.causes.rules.view import FORBIDDEN, is_tunnel, to_the_network
from localpair_lab.rebuild.topology import (
    VPN,
    Entry,
    Lan,
    Topology,
    device_entry,
    network_entries,
)

ELSEWHERE: Final = "elsewhere"
_CASTS: Final = {CarrierName.MULTICAST: "multicast", CarrierName.BROADCAST: "broadcast"}


@dataclass(slots=True)
class Scene:
    """The parts of a scenario file. ``cells`` in every method says in which cells of the matrix something is there;
    empty: in all.
    """

    topology: Topology
    networks: dict[str, Entry] = field(default_factory=dict)
    routers: dict[str, Entry] = field(default_factory=dict)
    devices: dict[str, Entry] = field(default_factory=dict)
    decoys: dict[str, Entry] = field(default_factory=dict)
    events: list[Entry] = field(default_factory=list)
    acts_in_time: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, topology: Topology) -> Scene:
        """What the facts show without any verdict: interfaces, addresses, routes, and what a host refused to send."""
        scene = cls(topology, network_entries(topology))
        for lan in topology.lans:
            for address in () if lan.name.startswith(VPN) else lan.gateways:
                name = "gw" if not scene.routers else f"gw-{len(scene.routers) + 1}"
                scene.routers[name] = {"on": {lan.name: str(address)}}
        for device, facts in topology.facts.items():
            scene.devices[device] = device_entry(topology, device)
            for rule in _refused(facts):
                scene.filter(device, "out", {}, **rule)
            ports = [one for one in facts.ports or () if one.errno == "EADDRINUSE"]
            if ports:
                scene.devices[device]["run"] = [
                    {"run": "squat", "port": str(one.port), "protocol": str(one.protocol)} for one in ports
                ]
        return scene

    # --- What recipes add ---

    def drop(self, lan: Lan, cells: Entry, **what: object) -> None:
        """The network loses such packets."""
        self.networks[lan.name].setdefault("drops", []).append({**cells, **what})

    def filter(self, device: str, chain: str, cells: Entry, **rule: object) -> None:
        """A rule of the device's firewall. Each chain has rules alone, so that they can be of different cells."""
        firewall = self.devices[device].setdefault("firewall", {})
        rules = firewall.setdefault(chain, {"rules": []})["rules"]
        entry = {**cells, **rule}
        if entry not in rules:
            rules.append(entry)

    def sysctl(self, router_or_device: Entry, key: str, value: str) -> None:
        """A kernel setting, in all cells."""
        router_or_device.setdefault("sysctls", {})[key] = value

    def cards_on(self, device: str, lan: Lan) -> list[Entry]:
        """The device's interfaces on a network, as they stand in the file."""
        return [one for one in self.devices[device]["interfaces"] if one.get("network") == lan.name]

    def port(self, device: str, lan: Lan) -> str:
        """The device's place in the switch, as drops name it."""
        entries = self.devices[device]["interfaces"]
        return device if len(entries) == 1 else f"{device}/{self.cards_on(device, lan)[0]['name']}"

    def move(self, device: str, lan: Lan, cells: Entry, others: Entry) -> None:
        """The device is not on that network but on one with the same numbers. ``others`` are the other cells."""
        self.networks[ELSEWHERE] = {
            key: value for key, value in self.networks[lan.name].items() if key != "drops"
        }
        entries = self.devices[device]["interfaces"]
        for entry in self.cards_on(device, lan):
            moved = {
                **cells,
                **{key: value for key, value in entry.items() if key != "cells"},
                "network": ELSEWHERE,
            }
            entries.insert(entries.index(entry) + 1, moved)
            if others:
                entry["cells"] = others["cells"]
            else:
                entries.remove(entry)

    def join_routers(self, cells: Entry, others: Entry, **more: object) -> bool:
        """One router in place of two stands between the networks of both devices, with ``more`` to it. False where they
        are not on two networks.
        """
        lans = [one for one in self.topology.lans if one.subnets and not one.name.startswith(VPN)]
        legs = {one.name: str(_router_on(one)) for one in lans if len(one.devices) == 1}
        if len({device for one in lans if one.name in legs for device in one.devices}) < 2:
            return False
        for name, router in list(self.routers.items()):
            if set(router["on"]) & set(legs) and "cells" not in router:
                if others:
                    router["cells"] = others["cells"]
                else:
                    del self.routers[name]
        self.routers["between"] = {**cells, "on": legs, **more}
        return True


def _router_on(lan: Lan) -> IPAddress:
    """Its router, or an address where one may be: a device can be called through a router that it does not use."""
    own = {one.address for card in lan.cards for one in card.telling}
    subnet = lan.subnets[0]
    free = (subnet[number] for number in range(1, min(subnet.num_addresses, 99)) if subnet[number] not in own)
    return lan.gateways[0] if lan.gateways else next(free, subnet[0])


# --- What a host refused to send ---


def _refused(facts: RunFacts) -> Iterator[Entry]:
    """The rules of a filter that refuses what this host's facts say it has refused, and lets through the rest."""
    rows = list(to_the_network(facts)) if facts.sent is not None and facts.links is not None else []
    for cast, mine in _by_cast(rows).items():
        refused = {one.errno for one in mine if one.errno in FORBIDDEN}
        if refused and all(one.errno in FORBIDDEN for one in mine):
            yield {"do": "drop", "cast": cast}
    single = [one for one in rows if one.address is not None]
    forbidden = {one.address for one in single if one.errno in FORBIDDEN}
    passed = {one.address for one in single if one.errno not in FORBIDDEN}
    dialled = {one.address for one in facts.attempts or () if one.errno in FORBIDDEN}
    subnets = {
        subnet for address in (forbidden | dialled) - passed if address for subnet in _subnets(facts, address)
    }
    for subnet in sorted(subnets):
        yield {"do": _refusal(facts, subnet), "destination": subnet}


def _refusal(facts: RunFacts, subnet: str) -> str:
    """What the filter does with dials: one that answers them ends them at once."""
    block = ip_network(subnet)
    ends = {
        one.errno if one.took is DialTime.AT_ONCE else ""
        for one in facts.attempts or ()
        if one.outcome == "failed" and not one.opening and one.address in block
    }
    return "reject-host" if ends == {"EHOSTUNREACH"} else "drop"


def _by_cast(rows: list[SentFacts]) -> Mapping[str, list[SentFacts]]:
    found: dict[str, list[SentFacts]] = {}
    for one in rows:
        if one.carrier in _CASTS:
            found.setdefault(_CASTS[one.carrier], []).append(one)
    return found


def _subnets(facts: RunFacts, address: IPAddress) -> Iterator[str]:
    """The own subnet that an address lies in, or that address alone."""
    near = [
        subnet for link in facts.links or () for subnet in _of_link(link) if address in ip_network(subnet)
    ]
    yield from near or [f"{address}/{address.max_prefixlen}"]


def _of_link(link: LinkFacts) -> list[str]:
    if is_tunnel(link):
        return []
    return [
        str(ip_network(f"{one.address}/{one.prefix}", strict=False)) for one in link.addresses if one.prefix
    ]
