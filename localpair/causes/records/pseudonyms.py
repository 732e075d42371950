"""Pseudonyms: facts for strangers, which hold no real address and still fit together and reproduce.

Both devices of one meeting make the same pseudonyms, since their key comes from the offer's secret. The mapping of
addresses keeps prefixes: two that share so many bits still share exactly so many, whatever the masks, and each stays in
the block that its kind lies in. Hardware addresses can be compared and not read; names of interfaces go.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.causes.facts import RunFacts
from localpair.causes.records.compact import named
from localpair.causes.records.packing import MAC_BYTES, MASKED
from localpair.causes.records.telling import masked

# These mean the same to everybody.
_SHOWN: Final = frozenset(
    {AddressClass.LOOPBACK, AddressClass.MULTICAST, AddressClass.BROADCAST, AddressClass.UNSPECIFIED}
)
_KEPT: Final = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
            "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "fd00::/8", "fe80::/64",
            "2001:db8::/32",
        ),
    )
)  # fmt: skip
"""Blocks that are the same in many places: an address stays in its block."""
_ELSEWHERE: Final = {4: ip_network("100.64.0.0/10"), 6: ip_network("fd00::/8")}
"""Where public addresses go: into blocks for private use."""


def key_of(secret: bytes) -> bytes:
    """The key of the pseudonyms, from an offer's secret, which it does not give away."""
    return hmac.digest(secret, b"localpair pseudonyms", "sha256")


def pseudonymous(facts: RunFacts, key: bytes) -> RunFacts | None:
    """``facts`` under pseudonyms. None where an address would become one that no device can have."""
    found: RunFacts = _mapped(masked(facts), key)
    return replace(found, links=named(found.links)) if _is_usable(found) else None


def _mapped(value: Any, key: bytes) -> Any:
    if isinstance(value, IPv4Address | IPv6Address):
        return pseudonym(value, key)
    if isinstance(value, tuple):
        return tuple(_mapped(one, key) for one in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {one.name: _mapped(getattr(value, one.name), key) for one in fields(value)}
    if changed.get("mac"):
        digest = hmac.digest(key, b"mac " + str(changed["mac"]).encode(), "sha256")
        changed["mac"] = MASKED + digest[:MAC_BYTES].hex(":")
    return replace(value, **changed)


def pseudonym(address: IPAddress, key: bytes) -> IPAddress:
    """The address that stands for this one."""
    bare = unscoped(address)
    if classify(bare) in _SHOWN:
        return bare
    size = bare.max_prefixlen
    block = next((one for one in _KEPT if bare.version == one.version and bare in one), None)
    kept = block or _ELSEWHERE[bare.version]
    digits = f"{int(bare):0{size}b}"
    top = f"{int(kept.network_address):0{size}b}"[: kept.prefixlen]
    number = int(top + "".join(_bit(digits, at, key) for at in range(kept.prefixlen, size)), 2)
    return IPv4Address(number) if bare.version == 4 else IPv6Address(number)


def _bit(digits: str, at: int, key: bytes) -> str:
    """The bit at this place: turned over or not, as all bits before it decide."""
    turned = hmac.digest(key, digits[:at].encode(), "sha256")[0] & 1
    return digits[at] if not turned else "10"[int(digits[at])]


def _addresses(value: Any) -> Iterator[IPAddress]:
    """Every address in a record."""
    if isinstance(value, IPv4Address | IPv6Address):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _addresses(one)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _addresses(getattr(value, field.name))


def _is_usable(facts: RunFacts) -> bool:
    """Whether no address is an own network's, or everybody's in it: which addresses become that, chance decides."""
    edges = set()
    for one in (address for link in facts.links or () for address in link.addresses):
        if one.address.version == 4 and one.prefix < 31:
            network = ip_network(f"{one.address}/{one.prefix}", strict=False)
            edges |= {network.network_address, network.broadcast_address}
    return not edges & set(_addresses(facts))
