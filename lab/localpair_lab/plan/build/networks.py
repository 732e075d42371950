"""Networks -> segments, their rules and the flags of their ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from localpair_lab.model.common import Packets
from localpair_lab.model.networks import Drop, Multicast, Network, Snooping
from localpair_lab.plan.build.ports import Ports
from localpair_lab.plan.topology import Advertised, Leases, Match, Node, PortFlags, Segment, SegmentRule

MULTICAST = Match(cast="multicast")
BROADCAST = Match(cast="broadcast")


def plan_segments(networks: Mapping[str, Network], ports: Ports) -> tuple[Segment, ...]:
    """One segment for each LAN; tunnels are links of their hub and no segments."""
    return tuple(
        _segment(name, network, ports) for name, network in networks.items() if network.kind == "lan"
    )


def dead_end(owner: str, interface: str) -> str:
    """The segment of an interface whose tag the switch does not have: nobody else is there."""
    return f"{owner}-{interface}-alone"


def lonely_segments(nodes: Iterable[Node], segments: Iterable[Segment]) -> Iterator[Segment]:
    """The segments of the interfaces whose tags no switch has."""
    there = {segment.name for segment in segments}
    for node in nodes:
        for interface in node.interfaces:
            if interface.kind == "segment" and interface.segment not in there:
                yield Segment(interface.segment, mtu=interface.mtu)


def _segment(name: str, network: Network, ports: Ports) -> Segment:
    rules = tuple(segment_rules(network.multicast, network.broadcast, network.drops, ports))
    segment = Segment(name=name, mtu=network.mtu, rules=rules, leases=_leases(name, network, ports))
    segment = dataclasses.replace(segment, advertised=_advertised(name, network, ports))
    if network.snooping is None:
        return segment
    return dataclasses.replace(
        segment,
        snooping=True,
        querier=network.snooping.querier,
        query_interval_s=network.snooping.interval,
        membership_s=network.snooping.membership,
        rules=(*_snooping_rules(network.snooping, ports), *rules),
    )


def advertised_prefixes(network: Network) -> tuple[str, ...]:
    """The prefixes that a router advertises on the network from the start."""
    if network.advertised is None:
        return ()
    return network.advertised.prefixes or tuple(prefix for prefix in network.ip if ":" in prefix)


def _advertised(name: str, network: Network, ports: Ports) -> Advertised | None:
    if network.advertised is None:
        return None
    return Advertised(_port_of(network.advertised.by, name, ports), advertised_prefixes(network))


def _port_of(machine: str, network: str, ports: Ports) -> str:
    """The machine's first port on the network."""
    return next(
        port for port, on in ports.networks.items() if on == network and port.startswith(f"{machine}/")
    )


def _leases(name: str, network: Network, ports: Ports) -> Leases | None:
    if network.dhcp is None:
        return None
    return Leases(_port_of(network.dhcp.server, name, ports), network.dhcp.lease)


def segment_rules(
    multicast: Multicast, broadcast: str, drops: tuple[Drop, ...], ports: Ports
) -> Iterator[SegmentRule]:
    """Everything a network does not carry."""
    for match in _multicast_matches(multicast):
        yield SegmentRule(
            match=match,
            from_ports=ports.named(multicast.frames_from),
            to_ports=ports.named(multicast.frames_to),
            loss_percent=multicast.loss,
            only_s=(multicast.burst, multicast.pause),
            why="the network's treatment of multicast",
        )
    if broadcast == "drop":
        yield SegmentRule(match=BROADCAST, why="the network drops IPv4 broadcast")
    for drop in drops:
        yield SegmentRule(
            match=match_of(drop),
            from_ports=ports.named(drop.frames_from),
            to_ports=ports.named(drop.frames_to),
            loss_percent=drop.loss,
            only_s=(drop.burst, drop.pause),
            why="the network's own drops",
        )


def _multicast_matches(multicast: Multicast) -> Iterator[Match]:
    if multicast.ipv4 == "drop":
        yield Match(family="ipv4", cast="multicast")
    if multicast.ipv6 == "drop":
        yield Match(family="ipv6", cast="multicast")
    if multicast.drop:
        yield Match(cast="multicast", destinations=multicast.drop)
    named = multicast.ipv4 == "drop" or multicast.ipv6 == "drop" or multicast.drop
    partly = multicast.loss < 100 or multicast.burst or multicast.frames_from or multicast.frames_to
    if partly and not named and multicast.flooding:
        yield MULTICAST


def _snooping_rules(snooping: Snooping, ports: Ports) -> Iterator[SegmentRule]:
    if snooping.pruned:
        match = Match(cast="multicast", destinations=snooping.pruned)
        yield SegmentRule(match=match, why="pruned by the switch: no querier keeps the members known")
    lost = ports.named(snooping.reports_lost_from)
    if lost:
        yield SegmentRule(match=Match(protocol="igmp"), from_ports=lost, why="membership reports are lost")
        yield SegmentRule(match=Match(protocol="mld"), from_ports=lost, why="membership reports are lost")


def match_of(packets: Packets) -> Match:
    """The plan's match for a scenario's packets."""
    return Match(
        family=packets.family,
        cast=packets.cast,
        protocol=packets.protocol,
        sources=packets.source,
        destinations=packets.destination,
        source_ports=packets.source_port,
        destination_ports=packets.port,
        larger_than=packets.larger_than,
    )


def port_flags(port: str, isolation: str | tuple[str, ...], multicast: Multicast, ports: Ports) -> PortFlags:
    """How the network treats one port."""
    if isolation == "clients":
        isolated = ports.is_client(port)
    else:
        isolated = isinstance(isolation, tuple) and port in ports.named(isolation)
    quiet = not multicast.flooding and (not multicast.frames_to or port in ports.named(multicast.frames_to))
    return PortFlags(isolated=isolated, multicast_flood=not quiet)
