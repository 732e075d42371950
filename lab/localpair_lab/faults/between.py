"""Faults of what lies between two devices: networks, routers, whoever else is there."""

from __future__ import annotations

from localpair_lab.faults.devices import OTHER_CARDS, counted
from localpair_lab.faults.fault import HOST, MERGED, InjectedFault, Truth
from localpair_lab.generate import oddities
from localpair_lab.generate.builder import DEVICES, Draft, is_ipv6
from localpair_lab.generate.shapes import PREFIXES

ALONE = "fd12:99::/64"  # the IPv6 of a network that gets it for a fault
SMALL = "600B"  # packets that pass where large ones vanish
LOSS = ("85%", "92%", "97%")
LIARS = ("tcp-garbage", "tcp-silent", "tls-stranger")
MERGED_ALONE = frozenset({MERGED})
NOBODY = frozenset[str]()


def shared(draft: Draft) -> list[str]:
    """The networks that both devices are on."""
    mine, theirs = ({home["network"] for home in draft.homes[device]} for device in DEVICES)
    return sorted(mine & theirs)


def has_router(draft: Draft, network: str) -> bool:
    """Whether both devices use one living router of the network, so that they can know that it is one network. Of one
    that has IPv6 alone they need nothing, and do not learn its hardware address.
    """
    every = (router["on"].get(network, ()) for router in draft.routers.values())
    found = [{text for text in addresses if not is_ipv6(text)} for addresses in every]
    used = [set(draft.devices[device].get("gateway", ())) for device in DEVICES]
    return any(used[0] & used[1] & addresses for addresses in found)


def isolate(draft: Draft) -> InjectedFault | None:
    """The networks keep their devices apart; perhaps a router answers for all, and carries nothing."""
    networks = shared(draft)
    for network in networks:
        draft.networks[network]["isolation"] = "clients"
    truths = [Truth("client-isolation"), Truth("multicast-filtered", outside=True)]
    decided = MERGED_ALONE if all(has_router(draft, network) for network in networks) else NOBODY
    if draft.routers and draft.chance.flag(20):
        for router in draft.routers.values():
            router |= {"sysctls": {"net.ipv4.conf.all.proxy_arp_pvlan": "1"}, "firewall": {"through": "drop"}}
        truths.append(Truth("proxy-arp"))
        decided = NOBODY
    return InjectedFault("client-isolation", tuple(truths), decided) if networks else None


def part(draft: Draft) -> InjectedFault | None:
    """A device is on another network than the other one: of the same numbers, or of others."""
    networks = shared(draft)
    if not networks or draft.events or any(not draft.networks[network]["ip"] for network in networks):
        return None
    device, alike = draft.chance.one(DEVICES), draft.chance.flag(50)
    known = all(has_router(draft, network) for network in networks)
    for network in networks:
        _move(draft, device, network, alike=alike)
    is_routed = draft.chance.flag(60) and _route(draft, device, networks, alike=alike)
    # Of one number, two routers of one address show that there are two networks; else, that nobody has a route does.
    offered = draft.pair.get("offer_addresses") != "none"
    decides = is_routed and known if alike else offered and not _any_route(draft)
    name = "different-networks (same numbers)" if alike else "different-networks"
    truths = (Truth("different-networks"), Truth("wrong-network"))
    return InjectedFault(name, truths, MERGED_ALONE if decides else NOBODY)


def _route(draft: Draft, device: str, networks: list[str], *, alike: bool) -> bool:
    """A router for the new networks; where the numbers are the same, with the address of the old one."""
    if not alike:
        draft.devices[device].pop("gateway", None)
        for network in networks:
            draft.add(device, "gateway", *draft.route_in("far", f"{network}2"))
        return True
    found = {
        name: router["on"][name]
        for router in draft.routers.values()
        for name in networks
        if name in router["on"]
    }
    if found:
        draft.routers["far"] = {"on": {f"{name}2": list(addresses) for name, addresses in found.items()}}
    return bool(found)


def _any_route(draft: Draft) -> bool:
    return any(one.get("gateway") or one.get("routes") for one in draft.devices.values())


def _move(draft: Draft, device: str, network: str, *, alike: bool) -> None:
    """The device's cards on the network are on a new one."""
    entry = draft.networks[network]
    numbers = list(entry["ip"]) if alike else [_other(draft, text) for text in entry["ip"]]
    draft.networks[f"{network}2"] = {**entry, "ip": numbers}
    for home in draft.homes[device]:
        if home["network"] == network:
            home["network"] = f"{network}2"
            if not alike:
                families = {is_ipv6(text) for text in home["ip"]}
                home["ip"] = [text for text in draft.addresses(f"{network}2") if is_ipv6(text) in families]


def _other(draft: Draft, prefix: str) -> str:
    if is_ipv6(prefix):
        return "fd34:1::/64"
    taken = {text for entry in draft.networks.values() for text in entry["ip"]}
    return draft.chance.one([text for text in PREFIXES if text not in taken and "/16" not in text])


def split_families(draft: Draft) -> InjectedFault | None:
    """One device has IPv4 alone, the other one IPv6 alone."""
    networks = shared(draft)
    if len(networks) != 1 or any(len(homes) > 1 for homes in draft.homes.values()):
        return None
    network = networks[0]
    if not any(is_ipv6(text) for text in draft.networks[network]["ip"]):
        draft.networks[network]["ip"] = [*draft.networks[network]["ip"], ALONE]
    if len(draft.networks[network]["ip"]) < 2 or draft.routers:
        return None
    old, new = draft.chance.shuffled(DEVICES)
    for device, wants_ipv6 in ((old, False), (new, True)):
        home = draft.homes[device][0]
        prefix = next(text for text in draft.networks[network]["ip"] if is_ipv6(text) is wants_ipv6)
        home["ip"] = [draft.address(network, near=prefix)]
        if not wants_ipv6:
            home["ipv6"] = "off"
    plain = not any(word in draft.features for word in ("container-bridge", "host-only", "spare-interface"))
    apart = (Truth(cause, outside=plain) for cause in ("different-networks", "wrong-network"))
    truths = (Truth("no-common-family"), *apart)
    return InjectedFault("no-common-family", truths, MERGED_ALONE if plain else NOBODY)


def drop_calls(draft: Draft) -> InjectedFault | None:
    """Something on the networks drops TCP, and UDP as well or not, between any two."""
    networks = shared(draft)
    both = draft.chance.flag(60)
    for network in networks:
        protocols = ("tcp", "udp") if both else ("tcp",)
        draft.networks[network]["drops"] = [{"cast": "unicast", "protocol": one} for one in protocols]
    name = "filter-in-between" if both else "filter-in-between (tcp)"
    truths = (Truth("filter-in-between"),)
    return InjectedFault(name, truths, counted(draft) if both else NOBODY) if networks else None


def block_router(draft: Draft) -> InjectedFault | None:
    """The router between two networks passes nothing on."""
    if shared(draft) or not draft.routers or "same-prefix-twice" in draft.features:
        return None
    kind = draft.chance.weighted({"drop": 3, "reject-admin": 2, "closed": 2})
    for router in draft.routers.values():
        router |= {"forwards": "false"} if kind == "closed" else {"firewall": {"through": kind}}
    return InjectedFault("router-blocks", (Truth("router-blocks"), Truth("wrong-network")))


def translate(draft: Draft) -> InjectedFault | None:
    """The host is behind a router that translates, and nothing outside knows its network."""
    if shared(draft) or len(draft.routers) != 1:
        return None
    router = next(iter(draft.routers.values()))
    outer = draft.homes[draft.pair["join"]][0]["network"]
    if outer not in router["on"] or set(router) - {"on"}:
        return None
    router["nat"] = [{"out": outer}]
    draft.devices[draft.pair["join"]].pop("gateway", None)
    causes = ("nat-one-way", "separate-networks", "wrong-network", "different-networks")
    return InjectedFault("nat-one-way", tuple(map(Truth, causes)))


def silence(draft: Draft) -> InjectedFault | None:
    """The offer names no address, and nothing that is sent to all gets through."""
    networks = shared(draft)
    draft.pair["offer_addresses"] = "none"
    for network in networks:
        draft.networks[network] |= {"multicast": "drop", "broadcast": "drop"}
    return InjectedFault("multicast-filtered", (Truth("multicast-filtered"),)) if networks else None


def double_address(draft: Draft) -> InjectedFault | None:
    """Both devices have one network address."""
    oddities.take_address(draft, draft.chance.one(DEVICES))
    if "same-address" not in draft.features:
        return None
    known = all(has_router(draft, network) for network in shared(draft))
    truths = (Truth("address-conflict"),)
    return InjectedFault("address-conflict", truths, MERGED_ALONE if known else NOBODY)


def double_hardware(draft: Draft) -> InjectedFault | None:
    """Both devices' first cards have one hardware address."""
    if not shared(draft):
        return None
    oddities.clone_hardware(draft, "")
    truths = (Truth("address-conflict"), Truth("filter-in-between", outside=True))
    return InjectedFault("address-conflict (hardware)", truths, MERGED_ALONE)


def stand_in(draft: Draft) -> InjectedFault | None:
    """The host loses its network once its offer is there, and somebody else has its address."""
    host = draft.pair["host"]
    homes = draft.homes[host]
    taken = [text for text in homes[0]["ip"] if not is_ipv6(text) and "/" not in text]
    if len(homes) > 1 or draft.events or not taken or homes[0]["network"] not in shared(draft):
        return None
    network, port = homes[0]["network"], f"{host}/{homes[0]['name']}"
    liar = draft.chance.one(LIARS)
    draft.decoys["liar"] = {"on": {network: draft.address(network)}, "run": liar}
    draft.events += [
        {"id": "gone", "at": "host.offer", "do": "cable-out", "interface": port},
        {"id": "taken", "at": "gone.done", "do": "readdress", "interface": "liar/eth0", "ip": taken[:1]},
    ]
    draft.pair["join_at"] = "taken.done"
    truths = [Truth("intercepted"), Truth("no-carrier", (host,)), Truth("peer-absent")]
    if liar == "tls-stranger":
        truths.append(Truth("wrong-identity"))
    decided = set() if any(word in draft.features for word in OTHER_CARDS) else {MERGED, HOST}
    return InjectedFault(f"intercepted ({liar})", tuple(truths), frozenset(decided))


def lose(draft: Draft) -> InjectedFault:
    """Most packets of one device are lost."""
    device = draft.chance.one(DEVICES)
    draft.impairments += [
        {"at": f"{device}/{home['name']}", "loss": draft.chance.one(LOSS)} for home in draft.homes[device]
    ]
    return InjectedFault("lossy-path", (Truth("lossy-path"),))


def swallow(draft: Draft) -> InjectedFault | None:
    """Large packets vanish, whatever is told of the path."""
    networks = shared(draft)
    for network in networks:
        draft.networks[network]["drops"] = [{"protocol": "tcp", "larger_than": SMALL}]
    return InjectedFault("mtu-black-hole", (Truth("mtu-black-hole"),)) if networks else None
