"""Which of the three stages must give a device its own address, and which address that is."""

from __future__ import annotations

from dataclasses import dataclass

from localpair_lab.oracle.links import is_plugged
from localpair_lab.oracle.parsed import ip_address, ip_network
from localpair_lab.oracle.routing import find_hop, own_addresses
from localpair_lab.oracle.special import is_special
from localpair_lab.plan.topology import Node, NodeInterface

LOCAL = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
)
OUTSIDE = ("8.8.8.8", "2001:4860:4860::8888")
"""Somewhere far away: the question is which way the default route goes, nothing is ever sent."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage that must win (1, 2 or 3) and the addresses it may give, best first."""

    number: int
    addresses: tuple[str, ...]


def is_local(address: str, interface: NodeInterface) -> bool:
    """Whether the address is of a class that LANs hand out, or set aside for another purpose and on a LAN."""
    if is_special(address):
        return not interface.has_no_link
    wanted = ip_address(address)
    return any(wanted in ip_network(prefix) for prefix in LOCAL if (":" in prefix) == (":" in address))


def is_usable(interface: NodeInterface) -> bool:
    """Whether stage 1 may take an address of it: no tunnel, and a carrier."""
    return not interface.has_no_link and is_plugged(interface)


def stage_of(node: Node) -> Stage:
    """Stage 1 if the preferred route leads to a usable address, else 2 if any local one is assigned, else
    3.
    """
    first = tuple(address for far in OUTSIDE if (address := _preferred(node, far)))
    if first:
        return Stage(1, first)
    second = tuple(
        address
        for address, interface in own_addresses(node).items()
        if is_plugged(interface) and is_local(address, interface) and not address.startswith("fe80:")
    )
    links = tuple(address for address in own_addresses(node) if address.startswith("fe80:"))
    if second or links:
        return Stage(2, (*second, *links))
    return Stage(3, ())


def _preferred(node: Node, far: str) -> str:
    hop = find_hop(node, far)
    if hop is None or not is_usable(hop.interface) or not is_local(hop.source, hop.interface):
        return ""
    return hop.source
