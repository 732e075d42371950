"""What is seldom, or should not be: odd names, many cards, one address or one hardware address on both devices,
routers that answer for others.
"""

from __future__ import annotations

from localpair_lab.generate.builder import DEVICES, Draft, Entry, is_ipv6

NAMES = ("eth0.100", "6in4-wan6", "enx00e04c683700", "o'lan", "wlan0@if7")
CLONED = "02:00:00:00:00:99"
BRIDGES = (8, 30)
ANSWERING = 10  # percent of topologies with routers


def name_card(draft: Draft, device: str) -> None:
    """A card's name as systems give it, or people."""
    home = draft.chance.one(draft.homes[device])
    name = draft.chance.one(NAMES)
    if not draft.has_name(device, name):
        home["name"] = name
        draft.note("odd-name")


def add_bridges(draft: Draft, device: str) -> None:
    """More container bridges than one socket can be a member of groups on."""
    count = draft.chance.number(*BRIDGES)
    bridges: list[Entry] = [{"bridge": f"br-{n:02}", "ip": [f"172.18.{n}.1/24"]} for n in range(1, count + 1)]
    draft.interfaces(device).extend(bridges)
    draft.note("many-interfaces")


def clone_hardware(draft: Draft, device: str) -> None:
    """Both devices' first cards have one hardware address."""
    del device
    for name in DEVICES:
        draft.homes[name][0]["mac"] = CLONED
    draft.note("same-mac")


def take_address(draft: Draft, device: str) -> None:
    """The device has an address of the other one, on a network of both."""
    other = next(name for name in DEVICES if name != device)
    mine, theirs = draft.homes[device][0], draft.homes[other][0]
    taken = [text for text in theirs["ip"] if not is_ipv6(text) and "/" not in text]
    if mine["network"] != theirs["network"] or not taken or mine.get("conflict") or theirs.get("conflict"):
        return
    mine["ip"] = [taken[0], *(text for text in mine["ip"] if is_ipv6(text))]
    mine["conflict"] = "true"
    theirs["conflict"] = "true"
    draft.note("same-address")


def answer_for_others(draft: Draft) -> None:
    """The routers answer questions for the hardware addresses of the other side."""
    if not draft.routers or not draft.chance.flag(ANSWERING):
        return
    setting = draft.chance.weighted({"proxy_arp": 3, "proxy_arp_pvlan": 1})
    for router in draft.routers.values():
        router["sysctls"] = {f"net.ipv4.conf.all.{setting}": "1"}
    draft.note("proxy-arp" if setting == "proxy_arp" else "proxy-arp-pvlan")
