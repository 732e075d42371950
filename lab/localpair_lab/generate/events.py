"""What changes while the devices look for each other.

Changes come at moments whose outcome no race decides: around the offer, before the joiner starts; and what heals,
after it. What would close a path that may be in use by then is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from localpair_lab.generate.builder import DEVICES, Draft, Entry, is_ipv6
from localpair_lab.generate.network_policies import multicast_policy

DrawnChange: TypeAlias = Callable[[Draft], bool]
HEAL_AFTER = ("1s", "2s", "4s")


def _when(draft: Draft, identity: str) -> str:
    """Around the offer; the joiner starts once it is done."""
    draft.pair["join_at"] = f"{identity}.done"
    return draft.chance.weighted({"host.offer": 3, "host.started": 1})


def renumber(draft: Draft) -> bool:
    """A device gets another address of its network."""
    device = draft.chance.one(DEVICES)
    home = draft.chance.one(draft.homes[device])
    addresses = _allowed(home, draft.addresses(home["network"]))
    if not addresses:
        return False
    change = {
        "id": "moved",
        "at": _when(draft, "moved"),
        "do": "readdress",
        "interface": f"{device}/{home['name']}",
        "ip": addresses,
    }
    draft.events.append(change | _gateways(draft, device, home["network"]))
    draft.note("event-readdress")
    return True


def _allowed(home: Entry, addresses: list[str]) -> list[str]:
    """Those of the families that the card speaks: IPv6 is not switched on by an address."""
    speaks_ipv6 = home.get("ipv6") != "off" and any(map(is_ipv6, home["ip"]))
    return [text for text in addresses if speaks_ipv6 or not is_ipv6(text)]


def _gateways(draft: Draft, device: str, network: str) -> Entry:
    """The gateways that the device has on the network."""
    prefixes = draft.networks[network]["ip"]
    gateways = [
        text
        for text in draft.devices[device].get("gateway", [])
        if any(ip_address(text) in ip_network(prefix) for prefix in prefixes)
    ]
    return {"gateway": gateways} if gateways else {}


def flap(draft: Draft) -> bool:
    """A cable, a switch or an adapter goes and comes back."""
    device = draft.chance.one(DEVICES)
    port = f"{device}/{draft.chance.one(draft.homes[device])['name']}"
    gone, back = draft.chance.one(
        [("cable-out", "cable-in"), ("interface-down", "interface-up"), ("unplug", "plug-in")]
    )
    draft.events.append({"id": "gone", "at": _when(draft, "gone"), "do": gone, "interface": port})
    draft.note(f"event-{gone}")
    if draft.chance.flag(80):
        after = f"gone.done + {draft.chance.one(HEAL_AFTER)}"
        draft.events.append({"id": "back", "at": after, "do": back, "interface": port})
    return True


def roam(draft: Draft) -> bool:
    """A device moves into the other's network, or away from it."""
    device, other = draft.chance.shuffled(DEVICES)
    home = draft.chance.one(draft.homes[device])
    targets = {entry["network"] for entry in draft.homes[other]} | {
        network for network in draft.networks if network in ("lan", "wifi", "things")
    }
    targets -= {entry["network"] for entry in draft.homes[device]}
    targets = {network for network in targets if draft.networks[network]["ip"]}
    if not targets:
        return False
    target = draft.chance.one(sorted(targets))
    addresses = _allowed(home, draft.addresses(target))
    if not addresses:
        return False
    change = {
        "id": "roamed",
        "at": _when(draft, "roamed"),
        "do": "roam",
        "interface": f"{device}/{home['name']}",
        "to": target,
        "ip": addresses,
    }
    routers = [router["on"][target] for router in draft.routers.values() if target in router["on"]]
    gateways = [text for text in (routers[0] if routers else []) if not is_ipv6(text)]
    draft.events.append(change | ({"gateway": gateways} if gateways else {}))
    draft.note("event-roam")
    return True


def change_policy(draft: Draft) -> bool:
    """A network closes before the joiner starts, or opens afterwards."""
    network = draft.chance.one(draft.lans())
    if draft.chance.flag(50):
        policy: Entry = {"multicast": multicast_policy(draft, network)}
        if draft.chance.flag(30):
            policy = {"isolation": "clients"}
        draft.events.append(
            {"id": "closed", "at": _when(draft, "closed"), "do": "policy", "network": network} | policy
        )
        draft.note("event-closes")
        return True
    closed = draft.networks[network]
    if not {"multicast", "broadcast", "isolation", "drops"} & set(closed):
        closed["isolation"] = "clients"
    after = f"join.started + {draft.chance.one(HEAL_AFTER)}"
    draft.events.append({"id": "opened", "at": after, "do": "policy", "network": network})
    draft.note("event-opens")
    return True


DRAWN_CHANGES: Mapping[DrawnChange, float] = {renumber: 4, flap: 5, roam: 3, change_policy: 4}


def add_change(draft: Draft, forced: DrawnChange | None = None) -> None:
    """One change, where chance says so."""
    if forced is not None:
        forced(draft)
    elif draft.chance.flag(16):
        draft.chance.weighted(DRAWN_CHANGES)(draft)
