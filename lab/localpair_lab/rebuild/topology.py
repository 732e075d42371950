"""The network that facts show: which interfaces share a LAN, which routers they have, what leads where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeAlias

from localpair.address import IPAddress, unscoped
from localpair.candidate import InterfaceKind
from localpair.causes.facts import AddressFacts, LinkFacts, RouteFacts, RunFacts
from localpair.causes.rules.view import has_address, holds, is_inner, is_tunnel
from localpair_lab.model.kernel_names import fault_of_name

Entry: TypeAlias = dict[str, Any]
Network: TypeAlias = IPv4Network | IPv6Network

LAN, VPN = "lan", "vpn"
_MOST_CARDS = 5  # of one device: a scenario is to be read
_STEMS = {InterfaceKind.WIRELESS: "wlan", InterfaceKind.TUNNEL: "tun", InterfaceKind.BRIDGE: "docker"}
_PLAIN = re.compile(r"[a-z][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Card:
    """One interface of one device, under the name that it has in the scenario."""

    device: str
    name: str
    link: LinkFacts

    @property
    def is_tunnel(self) -> bool:
        """Whether it leads into a tunnel."""
        return is_tunnel(self.link)

    @property
    def is_bridge(self) -> bool:
        """Whether it leads to containers of its own device alone."""
        return is_inner(self.link)

    @property
    def telling(self) -> list[AddressFacts]:
        """The addresses that say which network it is in: link-local IPv6 is the same in each."""
        found = [one for one in self.link.addresses if not one.tentative and one.prefix]
        return [one for one in found if one.address.version == 4 or not one.address.is_link_local]

    @property
    def speaks_ipv6(self) -> bool:
        """Whether it has any address of IPv6."""
        return any(one.address.version == 6 for one in self.link.addresses)


@dataclass(slots=True)
class Lan:
    """One network: its name and the interfaces on it."""

    name: str
    cards: list[Card] = field(default_factory=list)

    @property
    def devices(self) -> set[str]:
        """Whose interfaces they are."""
        return {one.device for one in self.cards}

    @property
    def subnets(self) -> list[Network]:
        """Those that no other one of it holds, wide enough for routers that lie beyond a mask."""
        found = {
            ip_network(f"{one.address}/{one.prefix}", strict=False)
            for card in self.cards
            for one in card.telling
        }
        for gateway in self.gateways:
            near = [one for one in found if one.version == gateway.version]
            if near and not any(gateway in one for one in near):
                found.add(_widened(near[0], gateway))
        return sorted(
            (one for one in found if not _is_inside(one, found)), key=lambda one: (one.version, str(one))
        )

    @property
    def gateways(self) -> list[IPAddress]:
        """The routers that its interfaces have, of the versions of IP that they speak."""
        versions = {one.address.version for card in self.cards for one in card.telling}
        every = (unscoped(one.address) for card in self.cards for one in card.link.gateways or ())
        return [one for one in dict.fromkeys(every) if one.version in versions and not one.is_link_local]


@dataclass(frozen=True, slots=True)
class Topology:
    """All networks, the interfaces that lead to none, and each device's facts by its name."""

    lans: tuple[Lan, ...]
    bridges: tuple[Card, ...]
    facts: Mapping[str, RunFacts]

    @property
    def shared(self) -> list[Lan]:
        """The networks that both devices are on."""
        return [one for one in self.lans if len(one.devices) > 1]

    @property
    def collides(self) -> bool:
        """Whether both devices have an IP or hardware address of the other's on one network, which is fault enough."""
        return any(_twin_mac(card, lan) or _in_conflict(card, lan) for lan in self.lans for card in lan.cards)

    def cards(self, device: str) -> list[Card]:
        """Its interfaces, in the order of the system."""
        found = [card for lan in self.lans for card in lan.cards] + list(self.bridges)
        return sorted((one for one in found if one.device == device), key=lambda one: one.link.index)

    def lan_of(self, card: Card) -> Lan:
        """The network that an interface is on."""
        return next(one for one in self.lans if card in one.cards)


def drawn(facts: Mapping[str, RunFacts]) -> Topology:
    """The network of these devices."""
    cards = [card for device, known in facts.items() for card in _cards(device, known)]
    groups: list[list[Card]] = []
    for card in (one for one in cards if not one.is_bridge):
        near = [group for group in groups if any(_is_near(card, other, groups) for other in group)]
        merged = [card, *(other for group in near for other in group)]
        groups = [group for group in groups if group not in near] + [merged]
    groups.sort(key=lambda group: (-len({card.device for card in group}), group[0].is_tunnel))
    return Topology(tuple(_named(groups)), tuple(one for one in cards if one.is_bridge), facts)


def _named(groups: list[list[Card]]) -> Iterator[Lan]:
    counts = {LAN: 0, VPN: 0}
    for group in groups:
        stem = VPN if group[0].is_tunnel else LAN
        counts[stem] += 1
        yield Lan(
            stem if counts[stem] == 1 else f"{stem}-{counts[stem]}", sorted(group, key=lambda one: one.device)
        )


def _cards(device: str, facts: RunFacts) -> Iterator[Card]:
    """The interfaces that matter: those with an address first, and none of containers' cables."""
    outer = [one for one in facts.links or () if one.kind is not InterfaceKind.LOOPBACK]
    outer = [
        one for one in outer if one.addresses or (one.kind is not InterfaceKind.VETH and not is_inner(one))
    ]
    kept = sorted(outer, key=lambda one: (not has_address(one), not one.up))[:_MOST_CARDS]
    taken: set[str] = set()
    for link in sorted(kept, key=lambda one: one.index):
        name = _card_name(link, taken)
        taken.add(name)
        yield Card(device, name, link)


def _card_name(link: LinkFacts, taken: set[str]) -> str:
    """Its own name where that is one that Linux takes: a report from elsewhere, or a code, has others."""
    if _PLAIN.fullmatch(link.name) and not fault_of_name(link.name) and link.name not in taken:
        return link.name
    stem = _STEMS.get(link.kind, "eth")
    return next(name for name in (f"{stem}{number}" for number in range(99)) if name not in taken)


# --- Who is on one network ---


def _is_near(card: Card, other: Card, groups: list[list[Card]]) -> bool:
    """Whether two interfaces are on one network: in one subnet by both masks, and no router says otherwise."""
    if card.is_tunnel != other.is_tunnel:
        return False
    if not card.telling or not other.telling:
        return card.device != other.device and not card.telling and not other.telling and len(groups) == 1
    in_reach = any(holds(card.link, one.address) for one in other.telling) and any(
        holds(other.link, one.address) for one in card.telling
    )
    return in_reach and not _routers_differ(card.link, other.link)


def _routers_differ(mine: LinkFacts, theirs: LinkFacts) -> bool:
    """Whether one address is a router's on both sides, and never the same router's."""
    ours = {one.address: one.mac for one in mine.gateways or () if one.mac}
    other = {one.address: one.mac for one in theirs.gateways or () if one.mac}
    both = ours.keys() & other.keys()
    return bool(both) and all(ours[address] != other[address] for address in both)


def _widened(subnet: Network, address: IPAddress) -> Network:
    """The smallest network that holds both."""
    while address not in subnet and subnet.prefixlen:
        subnet = subnet.supernet()
    return subnet


def _is_inside(one: Network, others: set[Network]) -> bool:
    return any(
        other != one and other.version == one.version and one.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )


# --- The parts of the document ---


def network_entries(topology: Topology) -> dict[str, Entry]:
    """``networks``."""
    found: dict[str, Entry] = {}
    for number, lan in enumerate(topology.lans):
        subnets = [str(one) for one in lan.subnets]
        entry: Entry = {"ip": subnets or [f"10.77.{number}.0/24"]}
        if lan.name.startswith(VPN):
            entry = {"kind": "tunnel", **entry, "hub": [str(one) for one in hubs(topology, lan)]}
        elif not any(":" in one for one in subnets) and any(card.speaks_ipv6 for card in lan.cards):
            entry["ipv6"] = "link-local"
        found[lan.name] = entry if subnets or "ipv6" not in entry else {"ipv6": "link-local"}
    return found


def hubs(topology: Topology, lan: Lan) -> list[IPAddress]:
    """The far ends of a tunnel's network: the gateway that routes name, else its first free address."""
    own = {one.address for card in lan.cards for one in card.telling}
    named = [
        one.gateway
        for facts in topology.facts.values()
        for one in facts.routes or ()
        if one.gateway is not None and any(one.gateway in subnet for subnet in lan.subnets)
    ]
    found = []
    for subnet in lan.subnets:
        free = (
            subnet[number] for number in range(1, min(subnet.num_addresses, 99)) if subnet[number] not in own
        )
        found.append(next((one for one in named if one in subnet), next(free, subnet[0])))
    return found


def device_entry(topology: Topology, device: str) -> Entry:
    """One of ``devices``, without firewall."""
    cards = topology.cards(device)
    entries = [_card_entry(topology, card) for card in cards]
    plain = len(cards) == 1 and cards[0].name == "eth0" and "bridge" not in entries[0]
    for entry in entries:
        if plain:
            entry.pop("name")
    found: Entry = {"interfaces": entries}
    gateways = [
        str(one) for card in cards if not card.is_tunnel and not card.is_bridge
        for one in _gateways(topology, card)
    ]  # fmt: skip
    if gateways:
        found["gateway"] = list(dict.fromkeys(gateways))
    routes = list(_routes(topology, device))
    if routes:
        found["routes"] = routes
    strict = [card for card in cards if card.link.reverse_path == 1]
    if strict:
        found["sysctls"] = {f"net.ipv4.conf.{card.name}.rp_filter": "1" for card in strict}
    return found


def _gateways(topology: Topology, card: Card) -> list[IPAddress]:
    lan = topology.lan_of(card)
    mine = {unscoped(one.address) for one in card.link.gateways or ()}
    return [one for one in lan.gateways if one in mine]


def _card_entry(topology: Topology, card: Card) -> Entry:
    link = card.link
    if card.is_bridge:
        entry: Entry = {"bridge": card.name, "ip": [f"{one.address}/{one.prefix}" for one in card.telling]}
        return entry if link.carrier is not False else {**entry, "carrier": "false"}
    lan = topology.lan_of(card)
    entry = {"network": lan.name, "name": card.name, "ip": [_written(one, lan) for one in card.telling]}
    for key, usual, value in (("up", True, link.up), ("carrier", True, link.carrier is not False)):
        if value != usual:
            entry[key] = "false"
    if not link.multicast and not card.is_tunnel:
        entry["multicast"] = "false"
    if link.mtu != 1500 and 576 <= link.mtu < 1500 and not card.is_tunnel:
        entry["mtu"] = str(link.mtu)
    if not card.speaks_ipv6 and any(one.speaks_ipv6 for one in lan.cards):
        entry["ipv6"] = "off"
    mac = _twin_mac(card, lan)
    if mac:
        entry["mac"] = mac
    if _in_conflict(card, lan):
        entry["conflict"] = "true"
    return entry


def _written(one: AddressFacts, lan: Lan) -> str:
    """The address, with its own length where that is not its network's."""
    subnet = next((net for net in lan.subnets if one.address in net), None)
    return (
        str(one.address)
        if subnet is None or subnet.prefixlen == one.prefix
        else f"{one.address}/{one.prefix}"
    )


def _twin_mac(card: Card, lan: Lan) -> str:
    """A hardware address that both have, where they have one."""
    twins = [one for one in lan.cards if one.device != card.device and one.link.mac == card.link.mac]
    return "02:00:00:00:00:10" if twins and card.link.mac else ""


def _in_conflict(card: Card, lan: Lan) -> bool:
    """Whether another device's interface before it has an address of it."""
    others = {one.address for other in lan.cards if other.device < card.device for one in other.telling}
    return any(one.address in others for one in card.telling)


# --- Routes ---


def _routes(topology: Topology, device: str) -> Iterator[Entry]:
    """The ways that lead elsewhere than the interfaces and their routers do."""
    cards = topology.cards(device)
    found: list[Entry] = []
    for route in topology.facts[device].routes or ():
        taken = next((card for card in cards if card.link.index == route.index), None)
        if taken is not None and not route.errno:
            entry = _detour(topology, route, taken, cards)
            if entry is not None and entry not in found:
                found.append(entry)
    yield from found


def _detour(topology: Topology, route: RouteFacts, taken: Card, cards: list[Card]) -> Entry | None:
    """The route that takes what is for the other device out of its way; None for the usual one."""
    on_link = [card for card in cards if not card.is_tunnel and holds(card.link, route.destination)]
    stolen = bool(on_link) and taken not in on_link
    if taken.is_tunnel and not holds(taken.link, route.destination):
        hub = next(
            (
                one
                for one in hubs(topology, topology.lan_of(taken))
                if one.version == route.destination.version
            ),
            None,
        )
        to = str(_subnet(on_link[0], route.destination)) if stolen else "default"
        return {"to": to, **({"via": str(hub)} if hub else {}), "on": taken.name}
    if route.gateway is None or taken.is_bridge:
        return None
    if stolen:
        return {
            "to": str(_subnet(on_link[0], route.destination)),
            "via": str(route.gateway),
            "on": taken.name,
        }
    known = taken.is_tunnel or unscoped(route.gateway) in _gateways(topology, taken)
    near = not known and holds(taken.link, route.gateway)
    return {"to": f"{route.destination}", "via": str(route.gateway)} if near else None


def _subnet(card: Card, address: IPAddress) -> Network:
    entry = next(
        one for one in card.telling if address in ip_network(f"{one.address}/{one.prefix}", strict=False)
    )
    return ip_network(f"{entry.address}/{entry.prefix}", strict=False)
