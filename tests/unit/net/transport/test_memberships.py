"""A machine with many interfaces is a member of the groups on all of them, whatever one socket may hold."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from localpair.limits import MEMBERSHIP_SOCKETS
from localpair.net.transport.memberships import Memberships

GROUP, GROUP_6 = IPv4Address("224.0.0.171"), IPv6Address("ff12::6c70:6169:7273")
OWN = IPv4Address("192.168.1.10")


class Holder:
    """A socket as far as memberships go, with room for ``room`` of them."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, room: int = 20) -> None:
        self.family, self.room, self.closed = family, room, False
        self.held = 0

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        del level, value
        if option in (socket.IP_DROP_MEMBERSHIP, socket.IPV6_LEAVE_GROUP):
            self.held -= 1
        elif self.held == self.room:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        else:
            self.held += 1

    def close(self) -> None:
        self.closed = True


class Bench:
    """One socket that hears, and those that are opened beside it."""

    def __init__(self, room: int = 20) -> None:
        self.heard, self.room = Holder(room=room), room
        self.further: list[Holder] = []
        self.memberships = Memberships([cast("socket.socket", self.heard)], self._open)

    def _open(self, family: socket.AddressFamily) -> socket.socket:
        self.further.append(Holder(family, self.room))
        return cast("socket.socket", self.further[-1])

    def join(self, *indexes: int) -> list[int]:
        """The interfaces on which it failed."""
        return [index for index, _, _ in self.memberships.join((index, GROUP, OWN) for index in indexes)]


def test_what_one_socket_has_no_room_for_is_held_by_further_ones() -> None:
    bench = Bench()
    assert bench.join(*range(1, 51)) == []
    assert [one.held for one in (bench.heard, *bench.further)] == [20, 20, 10]


def test_few_interfaces_need_no_further_socket() -> None:
    bench = Bench()
    assert bench.join(1, 2, 3) == []
    assert bench.further == []


def test_a_membership_is_left_where_it_is_held_and_its_room_is_used_again() -> None:
    bench = Bench(room=2)
    bench.join(1, 2, 3)
    assert bench.join(2, 3) == []
    assert [bench.heard.held, bench.further[0].held] == [1, 1]
    assert bench.join(2, 3, 4) == []
    assert [bench.heard.held, len(bench.further)] == [2, 1]
    bench.memberships.leave()
    assert [bench.heard.held, bench.further[0].held] == [0, 0]


def test_the_number_of_further_sockets_is_bounded_and_what_fails_is_told() -> None:
    bench = Bench(room=1)
    count = MEMBERSHIP_SOCKETS + 5
    assert bench.join(*range(1, count + 1)) == list(range(MEMBERSHIP_SOCKETS + 2, count + 1))
    assert len(bench.further) == MEMBERSHIP_SOCKETS


def test_further_sockets_are_closed_at_the_end_and_the_one_that_hears_is_not() -> None:
    bench = Bench(room=1)
    bench.join(1, 2, 3)
    bench.memberships.close()
    assert [one.closed for one in bench.further] == [True, True]
    assert not bench.heard.closed


def test_a_family_that_nothing_hears_costs_no_socket() -> None:
    bench = Bench()
    assert bench.memberships.join([(1, GROUP_6, None)]) == []
    assert bench.further == []
