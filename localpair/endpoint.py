"""Endpoint: a place in the network, in the one form that is used from where a socket told it to where it is dialled."""

from __future__ import annotations

from localpair.address import AddressClass, IPAddress, classify, normalise, unscoped
from localpair.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, its port, and how this host gets there.

    ``address`` carries no scope: ``scope`` is the interface index without which it means nothing, or 0. ``interface``
    is the index of the one that something came by, where that is known, or 0. Raises ValueError for an address that
    carries a scope of its own.
    """

    address: IPAddress
    port: int = 0
    scope: int = 0
    interface: int = 0

    def __post_init__(self) -> None:
        if unscoped(self.address) is not self.address:
            raise ValueError(f"{self.address} carries a scope")


def plain_address(text: str) -> IPAddress:
    """The address in the words of a socket. A scope in it comes from the other host or is known anyway, so that it is
    left out. Raises ValueError for what is no address.
    """
    return normalise(text.partition("%")[0])


def scope_of(address: IPAddress, index: int) -> int:
    """The scope with which ``address`` of the interface ``index`` has to be used: the index, or 0 for none."""
    return index if address.version == 6 and classify(address) is AddressClass.LINK_LOCAL else 0
