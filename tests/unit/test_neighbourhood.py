"""Addresses of special purpose are neighbours in one's own subnets, and are called nowhere else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from localpair.address import DIALLABLE_CLASSES, SPECIAL_CLASSES, AddressClass, classify
from localpair.candidate import Candidate, Interface, InterfaceAddress, InterfaceKind
from localpair.neighbourhood import NO_NEIGHBOURS, Neighbourhood

NEVER = [
    "127.0.0.1", "0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "169.254.169.254", "::", "::1", "ff02::1",
    "fd00:ec2::254", "::ffff:192.168.1.20",
]  # fmt: skip


def card(text: str, kind: InterfaceKind = InterfaceKind.ETHERNET, **more: bool) -> Interface:
    host, _, prefix = text.partition("/")
    properties = {"carrier": True, **more}
    held = (InterfaceAddress(ip_address(host), int(prefix)),)
    return Interface(2, "eth0", kind, addresses=held, **properties)  # type: ignore[arg-type]  # flags all


def allows(near: Neighbourhood, text: str) -> bool:
    return not near.why_not(ip_address(text))


@pytest.mark.parametrize(
    ("own", "neighbour", "beyond"),
    [
        ("198.18.5.10/24", "198.18.5.20", "198.18.6.20"),
        ("198.19.0.10/16", "198.19.250.1", "198.18.0.1"),
        ("192.0.2.10/25", "192.0.2.20", "192.0.2.200"),
        ("198.51.100.10/24", "198.51.100.20", "203.0.113.20"),
        ("203.0.113.10/24", "203.0.113.20", "198.51.100.20"),
        ("240.1.2.10/24", "240.1.2.20", "240.1.3.20"),
        ("192.88.99.10/24", "192.88.99.20", "192.0.0.20"),
        ("0.1.2.10/24", "0.1.2.20", "0.1.3.20"),
        ("2001:2::10/64", "2001:2::20", "2001:2:0:1::20"),
        ("2002:c000:204:1::10/64", "2002:c000:204:1::20", "2002:c000:204:2::20"),
        ("fec0::10/64", "fec0::20", "fec0:0:0:1::20"),
        ("192.168.1.10/4", "198.18.5.20", "240.1.2.20"),
    ],
)
def test_an_address_in_ones_own_subnet_is_a_neighbour_whatever_its_class(
    own: str, neighbour: str, beyond: str
) -> None:
    near = Neighbourhood.of([card(own)])
    assert allows(near, neighbour)
    assert not allows(near, beyond)
    assert near.why_not(ip_address(beyond)) == (
        f"{classify(ip_address(beyond))} addresses are called in one's own subnets only"
    )
    assert not allows(NO_NEIGHBOURS, neighbour)


def test_a_site_numbered_from_the_documentation_prefix_is_one_network() -> None:
    """Its subnets lie on different links, and its routers know the way between them."""
    near = Neighbourhood.of([card("2001:db8:1::10/64")])
    assert allows(near, "2001:db8:2::20")
    assert not allows(near, "3fff::1")
    assert not allows(near, "192.0.2.1")


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_called_on_no_network(text: str) -> None:
    own = [
        "224.0.0.9/4",
        "127.0.0.9/8",
        "169.254.1.1/16",
        "fd00:ec2::1/64",
        "::9/96",
        "0.0.0.9/8",
        "ff02::9/16",
    ]
    assert not allows(Neighbourhood.of(map(card, own)), text)


@pytest.mark.parametrize(
    "other",
    [
        card("198.18.0.1/16", InterfaceKind.TUNNEL),
        card("198.18.0.1/30", point_to_point=True),
        card("198.18.0.1/16", InterfaceKind.LOOPBACK),
        card("198.18.0.1/16", carrier=False),
        card("198.18.0.1/16", up=False),
        card("198.18.0.1/0"),
        card("10.0.0.1/0"),
    ],
    ids=["tunnel", "point-to-point", "loopback", "no carrier", "down", "no mask", "no mask, another address"],
)
def test_only_a_lan_that_lives_makes_neighbours(other: Interface) -> None:
    """The tunnel of a proxy answers for every name with an address of 198.18/15."""
    assert not allows(Neighbourhood.of([other]), "198.18.0.2")


def test_all_other_classes_are_called_from_everywhere() -> None:
    for text in (
        "192.168.1.20",
        "10.0.0.1",
        "100.64.0.2",
        "169.254.3.7",
        "11.12.13.14",
        "fd12::1",
        "fe80::1",
        "2600::1",
    ):
        assert allows(NO_NEIGHBOURS, text)
    assert not DIALLABLE_CLASSES & SPECIAL_CLASSES
    assert AddressClass.LOOPBACK not in DIALLABLE_CLASSES | SPECIAL_CLASSES


def test_no_system_service_of_a_neighbour_is_called() -> None:
    near = Neighbourhood.of([card("198.18.5.10/24")])
    assert near.may_dial(Candidate(ip_address("198.18.5.20"), 1024))
    assert not near.may_dial(Candidate(ip_address("198.18.5.20"), 443))
    assert not near.may_dial(Candidate(ip_address("198.18.6.20"), 46_821))
