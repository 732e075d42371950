"""Addresses and prefixes as values, each text parsed once: walks ask the same few questions thousands of times."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

_KEPT = 8192


@lru_cache(_KEPT)
def ip_address(text: str) -> IPv4Address | IPv6Address:
    """See ``ipaddress``."""
    return ipaddress.ip_address(text)


@lru_cache(_KEPT)
def ip_interface(text: str) -> IPv4Interface | IPv6Interface:
    """See ``ipaddress``."""
    return ipaddress.ip_interface(text)


@lru_cache(_KEPT)
def ip_network(text: str) -> IPv4Network | IPv6Network:
    """See ``ipaddress``."""
    return ipaddress.ip_network(text)
