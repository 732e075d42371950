"""Which multicast groups the shared sockets hear, on which interfaces.

A system bounds how many memberships one socket holds: Linux takes 20, and a machine with a dozen container bridges
needs more. Further ones are held by sockets that do nothing else: a socket that is bound to the groups' port hears
every group of which its host is a member (IP_MULTICAST_ALL and IPV6_MULTICAST_ALL, on by default, ip(7)).
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final, TypeAlias

from localpair.address import IPAddress
from localpair.limits import MEMBERSHIP_SOCKETS

_FULL: Final = (errno.ENOBUFS, errno.ENOMEM)  # net.ipv4.igmp_max_memberships, net.core.optmem_max

Opener: TypeAlias = Callable[[socket.AddressFamily], socket.socket]


def _open(family: socket.AddressFamily) -> socket.socket:
    return socket.socket(family, socket.SOCK_DGRAM)


class Memberships:
    """The memberships of ``shared``, the sockets that hear; ``opener`` makes those that hold what has no room there."""

    def __init__(self, shared: Sequence[socket.socket], opener: Opener = _open) -> None:
        self._shared, self._opener = shared, opener
        self._further: list[socket.socket] = []
        self._held: dict[tuple[int, IPAddress], socket.socket] = {}

    def join(
        self, wanted: Iterable[tuple[int, IPAddress, IPv4Address | None]]
    ) -> list[tuple[int, IPAddress, OSError]]:
        """Be a member of exactly these: (interface index, group, an IPv4 address of that interface). Gives the ones
        that failed; the others stand.
        """
        targets = {(index, group): address for index, group, address in wanted}
        for gone in self._held.keys() - targets.keys():
            self._leave(gone)
        failures = []
        for (index, group), address in targets.items():
            if (index, group) not in self._held and (error := self._hold(index, group, address)):
                failures.append((index, group, error))
        return failures

    def leave(self) -> None:
        """Be a member of nothing."""
        for key in list(self._held):
            self._leave(key)

    def close(self) -> None:
        """Close the sockets that only held memberships."""
        for one in self._further:
            one.close()
        self._held = {key: one for key, one in self._held.items() if one not in self._further}
        self._further.clear()

    def _hold(self, index: int, group: IPAddress, address: IPv4Address | None) -> OSError | None:
        error: OSError | None = None
        for one in self._holders(socket.AF_INET6 if group.version == 6 else socket.AF_INET):
            try:
                _change(one, index, group, address, leave=False)
            except OSError as refused:
                error = refused
                if refused.errno in _FULL:
                    continue
                if refused.errno != errno.EADDRINUSE:  # else it is a member already
                    return error
            self._held[index, group] = one
            return None
        return error

    def _holders(self, family: socket.AddressFamily) -> Iterator[socket.socket]:
        """The sockets that may hold a membership, a new one last; none where nothing of the family hears."""
        heard = [one for one in self._shared if one.family == family]
        yield from heard
        yield from [one for one in self._further if one.family == family] if heard else ()
        if heard and len(self._further) < MEMBERSHIP_SOCKETS:
            with suppress(OSError):  # no descriptor is left: the groups that are held go on
                one = self._opener(family)
                self._further.append(one)
                yield one

    def _leave(self, key: tuple[int, IPAddress]) -> None:
        with suppress(OSError):  # the interface has gone, and the membership with it
            _change(self._held.pop(key), *key, None, leave=True)


def _change(
    one: socket.socket, index: int, group: IPAddress, address: IPv4Address | None, *, leave: bool
) -> None:
    if group.version == 6:
        option = socket.IPV6_LEAVE_GROUP if leave else socket.IPV6_JOIN_GROUP
        one.setsockopt(socket.IPPROTO_IPV6, option, group.packed + struct.pack("@I", index))
        return
    option = socket.IP_DROP_MEMBERSHIP if leave else socket.IP_ADD_MEMBERSHIP
    if sys.platform == "win32":
        # ip_mreq only; an address of the form 0.x.y.z names an interface by its index.
        one.setsockopt(socket.IPPROTO_IP, option, group.packed + struct.pack("!I", index))
        return
    own = bytes(4) if address is None else address.packed
    one.setsockopt(socket.IPPROTO_IP, option, struct.pack("=4s4si", group.packed, own, index))
