"""Addresses that are set aside for another purpose: neighbours in a node's own subnets, and nobody anywhere else.

The lab's own copy of the blocks, so that a change of localpair's is noticed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from localpair_lab.oracle.links import is_plugged
from localpair_lab.oracle.parsed import ip_address, ip_interface, ip_network
from localpair_lab.plan.topology import Node, NodeInterface

Subnet: TypeAlias = IPv4Network | IPv6Network

SITES = tuple(map(ip_network, ("2001:db8::/32", "3fff::/20")))
"""An IPv6 site has a part of one prefix on each link: whoever lives in one of these calls all of it."""

SPECIAL = (
    *SITES,
    *map(ip_network, ("198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "0.0.0.0/8")),
    *map(
        ip_network, ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23", "2002::/16", "fec0::/10")
    ),
    *map(ip_network, ("100::/64", "5f00::/16", "64:ff9b::/96", "64:ff9b:1::/48", "::/8")),
)


@lru_cache(maxsize=8192)
def is_special(address: str) -> bool:
    """Whether the address is set aside for another purpose than numbering a LAN."""
    return is_within(address, SPECIAL)


def calls(node: Node, address: str) -> bool:
    """Whether the node calls and hears ``address``, as far as its number is concerned."""
    return not is_special(address) or is_within(address, neighbourhood(node.interfaces))


def calls_by(node: Node, address: str, bound: str) -> bool:
    """The same of a socket that is bound to the interface ``bound``; empty: to none. Only where it lies on its link."""
    on = [interface for interface in node.interfaces if bound in ("", interface.name)]
    if not is_special(address):
        return True
    return is_within(address, subnets(on) if bound else neighbourhood(on))


def subnets(interfaces: Iterable[NodeInterface]) -> Iterator[Subnet]:
    """The subnets, by their real masks, of interfaces on which neighbours can be."""
    for interface in interfaces:
        for text in interface.addresses if not interface.has_no_link and is_plugged(interface) else ():
            subnet = ip_interface(text).network
            if subnet.prefixlen:
                yield subnet


def neighbourhood(interfaces: Iterable[NodeInterface]) -> Iterator[Subnet]:
    """The subnets in which addresses of special purpose are neighbours."""
    return map(widened, subnets(interfaces))


def widened(subnet: Subnet) -> Subnet:
    """The prefix of the whole site, where the subnet is a part of one."""
    for site in SITES:
        if is_within(str(subnet.network_address), (site,)) and subnet.prefixlen >= site.prefixlen:
            return site
    return subnet


def is_within(address: str, nets: Iterable[Subnet]) -> bool:
    """Whether one of ``nets`` holds the address."""
    wanted = ip_address(address)
    return any(wanted.version == net.version and wanted in net for net in nets)
