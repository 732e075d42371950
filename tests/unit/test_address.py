"""Every address has one class, from a table of our own; nothing is ever resolved."""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpair.address import (
    DIALLABLE_CLASSES,
    LOCAL_CLASSES,
    AddressClass,
    classify,
    normalise,
    subnet_hosts,
    subnet_of,
    unscoped,
)

EDGES = [
    ("10.0.0.0", AddressClass.PRIVATE),
    ("10.255.255.255", AddressClass.PRIVATE),
    ("9.255.255.255", AddressClass.GLOBAL),
    ("11.0.0.0", AddressClass.GLOBAL),
    ("172.15.255.255", AddressClass.GLOBAL),
    ("172.16.0.0", AddressClass.PRIVATE),
    ("172.31.255.255", AddressClass.PRIVATE),
    ("172.32.0.0", AddressClass.GLOBAL),
    ("192.167.255.255", AddressClass.GLOBAL),
    ("192.168.0.0", AddressClass.PRIVATE),
    ("192.168.255.255", AddressClass.PRIVATE),
    ("192.169.0.0", AddressClass.GLOBAL),
    ("100.63.255.255", AddressClass.GLOBAL),
    ("100.64.0.0", AddressClass.CGNAT),
    ("100.127.255.255", AddressClass.CGNAT),
    ("100.128.0.0", AddressClass.GLOBAL),
    ("169.253.255.255", AddressClass.GLOBAL),
    ("169.254.0.0", AddressClass.LINK_LOCAL),
    ("169.254.169.254", AddressClass.LINK_LOCAL),
    ("169.255.0.0", AddressClass.GLOBAL),
    ("127.0.0.1", AddressClass.LOOPBACK),
    ("127.0.1.1", AddressClass.LOOPBACK),
    ("0.0.0.0", AddressClass.UNSPECIFIED),
    ("0.0.0.1", AddressClass.RESERVED),
    ("192.0.0.4", AddressClass.RESERVED),
    ("192.0.2.1", AddressClass.DOCUMENTATION),
    ("198.51.100.9", AddressClass.DOCUMENTATION),
    ("203.0.113.9", AddressClass.DOCUMENTATION),
    ("198.17.255.255", AddressClass.GLOBAL),
    ("198.18.0.1", AddressClass.BENCHMARKING),
    ("198.19.255.255", AddressClass.BENCHMARKING),
    ("198.20.0.0", AddressClass.GLOBAL),
    ("223.255.255.255", AddressClass.GLOBAL),
    ("224.0.0.0", AddressClass.MULTICAST),
    ("239.255.255.255", AddressClass.MULTICAST),
    ("240.0.0.0", AddressClass.RESERVED),
    ("255.255.255.254", AddressClass.RESERVED),
    ("255.255.255.255", AddressClass.BROADCAST),
    ("::", AddressClass.UNSPECIFIED),
    ("::1", AddressClass.LOOPBACK),
    ("::2", AddressClass.RESERVED),
    ("fc00::", AddressClass.UNIQUE_LOCAL),
    ("fdff:ffff::1", AddressClass.UNIQUE_LOCAL),
    ("fe80::1", AddressClass.LINK_LOCAL),
    ("febf:ffff::1", AddressClass.LINK_LOCAL),
    ("fec0::1", AddressClass.RESERVED),
    ("ff02::1", AddressClass.MULTICAST),
    ("2001:db8::1", AddressClass.DOCUMENTATION),
    ("2001:2::1", AddressClass.BENCHMARKING),
    ("2002:c000:204::1", AddressClass.RESERVED),
    ("2600::1", AddressClass.GLOBAL),
]


@pytest.mark.parametrize(("text", "cls"), EDGES)
def test_the_edges_of_every_range(text: str, cls: AddressClass) -> None:
    assert classify(ip_address(text)) is cls


@given(st.ip_addresses())
def test_every_address_has_exactly_one_class(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert classify(address) in AddressClass


@given(st.ip_addresses(v=4))
def test_ipv4_agrees_with_the_registry_wherever_both_speak_of_private_use(
    address: ipaddress.IPv4Address,
) -> None:
    rfc1918 = any(
        address in ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    )
    assert (classify(address) is AddressClass.PRIVATE) == rfc1918


def test_a_scope_plays_no_part_in_the_class() -> None:
    assert classify(ip_address("fe80::1%eth0")) is AddressClass.LINK_LOCAL


def test_the_sets_are_what_stage_two_and_the_dialler_rely_on() -> None:
    assert {AddressClass.GLOBAL} == DIALLABLE_CLASSES - LOCAL_CLASSES
    assert not DIALLABLE_CLASSES & {
        AddressClass.LOOPBACK,
        AddressClass.MULTICAST,
        AddressClass.BROADCAST,
        AddressClass.UNSPECIFIED,
        AddressClass.BENCHMARKING,
    }


def test_mapped_addresses_are_the_ipv4_address_they_map() -> None:
    assert normalise("::ffff:192.168.1.10") == ip_address("192.168.1.10")
    assert normalise("fe80::1%3").version == 6
    assert unscoped(normalise("fe80::1%3")) == ip_address("fe80::1")


@pytest.mark.parametrize(
    "text", ["localhost", "example.org", "192.168.1", "0x7f.1", "010.0.0.1", "", "1.2.3.4/24"]
)
def test_only_literal_addresses_are_read_and_no_name_is_resolved(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a name was resolved")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, refuse)
    with pytest.raises(ValueError):
        normalise(text)


def test_network_and_broadcast_follow_from_the_mask() -> None:
    block = subnet_of(ip_address("10.20.3.0"), 16)
    assert (str(block), str(block.broadcast_address)) == ("10.20.0.0/16", "10.20.255.255")
    assert str(subnet_of(ip_address("fe80::1%eth0"), 64)) == "fe80::/64"
    subnet = subnet_hosts(ip_address("10.20.3.0"), 16)
    assert str(subnet) == "10.20.0.0/16"
    assert str(subnet.broadcast) == "10.20.255.255"
    assert subnet_hosts(ip_address("172.20.10.5"), 28).size == 16
    assert str(subnet_hosts(ip_address("fe80::1%eth0"), 64)) == "fe80::/64"
