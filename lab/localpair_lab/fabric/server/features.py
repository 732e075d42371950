"""Tries what the fabric may have to do, in throw-away namespaces, and says in the kernel's words what it
cannot.

The answers are about this kernel with these tools and these privileges; nothing outlives the call.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric import steps
from localpair_lab.fabric.server.apply import Applier
from localpair_lab.fabric.system import namespaces, sandbox
from localpair_lab.fabric.system.places import Places
from localpair_lab.fabric.traffic import impairment, tunnel

if TYPE_CHECKING:
    from collections.abc import Callable

_A: Final = "a"


def _rules(body: str, *, family: str = "inet") -> steps.Ruleset:
    return steps.Ruleset(_A, f"{family} probe", f"table {family} probe {{\n{body}\n}}\n")


_FIREWALL: Final = _rules(
    "chain i { type filter hook input priority filter; policy drop; ct state established,related accept;"
    " fib daddr type broadcast accept; tcp dport 9 reject with icmpx admin-prohibited; }"
)
_NAT: Final = _rules(
    "chain o { type nat hook postrouting priority srcnat;"
    " oifname x ip saddr 10.0.0.0/8 masquerade fully-random; }"
)
_SEGMENT: Final = _rules(
    "set s { type ether_type; }; chain f { type filter hook forward priority filter;"
    " iifgroup != 1 accept; iifname x ether type ip ip daddr 224.0.0.0/4 drop;"
    " meta protocol @s numgen random mod 100 < 20 drop; }",
    family="bridge",
)


def _apply(*wanted: steps.Step) -> None:
    places = Places()
    try:
        places.create(_A)
        places.create("b")
        applier = Applier(places)
        for step in wanted:
            applier.apply(step)
    finally:
        places.close()


def _snooping() -> None:
    _apply(
        steps.Bridge(_A, "br0", snooping=True, query_interval_s=5.0, membership_s=10.0),
        steps.SetQuerier(_A, "br0", on=True),
    )


def _isolation() -> None:
    ports = (steps.Bridge(_A, "br0"), steps.Veth(_A, "x", "b", "y"), steps.AttachPort(_A, "x", "br0"))
    policy = steps.PortPolicy(
        _A, "x", isolated=True, multicast_flood=False, broadcast_flood=True, unicast_flood=True
    )
    _apply(*ports, policy)


def _policy_routing() -> None:
    _apply(
        steps.AddPolicyRule(_A, 100, 51820, not_mark=51820),
        steps.AddRoute(_A, "0.0.0.0/0", "lo", table=51820),
    )


def _wire() -> None:
    network = namespaces.create_network()
    with namespaces.inside(network):
        impairment.open_port("lo").close()
    os.close(network)


def _tunnel_device() -> None:
    network = namespaces.create_network()
    with namespaces.inside(network):
        os.close(tunnel.open_tunnel("tun0"))
    os.close(network)


def _bbr() -> None:
    with socket.socket() as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")


def _ipv6() -> None:
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    _apply(steps.Sysctl(_A, "net.ipv6.conf.default.disable_ipv6", "0"))


_TRIALS: Final[dict[str, Callable[[], None]]] = {
    "events": lambda: _apply(steps.Bridge(_A, "br0"), steps.Veth(_A, "x", "b", "y")),
    "ipv6": _ipv6,
    "snooping": _snooping,
    "isolation": _isolation,
    "policy-routing": _policy_routing,
    "firewall": lambda: _apply(_FIREWALL),
    "nat": lambda: _apply(_NAT),
    "segment-rules": lambda: _apply(_SEGMENT),
    "wire": _wire,
    "tunnel-device": _tunnel_device,
    "sandbox": lambda: sandbox.try_out("netlink"),
    "kernel-files": lambda: sandbox.try_out("kernel-files"),
    "bbr": _bbr,
}


def run() -> dict[str, str]:
    """Each trial's name with what went wrong; an empty text: it works."""
    found: dict[str, str] = {}
    for name, trial in _TRIALS.items():
        try:
            trial()
        except OSError as error:
            found[name] = str(error)
        else:
            found[name] = ""
    return found
