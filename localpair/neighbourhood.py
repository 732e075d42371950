"""The links of this host: which addresses belong to its own networks, whatever they were set aside for.

A LAN may be numbered out of a block that has another purpose (198.18.0.0/15, 192.0.2.0/24, 240.0.0.0/4, ...), so
that no employer's VPN collides with it. On such a LAN these addresses are neighbours. Anywhere else an offer, a code or
a packet that names one is up to no good, or comes from another network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias

from localpair.address import SPECIAL_CLASSES, classify, unscoped, why_never_dialled
from localpair.dataclass import dataclass
from localpair.limits import LOWEST_DIALLED_PORT
from localpair.ranking import is_lan

if TYPE_CHECKING:
    from localpair.address import IPAddress
    from localpair.candidate import Candidate, Interface

Subnet: TypeAlias = IPv4Network | IPv6Network

# An IPv6 site has one prefix and a subnet of it for each link, and its routers know the way between them. Whoever has
# an address in a prefix for documentation lives in such a site.
_SITES: Final = (IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The subnets in which addresses of special purpose are neighbours; none by default."""

    subnets: frozenset[Subnet] = frozenset()

    @classmethod
    def of(cls, interfaces: Iterable[Interface]) -> Neighbourhood:
        """That of a host with these interfaces."""
        return cls(frozenset(subnet for one in interfaces if is_lan(one) for subnet in _subnets(one)))

    def why_not(self, address: IPAddress) -> str:
        """Why nobody's word makes us call ``address`` as the network is now; empty where it may be called."""
        if reason := why_never_dialled(address):
            return reason
        if self.waits_for(address):
            return f"{classify(address)} addresses are called in one's own subnets only"
        return ""

    def waits_for(self, address: IPAddress) -> bool:
        """Whether ``address`` may be called on another network than those that there are now."""
        return classify(address) in SPECIAL_CLASSES and not self.holds(address)

    def holds(self, address: IPAddress) -> bool:
        """Whether ``address`` lies in one of the subnets."""
        plain = unscoped(address)
        return any(plain.version == subnet.version and plain in subnet for subnet in self.subnets)

    def may_dial(self, candidate: Candidate) -> bool:
        """Whether a packet or an offer may make us dial it: a usable address, and no system service's port."""
        return candidate.port >= LOWEST_DIALLED_PORT and not self.why_not(candidate.address)


def _subnets(interface: Interface) -> Iterator[Subnet]:
    for details in interface.addresses:
        if details.prefix == 0:
            continue  # a mask that holds everything tells nothing of a link
        subnet = ip_network((details.address, details.prefix), strict=False)
        yield next((site for site in _SITES if subnet.version == 6 and subnet.subnet_of(site)), subnet)


NO_NEIGHBOURS: Final = Neighbourhood()
"""That of a host whose interfaces are not known."""
