"""What the networks do to packets: multicast, broadcast, snooping, isolation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from localpair_lab.generate.builder import DEVICES, Draft, Entry

Policy: TypeAlias = Callable[[Draft, str], None]


def multicast_policy(draft: Draft, network: str) -> Entry | str:
    """A treatment of multicast that is not plain passing."""
    kind = draft.chance.weighted(
        {"drop": 8, "ipv4": 2, "ipv6": 2, "scoped": 3, "groups": 2, "from": 3, "to": 3, "flooding": 2}
    )
    draft.note(f"multicast-{kind}")
    port = _port(draft, network)
    options: Mapping[str, Entry | str] = {
        "drop": "drop",
        "ipv4": {"ipv4": "drop"},
        "ipv6": {"ipv6": "drop"},
        "scoped": {"drop": ["239.0.0.0/8"]},
        "groups": {"drop": ["224.0.0.0/4"]},
        "from": {"ipv4": "drop", "ipv6": "drop", "frames_from": port},
        "to": {"ipv4": "drop", "ipv6": "drop", "frames_to": port},
        "flooding": {"flooding": "false"},
    }
    return options[kind]


def _port(draft: Draft, network: str) -> str:
    """One device's port on the network."""
    ports = [
        f"{device}/{entry['name']}"
        for device in DEVICES
        for entry in draft.interfaces(device)
        if entry.get("network") == network
    ]
    return draft.chance.one(ports)


def change_multicast(draft: Draft, network: str) -> None:
    draft.networks[network]["multicast"] = multicast_policy(draft, network)


def drop_broadcast(draft: Draft, network: str) -> None:
    draft.networks[network]["broadcast"] = "drop"
    draft.note("broadcast-dropped")


def isolate(draft: Draft, network: str) -> None:
    draft.networks[network]["isolation"] = "clients"
    draft.note("isolation")


def snoop(draft: Draft, network: str) -> None:
    """A switch with a querier, or one that has forgotten the groups for want of one."""
    querier = draft.chance.flag(50) and "multicast" not in draft.networks[network]
    pruned = ["239.0.0.0/8", "ff12::/16"] if draft.chance.flag(60) else ["239.0.0.0/8"]
    draft.networks[network]["snooping"] = {"querier": "true"} if querier else {"pruned": pruned}
    draft.note("snooping-querier" if querier else "snooping-pruned")


def drop_more(draft: Draft, network: str) -> None:
    """Unicast of a kind gets lost."""
    kind = draft.chance.weighted({"udp": 4, "ipv6-tcp": 3, "one-way-tcp": 2})
    port = _port(draft, network)
    options: Mapping[str, Entry] = {
        "udp": {"protocol": "udp"},
        "ipv6-tcp": {"protocol": "tcp", "family": "ipv6"},
        "one-way-tcp": {"protocol": "tcp", "frames_to": port},
    }
    draft.networks[network]["drops"] = [options[kind]]
    draft.note(f"drops-{kind}")


POLICIES: Mapping[Policy, float] = {
    change_multicast: 34,
    drop_broadcast: 22,
    snoop: 7,
    isolate: 6,
    drop_more: 4,
}
"""Each with the percentage of networks that it comes upon."""


def set_policies(draft: Draft, forced: tuple[Policy, ...] = ()) -> None:
    """Give every network that two devices could share its treatment of packets."""
    for network in draft.lans():
        for policy, percent in POLICIES.items():
            if policy in forced or draft.chance.flag(percent):
                policy(draft, network)
