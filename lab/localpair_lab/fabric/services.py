"""Steps about what a network's machines do for each other: hand out addresses, advertise prefixes, take over.

Each is carried out by a program of the fabric's own that speaks the real protocol in the machine's network.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LeaseServer:
    """A DHCP server on a link: ``leases`` pairs a client's hardware address with its IPv4 address and prefix length,
    which it may have for ``seconds``.
    """

    place: str
    link: str
    address: str
    leases: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def text(self) -> str:
        given = ", ".join(f"{address} to {mac}" for mac, address in self.leases) or "nothing"
        return f"# in {self.place}, a DHCP server on {self.link} gives {given} for {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class LeaseClient:
    """A DHCP client on a link, called ``port``; the step is done when it has ``address``. ``routes`` (fields of
    ``AddRoute``) come with it.
    """

    place: str
    link: str
    port: str
    mac: str
    address: str
    routes: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        place, link = shlex.quote(self.place), shlex.quote(self.link)
        return f"ip -n {place} addr add {self.address} brd + dev {link}  # from a DHCP client, for as long as its lease"


@dataclass(frozen=True, slots=True)
class UpdateLease:
    """The server on ``server_place``'s ``server_link`` has ``lease`` for that client from now on; empty: no answer.
    ``otherwise`` is the address that the client takes when it has no lease any more.
    """

    server_place: str
    server_link: str
    port: str
    mac: str
    lease: str = ""
    otherwise: str = ""
    routes: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        given = f"is given {self.lease} when it renews" if self.lease else "is answered no more"
        then = f", then {self.otherwise}" if self.otherwise else ""
        return f"# {self.port} {given}{then}"


@dataclass(frozen=True, slots=True)
class AdvertisePrefixes:
    """The router's advertisements on a link become these: ``prefixes``, and ``deprecated`` ones that hosts shall use no
    more. The step is done when each of ``hosts`` (place, address) has its address.
    """

    place: str
    link: str
    source: str
    mac: str
    prefixes: tuple[str, ...]
    deprecated: tuple[str, ...]
    hosts: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        old = f", deprecated {' '.join(self.deprecated)}" if self.deprecated else ""
        said = f"# in {self.place}, a program advertises {' '.join(self.prefixes) or 'no prefix'}{old} on {self.link}"
        return "\n".join([said, *(f"# {place} makes {address} of it" for place, address in self.hosts)])


@dataclass(frozen=True, slots=True)
class AnnounceAddress:
    """A gratuitous ARP: everybody on the link's network learns that ``address`` is at ``mac`` now."""

    place: str
    link: str
    address: str
    mac: str

    @property
    def text(self) -> str:
        place, link = shlex.quote(self.place), shlex.quote(self.link)
        return f"# in {place}, {link} tells its neighbours that {self.address} is at {self.mac}"
