"""The devices' firewalls: closed ones, half-open ones, and kill switches."""

from __future__ import annotations

from collections.abc import Mapping

from localpair_lab.generate.builder import Draft, Entry

CLOSED: Mapping[str, float] = {
    "drop": 12,
    "reject-admin": 2,
    "reject-port": 1,
    "reject-reset": 1,
    "reject-host": 1,
}
OUR_PORTS = "46820-46829"
INBOUND: Mapping[str, float] = {
    "closed": 12,
    "our-ports": 3,
    "tcp-only": 3,
    "udp-only": 3,
    "no-udp": 3,
    "no-tcp": 3,
    "own-zone": 2,
    "stateless": 1,
}
OUTBOUND: Mapping[str, float] = {
    "multicast": 4,
    "no-udp": 3,
    "no-udp-stateful": 2,
    "all": 1,
    "all-stateful": 2,
    "no-tcp": 1,
}


def close_inbound(draft: Draft, device: str) -> None:
    """Closed to everything new."""
    _inbound(draft, device, "closed")


def guard_inbound(draft: Draft, device: str) -> None:
    """One of the ways in which firewalls let something in."""
    _inbound(draft, device, draft.chance.weighted(INBOUND))


def block_udp(draft: Draft, device: str) -> None:
    """No UDP comes in."""
    _inbound(draft, device, "no-udp")


def block_tcp(draft: Draft, device: str) -> None:
    """No TCP comes in."""
    _inbound(draft, device, "no-tcp")


def _inbound(draft: Draft, device: str, kind: str) -> None:
    verdict = draft.chance.weighted(CLOSED)
    options: Mapping[str, Entry | str] = {
        "closed": verdict,
        "our-ports": {"default": verdict, "rules": [{"do": "accept", "port": OUR_PORTS}]},
        "tcp-only": {"default": verdict, "rules": [{"do": "accept", "protocol": "tcp", "port": OUR_PORTS}]},
        "udp-only": {"default": verdict, "rules": [{"do": "accept", "protocol": "udp", "port": OUR_PORTS}]},
        "no-udp": {"rules": [{"do": verdict, "protocol": "udp"}]},
        "no-tcp": {"rules": [{"do": verdict, "protocol": "tcp"}]},
        "own-zone": {"default": verdict, "rules": [{"do": "accept", "source": _zones(draft, device)}]},
        "stateless": {"default": verdict, "stateful": "false"},
    }
    draft.devices[device].setdefault("firewall", {})["in"] = options[kind]
    draft.note(f"in-{kind}")
    if kind in ("closed", "our-ports") and verdict != "drop":
        draft.note("in-reject")


def _zones(draft: Draft, device: str) -> list[str]:
    """The subnets of one of the device's own networks."""
    home = draft.chance.one(draft.homes[device])
    return list(draft.networks[home["network"]]["ip"]) or ["fe80::/10"]


def guard_outbound(draft: Draft, device: str) -> None:
    """A kill switch, whole or in part."""
    kind = draft.chance.weighted(OUTBOUND)
    verdict = draft.chance.weighted({"drop": 3, "reject-admin": 1})
    tunnels = [
        {"do": "accept", "on": entry["name"]}
        for entry in draft.interfaces(device)
        if draft.networks.get(entry.get("network", ""), {}).get("kind") == "tunnel"
    ]
    options: Mapping[str, Entry] = {
        "multicast": {"rules": [{"do": verdict, "destination": ["224.0.0.0/4", "ff00::/8"]}]},
        "no-udp": {"rules": [{"do": verdict, "protocol": "udp"}]},
        "no-udp-stateful": {"rules": [{"do": verdict, "protocol": "udp"}], "stateful": "true"},
        "all": {"default": verdict, "rules": tunnels},
        "all-stateful": {"default": verdict, "rules": tunnels, "stateful": "true"},
        "no-tcp": {"rules": [{"do": verdict, "protocol": "tcp"}], "stateful": "true"},
    }
    draft.devices[device].setdefault("firewall", {})["out"] = options[kind]
    draft.note(f"out-{kind}")
