"""What the fabric builds is what the plan says, and the canary notices where it is not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from localpair_lab import plan as p
from localpair_lab.errors import LabError

import lab_plans as plans
from lab_canaries import between, play, probe

if TYPE_CHECKING:
    from pathlib import Path

    from localpair_lab.plan.probe import Probe

pytestmark = pytest.mark.netns

A, B = "alice/eth0", "bob/eth0"
NOTHING = dict.fromkeys(
    (
        "udp",
        "tcp",
        "udp6",
        "tcp6",
        "multicast",
        "multicast_link",
        "multicast6",
        "broadcast",
        "broadcast_subnet",
    ),
    False,
)
ISOLATED = p.PortFlags(isolated=True)


def segment(*rules: p.SegmentRule) -> tuple[p.Segment, ...]:
    return (p.Segment("lan", rules=rules),)


def drop(match: p.Match, **more: object) -> p.SegmentRule:
    return dataclasses.replace(p.SegmentRule(match), **more)  # type: ignore[arg-type]


NO_MULTICAST = drop(p.Match(cast="multicast"), why="guest network")
INSIDE, OUTSIDE = (
    plans.ethernet(1, "192.168.1.1/24", name="lan0"),
    plans.ethernet(2, "10.0.0.1/24", name="wan0", segment="wan"),
)


def behind(gateway: str) -> tuple[p.NodeRoute, ...]:
    return (p.NodeRoute("0.0.0.0/0", "eth0", via=gateway),)


def routed(**more: object) -> p.Plan:
    far = plans.device("bob", plans.ethernet(11, "10.0.0.11/24", segment="wan"))
    near = plans.alice(routes=behind("192.168.1.1"))
    gate = plans.router("gate", INSIDE, OUTSIDE, **more)
    return plans.plan(near, gate, far, segments=(p.Segment("lan"), p.Segment("wan")))


def two_networks(*rules: p.SegmentRule) -> p.Plan:
    """Both are on two networks, the second of which has the rules."""
    second = p.Segment("wifi", rules=rules)
    twins = (
        plans.device(
            name,
            plans.ethernet(number, f"192.168.1.{number}/24"),
            plans.ethernet(number + 10, f"192.168.2.{number}/24", name="eth1", segment="wifi"),
        )
        for name, number in (("alice", 10), ("bob", 11))
    )
    return plans.plan(*twins, segments=(p.Segment("lan"), second))


NAT = (p.SourceNat("wan0", ("192.168.1.0/24",)),)
FORWARD = (p.PortForward("wan0", "tcp", 46821, "192.168.1.10", 46821),)

# name -> (plan, probes that are right about it, the same plan without the policy)
POLICIES: dict[str, tuple[p.Plan, list[Probe], p.Plan]] = {
    "isolation": (
        plans.plan(
            plans.device("alice", plans.ethernet(10, "192.168.1.10/24", flags=ISOLATED)),
            plans.device("bob", plans.ethernet(11, "192.168.1.11/24", flags=ISOLATED)),
        ),
        between(A, B, **NOTHING),
        plans.plan(),
    ),
    "multicast filter": (
        plans.plan(segments=segment(NO_MULTICAST)),
        between(A, B, multicast=False, multicast_link=False, multicast6=False),
        plans.plan(),
    ),
    "multicast filter for one group": (
        plans.plan(segments=segment(drop(p.Match(destinations=("239.0.0.0/8",))))),
        between(A, B, multicast=False),
        plans.plan(),
    ),
    "multicast filter for IPv6": (
        plans.plan(segments=segment(drop(p.Match(family="ipv6", cast="multicast")))),
        between(A, B, multicast6=False),
        plans.plan(),
    ),
    "multicast filter towards one port": (
        plans.plan(segments=segment(drop(p.Match(cast="multicast"), to_ports=(B,)))),
        [*between(A, B, multicast=False, multicast_link=False, multicast6=False), *between(B, A)],
        plans.plan(),
    ),
    "broadcast filter": (
        plans.plan(segments=segment(drop(p.Match(cast="broadcast"), from_ports=(A,)))),
        [*between(A, B, broadcast=False, broadcast_subnet=False), *between(B, A)],
        plans.plan(),
    ),
    "filter of another network": (
        two_networks(drop(p.Match(cast="multicast"))),
        [
            *between(A, B),
            *[
                dataclasses.replace(one, id=f"{one.id} wifi", source="alice/eth1", target="bob/eth1", expected=False)
                for one in between(A, B)
                if one.kind == "multicast"
            ],
        ],
        two_networks(),
    ),
    "firewall in": (
        plans.plan(plans.alice(), plans.bob(chains=(plans.CLOSED,))),
        [*between(A, B, **NOTHING), *between(B, A)],
        plans.plan(),
    ),
    "firewall in for UDP": (
        plans.plan(
            plans.alice(),
            plans.bob(chains=(p.Chain("in", "accept", (p.Rule(p.Match(protocol="udp"), "reject-port"),)),)),
        ),
        between(A, B, **{**NOTHING, "tcp": True, "tcp6": True}),
        plans.plan(),
    ),
    "firewall in, reset": (
        plans.plan(
            plans.alice(),
            plans.bob(chains=(p.Chain("in", "reject-reset", (plans.ESTABLISHED, plans.NEIGHBOURS)),)),
        ),
        between(A, B, **NOTHING),
        plans.plan(),
    ),
    "firewall out": (
        plans.plan(
            plans.alice(
                chains=(p.Chain("out", "accept", (p.Rule(p.Match(protocol="udp", cast="unicast"), "drop"),)),)
            ),
            plans.bob(),
        ),
        [*between(A, B, udp=False, udp6=False), *between(B, A)],
        plans.plan(),
    ),
    "translation": (
        routed(source_nat=NAT),
        [probe("tcp", A, B, "10.0.0.11", True), probe("udp", A, B, "10.0.0.11", True)],
        routed(),
    ),
    "forwarded port": (
        routed(source_nat=NAT, port_forwards=FORWARD),
        [probe("tcp", B, A, "10.0.0.1", True)],
        routed(source_nat=NAT),
    ),
    "one-way router": (
        routed(
            source_nat=NAT,
            chains=(
                p.Chain("in", "drop", ()),
                p.Chain("through", "drop", (plans.ESTABLISHED, p.Rule(p.Match(interface_in="lan0"), "accept"))),
            ),
        ),
        [probe("tcp", A, B, "10.0.0.11", True), probe("tcp", A, "gate/lan0", "192.168.1.1", False)],
        routed(source_nat=NAT),
    ),
    "flags without multicast": (
        plans.plan(
            plans.alice(),
            plans.device("bob", plans.ethernet(11, "192.168.1.11/24", flags=p.PortFlags(multicast_flood=False))),
        ),
        between(A, B, multicast=False, multicast_link=False, multicast6=False, udp6=False, tcp6=False),
        plans.plan(),
    ),
    "cable pulled": (
        plans.plan(plans.alice(), plans.device("bob", plans.ethernet(11, "192.168.1.11/24", carrier=False))),
        between(A, B, **NOTHING),
        plans.plan(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_does_what_it_says(name: str, tmp_path: Path) -> None:
    policy, probes, _ = POLICIES[name]
    play(policy, probes, tmp_path)


@pytest.mark.parametrize("name", POLICIES)
def test_the_canary_notices_a_missing_policy(name: str, tmp_path: Path) -> None:
    _, probes, mutation = POLICIES[name]
    with pytest.raises(LabError, match="canary: the network is not what the plan says"):
        play(mutation, probes, tmp_path)


def test_a_flat_network_carries_everything(tmp_path: Path) -> None:
    play(plans.plan(), [*between(A, B), *between(B, A)], tmp_path)
