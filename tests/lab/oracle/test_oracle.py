"""The oracle: hand-made truths, agreement with every scenario, and verdicts that names and orders do not
change.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from ipaddress import ip_network
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from localpair_lab.loading.cases import PlannedCell, all_cells
from localpair_lab.oracle.address_stages import Stage
from localpair_lab.oracle.consistency import disagreements
from localpair_lab.oracle.judge import Delivery, hears, judge, judge_all, opens, probes, stage_of
from localpair_lab.oracle.packet import Packet
from localpair_lab.oracle.walk import passes_reverse_path

if TYPE_CHECKING:
    from conftest import PlanOf
    from localpair_lab.plan.model import Plan

CELLS = list(all_cells())
PAIR = """
pair: {host: bob, join: alice}
expect: [{of: host, outcome: paired}]
"""


def lan(network: str = "192.168.1.0/24", alice: str = "", bob: str = "") -> str:
    """Two devices on one LAN, each with further keys."""
    return f"""
networks: {{lan: {network}}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}{alice}}}
  bob: {{on: {{lan: 192.168.1.20}}{bob}}}
{PAIR}"""


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_no_scenario_expects_what_its_network_cannot_give(cell: PlannedCell) -> None:
    assert list(disagreements(cell.scenario, cell.plan)) == []


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_an_open_path_is_open_whoever_made_the_offer(cell: PlannedCell) -> None:
    devices = [node.name for node in cell.plan.nodes if node.role == "device"]
    for first, second in pairwise(devices):
        assert judge(cell.plan, first, second).open == judge(cell.plan, second, first).open


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.title)
def test_verdicts_do_not_hang_on_the_order_of_machines_and_interfaces(cell: PlannedCell) -> None:
    """An unrelated order must not decide, except where two interfaces share a subnet and the first route
    wins.
    """
    plan = cell.plan
    turned = dataclasses.replace(
        plan, nodes=tuple(reversed(plan.nodes)), segments=tuple(reversed(plan.segments))
    )
    devices = [node.name for node in plan.nodes if node.role == "device"]
    for first, second in pairwise(devices):
        assert judge(turned, first, second).possible == judge(plan, first, second).possible
        assert judge(turned, first, second).causes == judge(plan, first, second).causes


def homes(first: str, second: str, length: int = 24) -> str:
    """Two devices, each behind its own port of one router; ``first`` and ``second`` are the beginnings of addresses."""
    prefixes = [str(ip_network((f"{start}0", length))) for start in (first, second)]
    return f"""
networks: {{one: "{prefixes[0]}", two: "{prefixes[1]}"}}
routers: {{gw: {{on: {{one: "{first}1", two: "{second}1"}}}}}}
devices:
  alice: {{on: {{one: "{first}10"}}, gateway: "{first}1"}}
  bob: {{on: {{two: "{second}20"}}, gateway: "{second}1"}}
{PAIR}"""


def flat(start: str, network: str) -> str:
    return f"""
networks: {{lan: {network}}}
devices: {{alice: {{on: {{lan: {start}10}}}}, bob: {{on: {{lan: {start}20}}}}}}
{PAIR}"""


@pytest.mark.parametrize("net", ["198.18.5.", "192.0.2.", "203.0.113.", "240.1.2.", "192.88.99.", "192.0.0."])
def test_an_address_of_special_purpose_is_a_neighbour_in_ones_own_subnet_and_nobody_elsewhere(
    plan_of: PlanOf, net: str
) -> None:
    lan = plan_of(flat(net, f"{net}0/24"))
    for offered in (True, False):
        assert judge(lan, "bob", "alice", offered=offered).answer is Delivery.YES
    assert stage_of(lan.node("alice")) == Stage(2, (f"{net}10",))
    for other in ("192.168.1.", "198.19.9."):
        beyond = judge(plan_of(homes(other, net)), "bob", "alice")
        assert beyond.answer is Delivery.NO
        assert "special-address" in beyond.causes
    answered = judge(plan_of(homes("192.168.1.", net)), "bob", "alice", answered=True)
    assert answered.answer is Delivery.YES, "the host may call the joiner"
    proxy = flat(net, f"{{kind: tunnel, ip: {net}0/24, hub: {net}254}}")
    assert judge(plan_of(proxy), "bob", "alice").answer is Delivery.NO


def test_a_site_numbered_from_the_documentation_prefix_calls_its_other_links(plan_of: PlanOf) -> None:
    site = plan_of(homes("2001:db8:1::", "2001:db8:2::", 64))
    assert judge(site, "bob", "alice").answer is Delivery.YES


@pytest.mark.parametrize(
    ("network", "group", "answer", "reason"),
    [
        ("192.168.1.0/24", "224.0.0.171", Delivery.YES, ""),
        ("192.168.1.0/24", "ff12::6c70:6169:7273", Delivery.NO, "no-address"),
        ("{ip: 192.168.1.0/24, ipv6: link-local}", "ff12::6c70:6169:7273", Delivery.YES, ""),
        ("{ip: 192.168.1.0/24, multicast: drop}", "224.0.0.171", Delivery.NO, "network-filter"),
        ("{ip: 192.168.1.0/24, multicast: drop}", "255.255.255.255", Delivery.YES, ""),
        (
            "{ip: 192.168.1.0/24, multicast: {flooding: false}}",
            "224.0.0.171",
            Delivery.NO,
            "multicast-filter",
        ),
        ("{ip: 192.168.1.0/24, multicast: {drop: 239.0.0.0/8}}", "224.0.0.171", Delivery.YES, ""),
        (
            "{ip: 192.168.1.0/24, multicast: {flooding: false}, snooping: {querier: true}}",
            "239.255.70.171",
            Delivery.MAYBE,
            "",
        ),
        (
            "{ip: 192.168.1.0/24, multicast: {flooding: false}, snooping: {querier: true}}",
            "224.0.0.171",
            Delivery.NO,
            "multicast-filter",
        ),
        (
            "{ip: 192.168.1.0/24, multicast: {drop: 239.0.0.0/8}}",
            "239.255.70.171",
            Delivery.NO,
            "network-filter",
        ),
        ("{ip: 192.168.1.0/24, multicast: {frames_to: alice}}", "224.0.0.171", Delivery.YES, ""),
        ("{ip: 192.168.1.0/24, multicast: {frames_to: bob}}", "224.0.0.171", Delivery.NO, "network-filter"),
        ("{ip: 192.168.1.0/24, multicast: {loss: 60%}}", "224.0.0.171", Delivery.MAYBE, ""),
        ("{ip: 192.168.1.0/24, broadcast: drop}", "255.255.255.255", Delivery.NO, "network-filter"),
        ("{ip: 192.168.1.0/24, isolation: clients}", "224.0.0.171", Delivery.NO, "isolation"),
        (
            "{ip: 192.168.1.0/24, snooping: {querier: true, reports_lost_from: bob}}",
            "239.255.70.171",
            Delivery.MAYBE,
            "",
        ),
        (
            "{ip: 192.168.1.0/24, snooping: {querier: true, reports_lost_from: bob}}",
            "224.0.0.171",
            Delivery.YES,
            "",
        ),
    ],
)
def test_who_hears_whom(plan_of: PlanOf, network: str, group: str, answer: Delivery, reason: str) -> None:
    found = hears(plan_of(lan(network)), "alice/eth0", "bob/eth0", group)
    assert (found.answer, found.reason) == (answer, reason)


@pytest.mark.parametrize(
    ("firewall", "tcp", "reason"),
    [
        ("", True, ""),
        (", firewall: {in: drop}", False, "firewall-in"),
        (", firewall: {in: reject-admin}", False, "firewall-in-reject-admin"),
        (", firewall: {in: {rules: {do: drop, protocol: udp}}}", True, ""),
        (", firewall: {in: {default: drop, rules: {do: accept, port: 46821-46829}}}", True, ""),
        (", firewall: {in: {default: drop, rules: {do: accept, source: 10.0.0.0/8}}}", False, "firewall-in"),
        (", firewall: {out: drop}", False, "answer-firewall-out"),
        (", firewall: {out: {default: drop, stateful: true}}", True, ""),
    ],
)
def test_who_can_open_to_a_firewalled_host(plan_of: PlanOf, firewall: str, tcp: bool, reason: str) -> None:
    opening = opens(plan_of(lan(bob=firewall)), "alice", "bob", "192.168.1.20")
    assert (opening.answer is Delivery.YES, opening.reason) == (tcp, reason)


def test_two_closed_hosts_meet_and_neither_can_dial(plan_of: PlanOf) -> None:
    closed = ", firewall: {in: drop}"
    judgement = judge(plan_of(lan(alice=closed, bob=closed)), "bob", "alice")
    assert judgement.possible
    assert {way.kind for way in judgement.ways} == {"simultaneous"}


def test_a_host_that_takes_no_state_cannot_meet(plan_of: PlanOf) -> None:
    closed = ", firewall: {in: {default: drop, stateful: false}}"
    assert not judge(plan_of(lan(alice=closed, bob=closed)), "bob", "alice").possible


def test_isolation_is_named(plan_of: PlanOf) -> None:
    judgement = judge(plan_of(lan("{ip: 192.168.1.0/24, isolation: clients}")), "bob", "alice")
    assert not judgement.open
    assert judgement.causes == {"client-isolation"}


def test_translation_lets_the_inner_one_dial(plan_of: PlanOf) -> None:
    text = f"""
networks: {{outer: 192.168.1.0/24, inner: 10.0.0.0/24}}
routers: {{nat: {{on: {{outer: 192.168.1.50, inner: 10.0.0.1}}, nat: {{out: outer}}}}}}
devices:
  alice: {{on: {{inner: 10.0.0.2}}, gateway: 10.0.0.1}}
  bob: {{on: {{outer: 192.168.1.20}}}}
{PAIR}"""
    plan = plan_of(text)
    opening = opens(plan, "alice", "bob", "192.168.1.20")
    assert (opening.answer, opening.local, opening.seen) == (Delivery.YES, "10.0.0.2", "192.168.1.50")
    assert opens(plan, "bob", "alice", "10.0.0.2").reason == "no-route"
    assert judge(plan, "bob", "alice").possible
    assert judge(plan, "alice", "bob").open
    assert not judge(plan, "alice", "bob").possible  # nothing tells the inner issuer where the joiner is
    assert judge(plan, "alice", "bob", answered=True).possible  # unless a person does


@pytest.mark.parametrize(
    ("offered", "answered", "possible"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_two_closed_hosts_across_a_router_need_both_addresses(
    plan_of: PlanOf, offered: bool, answered: bool, possible: bool
) -> None:
    text = f"""
networks: {{left: 192.168.1.0/24, right: 192.168.2.0/24}}
routers: {{gw: {{on: {{left: 192.168.1.1, right: 192.168.2.1}}}}}}
devices:
  alice: {{on: {{left: 192.168.1.10}}, gateway: 192.168.1.1, firewall: {{in: drop}}}}
  bob: {{on: {{right: 192.168.2.20}}, gateway: 192.168.2.1, firewall: {{in: drop}}}}
{PAIR}"""
    assert judge(plan_of(text), "bob", "alice", offered=offered, answered=answered).possible is possible


@pytest.mark.parametrize(("offered", "answered"), [(True, False), (False, True), (False, False)])
def test_one_address_shows_the_other_to_a_neighbour(plan_of: PlanOf, offered: bool, answered: bool) -> None:
    """Whoever is told an address asks for the hardware address behind it, and is seen to."""
    network = "{ip: 10.64.0.0/16, multicast: drop, broadcast: drop}"
    text = lan(network, alice=", firewall: {in: drop}", bob=", firewall: {in: drop}")
    plan = plan_of(text.replace("192.168.1.10", "10.64.3.10").replace("192.168.1.20", "10.64.200.20"))
    judgement = judge(plan, "bob", "alice", offered=offered, answered=answered)
    assert judgement.open
    assert judgement.possible is (offered or answered)


def test_a_stolen_prefix_needs_a_bound_socket() -> None:
    for cell in CELLS:
        if cell.loaded.name == "vpn-steals-lan-prefix":
            judgement = judge(cell.plan, "bob", "alice")
            assert judgement.possible
            assert all(way.bound for way in judgement.ways if way.kind == "dial")


@pytest.mark.parametrize("protocols", ["tcp", "both"])
def test_a_published_port_is_found_by_asking_and_asking_needs_udp(plan_of: PlanOf, protocols: str) -> None:
    udp = ", {on: lan, port: 46821, to: 172.18.0.2, protocol: udp}" if protocols == "both" else ""
    judgement = judge(
        plan_of(f"""
networks: {{lan: 192.168.1.0/24, inner: 172.18.0.0/16}}
routers:
  box:
    on: {{lan: 192.168.1.20, inner: 172.18.0.1}}
    nat: {{out: lan}}
    publish: [{{on: lan, port: 46821, to: 172.18.0.2}}{udp}]
devices:
  alice: {{on: {{lan: 192.168.1.10}}}}
  bob: {{on: {{inner: 172.18.0.2}}, gateway: 172.18.0.1}}
{PAIR}"""),
        "bob",
        "alice",
    )
    assert judgement.open
    assert judgement.possible == (protocols == "both")


def test_translation_of_ipv4_leaves_ipv6_alone(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: {{ip: [192.168.1.0/24, 'fd12:1::/64']}}, inner: {{ip: [172.18.0.0/16, 'fd12:2::/64']}}}}
routers:
  box:
    on: {{lan: [192.168.1.20, 'fd12:1::20'], inner: [172.18.0.1, 'fd12:2::1']}}
    nat: {{out: lan}}
    publish: [{{on: lan, port: 46821, to: 172.18.0.2}}]
devices:
  alice: {{on: {{lan: [192.168.1.10, 'fd12:1::10']}}}}
  bob: {{on: {{inner: [172.18.0.2, 'fd12:2::2']}}, gateway: [172.18.0.1, 'fd12:2::1']}}
{PAIR}""")
    assert opens(plan, "alice", "bob", "192.168.1.20").answer is Delivery.YES
    assert opens(plan, "alice", "bob", "fd12:1::20").answer is Delivery.NO


def test_a_router_without_ipv4_inside_translates_nothing(plan_of: PlanOf) -> None:
    """As the fabric builds it: an empty list of sources there means everybody."""
    plan = plan_of(f"""
networks: {{lan: {{ip: 'fd12:1::/64'}}, inner: {{ip: 'fd12:2::/64'}}}}
routers: {{box: {{on: {{lan: 'fd12:1::1', inner: 'fd12:2::1'}}, nat: {{out: lan}}}}}}
devices:
  alice: {{on: {{lan: 'fd12:1::10'}}}}
  bob: {{on: {{inner: 'fd12:2::2'}}, gateway: 'fd12:2::1'}}
{PAIR}""")
    assert plan.node("box").source_nat == ()


def test_whoever_has_the_broadcast_address_of_a_narrower_mask_gets_no_answer(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.2.128/25}}
devices:
  alice: {{on: {{lan: 192.168.2.207}}}}
  bob: {{on: {{lan: 192.168.2.197/28}}}}
{PAIR}""")
    assert opens(plan, "alice", "bob", "192.168.2.197").answer is Delivery.NO
    assert opens(plan, "bob", "alice", "192.168.2.207").answer is Delivery.NO


def test_nobody_believes_an_own_address_as_a_source(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, left: 192.168.56.0/24, right: 192.168.56.0/24}}
devices:
  alice: {{on: {{lan: 192.168.1.10, left: 192.168.56.1}}, routes: {{to: 192.168.1.20/32, on: eth1, metric: 1}}}}
  bob: {{on: {{lan: 192.168.1.20, right: 192.168.56.1}}}}
{PAIR}""")
    packet = Packet("ipv4", "tcp", "192.168.56.1", "192.168.1.20", 1, 46821)
    assert not passes_reverse_path(plan.node("bob"), packet, plan.interface("bob/eth0"))
    assert passes_reverse_path(
        plan.node("bob"), replace(packet, source="192.168.1.10"), plan.interface("bob/eth0")
    )


def test_a_device_that_shares_its_line_takes_calls_where_a_router_takes_none(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, hotspot: 192.168.137.0/24}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}}}
  bob: {{on: {{lan: 192.168.1.20, hotspot: 192.168.137.1}}, forwards: true, nat: {{out: lan}}}}
  carol: {{on: {{hotspot: 192.168.137.8}}, gateway: 192.168.137.1}}
{PAIR}""")
    assert opens(plan, "alice", "bob", "192.168.1.20").answer is Delivery.YES
    assert opens(plan, "carol", "alice", "192.168.1.10").seen == "192.168.1.20"
    assert opens(plan, "alice", "carol", "192.168.137.8").answer is Delivery.NO


def test_own_addresses_are_never_dialled() -> None:
    cell = next(cell for cell in CELLS if cell.loaded.name == "same-container-bridge")
    assert opens(cell.plan, "alice", "bob", "172.17.0.1").reason == "own-address"
    assert all(way.opening.remote != "172.17.0.1" for way in judge(cell.plan, "bob", "alice").ways)


@pytest.mark.parametrize(
    ("keys", "stage", "address"),
    [
        ("", 2, "192.168.1.20"),
        (", gateway: 192.168.1.1", 1, "192.168.1.20"),
        (", routes: {to: 0.0.0.0/1, on: eth0}", 1, "192.168.1.20"),
        (", routes: {to: default, kind: blackhole}", 2, "192.168.1.20"),
    ],
)
def test_which_stage_gives_the_address(plan_of: PlanOf, keys: str, stage: int, address: str) -> None:
    found = stage_of(plan_of(lan(bob=keys)).node("bob"))
    assert (found.number, found.addresses[0]) == (stage, address)


def test_changes_are_followed() -> None:
    cell = next(cell for cell in CELLS if cell.loaded.name == "roamed-after-offer")
    assert [judgement.possible for judgement in judge_all(cell.plan, "bob", "alice")] == [False, True]


def test_the_canary_asks_in_every_direction_and_judges_no_chance(plan_of: PlanOf) -> None:
    asked = probes(plan_of(lan("{ip: 192.168.1.0/24, multicast: {loss: 50%}}")))
    assert {(probe.source, probe.target) for probe in asked} == {
        ("alice/eth0", "bob/eth0"),
        ("bob/eth0", "alice/eth0"),
    }
    assert {probe.expected for probe in asked if probe.kind == "multicast"} == {None}
    assert {probe.expected for probe in asked if probe.kind != "multicast"} == {True}
    assert len({probe.id for probe in asked}) == len(asked)


def test_the_canary_stays_small() -> None:
    text = "networks: {lan: 10.0.0.0/16}\ndevices:\n"
    text += "".join(f"  d{n}: {{on: {{lan: 10.0.1.{n}}}}}\n" for n in range(1, 60))
    plan = _plan(text + "pair: {host: d1, join: d2}\nexpect: [{of: host, outcome: paired}]\n")
    assert len(probes(plan)) <= 400


def _plan(text: str) -> Plan:
    from pathlib import Path

    from localpair_lab.loading.load import load_text
    from localpair_lab.loading.products import load_product
    from localpair_lab.plan.planner import make_plan

    loaded = load_text(Path("many.yaml"), f"lab: 1\nsummary: Many.\n{text}")
    return make_plan(loaded.cells[0].scenario, load_product(), name="many")


# --- What generated topologies taught ---

QUIET = "{ip: 192.168.0.0/16, multicast: drop}"


@pytest.mark.parametrize(
    ("alice", "bob", "heard"),
    [("192.168.1.10/24", "192.168.1.20/24", True), ("192.168.1.10/25", "192.168.1.200/24", False)],
)
def test_a_broadcast_is_heard_by_those_who_have_the_same_mask(
    plan_of: PlanOf, alice: str, bob: str, heard: bool
) -> None:
    text = lan(QUIET).replace("192.168.1.10", alice).replace("192.168.1.20", bob)
    plan = plan_of(text)
    assert hears(plan, "alice/eth0", "bob/eth0", "255.255.255.255").answer is Delivery.YES
    directed = "192.168.1.127" if "/25" in alice else "192.168.1.255"
    assert (hears(plan, "alice/eth0", "bob/eth0", directed).answer is Delivery.YES) == heard


@pytest.mark.parametrize("offered", [True, False])
def test_a_large_subnet_is_asked_around_ones_own_address(plan_of: PlanOf, offered: bool) -> None:
    for distance, found in (("192.168.2.20", True), ("192.168.200.20", False)):
        text = lan("{ip: 192.168.0.0/16, multicast: drop, broadcast: drop}").replace("192.168.1.20", distance)
        assert judge(plan_of(text), "bob", "alice", offered=offered).possible == (found or offered)


def test_one_datagram_tells_where_its_sender_is_though_no_answer_returns(plan_of: PlanOf) -> None:
    """The joiner lets no TCP out and takes no UDP; its beacon to the offered address is all the issuer needs."""
    inward = "{stateful: false, rules: {do: drop, protocol: udp}}"
    closed = f", firewall: {{in: {inward}, out: {{rules: {{do: drop, protocol: tcp}}, stateful: true}}}}"
    text = f"""
networks: {{left: 192.168.1.0/24, right: 192.168.2.0/24}}
routers: {{gw: {{on: {{left: 192.168.1.1, right: 192.168.2.1}}}}}}
devices:
  alice: {{on: {{left: 192.168.1.10}}, gateway: 192.168.1.1{closed}}}
  bob: {{on: {{right: 192.168.2.20}}, gateway: 192.168.2.1}}
{PAIR}"""
    judgement = judge(plan_of(text), "bob", "alice")
    assert {(way.kind, way.first) for way in judgement.ways if way.kind == "dial"} == {("dial", "bob")}


def test_a_first_segment_is_no_answer_at_its_own_firewall(plan_of: PlanOf) -> None:
    mute = ", firewall: {in: drop, out: {rules: {do: drop, protocol: tcp}, stateful: true}}"
    assert not judge(plan_of(lan(alice=mute, bob=", firewall: {in: drop}")), "bob", "alice").open


def test_a_socket_that_listens_answers_where_its_routes_lead(plan_of: PlanOf) -> None:
    """It cannot be bound, so whoever has lying routes has to dial; where the other is closed, both do."""
    text = f"""
networks:
  lan: {{ip: 10.0.0.0/24, multicast: drop, broadcast: drop}}
  vpn: {{kind: tunnel, ip: 10.8.0.0/24, hub: 10.8.0.1, hub_forwards: false}}
devices:
  alice: {{on: {{lan: 10.0.0.240}}, firewall: {{in: drop}}}}
  bob:
    interfaces: [{{network: lan, ip: 10.0.0.64}}, {{network: vpn, name: tun0, ip: 10.8.0.20}}]
    routing_policy: {{priority: 5270, table: 52}}
    routes: {{to: 10.0.0.0/24, via: 10.8.0.1, on: tun0, table: 52}}
{PAIR}"""
    judgement = judge(plan_of(text), "bob", "alice")
    assert {way.kind for way in judgement.ways} == {"simultaneous"}
    assert all("bob" in way.bound for way in judgement.ways)


def test_an_interface_without_the_flag_is_not_counted_on_for_groups(plan_of: PlanOf) -> None:
    text = f"""
networks: {{lan: {{ip: 10.64.0.0/16, broadcast: drop}}}}
devices:
  alice: {{on: {{lan: 10.64.3.10}}}}
  bob: {{interfaces: [{{network: lan, ip: 10.64.200.20, multicast: false}}]}}
{PAIR}"""
    plan = plan_of(text)
    assert not judge(plan, "bob", "alice", offered=False).possible
    assert {probe.expected for probe in probes(plan) if probe.kind == "multicast"} == {None}


def test_the_canary_asks_nobody_in_particular_where_two_have_the_address(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, left: 192.168.88.0/24, right: 192.168.88.0/24}}
routers:
  one: {{on: {{lan: 192.168.1.1, left: 192.168.88.10}}}}
  two: {{on: {{lan: 192.168.1.2, right: 192.168.88.46}}}}
devices:
  alice: {{on: {{left: 192.168.88.144}}}}
  bob: {{on: {{right: 192.168.88.10}}}}
{PAIR}""")
    asked = [
        probe for probe in probes(plan) if probe.address == "192.168.88.10" and probe.source == "two/eth1"
    ]
    assert {(probe.target, probe.expected) for probe in asked} == {("one/eth1", None), ("bob/eth0", True)}


def test_the_canary_does_not_count_on_who_wrote_over_another_link(plan_of: PlanOf) -> None:
    """Bob's answer to alice's wired address leaves by the cable, where alice hears no question about it."""
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, wifi: 192.168.2.0/24}}
devices:
  alice:
    interfaces:
      - {{network: lan, ip: 192.168.1.10, hears_broadcast: false}}
      - {{network: wifi, ip: 192.168.2.10}}
  bob: {{on: {{lan: 192.168.1.20, wifi: 192.168.2.20}}}}
{PAIR}""")
    asked = {
        probe.kind: probe.expected
        for probe in probes(plan)
        if (probe.source, probe.address) == ("alice/eth0", "192.168.2.20")
    }
    assert asked == {"udp": True, "tcp": None}


def test_of_two_with_one_address_the_one_that_asked_is_answered(plan_of: PlanOf) -> None:
    """Linux answers for its host-only address on every link; the router knows whom it came from, or another one."""
    plan = plan_of(f"""
networks: {{lan: 192.168.0.0/16, left: 192.168.56.0/24, right: 192.168.56.0/24}}
routers: {{gw: {{on: {{lan: 192.168.0.21}}}}}}
devices:
  alice: {{on: {{left: 192.168.56.1, lan: 192.168.0.1}}}}
  bob: {{on: {{right: 192.168.56.1, lan: 192.168.1.71}}}}
{PAIR}""")
    asked = {
        (probe.source, probe.kind): probe.expected
        for probe in probes(plan)
        if probe.address == "192.168.0.21" and probe.source.endswith("/eth0")
    }
    assert asked == {
        ("alice/eth0", "udp"): True,
        ("alice/eth0", "tcp"): None,
        ("bob/eth0", "udp"): True,
        ("bob/eth0", "tcp"): None,
    }


def test_the_canary_does_not_count_on_who_asked_first(plan_of: PlanOf) -> None:
    """An answer that needs no question of its own hangs on which address of the other end was seen asking."""
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24}}
devices:
  alice: {{interfaces: [{{network: lan, ip: 192.168.1.10, hears_broadcast: false}}]}}
  bob: {{on: {{lan: 192.168.1.20}}}}
{PAIR}""")
    asked = {probe.kind: probe.expected for probe in probes(plan) if probe.source == "alice/eth0"}
    assert (asked["udp"], asked["tcp"]) == (True, None)


@pytest.mark.parametrize(("closed", "possible"), [("drop", False), ("accept", True)])
def test_whoever_was_asked_knows_who_asked(plan_of: PlanOf, closed: str, possible: bool) -> None:
    """Bob hears no question; Alice, whose answers go astray, finds him since he asks her, if he may write at all."""
    plan = plan_of(f"""
networks:
  lan: 192.168.1.0/24
  vpn: {{kind: tunnel, ip: 10.8.0.0/24, hub: 10.8.0.1, hub_forwards: false}}
devices:
  alice:
    interfaces: [{{network: lan, ip: 192.168.1.158}}, {{network: vpn, name: tun0, ip: 10.8.0.10}}]
    routing_policy: {{priority: 5270, table: 52}}
    routes: {{to: 192.168.1.0/24, via: 10.8.0.1, on: tun0, table: 52}}
  bob:
    interfaces: [{{network: lan, ip: 192.168.1.131, hears_broadcast: false}}]
    firewall: {{out: {{stateful: true, default: {closed}}}}}
{PAIR}""")
    ways = [way for way in judge(plan, "alice", "bob").ways if way.kind == "dial" and way.first == "alice"]
    assert bool(ways) == possible


@pytest.mark.parametrize(("router", "possible"), [("10.0.0.1", True), ("10.0.99.1", False)])
def test_asking_ones_subnet_tells_its_routers_where_one_is(
    plan_of: PlanOf, router: str, possible: bool
) -> None:
    """Bob hears no question. A router that he asks himself knows him by that; one far off in his subnet does not."""
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24, things: {{ip: 10.0.0.0/16, broadcast: drop}}}}
routers: {{gw: {{on: {{lan: 192.168.1.1, things: {router}}}, nat: [{{out: things}}]}}}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}, gateway: 192.168.1.1}}
  bob: {{interfaces: [{{network: things, ip: 10.0.0.20, hears_broadcast: false}}]}}
{PAIR}""")
    assert judge(plan, "bob", "alice").possible is possible


def test_where_two_cards_differ_in_what_they_let_in_the_last_one_that_wrote_decides(plan_of: PlanOf) -> None:
    plan = plan_of(f"""
networks: {{lan: 192.168.178.0/24}}
devices:
  alice:
    interfaces: [{{network: lan, ip: 192.168.178.238/25}}, {{network: lan, ip: 192.168.178.232}}]
    sysctls: {{net.ipv4.conf.all.rp_filter: 1}}
  bob: {{on: {{lan: {{ip: [192.168.178.90, 192.168.178.168]}}}}}}
{PAIR}""")
    asked = [probe for probe in probes(plan) if probe.source == "bob/eth0" and probe.kind == "udp"]
    assert {probe.expected for probe in asked} == {None}
    without = dataclasses.replace(plan, nodes=tuple(dataclasses.replace(n, sysctls=()) for n in plan.nodes))
    asked = [probe for probe in probes(without) if probe.source == "bob/eth0" and probe.kind == "udp"]
    assert {probe.expected for probe in asked} == {True}


@pytest.mark.parametrize(("masked", "possible"), [(False, False), (True, True)])
def test_a_published_port_shows_its_router_and_nobody_behind(
    plan_of: PlanOf, masked: bool, possible: bool
) -> None:
    """Bob asks his way to the published port, and Alice's firewall lets none but her neighbours in. She notices who
    brings it: where the router speaks in its own name, that is whom to write to.
    """
    nat = "nat: [{out: things}, {out: lan}]" if masked else "nat: [{out: things}]"
    plan = plan_of(f"""
networks:
  lan: {{ip: 192.168.1.0/24, multicast: drop, broadcast: drop}}
  things: {{ip: 10.0.0.0/24, multicast: drop}}
routers:
  gw:
    on: {{lan: 192.168.1.1, things: 10.0.0.1}}
    {nat}
    publish:
      - {{on: things, port: 46821, to: 192.168.1.98, protocol: tcp}}
      - {{on: things, port: 46821, to: 192.168.1.98, protocol: udp}}
devices:
  alice:
    on: {{lan: 192.168.1.98}}
    gateway: 192.168.1.1
    firewall: {{in: {{default: drop, rules: [{{do: accept, source: 192.168.1.0/24}}]}}}}
  bob: {{on: {{things: 10.0.0.16}}, firewall: {{in: drop}}}}
{PAIR}""")
    assert judge(plan, "alice", "bob").possible is possible


@pytest.mark.parametrize(("masked", "possible"), [(False, False), (True, True)])
def test_a_beacon_that_its_router_sends_on_shows_where_its_port_is_published(
    plan_of: PlanOf, masked: bool, possible: bool
) -> None:
    """Alice asks no neighbour, by her mask. She calls whom she hears, and that is the router where it speaks in its
    own name. Bob may dial nobody.
    """
    nat = "[{out: lan}]" if masked else "[{out: things}]"
    plan = plan_of(f"""
networks: {{lan: {{ip: 192.168.1.0/24, multicast: drop}}, things: 192.168.2.128/25}}
routers:
  gw:
    on: {{lan: 192.168.1.249, things: 192.168.2.161}}
    nat: {nat}
    publish: [{{on: lan, port: 46821, to: 192.168.2.177, protocol: tcp}}]
devices:
  alice: {{on: {{lan: 192.168.1.56/32}}, routes: [{{to: 192.168.1.0/24, on: eth0}}]}}
  bob:
    on: {{things: 192.168.2.177}}
    gateway: 192.168.2.161
    firewall: {{out: {{rules: [{{do: drop, protocol: tcp}}], stateful: true}}}}
{PAIR}""")
    assert judge(plan, "alice", "bob").possible is possible
