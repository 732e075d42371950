"""What single devices have beside their place on the LAN: bridges, host-only cards, tunnels, odd masks, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_interface
from typing import TypeAlias

from localpair_lab.generate import firewalls, oddities
from localpair_lab.generate.builder import Draft, Entry, is_ipv6

Decoration: TypeAlias = Callable[[Draft, str], None]

VPN, VPN_HUB = "10.8.0.0/24", "10.8.0.1"
TUNNEL_NUMBERS = {"alice": 10, "bob": 20}
HOST_ONLY = ("192.168.56.0/24", "172.19.80.0/20", "10.0.75.0/24")
WG_TABLE, TAILSCALE_TABLE = 51820, 52


def add_bridge(draft: Draft, device: str) -> None:
    """A container bridge; its address is the same on every machine."""
    if draft.has_name(device, "docker0"):
        return
    carrier = draft.chance.flag(60)
    idle: Entry = {} if carrier else {"carrier": "false"}
    draft.interfaces(device).append({"bridge": "docker0", "ip": ["172.17.0.1/16"], **idle})
    draft.note("container-bridge")
    if draft.chance.flag(12):
        draft.add(device, "routes", {"to": "224.0.0.0/4", "on": "docker0"})
        draft.note("multicast-to-bridge")


def add_host_only(draft: Draft, device: str) -> None:
    """A network card that leads to nobody, perhaps with the best metric."""
    if draft.has_name(device, "vboxnet0"):
        return
    network = f"vbox-{device}"
    prefix = draft.chance.one(HOST_ONLY)
    draft.add_network(network, prefix)
    draft.plug(device, network, "vboxnet0", home=False, ip=[prefix.replace(".0/", ".1/").split("/")[0]])
    draft.note("host-only")
    if draft.chance.flag(25):
        draft.add(device, "routes", {"to": "default", "on": "vboxnet0", "metric": 15})
        draft.note("host-only-default")


def add_spare(draft: Draft, device: str) -> None:
    """A card that is of no use: without carrier, down, without address, or without multicast."""
    if draft.has_name(device, "eth7"):
        return
    network = f"spare-{device}"
    prefix = draft.chance.one(["10.77.0.0/24", "169.254.0.0/16"])
    draft.add_network(network, prefix, ipv6="link-local")
    faults: list[Entry] = [{"carrier": "false"}, {"up": "false"}, {"ip": []}, {"multicast": "false"}]
    draft.plug(
        device, network, "eth7", home=False, **{"ip": [draft.address(network)], **draft.chance.one(faults)}
    )
    draft.note("spare-interface")


def add_vpn(draft: Draft, device: str) -> None:
    """A VPN that has the default route, a policy rule for everything, or the LAN's own prefix."""
    if not add_tunnel(draft, device):
        return
    kind = draft.chance.weighted({"full": 5, "policy": 3, "stolen": 4, "idle": 1})
    draft.note(f"vpn-{kind}")
    match kind:
        case "full":
            halves = ("0.0.0.0/1", "128.0.0.0/1")
            draft.add(device, "routes", *({"to": half, "via": VPN_HUB, "on": "tun0"} for half in halves))
        case "policy":
            _policy_route(draft, device)
        case "stolen":
            steal_prefixes(draft, device)


def add_tunnel(draft: Draft, device: str) -> bool:
    """A tunnel that nothing is routed into yet; whether the device had none."""
    if draft.has_name(device, "tun0"):
        return False
    if "vpn" not in draft.networks:
        forwards = {} if draft.chance.flag(50) else {"hub_forwards": "false"}
        draft.networks["vpn"] = {"kind": "tunnel", "ip": [VPN], "hub": VPN_HUB, **forwards}
    address = VPN.replace("0/24", str(TUNNEL_NUMBERS[device]))
    draft.plug(device, "vpn", "tun0", home=False, ip=[address])
    return True


def _policy_route(draft: Draft, device: str) -> None:
    """As wg-quick writes it: everything but what the main table knows better than by its default route."""
    suppressed = {"priority": 32764, "table": 254, "suppress_prefix_length": 0}
    rules = [suppressed] if draft.chance.flag(75) else []
    draft.add(device, "routing_policy", *rules, {"priority": 32765, "table": WG_TABLE})
    draft.add(device, "routes", {"to": "default", "via": VPN_HUB, "on": "tun0", "table": WG_TABLE})


def steal_prefixes(draft: Draft, device: str) -> bool:
    """As an overlay writes it that takes over its members' subnets: the rule outranks the connected route. Whether
    there is any to take.
    """
    stolen = [
        prefix
        for home in draft.homes[device]
        for prefix in draft.networks[home["network"]]["ip"]
        if not is_ipv6(prefix)
    ]
    if not stolen:
        return False
    draft.add(device, "routing_policy", {"priority": 5270, "table": TAILSCALE_TABLE})
    for prefix in dict.fromkeys(stolen):
        draft.add(device, "routes", {"to": prefix, "via": VPN_HUB, "on": "tun0", "table": TAILSCALE_TABLE})
    return True


def add_addresses(draft: Draft, device: str) -> None:
    """More addresses on the LAN's card."""
    home = draft.chance.one(draft.homes[device])
    for _ in range(draft.chance.number(1, 3)):
        if draft.networks[home["network"]]["ip"]:
            home["ip"].append(draft.address(home["network"]))
    draft.note("extra-addresses")


def change_mask(draft: Draft, device: str) -> None:
    """A prefix length of its own: too wide, too narrow, or none at all with an on-link route."""
    home = draft.chance.one(draft.homes[device])
    host = next((text for text in home["ip"] if not is_ipv6(text) and "/" not in text), "")
    length = draft.chance.weighted({"32": 3, "16": 3, "25": 2, "28": 1, "2": 0.5, "0": 0.5})
    if not host:
        return
    masked = ip_interface(f"{host}/{length}")
    edges = (masked.network.network_address, masked.network.broadcast_address)
    hosts = (masked.ip, *map(ip_address, draft.devices[device].get("gateway", ())))
    if length != "32" and any(one in edges for one in hosts):
        return
    home["ip"][home["ip"].index(host)] = str(masked)
    if length == "32":
        routes = [
            {"to": "default", "on": home["name"], "metric": 50},
            {"to": _prefix_of(draft, home), "on": home["name"]},
        ]
        draft.add(device, "routes", draft.chance.one(routes))
    draft.note(f"mask-{length}")


def _prefix_of(draft: Draft, home: Entry) -> str:
    prefixes: list[str] = draft.networks[home["network"]]["ip"]
    return next(text for text in prefixes if not is_ipv6(text))


def strip_ipv6(draft: Draft, device: str) -> None:
    """IPv6 is off on a card, or nothing but link-local."""
    home = draft.chance.one(draft.homes[device])
    bare = [text for text in home["ip"] if not is_ipv6(text)]
    if len(bare) == len(home["ip"]):
        return
    home["ip"] = bare
    home["ipv6"] = draft.chance.one(["off", "link-local"])
    draft.note("ipv6-stripped")


def filter_reverse_paths(draft: Draft, device: str) -> None:
    """Strict or loose reverse path filtering."""
    mode = draft.chance.weighted({"1": 3, "2": 1})
    draft.devices[device].setdefault("sysctls", {})["net.ipv4.conf.all.rp_filter"] = mode
    draft.note(f"rp-filter-{mode}")


def deafen(draft: Draft, device: str) -> None:
    """ARP questions never reach the card."""
    draft.chance.one(draft.homes[device])["hears_broadcast"] = "false"
    draft.note("one-way-arp")


def mute(draft: Draft, device: str) -> None:
    """The card's multicast flag is off."""
    draft.chance.one(draft.homes[device])["multicast"] = "false"
    draft.note("no-multicast-flag")


DECORATIONS: Mapping[Decoration, float] = {
    oddities.name_card: 5,
    oddities.take_address: 1,
    oddities.clone_hardware: 1,
    add_bridge: 28,
    oddities.add_bridges: 2,
    add_host_only: 16,
    add_vpn: 16,
    add_spare: 10,
    add_addresses: 7,
    change_mask: 9,
    strip_ipv6: 15,
    filter_reverse_paths: 6,
    deafen: 2,
    mute: 4,
    firewalls.guard_inbound: 30,
    firewalls.guard_outbound: 6,
}
"""Each with the percentage of devices that it comes upon; firewalls last, since they name what is there."""


def decorate(draft: Draft, forced: Mapping[str, tuple[Decoration, ...]]) -> None:
    """Give both devices what chance and ``forced`` (by device) say."""
    for device in draft.devices:
        for decoration, percent in DECORATIONS.items():
            if draft.chance.flag(percent) and not _guarded(decoration, forced[device]):
                decoration(draft, device)
        for decoration in forced[device]:
            decoration(draft, device)
        entries = draft.interfaces(device)
        if len(entries) > 1:
            draft.devices[device]["interfaces"] = draft.chance.shuffled(entries)


def _guarded(decoration: Decoration, forced: tuple[Decoration, ...]) -> bool:
    return decoration is firewalls.guard_inbound and any(one in GUARDS for one in forced)


GUARDS = (firewalls.close_inbound, firewalls.block_tcp, firewalls.block_udp)
