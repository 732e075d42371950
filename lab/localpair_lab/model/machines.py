"""Devices, routers and decoys: interfaces, routes, firewalls."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from localpair_lab.model.common import Many, Model, Packets, Text
from localpair_lab.model.programs import NeededProgram
from localpair_lab.model.values import (
    Address,
    Count,
    DomainName,
    Flag,
    Host,
    ImageName,
    InterfaceName,
    Mac,
    Mtu,
    Name,
    Offset,
    Ports,
    Prefix,
    Sysctl,
    Target,
    VlanTag,
)
from localpair_lab.model.words.variables import Variable
from localpair_lab.model.words.verdicts import Verdict


class NetworkInterface(Model):
    """One interface: on a ``network``, or a container ``bridge`` inside the device.

    ``conflict``: another one on the network has an address of it, too, and that is meant. ``dhcp``: its IPv4 address
    is what the network's DHCP server has for it. ``ipv6`` ``autoconf``: it makes its addresses of the prefixes that a
    router advertises.
    """

    short_key = "ip"
    network: Name | None = None
    bridge: InterfaceName | None = None
    name: InterfaceName | None = None
    ip: Many[Host] = ()
    ipv6: Literal["", "off", "link-local", "autoconf"] = ""
    mtu: Mtu | None = None
    mac: Mac | None = None
    conflict: Flag = False
    dhcp: Flag = False
    neighbour: Address | None = None
    present: Flag = True
    up: Flag = True
    carrier: Flag = True
    multicast: Flag = True
    hears_broadcast: Flag = True
    temporary: Many[Host] = ()


class RouteEntry(Model):
    """One route beyond the connected ones."""

    to: Target
    via: Address | None = None
    on: InterfaceName | None = None
    metric: Count = 0
    table: Count = 254
    source: Address | None = None
    kind: Literal["unicast", "blackhole", "unreachable", "multicast"] = "unicast"


class RoutingPolicy(Model):
    """One policy-routing rule, as ``ip rule`` knows them."""

    priority: Count
    table: Count
    source: Target | None = None
    to: Target | None = None
    mark: Count = 0
    not_mark: Count = 0
    suppress_prefix_length: Count = -1
    family: Literal["ipv4", "ipv6"] = "ipv4"


class FirewallRule(Packets):
    """One rule: what to ``do`` with which packets. ``on`` is the interface they come in or go out by."""

    do: Verdict
    on: Literal["lo"] | InterfaceName | None = None
    state: Literal["", "new", "established", "invalid"] = ""


class FirewallChain(Model):
    """One direction of a firewall. ``stateful`` puts the customary accepts in front: loopback, answers to
    one's own connections, neighbour discovery, ping.
    """

    short_key = "default"
    default: Verdict = "accept"
    rules: Many[FirewallRule] = ()
    stateful: Flag | None = None


class Firewall(Model):
    """The firewall of a host or router: packets ``in`` to it, ``out`` of it, and ``through`` it."""

    inward: FirewallChain | None = Field(default=None, alias="in")
    outward: FirewallChain | None = Field(default=None, alias="out")
    through: FirewallChain | None = None


class Helper(Model):
    """A program of the lab that plays a part beside the devices.

    ``tcp-silent`` accepts and says nothing; ``tcp-garbage`` answers nonsense; ``tls-stranger`` finishes TLS
    with a key of its own; ``squat`` holds a port, TCP and UDP; ``noise`` announces foreign things;
    ``crowd`` announces ``count`` further devices; ``relay`` repeats multicast between the host's networks;
    ``mdns-reflector`` repeats that of mDNS alone, as routers' own do.
    """

    short_key = "run"
    run: Literal[
        "tcp-silent", "tcp-garbage", "tls-stranger", "squat", "noise", "crowd", "relay", "mdns-reflector"
    ]
    port: Ports = (46821, 46829)
    rate: Count = 20
    count: Count = 50
    protocol: Literal["both", "tcp", "udp"] = "both"


class Trunk(Model):
    """One cable to a switch that carries several networks, by the tags of IEEE 802.1Q: ``carries`` says which tag the
    machine has for each of its networks, ``switch`` which the switch's port has for each of its own.
    """

    carries: dict[Name, VlanTag]
    switch: dict[Name, VlanTag] | None = None

    def network_behind(self, network: str) -> str:
        """The network that the switch takes the machine's frames for; empty: none, it drops them."""
        switch = self.carries if self.switch is None else self.switch
        return next((name for name, tag in switch.items() if tag == self.carries[network]), "")


def _one_interface(network: str, spec: object) -> object:
    if isinstance(spec, dict):
        return {"network": network, **spec}
    return {"network": network, "ip": spec}


class Machine(Model):
    """What devices, routers and decoys have in common: interfaces, routes, a firewall, settings.

    ``on`` is the short form of ``interfaces``: a mapping of network to address. ``order`` is the order in
    which the interfaces are made (their names); the order of writing otherwise.
    """

    on: dict[str, NetworkInterface] = Field(default_factory=dict)
    interfaces: Many[NetworkInterface] = ()
    order: Many[InterfaceName] = ()
    gateway: Many[Address] = ()
    routes: Many[RouteEntry] = ()
    routing_policy: Many[RoutingPolicy] = ()
    firewall: Firewall = Firewall()
    sysctls: dict[Sysctl, str] = Field(default_factory=dict)
    run: Many[Helper] = ()
    names: dict[DomainName, Many[Address]] = Field(default_factory=dict)
    trunk: Trunk | None = None
    hosts_file: Many[Text] = ()

    @model_validator(mode="before")
    @classmethod
    def _widen(cls, value: object) -> object:
        if not isinstance(value, dict) or not isinstance(value.get("on"), dict):
            return value
        return value | {"on": {name: _one_interface(name, spec) for name, spec in value["on"].items()}}

    def all_interfaces(self) -> tuple[NetworkInterface, ...]:
        """Both forms together, in the order of writing."""
        return (*self.on.values(), *self.interfaces)


class Nat(Model):
    """Address translation: what leaves towards the network ``out`` takes the router's address there."""

    out: Name
    source: Many[Prefix] = ()
    ports: Literal["keep", "random"] = "keep"


class Publish(Model):
    """Connections to the router's ``port`` from the network ``on`` go to ``to``."""

    on: Name
    port: Count
    to: Address
    to_port: Count | None = None
    protocol: Literal["tcp", "udp"] = "tcp"


class OneWay(Model):
    """New connections may cross the router from ``source`` to ``to`` only; answers come back."""

    source: Name = Field(alias="from")
    to: Name


class Portal(Model):
    """A captive portal: every TCP connection from the network ``on`` for somebody else ends here, at a login page."""

    short_key = "on"
    on: Name


WELL_KNOWN_PREFIX = "64:ff9b::/96"  # RFC 6052, 2.1


class Nat64(Model):
    """A translator between families: hosts of the network ``source`` that have IPv6 alone reach IPv4 ones beyond the
    network ``out`` by addresses below ``prefix`` (RFC 6146).
    """

    source: Name = Field(alias="from")
    out: Name
    prefix: Prefix = WELL_KNOWN_PREFIX


class Clat(Model):
    """The device's half of 464XLAT (RFC 6877): an interface ``clat0`` with an IPv4 address, whose packets cross the
    network ``on`` as IPv6 to its translator.
    """

    short_key = "on"
    on: Name
    prefix: Prefix = WELL_KNOWN_PREFIX


class Forwarder(Machine):
    """A machine that may forward between its networks, and what it does to the packets then."""

    forwards: Flag = False
    nat: Many[Nat] = ()
    publish: Many[Publish] = ()
    one_way: Many[OneWay] = ()
    portal: Many[Portal] = ()
    nat64: Nat64 | None = None


class Device(Forwarder):
    """A machine that runs localpair; it forwards where it shares its line or runs containers.

    Devices of one ``identity`` have the same long-term key, as clones of one disk have. ``sandbox`` names what
    localpair is denied there. ``programs`` are those that it must find; ``image`` is what brings them in containers.
    """

    environment: dict[Variable, str] = Field(default_factory=dict)
    resolver: Text | None = None
    clock: Offset = 0.0
    identity: Name | None = None
    sandbox: Many[Literal["netlink", "kernel-files"]] = ()
    clat: Clat | None = None
    image: ImageName | None = None
    programs: Many[NeededProgram] = ()


class Router(Forwarder):
    """A machine that forwards between its networks."""

    forwards: Flag = True


class Decoy(Machine):
    """A machine that is there to disturb; it runs the lab's helpers only."""
