"""Subnets to which Linux makes no route, as the oracle and the plan know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from localpair_lab.oracle.judge import judge
from localpair_lab.oracle.routing import find_hop

if TYPE_CHECKING:
    from conftest import PlanOf

PAIR = """
pair: {host: bob, join: alice}
expect: [{of: host, outcome: paired}]
"""


def _lan(mask: int, far: str) -> str:
    return f"""
networks: {{lan: 10.0.0.0/24}}
routers: {{gw: {{on: {{lan: 10.0.0.1}}}}}}
devices:
  alice: {{on: {{lan: "10.0.0.10/{mask}"}}}}
  bob: {{on: {{lan: "10.0.0.20/{mask}"}}, {far}}}
{PAIR}"""


@pytest.mark.parametrize(("mask", "routed"), [(0, False), (1, False), (4, False), (5, True), (24, True)])
def test_a_subnet_that_begins_at_nobodys_address_has_no_route(
    plan_of: PlanOf, mask: int, routed: bool
) -> None:
    plan = plan_of(_lan(mask, "firewall: {}"))
    assert (find_hop(plan.node("alice"), "10.0.0.20") is not None) is routed
    assert find_hop(plan.node("alice"), "10.0.0.20", bound="eth0") is not None
    found = judge(plan, "bob", "alice")
    assert {way.kind for way in found.ways} == ({"dial", "simultaneous"} if routed else {"simultaneous"})


@pytest.mark.parametrize(("mask", "on_link"), [(1, True), (24, False)])
def test_a_gateway_that_no_route_leads_to_is_on_the_link(plan_of: PlanOf, mask: int, on_link: bool) -> None:
    """Else the kernel refuses it."""
    plan = plan_of(_lan(mask, "gateway: 10.0.0.1, routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]"))
    assert [route.on_link for route in plan.node("bob").routes] == [on_link, on_link]
