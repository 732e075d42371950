"""Places in the network have one form, whatever a socket calls them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from localpair.candidate import Candidate, InterfaceAddress
from localpair.endpoint import Endpoint, plain_address, scope_of


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.2", "192.168.1.2"),
        ("::ffff:192.168.1.2", "192.168.1.2"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%3", "fe80::1"),
    ],
)
def test_what_a_socket_says_has_neither_a_scope_nor_another_spelling(text: str, address: str) -> None:
    assert plain_address(text) == ip_address(address)


def test_a_name_is_no_address() -> None:
    with pytest.raises(ValueError, match="kitchen"):
        plain_address("kitchen")


@pytest.mark.parametrize(
    ("address", "scope"), [("fe80::1", 7), ("169.254.1.1", 0), ("fd00::1", 0), ("10.0.0.1", 0)]
)
def test_only_a_link_local_address_of_ipv6_needs_a_scope(address: str, scope: int) -> None:
    assert scope_of(ip_address(address), 7) == scope


def test_an_endpoint_takes_no_address_with_a_scope_of_its_own() -> None:
    assert Endpoint(ip_address("fe80::1"), 4000, 3).scope == 3
    with pytest.raises(ValueError, match="carries a scope"):
        Endpoint(ip_address("fe80::1%3"), 4000)


def test_a_candidate_and_an_address_of_an_interface_leave_a_scope_out() -> None:
    plain, scoped = ip_address("fe80::1"), ip_address("fe80::1%eth0")
    assert Candidate(scoped, 4000, scope=3) == Candidate(plain, 4000, scope=3)
    assert str(Candidate(scoped, 4000)) == "[fe80::1]:4000"
    assert InterfaceAddress(scoped, 64).address == plain
