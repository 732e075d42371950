"""Routers that answer questions for the hardware addresses of others, as the oracle knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.oracle.judge import Delivery, judge
from localpair_lab.oracle.links import proxies
from localpair_lab.oracle.packet import Packet

if TYPE_CHECKING:
    from conftest import PlanOf

PAIR = """
pair: {host: bob, join: alice}
expect: [{of: host, outcome: paired}]
"""


def _two_sides(settings: str, more: str = "", length: int = 16) -> str:
    return f"""
networks: {{lan: 192.168.1.0/24, things: 192.168.2.0/24}}
routers: {{gw: {{on: {{lan: 192.168.1.1, things: 192.168.2.1}}, sysctls: {{{settings}}}{more}}}}}
devices:
  alice: {{on: {{lan: 192.168.1.10/16}}}}
  bob: {{on: {{things: 192.168.2.20/{length}}}}}
{PAIR}"""


@pytest.mark.parametrize(
    ("settings", "more", "possible"),
    [
        ("net.ipv4.conf.all.proxy_arp: 1", "", True),
        ("net.ipv4.conf.eth0.proxy_arp: 1, net.ipv4.conf.eth1.proxy_arp: 1", "", True),
        ("net.ipv4.conf.eth0.proxy_arp: 1", "", False),  # the answers find no way
        ("net.ipv4.conf.all.proxy_arp_pvlan: 1", "", False),  # for members of one link only
        ("net.ipv4.conf.all.rp_filter: 0", "", False),
        ("net.ipv4.conf.all.proxy_arp: 1", ", forwards: false", False),
        ("net.ipv4.conf.all.proxy_arp: 1", ", firewall: {through: drop}", False),
    ],
)
def test_a_router_that_answers_for_the_other_side_joins_both(
    plan_of: PlanOf, settings: str, more: str, possible: bool
) -> None:
    assert judge(plan_of(_two_sides(settings, more)), "bob", "alice").possible is possible


def test_a_narrow_mask_asks_nobody_unless_its_socket_is_bound(plan_of: PlanOf) -> None:
    found = judge(plan_of(_two_sides("net.ipv4.conf.all.proxy_arp: 1", length=24)), "bob", "alice")
    assert found.answer is Delivery.YES
    assert {way.bound for way in found.ways if way.first == "bob"} >= {("bob",)}
    assert all("bob" in way.bound for way in found.ways)


@pytest.mark.parametrize(("setting", "possible"), [(0, False), (1, True)])
def test_members_that_are_kept_apart_meet_by_the_router_that_answers_for_them(
    plan_of: PlanOf, setting: int, possible: bool
) -> None:
    plan = plan_of(f"""
networks: {{guest: {{ip: 192.168.1.0/24, isolation: clients}}}}
routers: {{gw: {{on: {{guest: 192.168.1.1}}, sysctls: {{net.ipv4.conf.all.proxy_arp_pvlan: {setting}}}}}}}
devices: {{alice: {{on: {{guest: 192.168.1.10}}}}, bob: {{on: {{guest: 192.168.1.20}}}}}}
{PAIR}""")
    assert judge(plan, "bob", "alice").possible is possible


ASKED = Packet("ipv4", "tcp", "192.168.1.10", "192.168.1.20")


def test_whoever_has_the_address_answers_before_a_router_does(plan_of: PlanOf) -> None:
    """The router knows the same prefix on its other side, and takes its time."""
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, other: 192.168.1.0/24}}
routers:
  gw:
    interfaces: [{{network: lan, ip: 192.168.1.1/32}}, {{network: other, ip: 192.168.1.2}}]
    sysctls: {{net.ipv4.conf.all.proxy_arp: 1}}
devices: {{alice: {{on: {{lan: 192.168.1.10}}}}, bob: {{on: {{lan: 192.168.1.20}}}}}}
{PAIR}""")
    assert list(proxies(plan, "alice/eth0", "192.168.1.20", ASKED)) == ["gw/eth0"]
    assert judge(plan, "bob", "alice").answer is Delivery.YES


def test_which_of_two_routers_answers_first_is_chance(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, things: 192.168.2.0/24}}
routers:
  one: {{on: {{lan: 192.168.1.1, things: 192.168.2.1}}, sysctls: {{net.ipv4.conf.all.proxy_arp: 1}}}}
  two:
    on: {{lan: 192.168.1.2, things: 192.168.2.2}}
    sysctls: {{net.ipv4.conf.all.proxy_arp: 1}}
    firewall: {{through: drop}}
devices: {{alice: {{on: {{lan: 192.168.1.10/16}}}}, bob: {{on: {{things: 192.168.2.20/16}}}}}}
{PAIR}""")
    assert judge(plan, "bob", "alice").answer is Delivery.MAYBE
