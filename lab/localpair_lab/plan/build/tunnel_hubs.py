"""The far ends of tunnel networks."""

from __future__ import annotations

from collections.abc import Iterator

from localpair_lab.model.networks import Network
from localpair_lab.plan.build.addressing import family_of, make_mac
from localpair_lab.plan.build.site import Site
from localpair_lab.plan.topology import Node, NodeInterface


def plan_hubs(site: Site, nodes: tuple[Node, ...]) -> Iterator[Node]:
    for number, (name, network) in enumerate(site.scenario.networks.items(), start=len(site.positions) + 1):
        if network.kind == "tunnel":
            yield _hub(number, name, network, nodes)


def _hub(number: int, name: str, network: Network, nodes: tuple[Node, ...]) -> Node:
    """The far end of every member's tunnel: one interface for each, routed between them if the hub
    forwards.
    """
    interfaces: list[NodeInterface] = []
    for node in nodes:
        for member in node.interfaces:
            if member.kind == "tunnel" and member.far_end.startswith(f"{name}-hub/"):
                interfaces.append(_far_end(number, len(interfaces), network, node.name, member))
    forwarding = "1" if network.hub_forwards else "0"
    return Node(
        name=f"{name}-hub",
        role="hub",
        interfaces=tuple(interfaces),
        sysctls=(
            ("net.ipv4.ip_forward", forwarding),
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
            ("net.ipv6.conf.all.disable_ipv6", "0"),
            ("net.ipv6.conf.default.disable_ipv6", "1"),
            ("net.ipv6.conf.all.forwarding", forwarding),
        ),
        hosts_file="127.0.0.1 localhost\n",
    )


def _far_end(hub: int, position: int, network: Network, owner: str, member: NodeInterface) -> NodeInterface:
    peers = tuple(
        (f"{ours}/{128 if ':' in ours else 32}", address.partition("/")[0])
        for ours in network.hub
        for address in member.addresses
        if family_of(ours) == family_of(address)
    )
    return NodeInterface(
        name=f"m{position}",
        mac=make_mac(hub, position),
        kind="tunnel",
        far_end=f"{owner}/{member.name}",
        addresses=tuple(dict.fromkeys(ours for ours, _ in peers)),
        peers=peers,
        mtu=network.mtu,
        multicast=False,
    )
