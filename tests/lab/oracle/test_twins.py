"""One address or one hardware address on two machines, as the oracle knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.oracle.judge import Delivery, hears, judge, opens
from localpair_lab.oracle.multicast import GROUPS

if TYPE_CHECKING:
    from conftest import PlanOf

PAIR = """
pair: {host: bob, join: alice}
expect: [{of: host, outcome: paired}]
"""
ONE, OTHER = "02:00:00:00:00:10", "02:00:00:00:00:20"


def _lan(alice: str, bob: str, more: str = "", ipv6: str = "off") -> str:
    return f"""
networks: {{lan: {{ip: 192.168.1.0/24, ipv6: {ipv6}}}}}
devices:
  alice: {{on: {{lan: {{{alice}}}}}}}
  bob: {{on: {{lan: {{{bob}}}}}}}
{more}{PAIR}"""


@pytest.mark.parametrize("ipv6", ["off", "link-local"])
def test_nothing_for_one_station_passes_between_two_of_one_hardware_address(
    plan_of: PlanOf, ipv6: str
) -> None:
    plan = plan_of(_lan(f"ip: 192.168.1.10, mac: '{ONE}'", f"ip: 192.168.1.20, mac: '{ONE}'", ipv6=ipv6))
    found = judge(plan, "bob", "alice")
    assert found.answer is Delivery.NO
    assert "same-hardware-address" in found.causes
    assert hears(plan, "alice/eth0", "bob/eth0", GROUPS[0]).answer is Delivery.YES


def test_a_third_one_with_the_hardware_address_leaves_it_to_chance(plan_of: PlanOf) -> None:
    third = f"decoys: {{printer: {{on: {{lan: {{ip: 192.168.1.30, mac: '{OTHER}'}}}}}}}}"
    alice, bob = f"ip: 192.168.1.10, mac: '{ONE}'", f"ip: 192.168.1.20, mac: '{OTHER}'"
    assert judge(plan_of(_lan(alice, bob)), "bob", "alice").answer is Delivery.YES
    assert judge(plan_of(_lan(alice, bob, third)), "bob", "alice").answer is Delivery.MAYBE


@pytest.mark.parametrize(("ipv6", "answer"), [("off", Delivery.NO), ("link-local", Delivery.YES)])
def test_a_pair_of_one_address_meets_by_the_other_family(
    plan_of: PlanOf, ipv6: str, answer: Delivery
) -> None:
    plan = plan_of(_lan("ip: 192.168.1.10", "ip: 192.168.1.10, conflict: true", ipv6=ipv6))
    found = judge(plan, "bob", "alice")
    assert found.answer is answer
    assert all(":" in way.opening.remote for way in found.ways)


def test_a_third_one_with_the_address_leaves_it_to_chance(plan_of: PlanOf) -> None:
    third = "decoys: {printer: {on: {lan: {ip: 192.168.1.20, conflict: true}}}}"
    plan = plan_of(_lan("ip: 192.168.1.10", "ip: 192.168.1.20", third))
    assert judge(plan, "bob", "alice").answer is Delivery.MAYBE


def test_an_own_link_local_address_is_another_ones_on_another_link(plan_of: PlanOf) -> None:
    """Alice's first card has the hardware address of Bob's, on a network of its own."""
    plan = plan_of(f"""
networks: {{lan: {{ipv6: link-local}}, other: {{ipv6: link-local}}}}
devices:
  alice: {{interfaces: [{{network: other, mac: '{ONE}'}}, {{network: lan, mac: '{OTHER}'}}]}}
  bob: {{interfaces: [{{network: lan, mac: '{ONE}'}}]}}
{PAIR}""")
    found = judge(plan, "bob", "alice")
    assert found.answer is Delivery.YES
    assert {way.kind for way in found.ways if way.first == "alice"} == {"dial", "simultaneous"}


@pytest.mark.parametrize(("lost", "answer"), [(46821, Delivery.MAYBE), (9, Delivery.YES)])
def test_which_of_two_cards_answers_for_an_address_is_chance_where_one_gets_nothing(
    plan_of: PlanOf, lost: int, answer: Delivery
) -> None:
    """Both of Alice's cards answer for her address, and the network loses TCP on its way to one of them."""
    plan = plan_of(f"""
networks: {{lan: {{ip: 192.168.1.0/24, drops: [{{protocol: tcp, port: {lost}, frames_to: alice/eth0}}]}}}}
devices:
  alice:
    interfaces: [{{network: lan, name: eth0, ip: 192.168.1.10}}, {{network: lan, name: eth1, ip: 192.168.1.11}}]
  bob: {{on: {{lan: 192.168.1.20}}}}
{PAIR}""")
    assert opens(plan, "bob", "alice", "192.168.1.10").answer is answer
