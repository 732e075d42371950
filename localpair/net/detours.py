"""Ways to an address that the routing table does not take: out through another interface.

A VPN's route or rule, a host-only card with the better metric, or a second card in the same subnet sends packets for
the peer where it is not, while it can be reached through the interface on whose link it is or which has a gateway.
"""

from __future__ import annotations

from localpair.address import AddressClass, IPAddress, classify, unscoped
from localpair.candidate import Interface, InterfaceKind
from localpair.net.interfaces import Interfaces
from localpair.net.routes import NoRoute, route_to
from localpair.ranking import is_tunnel


def detours(address: IPAddress, interfaces: Interfaces) -> tuple[int, ...]:
    """The interfaces, by index, through which ``address`` is worth a try beside the one that the table uses.

    Those on whose own subnet it lies; else those with a default route; else, where the table leads into a tunnel or
    nowhere, all but container bridges: the peer may be on the wire with a mask that hides it. Never a tunnel. None for
    this host's own addresses and for link-local IPv6, which has a scope instead.
    """
    scoped = address.version == 6 and classify(address) is AddressClass.LINK_LOCAL
    if scoped or classify(address) is AddressClass.LOOPBACK or unscoped(address) in interfaces.own_addresses:
        return ()
    answer = route_to(address, interfaces)
    used = 0 if isinstance(answer, NoRoute) else answer.index
    taken = interfaces.by_index.get(used)
    astray = not used or (taken is not None and is_tunnel(taken))
    links = [one for one in interfaces.on_link(address) if _is_usable(one, address)]
    others = [one for one in interfaces.interfaces if _is_usable(one, address)]
    links = links or [one for one in others if one.gateway]
    if astray and not links:
        links = [one for one in others if one.kind is not InterfaceKind.BRIDGE]
    return tuple(one.index for one in links if one.index != used)


def _is_usable(interface: Interface, address: IPAddress) -> bool:
    alive = interface.up and interface.carrier is not False
    inner = interface.kind is InterfaceKind.LOOPBACK or is_tunnel(interface)
    return alive and not inner and any(one.address.version == address.version for one in interface.addresses)
