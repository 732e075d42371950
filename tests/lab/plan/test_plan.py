"""The planner: every name, address and rule is fixed, nothing is implied, and equal scenarios give equal
plans.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.fabric import steps
from localpair_lab.fabric.compiler import nftables
from localpair_lab.fabric.compiler.network import compiler
from localpair_lab.fabric.steps import FABRIC
from localpair_lab.loading.cases import all_cells

import places

if TYPE_CHECKING:
    from conftest import PlanOf

LAB = places.ROOT / "lab" / "localpair_lab"
PURE = ["plan", "oracle", "model"]
PAIR = """
pair: {host: bob, join: alice}
expect: [{of: host, outcome: paired}]
"""
TWO = (
    """
networks: {lan: {ip: [192.168.1.0/24, "fd12:1::/64"]}}
devices:
  alice: {on: {lan: 192.168.1.10}}
  bob: {on: {lan: [192.168.1.20, "fd12:1::20"]}, gateway: 192.168.1.1}
"""
    + PAIR
)


def modules() -> list[Path]:
    found: list[Path] = []
    for name in PURE:
        path = LAB / name
        found.extend(sorted(path.rglob("*.py")) if path.is_dir() else [path])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_pure_half_imports_nothing_that_acts(path: Path) -> None:
    forbidden = {"asyncio", "socket", "subprocess", "time", "random", "docker", "os"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.partition(".")[0] not in forbidden, f"{path.name} imports {name}"
            assert not name.startswith(("localpair_lab.fabric", "localpair_lab.run")), (
                f"{path.name} imports {name}"
            )


def test_addresses_get_their_length_and_ipv6_its_link_local_address(plan_of: PlanOf) -> None:
    plan = plan_of(TWO)
    alice, bob = plan.interface("alice/eth0"), plan.interface("bob/eth0")
    assert alice.addresses == ("192.168.1.10/24",)
    assert bob.addresses == ("192.168.1.20/24", "fd12:1::20/64")
    assert bob.mac == "02:6c:70:00:02:00"
    assert bob.link_local == "fe80::6c:70ff:fe00:200/64"
    assert plan.node("bob").routes == (p.NodeRoute("0.0.0.0/0", "eth0", "192.168.1.1"),)
    assert plan.node("alice").routes == ()


def test_ipv6_is_off_where_nobody_asks_for_it(plan_of: PlanOf) -> None:
    plan = plan_of(TWO.replace(', "fd12:1::/64"', "").replace('[192.168.1.20, "fd12:1::20"]', "192.168.1.20"))
    assert plan.interface("bob/eth0").link_local == ""
    assert dict(plan.node("bob").sysctls)["net.ipv6.conf.eth0.disable_ipv6"] == "1"


def test_order_of_creation_and_bridges(plan_of: PlanOf) -> None:
    plan = plan_of(
        """
networks: {lan: 192.168.1.0/24}
devices:
  alice: {on: {lan: 192.168.1.10}}
  bob:
    interfaces:
      - {network: lan, ip: 192.168.1.20}
      - {bridge: docker0, ip: 172.17.0.1/16}
      - {bridge: br0, ip: 10.0.3.1/24, carrier: false}
    order: [br0, eth0, docker0]
"""
        + PAIR
    )
    assert [interface.name for interface in plan.node("bob").interfaces] == ["br0", "eth0", "docker0"]
    assert plan.interface("bob/docker0").neighbour == "172.17.0.2"
    assert plan.interface("bob/br0").neighbour == ""


def test_a_firewall_is_written_out_with_its_customary_accepts(plan_of: PlanOf) -> None:
    plan = plan_of(
        TWO.replace(
            "192.168.1.10}", "192.168.1.10}, firewall: {in: drop, out: {rules: {do: drop, port: 53}}}"
        )
    )
    inward, outward = plan.node("alice").chains
    assert (inward.hook, inward.default, outward.hook, outward.default) == ("in", "drop", "out", "accept")
    assert [rule.match.protocol or rule.match.state or rule.match.interface_in for rule in inward.rules] == [
        "lo", "established", "nd", "igmp", "mld", "icmp",
    ]  # fmt: skip
    assert outward.rules[-1].match.destination_ports == ((53, 53),)
    assert not any(rule.match.state for rule in outward.rules)
    assert plan.needs == ("firewall", "ipv6")


def test_a_clock_that_is_set_and_a_sandbox_need_what_they_rest_on(plan_of: PlanOf) -> None:
    still = plan_of(TWO.replace("192.168.1.10}", "192.168.1.10}, sandbox: kernel-files"))
    assert "kernel-files" in still.needs
    assert not {"clock", "sandbox"} & set(still.needs)
    jump = "\nevents: [{at: host.offer, do: clock, device: bob, offset: -25h}]\n"
    plan = plan_of(TWO.replace("192.168.1.10}", "192.168.1.10}, sandbox: netlink") + jump)
    assert {"clock", "sandbox"} <= set(plan.needs)
    (event,) = plan.events
    assert (event.change, event.text) == (p.SetClock("bob", -90000.0), "clock bob to -25 h")
    assert (plan.moves_clock("bob"), plan.moves_clock("alice")) == (True, False)


def test_a_translating_router_answers_nothing_outside(plan_of: PlanOf) -> None:
    plan = plan_of(
        """
networks: {outer: 192.168.1.0/24, inner: 10.0.0.0/24}
routers:
  nat:
    on: {outer: 192.168.1.50, inner: 10.0.0.1}
    nat: {out: outer}
    publish: {on: outer, port: 80, to: 10.0.0.2}
devices: {alice: {on: {inner: 10.0.0.2}}, bob: {on: {outer: 192.168.1.2}}}
"""
        + PAIR
    )
    node = plan.node("nat")
    assert node.source_nat == (p.SourceNat("eth0", ("10.0.0.0/24",)),)
    assert node.port_forwards == (p.PortForward("eth0", "tcp", 80, "10.0.0.2", 80),)
    chains = {chain.hook: chain for chain in node.chains}
    assert chains["in"].rules[-1].verdict == "drop"
    assert [rule.verdict for rule in chains["through"].rules] == ["accept", "accept", "drop"]
    assert dict(node.sysctls)["net.ipv4.ip_forward"] == "1"


def test_a_tunnel_is_a_link_to_a_hub_of_its_own(plan_of: PlanOf) -> None:
    plan = plan_of(
        """
networks: {vpn: {kind: tunnel, ip: 10.8.0.0/24, hub: 10.8.0.1}}
devices:
  alice: {interfaces: {network: vpn, name: tun0, ip: 10.8.0.10}}
  bob: {interfaces: {network: vpn, name: tun0, ip: 10.8.0.20}}
"""
        + PAIR
    )
    assert plan.segments == ()
    for port, far in (("alice/tun0", "vpn-hub/m0"), ("bob/tun0", "vpn-hub/m1")):
        assert plan.interface(port).far_end == far
        assert plan.interface(far).far_end == port
    assert plan.interface("vpn-hub/m1").peers == (("10.8.0.1/32", "10.8.0.20"),)


def test_isolation_spares_routers_and_multicast_becomes_rules(plan_of: PlanOf) -> None:
    plan = plan_of(
        """
networks:
  lan: {ip: 192.168.1.0/24, isolation: clients, multicast: {ipv4: drop, frames_to: bob}, broadcast: drop}
routers: {gw: {on: {lan: 192.168.1.1}}}
devices: {alice: {on: {lan: 192.168.1.10}}, bob: {on: {lan: 192.168.1.20}}}
"""
        + PAIR
    )
    assert [plan.interface(port).flags.isolated for port in plan.ports("lan")] == [False, True, True]
    first, second = plan.segment("lan").rules
    assert (first.match.cast, first.match.family, first.to_ports) == ("multicast", "ipv4", ("bob/eth0",))
    assert second.match.cast == "broadcast"


def test_events_carry_the_routes_that_hold_afterwards(plan_of: PlanOf) -> None:
    plan = plan_of(
        """
networks: {lan: 192.168.1.0/24, other: 10.5.0.0/24}
devices:
  alice: {on: {lan: 192.168.1.10}, gateway: 192.168.1.1}
  bob: {on: {lan: {ip: 192.168.1.20, present: false}}, gateway: 192.168.1.1}
events:
  - {at: host.offer + 2s, do: readdress, interface: alice, ip: 192.168.1.77}
  - {at: change-1.done, do: roam, interface: alice, to: other, ip: 10.5.0.7, gateway: 10.5.0.1, id: roam}
  - {at: 3s, do: plug-in, interface: bob}
  - {at: roam.done, do: impair, interface: alice, impair: {at: alice, loss: 10%, direction: to}}
""".replace("at: change-1.done", "at: 1s")
        + PAIR
    )
    first, second, third, fourth = (event.change for event in plan.events)
    assert plan.events[0].when == p.When("host.offer", 2.0)
    assert isinstance(first, p.Readdress)
    assert first.routes[0].via == "192.168.1.1"
    assert isinstance(second, p.Roam)
    assert second.routes == (p.NodeRoute("0.0.0.0/0", "eth0", "10.5.0.1"),)
    assert isinstance(third, p.CreateInterface)
    assert third.interface.present
    assert third.routes[0].via == "192.168.1.1"
    assert plan.node("bob").routes == ()
    assert isinstance(fourth, p.SetImpairments)
    assert fourth.impairments[0].loss_percent == 10
    assert {"events", "loss"} <= set(plan.needs)


def test_actions_are_the_products_exact_command_lines(plan_of: PlanOf) -> None:
    plan = plan_of(
        TWO.replace(
            "join: alice}", "join: alice, offer_addresses: none, timeout: 9s, send: {name: f, size: 1kB}}"
        )
    )
    host, join = plan.actions
    assert " ".join(host.argv) == (
        "@localpair host --flow pre --offer-addresses none --send @state/f --qr none --yes --timeout 9 --json"
    )
    assert (
        " ".join(join.argv)
        == "@localpair join - --flow pre --receive @state/received --yes --timeout 9 --json"
    )
    assert join.when == join.offer_at == p.When("host.offer")
    assert host.deadline_s == 24


def test_no_offer_is_ever_in_argv() -> None:
    for cell in all_cells():
        for action in cell.plan.actions:
            assert action.argv[0] in ("@localpair", "@program")
            assert not any("offer" in word and not word.startswith("--offer") for word in action.argv)


def test_plans_are_equal_and_turn_into_json() -> None:
    for first, second in zip(all_cells(), all_cells(), strict=True):
        assert first.plan == second.plan
        decoded = json.loads(p.as_json(first.plan))
        assert decoded["scenario"] == first.loaded.name
        assert set(first.plan.needs) <= set(p.CAPABILITIES)


def test_names_fit_the_kernel_and_ports_exist() -> None:
    for cell in all_cells():
        for node in cell.plan.nodes:
            for interface in node.interfaces:
                assert len(interface.name.encode()) <= 15
                if interface.kind == "segment":
                    assert f"{node.name}/{interface.name}" in cell.plan.ports(interface.segment)
                if interface.kind == "tunnel":
                    assert cell.plan.interface(interface.far_end).far_end == f"{node.name}/{interface.name}"


def test_links_of_the_labs_own_take_no_name_that_a_device_has(plan_of: PlanOf) -> None:
    """Two bridges that differ in their last letters, and a device that has the names which the lab would choose."""
    plan = plan_of("""
networks: {lan: 192.168.1.0/24}
devices:
  w0: {interfaces: [{network: lan, name: out, ip: 192.168.1.10}]}
  bob:
    interfaces:
      - {network: lan, name: v.docker0, ip: 192.168.1.20}
      - {bridge: docker0, ip: 172.17.0.1/16}
      - {bridge: br-0a1b2c3d4e5f, ip: 172.18.0.1/16}
      - {bridge: br-0a1b2c3d4e5e, ip: 172.19.0.1/16}
impair: [{at: w0/out, delay: 1ms}, {at: bob/v.docker0, delay: 1ms}]
pair: {host: bob, join: w0}
expect: [{of: host, outcome: paired}]
""")
    built = list(compiler(plan).network())
    made = [(step.place, step.name) for step in built if isinstance(step, steps.Veth | steps.Bridge)]
    made += [(step.peer_place, step.peer) for step in built if isinstance(step, steps.Veth)]
    assert len(made) == len(set(made))
    assert all(len(name.encode()) <= 15 for _, name in made)


def _claims(step: steps.Step) -> str:
    """The capability without which a fabric cannot take this step; empty: every fabric can."""
    match step:
        case steps.Tunnel():
            return "tunnel-device"
        case steps.Ruleset() if step.place == FABRIC:
            return "filter"
        case steps.Ruleset():
            return "nat" if step.table == nftables.NAT else "firewall"
        case steps.Burst():
            return "loss"
        case steps.AddPolicyRule():
            return "policy-routing"
        case steps.PortPolicy(isolated=True):
            return "isolation"
        case steps.Bridge(snooping=True):
            return "snooping"
    return ""


def test_plans_claim_whatever_the_fabric_will_do_for_them() -> None:
    """Else a machine that lacks it plays the scenario and blames the product."""
    used = set()
    for case in all_cells():
        parts = compiler(case.plan)
        changes = [step for event in case.plan.events for step in parts.change(event.change)]
        claims = {_claims(step) for step in (*parts.network(), *parts.begin(), *changes)} - {""}
        assert claims <= set(case.plan.needs), case.title
        used |= claims
    assert used == {
        "tunnel-device", "filter", "nat", "firewall", "loss", "policy-routing", "isolation", "snooping",
    }  # fmt: skip


def test_what_a_rule_says_of_loopback_comes_before_the_customary_accepts(plan_of: PlanOf) -> None:
    rules = "{default: drop, rules: [{do: accept, port: 9}, {do: drop, on: lo}]}"
    plan = plan_of(f"""
networks: {{lan: 192.168.1.0/24}}
devices:
  alice: {{on: {{lan: 192.168.1.10}}, firewall: {{out: {rules}}}}}
  bob: {{on: {{lan: 192.168.1.20}}}}
pair: {{host: bob, join: alice}}
expect: [{{of: host, outcome: failed}}]
""")
    (chain,) = plan.node("alice").chains
    assert [(one.match.interface_out, one.verdict) for one in chain.rules[:2]] == [
        ("lo", "drop"),
        ("lo", "accept"),
    ]
    assert chain.rules[-1].match.destination_ports == ((9, 9),)
