"""Facts under pseudonyms: no real address is in them, both sides make the same ones, and they draw the same verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cause_cases import CASES, Case
from localpair.address import classify
from localpair.causes.facts import AddressFacts
from localpair.causes.judge import judge
from localpair.causes.records.codec import to_dict
from localpair.causes.records.pseudonyms import key_of, pseudonym, pseudonymous
from localpair.causes.records.telling import masked
from run_facts import ALICE, ALICE_MAC, BOB, BOB_MAC, ROUTER_MAC, joiner

KEY = key_of(b"a secret of 16 b")
PRIVATE = st.integers(0, (1 << 16) - 1).map(lambda number: ip_address((192 << 24) + (168 << 16) + number))


def shared(one: int, other: int, bits: int) -> int:
    """How many bits two numbers share at their beginning."""
    return bits - (one ^ other).bit_length()


@given(PRIVATE, PRIVATE)
def test_two_addresses_share_as_many_bits_as_their_pseudonyms(one: object, other: object) -> None:
    first, second = ip_address(str(one)), ip_address(str(other))
    made = pseudonym(first, KEY), pseudonym(second, KEY)
    assert shared(int(first), int(second), 32) == shared(int(made[0]), int(made[1]), 32)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.20.9.8", "192.168.1.20", "169.254.3.4", "fd12:3456::9", "fe80::a:b:c:d", "198.18.5.4"],
)
def test_an_address_stays_in_its_class_and_one_that_is_shown_stays_itself(address: str) -> None:
    real = ip_address(address)
    assert classify(pseudonym(real, KEY)) is classify(real)
    for plain in ("127.0.0.1", "224.0.0.251", "255.255.255.255", "::1", "ff02::1"):
        assert pseudonym(ip_address(plain), KEY) == ip_address(plain)


@pytest.mark.parametrize("address", ["8.8.4.4", "2a01:4f8::17"])
def test_a_public_address_becomes_a_private_one(address: str) -> None:
    made = pseudonym(ip_address(address), KEY)
    assert made in ip_network("100.64.0.0/10" if made.version == 4 else "fd00::/8")


def test_an_address_that_would_become_its_networks_own_leaves_the_facts_out() -> None:
    facts = joiner()
    subnet = ip_network(f"{ALICE}/24", strict=False)
    first = next(host for host in subnet.hosts() if int(pseudonym(host, KEY)) & 255 == 0)
    links = tuple(
        replace(one, addresses=(AddressFacts(first, 24),)) if one.index == 2 else one
        for one in facts.links or ()
    )
    assert pseudonymous(facts, KEY) is not None
    assert pseudonymous(replace(facts, links=links), KEY) is None


def test_nothing_of_the_real_network_is_left_and_another_key_makes_other_names() -> None:
    facts = joiner()
    links = tuple(replace(one, name="Anna's dock") if one.index == 2 else one for one in facts.links or ())
    found = pseudonymous(replace(facts, links=links), KEY)
    other = pseudonymous(facts, key_of(b"another secret.."))
    assert found is not None
    text = json.dumps(to_dict(found))
    assert not [one for one in (ALICE, BOB, ALICE_MAC, BOB_MAC, ROUTER_MAC, "Anna") if one in text]
    assert other != found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_verdict_on_pseudonyms_is_that_on_the_facts(case: Case) -> None:
    """Also where one side's report holds what the other one has told of itself, and the other side's is its own."""
    real = [masked(one) for one in (case.mine, case.theirs) if one is not None]
    found = [pseudonymous(one, KEY) for one in (case.mine, case.theirs) if one is not None]
    known = [one for one in found if one is not None]
    assert len(known) == len(real)
    assert judge(*known).causes == judge(*real).causes
    assert [pseudonymous(one, KEY) for one in real] == found, "it does not matter who has masked them"
