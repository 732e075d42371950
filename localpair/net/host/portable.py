"""Interfaces by way of ``ifaddr`` and ``psutil``: macOS, Windows, and wherever netlink is refused.

``ifaddr`` tells indices, addresses and prefixes, ``psutil`` flags, MTU and the far ends of point-to-point links.
Neither tells routes or neighbours: ``gateway`` marks the interface that has the preferred outbound address.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, IPAddress, classify, normalise, unscoped
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.dataclass import dataclass
from localpair.net.host.interfaces import Interfaces, SkippedSource
from localpair.net.host.naming import describe, in_order, kind_of_name
from localpair.net.host.routes import OUTBOUND_DESTINATIONS, Route, preferred_source

if TYPE_CHECKING:
    import ifaddr

_UNKNOWN_NAME: Final = "unknown"


@dataclass(frozen=True, slots=True)
class _Flags:
    """What psutil tells about one interface. ``up`` is administrative, ``running`` includes the carrier."""

    up: bool = True
    running: bool | None = None
    multicast: bool = True
    point_to_point: bool = False
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class _Adapter:
    """One interface as ifaddr sees it; ``names`` are all it is known by, the shortest for people first."""

    index: int
    names: tuple[str, ...]
    addresses: tuple[InterfaceAddress, ...]


def read() -> Interfaces:
    """All interfaces. OSError, and whatever else ``ifaddr`` raises, where enumeration is refused.

    An adapter that cannot be read is skipped; without ``psutil`` the flags are assumed.
    """
    import ifaddr

    skipped: list[SkippedSource] = []
    adapters = list(_adapters(ifaddr.get_adapters(include_unconfigured=True), skipped))
    flags, far_ends, names = _flags(skipped)
    outbound = outbound_sources()
    found = [_interface(adapter, names, flags, far_ends, outbound) for adapter in adapters]
    return Interfaces(tuple(found), tuple(skipped), "portable")


def read_routes() -> Interfaces:
    """What the routing table alone gives away: one nameless interface with the preferred outbound addresses.

    Its index is 0, with which every system call means the interface of its own choice; the prefixes are unknown,
    so each address stands alone in its subnet.
    """
    sources = sorted(outbound_sources(), key=lambda one: (one.version, int(one)))
    if not sources:
        return Interfaces(source="routes")
    addresses = tuple(InterfaceAddress(source, source.max_prefixlen) for source in sources)
    return Interfaces((Interface(0, _UNKNOWN_NAME, addresses=addresses, gateway=True),), source="routes")


def outbound_sources() -> frozenset[IPAddress]:
    """Our preferred outbound addresses of both families; empty without a default route."""
    answers = (preferred_source(destination) for destination in OUTBOUND_DESTINATIONS)
    return frozenset(
        answer.source
        for answer in answers
        if isinstance(answer, Route) and classify(answer.source) is not AddressClass.LOOPBACK
    )


def _adapters(found: Iterable[ifaddr.Adapter], skipped: list[SkippedSource]) -> Iterable[_Adapter]:
    for adapter in found:
        try:
            yield _adapter(adapter)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            skipped.append(SkippedSource(str(getattr(adapter, "nice_name", _UNKNOWN_NAME)), describe(error)))


def _adapter(adapter: ifaddr.Adapter) -> _Adapter:
    """On Windows an adapter's name is a GUID, its nice name the driver's text, and its addresses carry the name
    that people know; elsewhere all three are one.
    """
    friendly = [str(one.nice_name) for one in adapter.ips]
    names = tuple(dict.fromkeys((*friendly, str(adapter.nice_name), str(adapter.name))))
    return _Adapter(
        index=int(adapter.index or 0),
        names=names,
        addresses=in_order(_address(one) for one in adapter.ips),
    )


def _address(found: ifaddr.IP) -> InterfaceAddress:
    text = found.ip[0] if isinstance(found.ip, tuple) else found.ip
    return InterfaceAddress(_without_kame_scope(unscoped(normalise(str(text)))), int(found.network_prefix))


def _without_kame_scope(address: IPAddress) -> IPAddress:
    """BSD kernels may hide the interface index in the third and fourth byte, which RFC 4291 (2.5.6) keeps zero."""
    if address.version == 4 or classify(address) is not AddressClass.LINK_LOCAL:
        return address
    return IPv6Address(address.packed[:2] + bytes(2) + address.packed[4:])


def _flags(
    skipped: list[SkippedSource],
) -> tuple[Mapping[str, _Flags], Mapping[IPAddress, IPAddress], Mapping[IPAddress, str]]:
    """By psutil's names: flags, the far end of each own address, and which interface has an address."""
    try:
        import psutil

        stats = {name: _read_flags(one) for name, one in psutil.net_if_stats().items()}
        known = [(name, one) for name, all_of_it in psutil.net_if_addrs().items() for one in all_of_it]
    except Exception as error:  # noqa: BLE001 - psutil's errors are many and all mean: not told
        skipped.append(SkippedSource("psutil", describe(error)))
        return {}, {}, {}
    far_ends: dict[IPAddress, IPAddress] = {}
    names: dict[IPAddress, str] = {}
    for name, one in known:
        own = _literal(one.address) if one.family in (socket.AF_INET, socket.AF_INET6) else None
        if own is not None:
            names.setdefault(own, name)
            far_ends.update({own: far} if (far := _literal(one.ptp)) else {})
    return stats, far_ends, names


def _read_flags(stats: object) -> _Flags:
    """Windows has no flags; there ``isup`` is all that is known, and it includes the carrier."""
    running = bool(getattr(stats, "isup", True))
    mtu = int(getattr(stats, "mtu", 0)) or 1500
    told = str(getattr(stats, "flags", ""))
    if not told:
        return _Flags(up=running, mtu=mtu)
    flags = set(told.split(","))
    return _Flags(
        up="up" in flags,
        running="running" in flags,
        multicast="multicast" in flags,
        point_to_point="pointopoint" in flags,
        mtu=mtu,
    )


def _interface(
    adapter: _Adapter,
    names: Mapping[IPAddress, str],
    flags: Mapping[str, _Flags],
    far_ends: Mapping[IPAddress, IPAddress],
    outbound: frozenset[IPAddress],
) -> Interface:
    by_address = (names[one.address] for one in adapter.addresses if one.address in names)
    told = next((flags[name] for name in (*adapter.names, *by_address) if name in flags), _Flags())
    own = {one.address for one in adapter.addresses}
    return Interface(
        index=adapter.index,
        name=adapter.names[0],
        kind=_kind(adapter),
        up=told.up,
        carrier=told.running,
        multicast=told.multicast,
        point_to_point=told.point_to_point,
        mtu=told.mtu,
        addresses=tuple(replace(one, peer=far_ends.get(one.address)) for one in adapter.addresses),
        gateway=bool(own & outbound),
    )


def _kind(adapter: _Adapter) -> InterfaceKind:
    if any(classify(one.address) is AddressClass.LOOPBACK for one in adapter.addresses):
        return InterfaceKind.LOOPBACK
    return kind_of_name(*adapter.names)


def _literal(text: str | None) -> IPAddress | None:
    try:
        return unscoped(normalise(text)) if text else None
    except ValueError:
        return None
