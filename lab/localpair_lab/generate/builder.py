"""A topology in the making: plain data that becomes a scenario file, and what it is known to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeAlias

from localpair_lab.generate.random_source import Chance

Entry: TypeAlias = dict[str, Any]
"""A mapping of the scenario file."""

DEVICES = ("alice", "bob")
ROOM = 600  # how far apart two hosts of one large subnet may be: more than a sweep reaches


@dataclass(slots=True)
class Draft:
    """Networks, routers and devices as the file will hold them.

    ``features`` are words for what was put in; ``homes`` names the real network interfaces of a device, those
    that are neither tunnels nor host-only, best first.
    """

    chance: Chance
    networks: dict[str, Entry] = field(default_factory=dict)
    routers: dict[str, Entry] = field(default_factory=dict)
    devices: dict[str, Entry] = field(default_factory=lambda: {name: {} for name in DEVICES})
    pair: Entry = field(default_factory=dict)
    events: list[Entry] = field(default_factory=list)
    decoys: dict[str, Entry] = field(default_factory=dict)
    impairments: list[Entry] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    homes: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in DEVICES})
    _taken: dict[str, set[str]] = field(default_factory=dict)

    def note(self, feature: str) -> None:
        """The topology holds it."""
        if feature not in self.features:
            self.features.append(feature)

    # --- Networks and addresses ---

    def add_network(self, name: str, *prefixes: str, **more: Any) -> None:
        """A network; ``more`` are further keys of it."""
        self.networks[name] = {"ip": list(prefixes), **more}

    def address(self, network: str, *, near: str = "") -> str:
        """A free host address of a prefix of the network: ``near`` a start of the text, or of the first prefix."""
        prefix = next(text for text in self.networks[network]["ip"] if text.startswith(near))
        subnet = ip_network(prefix)
        taken = self._taken.setdefault(network, set())
        while True:
            text = str(subnet[self._host_number(subnet)])
            if text not in taken:
                taken.add(text)
                return text

    def _host_number(self, subnet: IPv4Network | IPv6Network) -> int:
        last = subnet.num_addresses - 2
        if self.chance.flag(15):
            return self.chance.number(1, last)
        return self.chance.number(1, min(last, ROOM))

    def addresses(self, network: str) -> list[str]:
        """A free address of each prefix of the network."""
        return [self.address(network, near=prefix) for prefix in self.networks[network]["ip"]]

    # --- Machines ---

    def plug(self, device: str, network: str, name: str, *, home: bool = True, **more: Any) -> Entry:
        """An interface of a device on a network, with an address of each prefix unless ``more`` says otherwise."""
        entry: Entry = {"network": network, "name": name}
        entry |= more if "ip" in more else {"ip": self.addresses(network), **more}
        self.interfaces(device).append(entry)
        if home:
            self.homes[device].append(entry)
        return entry

    def interfaces(self, device: str) -> list[Entry]:
        """The device's interfaces."""
        found: list[Entry] = self.devices[device].setdefault("interfaces", [])
        return found

    def add(self, device: str, key: str, *values: Any) -> None:
        """More of a list that the device has."""
        self.devices[device].setdefault(key, []).extend(values)

    def has_name(self, device: str, name: str) -> bool:
        """Whether an interface of that name is there."""
        return any(name in (entry.get("name"), entry.get("bridge")) for entry in self.interfaces(device))

    def route_in(self, router: str, network: str) -> list[str]:
        """Plug a router into a network, with an address of each prefix: those addresses."""
        found = self.addresses(network)
        self.routers.setdefault(router, {"on": {}})["on"][network] = found
        return found

    def lans(self) -> list[str]:
        """The networks that two devices could share."""
        return sorted({entry["network"] for homes in self.homes.values() for entry in homes})


def is_ipv6(text: str) -> bool:
    """Whether an address or prefix is one of IPv6."""
    return ":" in text


def of_family(texts: list[str], *, ipv6: bool) -> list[str]:
    """Those of one family."""
    return [text for text in texts if is_ipv6(text) == ipv6]
