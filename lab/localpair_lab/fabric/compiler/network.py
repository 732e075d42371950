"""A plan's network as steps. Pure: equal plans give equal steps.

``network`` builds everything; ``begin`` lets loose what must not disturb the canary (impairments, bursts);
``change`` is one event. How links are named is ``names``'s business, how rules are written ``rules``'s.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from localpair_lab import plan as p
from localpair_lab.fabric import services, steps
from localpair_lab.fabric.carriers import CarryTrunk, Translate
from localpair_lab.fabric.compiler import leases, nftables, prefixes
from localpair_lab.fabric.compiler.names import Names, names, stub_port
from localpair_lab.fabric.compiler.selection import is_kept, needs_single_packets, trunked_ports
from localpair_lab.fabric.steps import FABRIC
from localpair_lab.model.kernel_names import interface_of, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from localpair_lab.fabric.steps import Step
    from localpair_lab.plan.model import Plan
    from localpair_lab.plan.topology import Node, NodeInterface, NodeRoute, PortFlags, Segment, SegmentRule

_FIRST_INDEX: Final = 10  # of a node's interfaces; below may be devices that the kernel makes by itself
_LATER_INDEX: Final = 100  # of what appears during the run
_STUB_INDEX: Final = 1000
_TAGGED_MTU: Final = 65_535  # a trunk bounds nothing: networks have MTUs of their own
_OWN_SETTINGS: Final = (("ipv6", "accept_dad", "0"), ("ipv6", "keep_addr_on_down", "1"))
_FABRIC_SETTINGS: Final = (
    ("net.ipv4.ip_forward", "0", False),
    ("net.ipv6.conf.all.disable_ipv6", "1", False),
    ("net.ipv6.conf.default.disable_ipv6", "1", False),
    ("net.bridge.bridge-nf-call-iptables", "0", True),
    ("net.bridge.bridge-nf-call-ip6tables", "0", True),
    ("net.bridge.bridge-nf-call-arptables", "0", True),
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """Turns parts of one plan into steps."""

    plan: Plan
    names: Names

    # --- the whole network

    def network(self) -> Iterator[Step]:
        """Everything, in the order of the plan."""
        for key, value, optional in _FABRIC_SETTINGS:
            yield steps.Sysctl(FABRIC, key, value, optional)
        for node in self.plan.nodes:
            if is_kept(node):
                yield steps.Namespace(node.name)
        for number, segment in enumerate(self.plan.segments):
            yield from self._segment(number, segment)
        for node in self.plan.nodes:
            yield from self._node(node)
        yield from prefixes.routers(self.plan)
        yield from leases.servers(self.plan)
        for node in self.plan.nodes:
            for interface in node.interfaces:
                yield from leases.client(node.name, interface, node.routes)

    def begin(self) -> Iterator[Step]:
        """What starts when the network stands and the canary has passed."""
        for port in sorted({impairment.port for impairment in self.plan.impairments}):
            mine = [impairment for impairment in self.plan.impairments if impairment.port == port]
            yield _impair(port, mine)
        for segment in self.plan.segments:
            yield from self._bursts(segment.name, segment.rules)

    def _segment(self, number: int, segment: Segment) -> Iterator[Step]:
        yield steps.Bridge(
            FABRIC,
            self.names.bridges[segment.name],
            mtu=segment.mtu,
            mac=f"0a:00:00:00:00:{number + 1:02x}",
            snooping=segment.snooping,
            query_interval_s=segment.query_interval_s,
            membership_s=segment.membership_s,
        )
        if segment.querier:
            yield steps.SetQuerier(FABRIC, self.names.bridges[segment.name], on=True)
        if segment.rules:
            yield self._segment_rules(segment.name, segment.rules)

    def _node(self, node: Node) -> Iterator[Step]:
        yield steps.Sysctl(node.name, "net.ipv6.conf.default.accept_dad", "0", optional=True)
        for key, value in node.sysctls:
            if not interface_of(key):
                yield steps.Sysctl(node.name, key, value)
        if node.chains:
            yield steps.Ruleset(node.name, nftables.FILTER, nftables.firewall(node.chains))
        if node.source_nat or node.port_forwards or node.caught:
            yield steps.Ruleset(node.name, nftables.NAT, nftables.translation(node))
        working = {interface.name for interface in node.interfaces if interface.present and interface.up}
        for number, interface in enumerate(node.interfaces):
            if interface.present:
                yield from self._interface(node, interface, _FIRST_INDEX + number)
        yield from self._trunk(node)
        leased = {interface.name for interface in node.interfaces if interface.leased}
        given = [route for route in node.routes if route.interface in leased and ":" not in route.destination]
        yield from self._routes(
            node.name,
            [r for r in node.routes if (not r.interface or r.interface in working) and r not in given],
        )
        for rule in node.routing_rules:
            yield steps.AddPolicyRule(node.name, **dataclasses.asdict(rule))

    def _trunk(self, node: Node) -> Iterator[Step]:
        if node.trunk is None:
            return
        near, far = self.names.trunk(node.name)
        yield steps.Veth(FABRIC, near, FABRIC, far, mtu=_TAGGED_MTU, peer_mtu=_TAGGED_MTU)
        yield steps.SetLinkState(FABRIC, near, up=True)
        yield steps.SetLinkState(FABRIC, far, up=True)
        outer = {name: self.names.outer(f"{node.name}/{name}") for name, _ in node.trunk.tags}
        inner = {name: self.names.inner(f"{node.name}/{name}") for name, _ in node.trunk.tags}
        yield CarryTrunk(
            FABRIC,
            near,
            far,
            tuple((tag, outer[name]) for name, tag in node.trunk.tags),
            tuple((tag, inner[name]) for tag, name in node.trunk.switch),
        )

    # --- interfaces

    def _interface(self, node: Node, interface: NodeInterface, index: int) -> Iterator[Step]:
        if interface.kind == "segment":
            yield from self._plug(node.name, interface, index)
        elif interface.kind == "bridge":
            yield steps.Bridge(node.name, interface.name, mtu=interface.mtu, index=index, mac=interface.mac)
        elif interface.mapped is not None:
            mapped = interface.mapped
            yield Translate(node.name, interface.name, mapped.prefix, mapped.pairs, interface.mtu, index)
        else:
            yield from self._tunnel(node.name, interface, index)
        yield from self._configure(node, interface)
        if interface.kind == "segment" and interface.carrier:
            yield steps.SetLinkState(FABRIC, self.names.outer(f"{node.name}/{interface.name}"), up=True)
        if interface.kind == "bridge" and interface.carrier:
            yield from self._neighbour(node.name, interface, _STUB_INDEX + index)

    def _configure(self, node: Node, interface: NodeInterface) -> Iterator[Step]:
        yield from _settings(node, interface)
        single = interface.kind == "segment" and needs_single_packets(self.plan)
        if single or not interface.multicast or interface.has_no_link:
            speaks_arp = not interface.has_no_link
            yield steps.LinkOptions(node.name, interface.name, speaks_arp, interface.multicast, single)
        if interface.up or interface.kind == "bridge":
            yield steps.SetLinkState(node.name, interface.name, up=interface.up)
        peers = dict(interface.peers)
        for address in interface.addresses:
            if not self._comes_by_itself(interface, address):
                yield steps.Address(node.name, interface.name, address, peers.get(address, ""))

    def _comes_by_itself(self, interface: NodeInterface, address: str) -> bool:
        """Whether another machine gives the interface its address."""
        leased = leases.is_leased(interface, address)
        return leased or prefixes.is_autoconfigured(self.plan, interface, address)

    def _plug(self, node: str, interface: NodeInterface, index: int) -> Iterator[Step]:
        port = f"{node}/{interface.name}"
        number = list(self.names.ports).index(port)
        link, outer = self.names.port(port), self.names.outer(port)
        mtu = self.plan.segment(interface.segment).mtu
        cable_mtu = max(mtu, interface.mtu) if port in self.names.wired else mtu
        yield steps.Veth(
            FABRIC,
            outer,
            node,
            interface.name,
            mac=f"06:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}",
            peer_mac=interface.mac,
            mtu=cable_mtu,
            peer_mtu=interface.mtu,
            peer_index=index,
        )
        if port in self.names.wired:
            yield steps.Veth(FABRIC, self.names.inner(port), FABRIC, link, mtu=mtu, peer_mtu=mtu)
            yield steps.SetLinkState(FABRIC, self.names.inner(port), up=True)
            yield steps.SetLinkState(FABRIC, link, up=True)
            if port not in trunked_ports(self.plan):
                yield steps.Wire(port, outer, self.names.inner(port), self.plan.seed)
        yield self._attach(link, interface.segment)
        if interface.flags != p.PortFlags():
            yield self._policy(port, interface.flags)

    def _tunnel(self, node: str, interface: NodeInterface, index: int) -> Iterator[Step]:
        """Both ends are made when the first of them comes."""
        far_node, _, far_name = interface.far_end.partition("/")
        far_place = next(number for number, one in enumerate(self.plan.nodes) if one.name == far_node)
        place = next(number for number, one in enumerate(self.plan.nodes) if one.name == node)
        far_index = [one.name for one in self.plan.node(far_node).interfaces].index(far_name)
        if (far_place, far_index) < (place, index - _FIRST_INDEX):
            return
        ends = (node, interface.name, far_node, far_name)
        yield steps.Tunnel(*ends, mtu=interface.mtu, index=index, peer_index=_FIRST_INDEX + far_index)

    def _neighbour(self, node: str, interface: NodeInterface, index: int) -> Iterator[Step]:
        stub = self.names.stub(f"{node}/{interface.name}")
        taken = [entry.name for entry in self.plan.node(node).interfaces]
        port = stub_port(interface.name, index, taken)
        yield steps.Namespace(stub)
        yield steps.Veth(node, port, stub, "eth0", index=index)
        for place, link in ((node, port), (stub, "eth0")):
            yield steps.Sysctl(place, key_of("ipv6", link, "disable_ipv6"), "1", optional=True)
        yield steps.AttachPort(node, port, interface.name)
        yield steps.SetLinkState(node, port, up=True)
        yield steps.SetLinkState(stub, "eth0", up=True)
        if interface.neighbour:
            yield steps.Address(stub, "eth0", _with_length(interface.neighbour, interface.addresses))

    # --- changes

    def change(self, change: p.Change) -> Iterator[Step]:
        """The steps of one event; none for what is the engine's own (signals)."""
        match change:
            case p.SetLink(level="cable"):
                yield steps.SetLinkState(FABRIC, self.names.outer(change.port), change.up)
            case p.SetLink():
                node, _, name = change.port.partition("/")
                yield steps.SetLinkState(node, name, change.up)
                yield from self._routes(node, change.routes if change.up else ())
            case p.Readdress():
                yield from self._readdress(change.port, change.addresses, change.routes)
            case p.DeleteInterface():
                yield steps.DeleteLink(FABRIC, self.names.outer(change.port))
                if change.port in self.names.wired:
                    yield steps.DeleteLink(FABRIC, self.names.port(change.port))
            case p.CreateInterface():
                yield from self._interface(
                    self.plan.node(change.node), change.interface, self._later_index(change)
                )
                mine = [r for r in change.routes if not leases.is_leased(change.interface, r.destination)]
                yield from self._routes(change.node, mine)
                yield from leases.client(change.node, change.interface, change.routes)
            case p.MoveAddress():
                yield from self._move_address(change)
            case p.ChangeLease():
                yield leases.change(self.plan, change)
            case p.Roam():
                yield from self._roam(change)
            case p.SetSegment():
                yield from self._set_segment(change)
            case p.SetPrefixes():
                yield from prefixes.change(self.plan, change)
            case p.SetChains():
                yield steps.Ruleset(change.node, nftables.FILTER, nftables.firewall(change.chains))
            case p.SetImpairments():
                yield _impair(change.port, change.impairments)

    def _readdress(self, port: str, addresses: Iterable[str], routes: Sequence[NodeRoute]) -> Iterator[Step]:
        node, _, name = port.partition("/")
        yield steps.FlushAddresses(node, name)
        for address in addresses:
            yield steps.Address(node, name, address)
        yield from self._routes(node, routes)

    def _move_address(self, change: p.MoveAddress) -> Iterator[Step]:
        before, _, old_link = change.holder.partition("/")
        after, _, link = change.port.partition("/")
        yield steps.DeleteAddress(before, old_link, change.address)
        yield steps.Address(after, link, change.address)
        bare, mac = change.address.partition("/")[0], self.plan.interface(change.port).mac
        yield services.AnnounceAddress(after, link, bare, mac)

    def _roam(self, change: p.Roam) -> Iterator[Step]:
        outer, link = self.names.outer(change.port), self.names.port(change.port)
        yield steps.SetLinkState(FABRIC, outer, up=False)
        yield steps.AttachPort(FABRIC, link, "")
        yield self._attach(link, change.segment)
        yield self._policy(change.port, change.flags)
        yield from self._readdress(change.port, change.addresses, ())
        yield steps.SetLinkState(FABRIC, outer, up=True)
        yield from self._routes(change.port.partition("/")[0], change.routes)

    def _set_segment(self, change: p.SetSegment) -> Iterator[Step]:
        yield self._segment_rules(change.segment, change.rules)
        yield from self._bursts(change.segment, change.rules)
        for port, flags in change.flags:
            yield self._policy(port, flags)
        if self.plan.segment(change.segment).snooping:
            yield steps.SetQuerier(FABRIC, self.names.bridges[change.segment], change.querier)

    def _later_index(self, change: p.CreateInterface) -> int:
        creations = [
            event.change for event in self.plan.events if isinstance(event.change, p.CreateInterface)
        ]
        return _LATER_INDEX + creations.index(change) if change in creations else 0

    # --- pieces

    def working_links(self) -> list[tuple[str, str]]:
        """(place, link) of what must have carrier once the network stands."""
        found: list[tuple[str, str]] = []
        for node in self.plan.nodes:
            for interface in node.interfaces:
                if interface.kind == "segment" and interface.present and interface.up and interface.carrier:
                    port = f"{node.name}/{interface.name}"
                    found += [(node.name, interface.name), (FABRIC, self.names.port(port))]
        return found

    def _attach(self, link: str, segment: str) -> Step:
        return steps.AttachPort(FABRIC, link, self.names.bridges[segment], self.names.group(segment))

    def _policy(self, port: str, flags: PortFlags) -> Step:
        return steps.PortPolicy(FABRIC, self.names.port(port), **dataclasses.asdict(flags))

    def _segment_rules(self, segment: str, listed: Sequence[SegmentRule]) -> Step:
        table = self._table(segment)
        text = nftables.segment(table, self.names.group(segment), listed, self.names.port)
        return steps.Ruleset(FABRIC, table, text)

    def _bursts(self, segment: str, listed: Sequence[SegmentRule]) -> Iterator[Step]:
        for number, rule in enumerate(listed):
            if any(rule.only_s):
                yield steps.Burst(FABRIC, self._table(segment), nftables.burst_set(number), *rule.only_s)

    def _table(self, segment: str) -> str:
        return f"bridge lab_{self.names.bridges[segment].replace('-', '_')}"

    def _routes(self, node: str, routes: Iterable[NodeRoute]) -> Iterator[Step]:
        for route in routes:
            if route.learned:
                continue
            fields = dataclasses.asdict(route)
            del fields["learned"]
            yield steps.AddRoute(node, link=fields.pop("interface"), **fields)


@dataclass(frozen=True, slots=True)
class BridgedCompiler(Compiler):
    """For plans whose segments a container engine has made: it takes its links over instead of making any.

    ``found`` is the MAC by which each port's link is known before it is taken.
    """

    found: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def network(self) -> Iterator[Step]:
        """What is inside the nodes, and the flags of their ports."""
        for node in self.plan.nodes:
            yield from self._node(node)
        for segment in self.plan.segments:
            if segment.rules:  # ``bridged.unplayable`` lets only whole multicast filters through
                for port in self.plan.ports(segment.name):
                    flags = dataclasses.replace(self.plan.interface(port).flags, multicast_flood=False)
                    yield self._policy(port, flags)

    def _plug(self, node: str, interface: NodeInterface, index: int) -> Iterator[Step]:
        del index  # the engine's link has one already
        port = f"{node}/{interface.name}"
        link = self.names.port(port)
        yield steps.TakeLink(node, self.found[port], interface.name, interface.mac, interface.mtu, link)
        if interface.flags != p.PortFlags():
            yield self._policy(port, interface.flags)

    def working_links(self) -> list[tuple[str, str]]:
        """Those of the nodes alone; the engine's side is the engine's."""
        return [(place, link) for place, link in Compiler.working_links(self) if place != FABRIC]


def compiler(plan: Plan) -> Compiler:
    """What turns this plan into steps."""
    return Compiler(plan, names(plan))


def _impair(port: str, impairments: Iterable[p.Impairment]) -> Step:
    return steps.ImpairWire(port, tuple(dataclasses.asdict(impairment) for impairment in impairments))


def _settings(node: Node, interface: NodeInterface) -> Iterator[Step]:
    mine = {key: value for key, value in node.sysctls if interface_of(key) == interface.name}
    for family, setting, value in _OWN_SETTINGS:
        key = key_of(family, interface.name, setting)
        if key not in mine:
            yield steps.Sysctl(node.name, key, value, optional=True)
    if not interface.link_local:
        yield steps.Sysctl(node.name, key_of("ipv6", interface.name, "disable_ipv6"), "1", optional=True)
    for key, value in mine.items():
        yield steps.Sysctl(node.name, key, value)


def _with_length(neighbour: str, addresses: Sequence[str]) -> str:
    if "/" in neighbour:
        return neighbour
    like = (address for address in addresses if (":" in address) == (":" in neighbour))
    return f"{neighbour}/{next(like, '/24').partition('/')[2]}"
