"""The shapes: which networks there are, what joins them, and where the two devices are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from localpair_lab.generate.builder import DEVICES, Draft, Entry, is_ipv6, of_family

Shape: TypeAlias = Callable[[Draft], None]

SPECIAL_PREFIXES: Mapping[str, float] = {
    "198.18.5.0/24": 0.5,
    "198.18.0.0/15": 0.3,
    "192.0.2.0/24": 0.4,
    "203.0.113.0/24": 0.4,
    "240.1.2.0/24": 0.4,
    "192.88.99.0/24": 0.3,
}
"""Out of blocks with another purpose: some homes and labs are numbered so."""
PREFIXES: Mapping[str, float] = {
    "192.168.1.0/24": 8,
    "192.168.178.0/24": 2,
    "192.168.0.0/16": 2,
    "10.20.0.0/16": 2,
    "10.0.0.0/24": 2,
    "172.16.4.0/22": 1,
    "192.168.43.0/28": 2,
    "192.168.2.128/25": 2,
    "169.254.0.0/16": 1,
    **SPECIAL_PREFIXES,
}
FAMILIES: Mapping[str, float] = {
    "ipv4": 58,
    "dual": 20,
    "link-local": 12,
    "only-ipv6": 5,
    "only-link-local": 5,
}
PAIRING_PORT = 46821
NETWORKS = ("lan", "wifi", "things")


def add_lan(draft: Draft, name: str, *, prefix: str = "", family: str = "") -> None:
    """A LAN with an IPv4 prefix, IPv6 beside it, or IPv6 alone."""
    prefix = prefix or draft.chance.weighted(PREFIXES)
    family = family or draft.chance.weighted(FAMILIES)
    special = draft.chance.flag(15)
    unique = f"{'2001:db8' if special else 'fd12'}:{len(draft.networks) + 1}::/64"
    prefixes = {"dual": [prefix, unique], "only-ipv6": [unique], "only-link-local": []}.get(family, [prefix])
    more = {"ipv6": "link-local"} if family in ("link-local", "only-link-local") else {}
    draft.add_network(name, *prefixes, **more)
    if prefix in SPECIAL_PREFIXES and prefix in prefixes:
        draft.note("special-block")
    if special and unique in prefixes:
        draft.note("special-block-ipv6")
    if family != "ipv4":
        draft.note(f"ipv6-{family}")


def _same_lan(draft: Draft) -> None:
    add_lan(draft, "lan")
    for device in DEVICES:
        draft.plug(device, "lan", "eth0")
    if draft.chance.flag(50):
        _add_gateway(draft, "lan", DEVICES)


def _two_lans(draft: Draft) -> None:
    """Both are on both, or one of them is on one only."""
    add_lan(draft, "lan")
    add_lan(draft, "wifi", prefix=_other_prefix(draft, "lan"))
    poor = draft.chance.weighted({"": 4, "alice": 3, "bob": 3})
    for device in DEVICES:
        draft.plug(device, "lan", "eth0")
        if device != poor:
            draft.plug(device, "wifi", "wlan0")
    if draft.chance.flag(60):
        _add_gateway(draft, draft.chance.one(["lan", "wifi"]), [name for name in DEVICES if name != poor])


def _two_nics(draft: Draft) -> None:
    """Two network cards of one device in one subnet."""
    add_lan(draft, "lan")
    twin = draft.chance.one(DEVICES)
    for device in DEVICES:
        draft.plug(device, "lan", "eth0")
    draft.plug(twin, "lan", "wlan0")
    draft.note("two-nics-one-subnet")


def _routed(draft: Draft) -> None:
    """A router between the two: open, one way, filtering, or translating."""
    add_lan(draft, "lan")
    add_lan(draft, "things", prefix=_other_prefix(draft, "lan", same=12))
    sides = {"alice": "lan", "bob": "things"}
    for device, network in sides.items():
        draft.plug(device, network, "eth0")
    found = {network: draft.route_in("gw", network) for network in sides.values()}
    kind = draft.chance.weighted(
        {"open": 8, "one-way": 5, "filter": 4, "nat": 8, "random-nat": 2, "closed": 2}
    )
    draft.note(f"router-{kind}")
    inner, outer = draft.chance.shuffled(["lan", "things"])
    router = draft.routers["gw"]
    match kind:
        case "one-way":
            router["one_way"] = [{"from": inner, "to": outer}]
        case "filter":
            router["firewall"] = {"through": _through_filter(draft)}
        case "nat" | "random-nat":
            router["nat"] = [{"out": outer} | ({"ports": "random"} if kind == "random-nat" else {})]
            if draft.chance.flag(25):
                _publish(draft, router, outer, next(name for name in DEVICES if sides[name] == inner))
        case "closed":
            router["forwards"] = "false"
    for device, network in sides.items():
        # Behind a translating router only the inner ones need a way out.
        if "nat" not in kind or network == inner or draft.chance.flag(40):
            _give_gateway(draft, device, found[network])


def _publish(draft: Draft, router: Entry, outer: str, device: str) -> None:
    """The inner device's port is open to the outside, by TCP or by both."""
    inside = next((text for text in draft.homes[device][0]["ip"] if not is_ipv6(text)), "")
    if inside:
        protocols = draft.chance.one([("tcp",), ("tcp", "udp")])
        router["publish"] = [
            {"on": outer, "port": PAIRING_PORT, "to": inside, "protocol": protocol} for protocol in protocols
        ]
        draft.note("router-publishes")


def _through_filter(draft: Draft) -> Entry:
    default = draft.chance.weighted({"drop": 4, "reject-admin": 2, "accept": 2})
    if default == "accept":
        return {"default": "accept", "rules": [{"do": "drop", "protocol": draft.chance.one(["tcp", "udp"])}]}
    opened = draft.chance.weighted({"46820-46829": 3, "": 2})
    rules = [{"do": "accept", "port": opened}] if opened else []
    return {"default": default, "rules": rules}


def _nested(draft: Draft) -> None:
    """Each behind a translating router of its own, or one of them outside."""
    add_lan(draft, "lan", prefix="192.168.1.0/24", family="ipv4")
    add_lan(draft, "wifi", prefix="192.168.88.0/24", family="ipv4")
    both = draft.chance.flag(60)
    draft.plug("alice", "wifi", "eth0")
    draft.route_in("one", "lan")
    _give_gateway(draft, "alice", draft.route_in("one", "wifi"))
    draft.routers["one"]["nat"] = [{"out": "lan"}]
    if both:
        prefix = draft.chance.one(["192.168.99.0/24", "192.168.88.0/24"])
        add_lan(draft, "things", prefix=prefix, family="ipv4")
        draft.plug("bob", "things", "eth0")
        draft.route_in("two", "lan")
        _give_gateway(draft, "bob", draft.route_in("two", "things"))
        draft.routers["two"]["nat"] = [{"out": "lan"}]
    else:
        draft.plug("bob", "lan", "eth0")
    draft.note("nested-nat" if both else "behind-nat")


def _three_hops(draft: Draft) -> None:
    """Two routers in a row."""
    for name, prefix in zip(NETWORKS, ("10.1.0.0/24", "10.3.0.0/24", "10.2.0.0/24"), strict=True):
        add_lan(draft, name, prefix=prefix, family="ipv4")
    draft.plug("alice", "lan", "eth0")
    draft.plug("bob", "things", "eth0")
    for router, network, device in (("one", "lan", "alice"), ("two", "things", "bob")):
        _give_gateway(draft, device, draft.route_in(router, network))
    first, second = draft.route_in("one", "wifi")[0], draft.route_in("two", "wifi")[0]
    draft.routers["one"]["routes"] = [{"to": "10.2.0.0/24", "via": second}]
    draft.routers["two"]["routes"] = [{"to": "10.1.0.0/24", "via": first}]
    draft.note("three-hops")


def _apart(draft: Draft) -> None:
    """No network in common, and mostly an overlay that joins them."""
    add_lan(draft, "lan")
    add_lan(draft, "things", prefix=_other_prefix(draft, "lan", same=30))
    draft.plug("alice", "lan", "eth0")
    draft.plug("bob", "things", "eth0")
    draft.note("apart")
    if draft.chance.flag(65):
        prefix, hub = draft.chance.one([("100.64.0.0/24", "100.64.0.254"), ("10.8.0.0/24", "10.8.0.254")])
        draft.networks["overlay"] = {"kind": "tunnel", "ip": [prefix], "hub": hub}
        for device, number in (("alice", 1), ("bob", 2)):
            host = prefix.replace("0/24", str(number))
            draft.plug(device, "overlay", "tailscale0", home=False, ip=[host])
        draft.note("overlay-only")


def _other_prefix(draft: Draft, network: str, *, same: float = 6) -> str:
    """A prefix beside the network's own; in ``same`` percent of cases, the same."""
    own = next((text for text in draft.networks[network]["ip"] if not is_ipv6(text)), "")
    if own and draft.chance.flag(same):
        draft.note("same-prefix-twice")
        return own
    return draft.chance.weighted({prefix: weight for prefix, weight in PREFIXES.items() if prefix != own})


def _add_gateway(draft: Draft, network: str, devices: list[str] | tuple[str, ...]) -> None:
    found = draft.route_in("gw", network)
    for device in devices:
        _give_gateway(draft, device, found)


def _give_gateway(draft: Draft, device: str, addresses: list[str]) -> None:
    """The router's addresses as default gateways; sometimes none, and sometimes one that is not there."""
    kind = draft.chance.weighted({"good": 88, "none": 7, "dead": 5})
    if kind == "none":
        draft.note("no-default-route")
    elif addresses:
        draft.add(device, "gateway", *addresses)
        networks = [entry["network"] for entry in draft.homes[device]]
        numbered = [name for name in networks if of_family(draft.networks[name]["ip"], ipv6=False)]
        if kind == "dead" and not is_ipv6(addresses[0]) and numbered:
            draft.devices[device]["gateway"] = [draft.address(numbered[0])]
            draft.note("dead-gateway")


SHAPES: Mapping[Shape, float] = {
    _same_lan: 52,
    _two_lans: 13,
    _two_nics: 4,
    _routed: 19,
    _nested: 5,
    _three_hops: 3,
    _apart: 7,
}
