"""Checks of interfaces, routes and the kernel's network settings. No packet is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair.address import AddressClass, IPAddress, classify, subnet_hosts, unscoped
from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.diagnosis.policy_rules import note_rules
from localpair.limits import DISCOVERY_PORT, GROUP_IPV6, GROUP_LINK_LOCAL, GROUP_SCOPED
from localpair.net.host.adapters import Hardware, read_hardware
from localpair.net.host.files import read_text
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.read import read_interfaces
from localpair.net.host.routes import NoRoute, Route, RouteAnswer
from localpair.net.host.routing import far_away, route_to
from localpair.net.netcheck.lacking import lacking_families, lacking_versions

if TYPE_CHECKING:
    from localpair.diagnosis.context import CheckContext
    from localpair.diagnosis.evidence import CheckNotes
    from localpair.diagnosis.facts import Facts, Json

_LINUX: Final = sys.platform.startswith("linux")

# One address for each class of destination: what the routing table says about it holds for its class.
_OUTSIDE: Final[tuple[tuple[str, IPAddress], ...]] = (
    ("everybody", IPv4Address("255.255.255.255")),
    ("private 10/8", IPv4Address("10.255.255.254")),
    ("private 172.16/12", IPv4Address("172.31.255.254")),
    ("private 192.168/16", IPv4Address("192.168.255.254")),
    ("overlay 100.64/10", IPv4Address("100.64.0.1")),
    ("unique local IPv6", IPv6Address("fdff:ffff:ffff:ffff::1")),
)
_GROUPS: Final[tuple[tuple[str, IPAddress], ...]] = (
    ("the link-local group", IPv4Address(GROUP_LINK_LOCAL)),
    ("the local scope group", IPv4Address(GROUP_SCOPED)),
)
_SETTINGS: Final = (
    "ipv4/ip_forward",
    "ipv4/icmp_echo_ignore_broadcasts",
    "ipv4/igmp_max_memberships",
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/ip_nonlocal_bind",
    "ipv4/ip_unprivileged_port_start",
    "ipv4/tcp_congestion_control",
    "ipv4/tcp_mtu_probing",
    "ipv6/bindv6only",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/all/forwarding",
    "bridge/bridge-nf-call-iptables",
    "bridge/bridge-nf-call-ip6tables",
    "bridge/bridge-nf-call-arptables",
    "core/rmem_max",
)
_KERNEL: Final = Path("/proc/sys/net")
_PER_INTERFACE: Final = (
    "ipv4/conf/{}/rp_filter",
    "ipv4/conf/{}/arp_ignore",
    "ipv4/conf/{}/arp_announce",
    "ipv4/conf/{}/arp_filter",
    "ipv6/conf/{}/disable_ipv6",
    "ipv6/conf/{}/accept_ra",
    "ipv6/conf/{}/use_tempaddr",
)


def interfaces(_: CheckContext, notes: CheckNotes) -> None:
    """Every interface with its state and addresses, and why those that are of no use are not."""
    found = read_interfaces()
    unused = {one.name: one.reason for one in found.unused()}
    notes.fact("source", found.source)
    hardware = read_hardware()
    for interface in found.interfaces:
        row = _interface(interface, unused.get(interface.name), hardware.get(interface.name))
        notes.add("interfaces", row)
    for skipped in found.skipped:
        notes.add("not_read", {"name": skipped.name, "reason": skipped.reason})
    used = [interface.name for interface in found.interfaces if interface.name not in unused]
    if used:
        notes.say(f"in use: {', '.join(used)}")
    elif any(_outside(interface) for interface in found.interfaces):
        notes.say("no interface carries multicast")
    else:
        notes.fail("no interface has an address that another device could reach")
    if unused:
        notes.say("not used: " + ", ".join(f"{name} ({reason})" for name, reason in unused.items()))
    if found.skipped:
        notes.say("not read: " + ", ".join(f"{one.name} ({one.reason})" for one in found.skipped))


def routes(setting: CheckContext, notes: CheckNotes) -> None:
    """Who has the default route, and from where a packet to each kind of destination would leave."""
    found = read_interfaces()
    owners = [interface.name for interface in found.interfaces if interface.gateway]
    notes.fact("default_route_through", owners)
    notes.say(f"default route through {', '.join(owners)}" if owners else "no default route")
    elsewhere: dict[str, list[str]] = {}
    for kind, destination in (*_internet(found), *_OUTSIDE, *_GROUPS):
        answer = route_to(destination, found)
        notes.add("destinations", _way(kind, answer))
        if isinstance(answer, Route) and answer.interface and answer.interface not in owners:
            elsewhere.setdefault(answer.interface, []).append(kind)
    for name, kinds in elsewhere.items():
        notes.say(f"through {name} instead: {', '.join(kinds)}")
    for interface in found.multicast_interfaces():
        if any(details.address.version == 6 for details in interface.addresses):
            answer = route_to(IPv6Address(GROUP_IPV6), found, scope=interface.index)
            notes.add("destinations", _way(f"the IPv6 group on {interface.name}", answer))
    lacking = lacking_versions()
    for interface, details in _subnets(found):
        if details.address.version in lacking:
            why = f"this system has no IPv{details.address.version}"
            notes.add("own_subnets", {"interface": interface.name, "skipped": why})
        else:
            _own_subnet(interface, details, found, notes)
    for peer in setting.peers:
        answer = route_to(peer.address, found, port=peer.port or DISCOVERY_PORT, scope=peer.scope)
        notes.add("peers", _way("peer", answer))
    note_rules(notes)
    for interface in found.interfaces:
        if interface.gateway and (interface.kind is InterfaceKind.TUNNEL or interface.point_to_point):
            notes.say(f"the default route leads into the tunnel {interface.name}")


def _internet(found: Interfaces) -> Iterator[tuple[str, IPAddress]]:
    for version in (4, 6):
        address = far_away(version, found)
        if address is not None:
            yield f"the internet (IPv{version})", address


def kernel(_: CheckContext, notes: CheckNotes) -> None:
    """The kernel's settings that decide what becomes of packets: reverse path filter, bridges, IPv6."""
    if not _LINUX:
        notes.skip("these settings are Linux's")
        return
    settings = {name: _value(_KERNEL / name) for name in _SETTINGS}
    notes.fact("settings", {name: value for name, value in settings.items() if value is not None})
    rows = [_per_interface(name) for name in ("all", "default", *_names())]
    notes.fact("interfaces", rows)
    strict = [str(row["name"]) for row in rows[2:] if _reverse_path(rows[0], row) == 1]
    if strict:
        told = ", ".join(strict)
        notes.say(f"strict reverse path filter on {told}: packets from other subnets are dropped there")
    elif any(row.get("rp_filter") for row in rows):
        notes.say("no strict reverse path filter")
    else:
        notes.say("whether there is a reverse path filter cannot be read")
    if "1" in (settings[f"bridge/bridge-nf-call-{table}tables"] for table in ("ip", "ip6")):
        notes.say("bridged packets pass the host's packet filter (bridge-nf-call)")
    lacks = lacking_families()
    for lack in lacks:
        notes.say(str(lack))
    if settings["ipv6/conf/all/disable_ipv6"] == "1" and all(lack.version != 6 for lack in lacks):
        notes.say("IPv6 is switched off")


def _names() -> list[str]:
    return [interface.name for interface in read_interfaces().interfaces]


def _per_interface(name: str) -> Facts:
    """The settings of one interface, or of ``all`` or ``default``; what the kernel does not have is left out."""
    values = (
        (pattern.rpartition("/")[2], _value(_KERNEL / pattern.format(name))) for pattern in _PER_INTERFACE
    )
    return {"name": name, **{key: value for key, value in values if value is not None}}


def _reverse_path(of_all: Facts, own: Facts) -> int:
    """The filter that holds: the larger of both values (ip-sysctl); 1 is strict, 2 is loose."""
    values = (str(row.get("rp_filter", "")) for row in (of_all, own))
    return max(int(value) if value.isdecimal() else 0 for value in values)


def _value(path: Path) -> str | None:
    text = read_text(path)
    return None if text is None else " ".join(text.split())


def _interface(interface: Interface, unused: str | None, card: Hardware | None) -> Facts:
    facts: dict[str, Json] = {
        "index": interface.index,
        "name": interface.name,
        "kind": interface.kind.value,
        "up": interface.up,
        "carrier": interface.carrier,
        "multicast": interface.multicast,
        "point_to_point": interface.point_to_point,
        "mtu": interface.mtu,
        "default_route": interface.gateway,
        "neighbours": interface.neighbours,
        "addresses": [_address(details) for details in interface.addresses],
        "not_used": unused,
    }
    return {**facts, **_hardware(card)}


def _address(details: InterfaceAddress) -> Facts:
    marks = ("tentative", "deprecated", "temporary")
    return {
        "address": f"{unscoped(details.address)}/{details.prefix}",
        "class": classify(details.address).value,
        "state": [mark for mark in marks if getattr(details, mark)],
        "other_end": None if details.peer is None else str(details.peer),
    }


def _hardware(card: Hardware | None) -> Facts:
    return {} if card is None else {"flags": card.flags, "speed": card.speed, "mac": card.mac}


def _outside(interface: Interface) -> bool:
    return interface.up and any(
        classify(details.address) not in (AddressClass.LOOPBACK, AddressClass.UNSPECIFIED)
        for details in interface.addresses
    )


def _subnets(found: Interfaces) -> Iterator[tuple[Interface, InterfaceAddress]]:
    """The subnets that a neighbour could be in, once for each interface."""
    for interface in found.interfaces:
        usable = (
            interface.up and interface.carrier is not False and interface.kind is not InterfaceKind.LOOPBACK
        )
        for details in interface.addresses if usable else ():
            link_local = classify(details.address) is AddressClass.LINK_LOCAL and details.address.version == 6
            if details.prefix < details.address.max_prefixlen - 1 and not link_local:
                yield interface, details


def _own_subnet(
    interface: Interface, details: InterfaceAddress, found: Interfaces, notes: CheckNotes
) -> None:
    """Ask for the way to a neighbour; one that leaves elsewhere is a tunnel or a second card in the way."""
    subnet = subnet_hosts(details.address, details.prefix)
    numbers = range(subnet.last - 1, subnet.first, -1)
    neighbours = (type(details.address)(number) for number in numbers)
    neighbour = next((address for address in neighbours if address not in found.own_addresses), None)
    if neighbour is None:
        return
    answer = route_to(neighbour, found)
    notes.add(
        "own_subnets", {"subnet": str(subnet), "interface": interface.name, **_way("neighbour", answer)}
    )
    if isinstance(answer, NoRoute):
        notes.fail(f"no route into the own subnet {subnet} of {interface.name}: {answer.name}")
    elif answer.index not in (0, interface.index) and interface not in _sharing(
        subnet_of=answer, found=found
    ):
        notes.fail(
            f"packets to {subnet} leave through {answer.interface or answer.source}, not {interface.name}"
        )


def _sharing(*, subnet_of: Route, found: Interfaces) -> tuple[Interface, ...]:
    """The interfaces that lead to this neighbour, where the chosen one is among them."""
    sharing = found.on_link(subnet_of.destination)
    return sharing if any(one.index == subnet_of.index for one in sharing) else ()


def _way(kind: str, answer: RouteAnswer) -> Facts:
    facts: dict[str, Json] = {"to": kind, "destination": str(answer.destination)}
    if isinstance(answer, NoRoute):
        return {**facts, "errno": answer.name, "number": answer.errno}
    return {
        **facts,
        "source": str(answer.source),
        "interface": answer.interface,
        "gateway": None if answer.gateway is None else str(answer.gateway),
        "this_host": answer.local,
    }
