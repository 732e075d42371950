"""Interfaces on networks, container bridges, and ends of tunnels."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_interface

from localpair_lab.model.interface_names import speaks_ipv6
from localpair_lab.model.machines import NetworkInterface
from localpair_lab.model.networks import Network
from localpair_lab.plan.build.addressing import autoconfigured, link_local, make_mac, place_host
from localpair_lab.plan.build.networks import advertised_prefixes, dead_end, port_flags
from localpair_lab.plan.build.site import Site
from localpair_lab.plan.topology import NodeInterface, PortFlags

BRIDGE_STUB_HOST = 2  # the neighbour behind a container bridge where none is named


def plan_interface(site: Site, owner: str, number: int, name: str, entry: NetworkInterface) -> NodeInterface:
    mac = entry.mac or make_mac(site.positions[owner], number)
    if entry.network is None:
        return _bridge(name, mac, entry)
    network = site.scenario.networks[entry.network]
    position = site.positions[owner] - (
        1 if owner in site.scenario.routers else len(site.scenario.routers) + 1
    )
    addresses = tuple(
        address
        for host in entry.ip
        for address in place_host(host, network.ip, position, router=owner in site.scenario.routers)
    )
    addresses += _autoconfigured(entry, network, mac)
    reached = site.ports.networks[f"{owner}/{name}"]
    planned = NodeInterface(
        name=name,
        mac=mac,
        segment=reached or dead_end(owner, name),
        addresses=addresses,
        link_local=link_local(mac) if speaks_ipv6(entry, network) else "",
        mtu=entry.mtu or network.mtu,
        present=entry.present,
        up=entry.up,
        carrier=entry.carrier,
        multicast=entry.multicast,
        temporary=_temporary(entry, addresses),
        leased=entry.dhcp,
        autoconf=entry.ipv6 == "autoconf",
    )
    if network.kind == "tunnel":
        members = [port for port, on in site.ports.networks.items() if on == entry.network]
        far_end = f"{entry.network}-hub/m{members.index(f'{owner}/{name}')}"
        return dataclasses.replace(planned, kind="tunnel", segment="", far_end=far_end, multicast=False)
    around = site.scenario.networks[reached] if reached else Network()
    flags = dataclasses.replace(
        _flags(site, f"{owner}/{name}", around), broadcast_flood=entry.hears_broadcast
    )
    return dataclasses.replace(planned, flags=flags)


def _autoconfigured(entry: NetworkInterface, network: Network, mac: str) -> tuple[str, ...]:
    if entry.ipv6 != "autoconf" or network.advertised is None:
        return ()
    return tuple(autoconfigured(prefix, mac) for prefix in advertised_prefixes(network))


def _flags(site: Site, port: str, network: Network) -> PortFlags:
    return port_flags(port, network.isolation, network.multicast, site.ports)


def _bridge(name: str, mac: str, entry: NetworkInterface) -> NodeInterface:
    neighbour = entry.neighbour or ""
    if entry.carrier and not neighbour and entry.ip:
        neighbour = str(ip_interface(entry.ip[0]).network[BRIDGE_STUB_HOST])
    return NodeInterface(
        name=name,
        mac=mac,
        kind="bridge",
        addresses=entry.ip,
        link_local=link_local(mac) if entry.ipv6 == "link-local" or any(":" in ip for ip in entry.ip) else "",
        mtu=entry.mtu or 1500,
        present=entry.present,
        up=entry.up,
        carrier=entry.carrier,
        multicast=entry.multicast,
        neighbour=neighbour if entry.carrier else "",
    )


def _temporary(entry: NetworkInterface, addresses: tuple[str, ...]) -> tuple[str, ...]:
    bare = {host.partition("/")[0] for host in entry.temporary}
    return tuple(address for address in addresses if address.partition("/")[0] in bare)
