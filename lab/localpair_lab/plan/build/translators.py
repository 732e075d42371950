"""Translators between the families, NAT64 in routers and 464XLAT in devices, and the routes that lead there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address

from localpair_lab.model.interface_names import named_interfaces
from localpair_lab.model.machines import Device, Forwarder
from localpair_lab.plan.build.addressing import make_mac
from localpair_lab.plan.build.interfaces import plan_interface
from localpair_lab.plan.build.site import Site
from localpair_lab.plan.topology import AddressMap, NodeInterface, NodeRoute, SourceNat

CLAT, NAT64 = "clat0", "nat64"
CLAT_ADDRESS = "192.0.0.4"  # of the block for it (RFC 7335)
POOL = IPv4Network("192.0.0.128/25")  # what a router calls its IPv6 hosts, within itself
GROWTH = 20  # an IPv6 header is so much longer than one of IPv4
CLAT_HOST = 0x464_0000  # the host part of the address that is a device's IPv4 one, beside its own
NUMBER = 200  # of the interface, for its hardware address


def translator_of(site: Site, name: str, machine: Forwarder) -> NodeInterface | None:
    """The interface by which the machine translates; None where it does not."""
    mac = make_mac(site.positions[name], NUMBER)
    if isinstance(machine, Device) and machine.clat is not None:
        found = clat_address(site, name, machine)
        mapped = AddressMap(machine.clat.prefix, ((CLAT_ADDRESS, found),) if found else ())
        mtu = site.scenario.networks[machine.clat.on].mtu - GROWTH
        return NodeInterface(
            CLAT,
            mac,
            kind="translator",
            addresses=(f"{CLAT_ADDRESS}/32",),
            mtu=mtu,
            multicast=False,
            mapped=mapped,
        )
    if machine.nat64 is not None:
        hosts = tuple(dict.fromkeys(ipv6_hosts(site, machine.nat64.source)))
        pairs = tuple((str(POOL[number]), host) for number, host in enumerate(hosts, start=1))
        mapped = AddressMap(machine.nat64.prefix, pairs)
        return NodeInterface(NAT64, mac, kind="translator", multicast=False, mapped=mapped)
    return None


def translator_routes(
    site: Site, name: str, machine: Forwarder, interfaces: tuple[NodeInterface, ...]
) -> Iterator[NodeRoute]:
    """The routes into the machine's translator, and from a router to what devices have translated."""
    if isinstance(machine, Device) and machine.clat is not None:
        if not any(":" not in gateway for gateway in machine.gateway):
            yield NodeRoute("0.0.0.0/0", CLAT)
        if found := clat_address(site, name, machine):
            yield NodeRoute(f"{found}/128", CLAT)
    elif machine.nat64 is not None:
        yield NodeRoute(machine.nat64.prefix, NAT64)
        yield NodeRoute(str(POOL), NAT64)
        near = next(one.name for one in interfaces if one.segment == machine.nat64.source)
        for other, device in site.scenario.devices.items():
            if device.clat is not None and device.clat.on == machine.nat64.source and other != name:
                for address in global_addresses(site, other, device.clat.on)[:1]:
                    yield NodeRoute(f"{clat_address(site, other, device)}/128", near, via=address)


def translator_nat(machine: Forwarder, interfaces: tuple[NodeInterface, ...]) -> Iterator[SourceNat]:
    """What comes out of the router's translator leaves with its own IPv4 address."""
    if machine.nat64 is not None:
        far = next(one.name for one in interfaces if one.segment == machine.nat64.out)
        yield SourceNat(far, (str(POOL),))


def clat_address(site: Site, name: str, device: Device) -> str:
    """The IPv6 address as which the device's IPv4 one crosses its network: beside its own there."""
    own = global_addresses(site, name, device.clat.on) if device.clat is not None else []
    if not own:
        return ""
    network = int(IPv6Address(own[0])) >> 64 << 64
    return str(IPv6Address(network | CLAT_HOST | site.positions[name]))


def ipv6_hosts(site: Site, network: str) -> Iterator[str]:
    """Every address on the network that may speak to the translator."""
    for name, device in site.scenario.devices.items():
        yield from global_addresses(site, name, network)
        if device.clat is not None and device.clat.on == network:
            yield clat_address(site, name, device)


def global_addresses(site: Site, name: str, network: str) -> list[str]:
    """The machine's IPv6 addresses on the network, without link-local ones."""
    found = [
        plan_interface(site, name, number, called, entry)
        for number, (called, entry) in enumerate(named_interfaces(site.scenario.machines()[name]))
        if entry.network == network
    ]
    texts = (text.partition("/")[0] for one in found for text in one.addresses)
    return [text for text in texts if ":" in text and not text.startswith("fe80:")]
