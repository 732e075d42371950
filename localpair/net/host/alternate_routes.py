"""Ways to an address that the routing table does not take: out through another interface.

A VPN's route or rule, a host-only card with the better metric or with the peer's own prefix, or a second card in the
same subnet sends packets for the peer where it is not, while it can be reached through the interface on whose link it
is or which has a gateway. The table cannot be trusted for any address beyond the own subnets.
"""

from __future__ import annotations

from localpair.address import SPECIAL_CLASSES, AddressClass, IPAddress, classify, unscoped
from localpair.candidate import Interface, InterfaceKind
from localpair.limits import FAR_ALTERNATE_ROUTES
from localpair.net.host.interfaces import Interfaces
from localpair.net.host.routes import NoRoute
from localpair.net.host.routing import route_to
from localpair.ranking import is_tunnel

# A public address may be anybody's; one of special purpose means a neighbour or nobody.
_ON_LINK_ONLY = SPECIAL_CLASSES | {AddressClass.GLOBAL}


def alternates(address: IPAddress, interfaces: Interfaces) -> tuple[int, ...]:
    """The interfaces, by index, through which ``address`` is worth a try beside the one that the table uses.

    Those on whose own subnet it lies; where none of these has a default route, also those that have one: a container
    bridge or a host-only card may merely have the prefix of the peer's network. Where it lies on none, at most
    FAR_DETOURS others, since the peer may be on the wire with a mask that hides it: those with a default route first,
    then those with the most similar addresses. Never a tunnel. None for this host's own addresses and for link-local
    IPv6, which has a scope instead.

    A public address has a alternate route only over a link on which it lies: else an offer, a code or a forged source
    could make us call somebody on the internet beside the VPN, and so tell him where we are.
    """
    scoped = address.version == 6 and classify(address) is AddressClass.LINK_LOCAL
    if scoped or classify(address) is AddressClass.LOOPBACK or unscoped(address) in interfaces.own_addresses:
        return ()
    used = used_interface(address, interfaces)
    near = [one for one in interfaces.on_link(address) if _is_usable(one, address)]
    others = [one for one in interfaces.interfaces if _is_usable(one, address) and one not in near]
    if classify(address) in _ON_LINK_ONLY or any(one.gateway for one in near):
        others = []
    elif near:
        others = [one for one in others if one.gateway]
    far = _best([one for one in others if one.index != used], address)
    return tuple(one.index for one in (*near, *far[:FAR_ALTERNATE_ROUTES]) if one.index != used)


def used_interface(address: IPAddress, interfaces: Interfaces) -> int:
    """The interface, by index, through which the routing table sends to ``address``; 0: none."""
    answer = route_to(address, interfaces)
    return 0 if isinstance(answer, NoRoute) else answer.index


def may_dial_by(address: IPAddress, index: int, interfaces: Interfaces) -> bool:
    """Whether ``address`` may be dialled through this interface, wherever the table leads: never a tunnel, and a public
    address only over a link on which it lies (see ``alternates``).
    """
    card = interfaces.by_index.get(index)
    if card is None or unscoped(address) in interfaces.own_addresses or not _is_usable(card, address):
        return False
    return classify(address) not in _ON_LINK_ONLY or card in interfaces.on_link(address)


def has_crossed(arrived: int, local: IPAddress | None, interfaces: Interfaces) -> bool:
    """Whether a packet for our address ``local`` came in by another card (by index) than the one that has it: of
    several cards on one link any may answer the question for an address of ours. Only a dial that leaves by the card of
    that packet, and from that address, gets what the peer sends then.
    """
    owner = interfaces.owner(local) if local is not None else None
    return owner is not None and owner.index != arrived


def _best(interfaces: list[Interface], address: IPAddress) -> list[Interface]:
    worth = [one for one in interfaces if one.gateway or one.kind is not InterfaceKind.BRIDGE]
    return sorted(worth, key=lambda one: (not one.gateway, -_likeness(one, address)))


def _likeness(interface: Interface, address: IPAddress) -> int:
    """How many leading bits ``address`` has in common with one of the interface's."""
    same = (one.address for one in interface.addresses if one.address.version == address.version)
    return max(address.max_prefixlen - (int(one) ^ int(address)).bit_length() for one in same)


def _is_usable(interface: Interface, address: IPAddress) -> bool:
    alive = interface.up and interface.carrier is not False
    inner = interface.kind is InterfaceKind.LOOPBACK or is_tunnel(interface)
    return alive and not inner and any(one.address.version == address.version for one in interface.addresses)
