"""Faults of a device: its links, its firewall, what it sends."""

from __future__ import annotations

from localpair_lab.faults.fault import HOST, JOIN, MERGED, InjectedFault, Truth
from localpair_lab.generate.builder import DEVICES, Draft, Entry
from localpair_lab.generate.extras import add_tunnel, steal_prefixes
from localpair_lab.generate.firewalls import CLOSED

EGRESS = {"drop": 3, "reject-admin": 1}
ABSENT = Truth("peer-absent")  # what a device looks like that has no network, from anywhere else
OTHER_CARDS = ("spare-interface", "host-only", "vpn-full", "vpn-policy", "vpn-stolen", "vpn-idle")
STRICT = {"net.ipv4.conf.all.rp_filter": "1"}


def role(draft: Draft, device: str) -> str:
    """The view of the device's own screen."""
    return HOST if draft.pair["host"] == device else JOIN


def _own(draft: Draft, device: str) -> frozenset[str]:
    """The views that can know a fault which the device sees by itself."""
    return frozenset({MERGED, role(draft, device)})


def _dead(draft: Draft, cause: str, change: str, flag: Entry) -> InjectedFault:
    """All cards of a device that lead to a network are dead: from the start, or once the offer is there."""
    device = draft.chance.one(DEVICES)
    if draft.chance.flag(50) and not draft.events:
        for number, home in enumerate(draft.homes[device]):
            port = f"{device}/{home['name']}"
            draft.events.append({"id": f"gone-{number}", "at": "host.offer", "do": change, "interface": port})
            draft.pair["join_at"] = f"gone-{number}.done"
    else:
        for home in draft.homes[device]:
            home |= flag
    return _without_network(draft, device, cause)


def _without_network(draft: Draft, device: str, cause: str) -> InjectedFault:
    """Another card that is alive, or dead as well, might be the one that was meant."""
    is_plain = not any(word in draft.features for word in OTHER_CARDS)
    decided = _own(draft, device) if is_plain else frozenset()
    outside = Truth("wrong-network", outside=True)
    return InjectedFault(cause, (Truth(cause, (device,)), ABSENT, outside), decided)


def pull_cable(draft: Draft) -> InjectedFault:
    """No cable, or no Wi-Fi."""
    return _dead(draft, "no-carrier", "cable-out", {"carrier": "false"})


def switch_off(draft: Draft) -> InjectedFault:
    """The card is switched off."""
    return _dead(draft, "interface-down", "interface-down", {"up": "false"})


def take_addresses(draft: Draft) -> InjectedFault | None:
    """A link, and no address on it."""
    device = draft.chance.one(DEVICES)
    if any(entry.get("network", "").startswith(("vpn", "overlay")) for entry in draft.interfaces(device)):
        return None
    for home in draft.homes[device]:
        home |= {"ip": [], "ipv6": "off"}
    for key in ("gateway", "routes"):
        draft.devices[device].pop(key, None)
    return _without_network(draft, device, "no-usable-address")


def refuse_sends(draft: Draft) -> InjectedFault:
    """A kill switch: nothing leaves."""
    device = draft.chance.one(DEVICES)
    draft.devices[device]["firewall"] = {
        **draft.devices[device].get("firewall", {}), "out": draft.chance.weighted(EGRESS),
    }  # fmt: skip
    outside = (Truth(cause, outside=True) for cause in ("firewall-inbound", "peer-absent"))
    truths = (Truth("egress-filter", (device,)), *outside)
    return InjectedFault("egress-filter", truths, _own(draft, device))


def shut_both(draft: Draft) -> InjectedFault:
    """Both devices' firewalls keep calls out, and beacons as well or not."""
    for device in DEVICES:
        _shut(draft, device)
    truths = (Truth("firewall-inbound", DEVICES),)
    return InjectedFault("firewall-inbound", truths, counted(draft))


def shut_one(draft: Draft) -> InjectedFault:
    """One device's firewall keeps out everything new; the other one may not know where to call."""
    device = draft.chance.one(DEVICES)
    _shut(draft, device)
    truths = (Truth("firewall-inbound", (device,)),)
    return InjectedFault("firewall-inbound (one)", truths, counted(draft))


def counted(draft: Draft) -> frozenset[str]:
    """What a kernel drops tells whose firewall it is, unless two cards in one subnet hear each other, or one drops all
    groups, or nobody may have called.
    """
    misled = {"two-nics-one-subnet", "no-multicast-flag", "no-addresses-offered"} & set(draft.features)
    return frozenset() if misled else frozenset({MERGED})


def _shut(draft: Draft, device: str) -> None:
    verdict = draft.chance.weighted(CLOSED)
    options: list[Entry] = [
        {"default": verdict},
        {"default": verdict, "stateful": "false"},
        {"rules": [{"do": verdict, "protocol": "tcp"}]},
        {"rules": [{"do": verdict, "protocol": "tcp"}], "stateful": "false"},
    ]
    chain = draft.chance.one(options)
    draft.devices[device]["firewall"] = {**draft.devices[device].get("firewall", {}), "in": chain}


def filter_strictly(draft: Draft) -> InjectedFault | None:
    """A tunnel has the prefix of the network, and what comes by the card is dropped for it."""
    device = draft.chance.one(DEVICES)
    if not add_tunnel(draft, device) or not steal_prefixes(draft, device):
        return None
    draft.devices[device]["sysctls"] = {**draft.devices[device].get("sysctls", {}), **STRICT}
    truths = (
        Truth("reverse-path-filter", (device,)),
        Truth("vpn-steals-prefix", (device,)),
        Truth("firewall-inbound", (device,), outside=True),
    )
    return InjectedFault("reverse-path-filter", truths, frozenset({MERGED}))


def clone_key(draft: Draft) -> InjectedFault:
    """Both devices have one key, copied with a disk."""
    for device in DEVICES:
        draft.devices[device]["identity"] = "clone"
    return InjectedFault("cloned-identity", (Truth("cloned-identity"),), frozenset({MERGED, HOST, JOIN}))


def kill_host(draft: Draft) -> InjectedFault:
    """The host's program is killed, and says no goodbye."""
    device = draft.pair["host"]
    draft.events.append({"id": "killed", "at": "host.offer", "do": "kill", "device": device})
    draft.pair["join_at"] = "killed.done"
    return InjectedFault("host-ended", (Truth("host-ended", (device,)), ABSENT))
