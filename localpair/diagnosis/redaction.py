"""Masks what a report need not tell strangers: host parts of addresses, MAC addresses, names of people and hosts.

Network parts stay, since a reader must see which addresses share a network; equal addresses get equal masks, since
a reader must see that two lines speak of one host. Addresses that mean the same everywhere (loopback, groups, the
broadcast address, those that the checks ask the way to) stay as they are.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair.address import AddressClass, IPAddress, classify, normalise, unscoped
from localpair.net.host.routes import NOBODYS_ADDRESSES

if TYPE_CHECKING:
    from localpair.diagnosis.facts import Facts, Json

Network: TypeAlias = IPv4Network | IPv6Network

# These mean the same to everybody.
_SHOWN: Final = frozenset(
    {
        AddressClass.LOOPBACK,
        AddressClass.MULTICAST,
        AddressClass.BROADCAST,
        AddressClass.UNSPECIFIED,
    }
)
_NAMED: Final = frozenset({"label", "alias"})  # fields whose value somebody has chosen
_USUAL_PREFIX: Final = {4: 24, 6: 64}  # where the report does not tell the real one
_SHORTEST_NAME: Final = 3

_MAC = re.compile(r"(?<![0-9a-fA-F:-])[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}(?![0-9a-fA-F:-])")
_MAC_IN_NAME = re.compile(r"\b(enx|wlx|wwx)([0-9a-f]{12})\b")  # systemd's names of USB devices
_ADDRESS = re.compile(
    r"(?<![\w.:])(?P<address>"
    r"\d{1,3}(?:\.\d{1,3}){3}"
    r"|(?=[0-9a-fA-F]*:[0-9a-fA-F]*:)[0-9a-fA-F:]*(?:[0-9a-fA-F](?:\.\d{1,3}){3}|[0-9a-fA-F]|::)"
    r")(?:/(?P<bits>\d{1,3}))?(?!\.?\d)(?![a-zA-Z_])"
)


class Redactor:
    """Masks with pseudonyms that stay the same as long as the object lives."""

    def __init__(self, networks: Iterable[Network] = (), names: Mapping[str, str] | None = None) -> None:
        """``networks`` tell host parts by their real masks; ``names`` maps texts to what stands in their place."""
        self._networks = sorted(set(networks), key=lambda network: -network.prefixlen)
        self._numbers: dict[str, int] = {}
        given = {name: mask for name, mask in (names or {}).items() if len(name) >= _SHORTEST_NAME}
        self._names = {name.lower(): mask for name, mask in given.items()}
        joined = "|".join(map(re.escape, sorted(given, key=len, reverse=True)))
        self._name = re.compile(rf"(?<![\w-])(?:{joined})(?![\w-])", re.IGNORECASE) if joined else None

    @classmethod
    def of_this_host(cls, facts: Iterable[Facts] = ()) -> Redactor:
        """A redactor that knows this host's names, and the networks that ``facts`` give with their masks."""
        home, host = Path.home(), platform.node()
        names = {home.name: "(user)", host: "(host)", host.partition(".")[0]: "(host)", str(home): "~"}
        for common in ("localhost", "root", "home"):
            names.pop(common, None)
        return cls((network for part in facts for network in _networks(part)), names)

    def facts(self, facts: Facts) -> dict[str, Json]:
        """Every text in ``facts`` masked, addresses in the names of fields included."""
        return {self._numeric(name): self._value(name, value) for name, value in facts.items()}

    def text(self, text: str) -> str:
        """One text masked."""
        if self._name is not None:
            text = self._name.sub(lambda match: self._names[match[0].lower()], text)
        return self._numeric(text)

    def _numeric(self, text: str) -> str:
        masked = _MAC.sub(lambda match: f"(mac {self._number(match[0].lower().replace('-', ':'))})", text)
        masked = _MAC_IN_NAME.sub(lambda match: f"{match[1]}(mac {self._number(_colons(match[2]))})", masked)
        return _ADDRESS.sub(self._match, masked)

    def _value(self, name: str, value: Json) -> Json:
        if isinstance(value, str):
            return (
                f"({name} {self._number(f'{name} {value}')})"
                if name in _NAMED and value
                else self.text(value)
            )
        if isinstance(value, Mapping):
            return self.facts(value)
        if isinstance(value, Sequence):
            return [self._value(name, item) for item in value]
        return value

    def _match(self, match: re.Match[str]) -> str:
        try:
            address = normalise(match["address"])
        except ValueError:
            return match[0]
        if classify(address) in _SHOWN or self._is_nobodys(address):
            return match[0]
        suffix = "" if match["bits"] is None else f"/{match['bits']}"
        if suffix and _is_network(match[0]) and classify(address) is not AddressClass.GLOBAL:
            return match[0]
        return self._mask(address) + suffix

    def _is_nobodys(self, address: IPAddress) -> bool:
        """A network of the report may be numbered out of a block for documentation."""
        held = any(network.version == address.version and address in network for network in self._networks)
        return address in NOBODYS_ADDRESSES and not held

    def _mask(self, address: IPAddress) -> str:
        number = self._number(str(address))
        if classify(address) is AddressClass.GLOBAL:
            return f"(global IPv{address.version} {number})"
        bits = self._bits(address)
        if address.version == 4:
            kept = str(address).split(".")[: bits // 8]
            return ".".join([*kept, *["x"] * (3 - len(kept)), f"x{number}"])
        kept = address.exploded.split(":")[: min(bits, 64) // 16]
        while kept and kept[-1] == "0000":
            kept.pop()
        return ":".join(group.lstrip("0") or "0" for group in kept) + f"::x{number}"

    def _bits(self, address: IPAddress) -> int:
        for network in self._networks:
            if network.version == address.version and address in network:
                return min(network.prefixlen, address.max_prefixlen - 8)
        return _USUAL_PREFIX[address.version]

    def _number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers) + 1)


def _networks(value: Json) -> Iterator[Network]:
    """The networks that a report tells with their masks: every ``address/bits`` in it."""
    if isinstance(value, str):
        for match in _ADDRESS.finditer(value):
            if match["bits"] is not None:
                try:
                    yield ip_interface(match[0]).network
                except ValueError:
                    continue
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _networks(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _networks(item)


def _is_network(text: str) -> bool:
    try:
        interface = ip_interface(text)
    except ValueError:
        return False  # the bits do not fit the family
    return unscoped(interface.ip) == interface.network.network_address


def _colons(digits: str) -> str:
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
