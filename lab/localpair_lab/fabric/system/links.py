"""Carries out the steps about links: bridges, pairs, ports and their flags."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.steps import FABRIC
from localpair_lab.fabric.system import addresses, netlink
from localpair_lab.fabric.system.netlink import attribute

if TYPE_CHECKING:
    from localpair_lab.fabric import steps
    from localpair_lab.fabric.system.places import Places

# linux/if_link.h
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_BRIDGE_FORWARD_DELAY: Final = 1
_BRIDGE_SNOOPING: Final = 23
_BRIDGE_QUERIER: Final = 25
_BRIDGE_INTERVALS: Final = {
    "mcast_membership_interval": 31,
    "mcast_query_interval": 33,
    "mcast_query_response_interval": 34,
    "mcast_startup_query_interval": 35,
}
_VETH_PEER: Final = 1
_PORT_UNICAST_FLOOD: Final = 9
_PORT_MULTICAST_FLOOD: Final = 27
_PORT_BROADCAST_FLOOD: Final = 30
_PORT_ISOLATED: Final = 33
_BRIDGE_FAMILY: Final = 7  # AF_BRIDGE


def _byte(value: bool) -> bytes:
    return bytes([value])


def _kind(name: str, data: bytes = b"") -> bytes:
    return attribute(
        netlink.IFLA_LINKINFO,
        attribute(_INFO_KIND, name.encode()) + (attribute(_INFO_DATA, data) if data else b""),
    )


def _described(name: str, mac: str, mtu: int) -> bytes:
    hardware = attribute(netlink.IFLA_ADDRESS, netlink.hardware(mac)) if mac else b""
    return attribute(netlink.IFLA_NAME, name) + hardware + attribute(netlink.IFLA_MTU, mtu)


def add_bridge(places: Places, step: steps.Bridge) -> None:
    """A bridge that forwards at once and is up."""
    data = attribute(_BRIDGE_FORWARD_DELAY, 0) + attribute(_BRIDGE_SNOOPING, _byte(step.snooping))
    for word, seconds in step.intervals():
        data += attribute(_BRIDGE_INTERVALS[word], struct.pack("=Q", round(seconds * 100)))
    body = netlink.link(index=step.index, flags=netlink.FLAG_UP, change=netlink.FLAG_UP)
    body += _described(step.name, step.mac, step.mtu) + _kind("bridge", data)
    _create(places, step.place, body, step.text)


def set_querier(places: Places, step: steps.SetQuerier) -> None:
    """Start or stop the querier."""
    body = netlink.link(index=places.channel(step.place).index(step.name))
    body += _kind("bridge", attribute(_BRIDGE_QUERIER, _byte(step.on)))
    places.channel(step.place).call(netlink.NEW_LINK, body, what=step.text)


def add_veth(places: Places, step: steps.Veth) -> None:
    """Both ends, down, each in its place."""
    peer = netlink.link(index=step.peer_index) + _described(step.peer, step.peer_mac, step.peer_mtu)
    peer += attribute(netlink.IFLA_NET_NS_FD, places.descriptor(step.peer_place))
    body = netlink.link(index=step.index) + _described(step.name, step.mac, step.mtu)
    body += _kind("veth", attribute(_VETH_PEER, peer))
    _create(places, step.place, body, step.text)


def attach(places: Places, step: steps.AttachPort) -> None:
    """Plug into a bridge, or unplug."""
    channel = places.channel(step.place)
    master = channel.index(step.bridge) if step.bridge else 0
    body = netlink.link(index=channel.index(step.name)) + attribute(netlink.IFLA_MASTER, master)
    body += attribute(netlink.IFLA_GROUP, step.group)
    channel.call(netlink.NEW_LINK, body, what=step.text)


def set_port_policy(places: Places, step: steps.PortPolicy) -> None:
    """The bridge's flags for one port."""
    channel = places.channel(step.place)
    flags = attribute(_PORT_ISOLATED, _byte(step.isolated))
    flags += attribute(_PORT_MULTICAST_FLOOD, _byte(step.multicast_flood))
    flags += attribute(_PORT_BROADCAST_FLOOD, _byte(step.broadcast_flood))
    flags += attribute(_PORT_UNICAST_FLOOD, _byte(step.unicast_flood))
    body = netlink.link(family=_BRIDGE_FAMILY, index=channel.index(step.name))
    body += attribute(netlink.IFLA_PROTINFO | netlink.NESTED, flags)
    channel.call(netlink.SET_LINK, body, what=step.text)


def set_link_state(places: Places, step: steps.SetLinkState) -> None:
    """Up or down, administratively."""
    places.set_link_flags(step.place, step.name, netlink.FLAG_UP if step.up else 0, netlink.FLAG_UP)


def set_link_options(places: Places, step: steps.LinkOptions) -> None:
    """ARP and multicast flags, and the largest number of packets sent at once."""
    flags = (0 if step.arp else netlink.FLAG_NO_ARP) | (netlink.FLAG_MULTICAST if step.multicast else 0)
    places.set_link_flags(step.place, step.name, flags, netlink.FLAG_NO_ARP | netlink.FLAG_MULTICAST)
    if step.single_packets:
        channel = places.channel(step.place)
        body = netlink.link(index=channel.index(step.name)) + attribute(netlink.IFLA_GSO_MAX_SEGS, 1)
        channel.call(netlink.NEW_LINK, body, what=step.text)


def set_mtu(places: Places, place: str, name: str, mtu: int) -> None:
    """The largest packet a link carries."""
    channel = places.channel(place)
    body = netlink.link(index=channel.index(name)) + attribute(netlink.IFLA_MTU, mtu)
    channel.call(netlink.NEW_LINK, body, what=f"mtu of {place} {name}")


def take_link(places: Places, step: steps.TakeLink) -> None:
    """Make a container engine's link ours, and remember its far end by the name that the plan has for it."""
    channel = places.channel(step.place)
    found = next((link for link in channel.links() if link.mac == step.found_mac.lower()), None)
    if found is None:
        raise OSError(errno.ENODEV, f"{step.place} has no link with {step.found_mac}")
    places.set_link_flags(step.place, found.index, 0, netlink.FLAG_UP)
    addresses.flush_index(channel, found.index)
    body = netlink.link(index=found.index) + _described(step.name, step.mac, step.mtu)
    channel.call(netlink.NEW_LINK, body, what=step.text)
    places.channel(FABRIC).aliases[step.port] = found.far_end


def delete_link(places: Places, step: steps.DeleteLink) -> None:
    """The link and its other end go."""
    channel = places.channel(step.place)
    channel.call(netlink.DELETE_LINK, netlink.link(index=channel.index(step.name)), what=step.text)


def _create(places: Places, place: str, body: bytes, what: str) -> None:
    places.channel(place).call(netlink.NEW_LINK, body, netlink.CREATE | netlink.EXCLUSIVE, what=what)
