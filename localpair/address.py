"""What an IP address is for: one class per address, from a table of our own.

``ipaddress.is_private`` answers another question (it calls 100.64/10 neither private nor global and 198.18/15
private) and changes between Python releases; the table here is the whole truth for localpair.

Sources: RFC 6890 and the IANA special-purpose registries, RFC 1918, RFC 4193, RFC 6598, RFC 2544, RFC 3927.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from netaddr import IPNetwork

IPAddress: TypeAlias = IPv4Address | IPv6Address


class AddressClass(StrEnum):
    """What an address is for. ``LOCAL_CLASSES`` holds those that a LAN hands out."""

    PRIVATE = "private"
    UNIQUE_LOCAL = "unique-local"
    LINK_LOCAL = "link-local"
    CGNAT = "cgnat"
    GLOBAL = "global"
    LOOPBACK = "loopback"
    BENCHMARKING = "benchmarking"
    DOCUMENTATION = "documentation"
    MULTICAST = "multicast"
    BROADCAST = "broadcast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"


LOCAL_CLASSES = frozenset(
    {AddressClass.PRIVATE, AddressClass.UNIQUE_LOCAL, AddressClass.LINK_LOCAL, AddressClass.CGNAT}
)
"""The classes that stage 2 keeps. Global addresses are kept as candidates, but rank behind them."""

LOOPBACK = IPv4Address("127.0.0.1")

DIALLABLE_CLASSES = LOCAL_CLASSES | {AddressClass.GLOBAL}
"""The classes that are dialled because a packet or an offer said so, wherever they lead."""

SPECIAL_CLASSES = frozenset({AddressClass.BENCHMARKING, AddressClass.DOCUMENTATION, AddressClass.RESERVED})
"""Set aside for another purpose. Some LANs are numbered out of them all the same: dialled in one's own subnets only, as
``localpair.neighbourhood`` has it."""

# They answer on every cloud host, to any caller, with credentials.
_METADATA = frozenset({IPv4Address("169.254.169.254"), IPv6Address("fd00:ec2::254")})

# The first row that holds the address decides, so the narrow ones stand first.
_TABLE: tuple[tuple[AddressClass, tuple[str, ...]], ...] = (
    (AddressClass.UNSPECIFIED, ("0.0.0.0/32", "::/128")),
    (AddressClass.BROADCAST, ("255.255.255.255/32",)),
    (AddressClass.LOOPBACK, ("127.0.0.0/8", "::1/128")),
    (AddressClass.MULTICAST, ("224.0.0.0/4", "ff00::/8")),
    (AddressClass.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
    (AddressClass.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    (AddressClass.UNIQUE_LOCAL, ("fc00::/7",)),
    (AddressClass.CGNAT, ("100.64.0.0/10",)),
    (AddressClass.BENCHMARKING, ("198.18.0.0/15", "2001:2::/48")),
    (
        AddressClass.DOCUMENTATION,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    ),
    (
        AddressClass.RESERVED,
        ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "100::/64", "5f00::/16",
               "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "::/8", "fec0::/10"),
    ),
)  # fmt: skip
_RANGES = tuple(
    (cls, net.version, int(net.network_address), int(net.broadcast_address))
    for cls, blocks in _TABLE
    for net in map(ip_network, blocks)
)


@lru_cache(maxsize=4096)
def classify(address: IPAddress) -> AddressClass:
    """The class of ``address``; a scope (``%eth0``) plays no part."""
    number, version = int(address), address.version
    for cls, family, first, last in _RANGES:
        if family == version and first <= number <= last:
            return cls
    return AddressClass.GLOBAL


def why_never_dialled(address: IPAddress) -> str:
    """Why nobody's word makes us dial ``address``, whatever the network; empty where there is one that allows it."""
    cls = classify(address)
    if cls not in DIALLABLE_CLASSES | SPECIAL_CLASSES:
        return f"{cls} addresses are never called"
    if address in _METADATA:
        return "a cloud's metadata service answers there"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return "an IPv4 address has another spelling"
    return ""


def normalise(text: str) -> IPAddress:
    """Parse ``text`` as an address, IPv4-mapped IPv6 turned into IPv4. No name is ever resolved.

    Raises ValueError for anything that is no literal address.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def subnet_of(address: IPAddress, prefix: int) -> IPv4Network | IPv6Network:
    """The subnet of ``address`` by its real mask; network and broadcast follow from it, never from digits."""
    kind = IPv4Network if address.version == 4 else IPv6Network
    return kind((int(address), prefix), strict=False)


def subnet_hosts(address: IPAddress, prefix: int) -> IPNetwork:
    """The same, where hosts are counted through. Imports netaddr, which most runs do without."""
    from netaddr import IPNetwork

    return IPNetwork(str(subnet_of(address, prefix)))


def unscoped(address: IPAddress) -> IPAddress:
    """``address`` without its IPv6 scope: a scope means something on one host only."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return IPv6Address(int(address))
    return address
