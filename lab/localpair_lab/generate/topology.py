"""A whole generated topology: a shape, what its networks and devices are like, and what changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from localpair_lab.generate import events, extras, firewalls, network_policies
from localpair_lab.generate.builder import DEVICES, Draft, Entry
from localpair_lab.generate.events import DrawnChange, add_change
from localpair_lab.generate.extras import Decoration, decorate
from localpair_lab.generate.network_policies import Policy, set_policies
from localpair_lab.generate.oddities import answer_for_others
from localpair_lab.generate.random_source import Chance
from localpair_lab.generate.shapes import SHAPES

TIMEOUT = "13s"  # of both sides: the bound is 20 s, and a run that fails has to end within it
COMBINED = 40  # percent of topologies that hold two troubles which people are known to have together

Trouble: TypeAlias = Decoration | Policy | DrawnChange

DEVICE_TROUBLES: Mapping[Decoration, float] = {
    extras.add_vpn: 4,
    extras.add_bridge: 3,
    extras.add_host_only: 3,
    firewalls.close_inbound: 4,
    firewalls.block_udp: 2,
    firewalls.block_tcp: 3,
    firewalls.guard_outbound: 2,
    extras.add_spare: 2,
    extras.change_mask: 2,
}
NETWORK_TROUBLES: Mapping[Policy, float] = {
    network_policies.change_multicast: 5,
    network_policies.snoop: 2,
    network_policies.isolate: 2,
    network_policies.drop_broadcast: 2,
}
CHANGES: Mapping[DrawnChange, float] = {events.renumber: 1, events.flap: 1, events.roam: 1}


def make(chance: Chance) -> Draft:
    """One topology."""
    draft = Draft(chance)
    chance.weighted(SHAPES)(draft)
    answer_for_others(draft)
    host, join = chance.shuffled(DEVICES)
    draft.pair |= {"host": host, "join": join, "timeout": TIMEOUT}
    if chance.flag(25):
        draft.pair["offer_addresses"] = "none"
        draft.note("no-addresses-offered")
    devices, networks, change = _troubles(draft) if chance.flag(COMBINED) else _none()
    decorate(draft, devices)
    set_policies(draft, networks)
    add_change(draft, change)
    return draft


def _none() -> tuple[dict[str, tuple[Decoration, ...]], tuple[Policy, ...], DrawnChange | None]:
    return dict.fromkeys(DEVICES, ()), (), None


def _troubles(
    draft: Draft,
) -> tuple[dict[str, tuple[Decoration, ...]], tuple[Policy, ...], DrawnChange | None]:
    """Two troubles that people have, each at one device, at both, on the networks, or in time."""
    chance = draft.chance
    devices: dict[str, tuple[Decoration, ...]] = dict.fromkeys(DEVICES, ())
    networks: tuple[Policy, ...] = ()
    change: DrawnChange | None = None
    for kind in (chance.weighted({"device": 6, "network": 3, "change": 1}) for _ in range(2)):
        if kind == "device":
            trouble = chance.weighted(DEVICE_TROUBLES)
            for device in chance.weighted({DEVICES[:1]: 3, DEVICES[1:]: 3, DEVICES: 4}):
                devices[device] += (trouble,)
        elif kind == "network":
            networks += (chance.weighted(NETWORK_TROUBLES),)
        else:
            change = chance.weighted(CHANGES)
    return devices, networks, change


# --- As a file's content ---


def content(draft: Draft) -> dict[str, Any]:
    """The topology as the keys of a scenario file, without what every file needs besides."""
    found: dict[str, Any] = {"networks": {name: _network(entry) for name, entry in draft.networks.items()}}
    if draft.routers:
        found["routers"] = {name: _router(entry) for name, entry in draft.routers.items()}
    found["devices"] = {name: _plain(entry) for name, entry in draft.devices.items()}
    if draft.decoys:
        found["decoys"] = {name: _plain(entry) for name, entry in draft.decoys.items()}
    if draft.impairments:
        found["impair"] = [_plain(entry) for entry in draft.impairments]
    found["pair"] = dict(draft.pair)
    if draft.events:
        found["events"] = [_plain(event) for event in draft.events]
    return found


def _network(entry: Entry) -> Any:
    plain = _plain(entry)
    return plain["ip"] if set(plain) == {"ip"} else plain


def _router(entry: Entry) -> Entry:
    return {
        key: {name: short(ip) for name, ip in value.items()} if key == "on" else value
        for key, value in entry.items()
    }


def _plain(value: Any) -> Any:
    """Lists of one become their element, and empty ones go, as a person would write it."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one not in ([], {}, "")}
    if isinstance(value, list):
        return short([_plain(one) for one in value])
    return value


def short(values: list[Any]) -> Any:
    """The element of a list that has one, where the format allows either."""
    return values[0] if len(values) == 1 and not isinstance(values[0], dict) else values
