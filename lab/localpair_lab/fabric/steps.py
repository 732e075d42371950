"""What the fabric can be told to do, as values: each step knows its JSON form and the command a person
would type.

``place`` is a network namespace: ``fabric`` (the bridges live there), a node's name, or a far end the
fabric keeps for a tunnel or a container bridge. A list of steps is the whole truth about a network;
``script`` writes it as a shell script that builds the same network with ``ip``, ``bridge``, ``nft`` and
``sysctl``.
"""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from localpair_lab.fabric.carriers import CarryTrunk, Translate
from localpair_lab.fabric.services import (
    AdvertisePrefixes,
    AnnounceAddress,
    LeaseClient,
    LeaseServer,
    UpdateLease,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

FABRIC: Final = "fabric"


def _word(name: str) -> str:
    """The name of a link or a place as one word of a shell."""
    return shlex.quote(name)


def _switch(on: bool) -> str:
    return "on" if on else "off"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that the fabric itself keeps."""

    place: str

    @property
    def text(self) -> str:
        return f"ip netns add {_word(self.place)}"


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge, up. ``index`` 0 lets the kernel choose. Times in seconds; 0 keeps the kernel's own."""

    place: str
    name: str
    mtu: int = 1500
    index: int = 0
    mac: str = ""
    snooping: bool = False
    query_interval_s: float = 0.0
    membership_s: float = 0.0

    @property
    def text(self) -> str:
        parts = [f"ip -n {_word(self.place)} link add name {_word(self.name)}"]
        parts += [f"index {self.index}"] if self.index else []
        parts += [f"address {self.mac}"] if self.mac else []
        parts.append(f"mtu {self.mtu} up type bridge forward_delay 0 mcast_snooping {int(self.snooping)}")
        for word, seconds in self.intervals():
            parts.append(f"{word} {round(seconds * 100)}")
        return " ".join(parts)

    def intervals(self) -> list[tuple[str, float]]:
        """The timers of snooping that differ from the kernel's own, by the names ``ip`` has for them."""
        found = []
        if self.query_interval_s:
            quick = min(self.query_interval_s / 5, 1.0)
            found += [
                ("mcast_query_interval", self.query_interval_s),
                ("mcast_query_response_interval", quick),
            ]
            found += [("mcast_startup_query_interval", min(self.query_interval_s, 1.0))]
        if self.membership_s:
            found.append(("mcast_membership_interval", self.membership_s))
        return found


@dataclass(frozen=True, slots=True)
class SetQuerier:
    """Start or stop a bridge's own querier.

    A step of its own: how long a new querier waits before it prunes follows from the intervals set before.
    """

    place: str
    name: str
    on: bool

    @property
    def text(self) -> str:
        return f"ip -n {_word(self.place)} link set dev {_word(self.name)} type bridge mcast_querier {int(self.on)}"


@dataclass(frozen=True, slots=True)
class Veth:
    """A pair of Ethernet interfaces, both down: ``name`` in ``place`` and ``peer`` in ``peer_place``."""

    place: str
    name: str
    peer_place: str
    peer: str
    mac: str = ""
    peer_mac: str = ""
    mtu: int = 1500
    peer_mtu: int = 1500
    index: int = 0
    peer_index: int = 0

    @property
    def text(self) -> str:
        near = _link_words(self.name, self.index, self.mac, self.mtu)
        far = _link_words(self.peer, self.peer_index, self.peer_mac, self.peer_mtu)
        return (
            f"ip -n {_word(self.place)} link add {near} type veth peer {far} netns {_word(self.peer_place)}"
        )


def _link_words(name: str, index: int, mac: str, mtu: int) -> str:
    words = (
        [f"name {_word(name)}"] + ([f"index {index}"] if index else []) + ([f"address {mac}"] if mac else [])
    )
    return " ".join([*words, f"mtu {mtu}"])


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Two real point-to-point devices, one in each place, whose packets the fabric carries across; both
    down.
    """

    place: str
    name: str
    peer_place: str
    peer: str
    mtu: int = 1420
    index: int = 0
    peer_index: int = 0

    @property
    def text(self) -> str:
        ends = f"{self.place}/{self.name} and {self.peer_place}/{self.peer}"
        return f"# tun devices {ends}, mtu {self.mtu}, with a program that carries packets between them"


@dataclass(frozen=True, slots=True)
class Wire:
    """A relay between ``outer`` (towards the node) and ``inner`` (towards the bridge), both in the fabric.

    It carries every frame unchanged until ``ImpairWire`` says otherwise. ``port`` names it.
    """

    port: str
    outer: str
    inner: str
    seed: int
    place: str = FABRIC

    @property
    def text(self) -> str:
        return f"# a program carries frames between {self.outer} and {self.inner} (seed {self.seed})"


@dataclass(frozen=True, slots=True)
class ImpairWire:
    """The impairments of one wire become these, whole: each a ``plan.Impairment`` as a plain
    dictionary.
    """

    port: str
    impairments: tuple[dict[str, Any], ...]
    place: str = FABRIC

    @property
    def text(self) -> str:
        shown = [{key: value for key, value in one.items() if value} for one in self.impairments]
        return f"# {self.port} carries frames with {shown or 'no impairment'}"


@dataclass(frozen=True, slots=True)
class TakeLink:
    """A link that somebody else made (a container engine), known by its ``found_mac``, becomes ours: its
    name, MAC, MTU and nothing on it. The far end in the fabric is called ``port`` from now on, by the
    fabric alone. Left down.
    """

    place: str
    found_mac: str
    name: str
    mac: str
    mtu: int
    port: str

    @property
    def text(self) -> str:
        change = f"link set LINK down name {self.name} address {self.mac} mtu {self.mtu}"
        return f"# in {self.place}, LINK with {self.found_mac}: {change}; its far end is {self.port}"


@dataclass(frozen=True, slots=True)
class AttachPort:
    """Plug a link into a bridge of the same place; an empty ``bridge`` unplugs it. ``group`` is for packet filters:
    they know a link's group where they do not know its bridge.
    """

    place: str
    name: str
    bridge: str
    group: int = 0

    @property
    def text(self) -> str:
        bridge = f"master {_word(self.bridge)}" if self.bridge else "nomaster"
        return f"ip -n {_word(self.place)} link set dev {_word(self.name)} {bridge} group {self.group}"


@dataclass(frozen=True, slots=True)
class PortPolicy:
    """The flags of a bridge port."""

    place: str
    name: str
    isolated: bool
    multicast_flood: bool
    broadcast_flood: bool
    unicast_flood: bool

    @property
    def text(self) -> str:
        return (
            f"bridge -n {_word(self.place)} link set dev {_word(self.name)} isolated {_switch(self.isolated)}"
            f" mcast_flood {_switch(self.multicast_flood)} bcast_flood {_switch(self.broadcast_flood)}"
            f" flood {_switch(self.unicast_flood)}"
        )


@dataclass(frozen=True, slots=True)
class SetLinkState:
    """The administrator's wish for a link."""

    place: str
    name: str
    up: bool

    @property
    def text(self) -> str:
        return f"ip -n {_word(self.place)} link set dev {_word(self.name)} {'up' if self.up else 'down'}"


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Flags of a link: whether it speaks ARP and takes multicast; ``single_packets`` turns off sending in
    bulk (GSO), so that every length seen on the way is a real packet's.
    """

    place: str
    name: str
    arp: bool = True
    multicast: bool = True
    single_packets: bool = False

    @property
    def text(self) -> str:
        words = f"arp {_switch(self.arp)} multicast {_switch(self.multicast)}"
        return f"ip -n {_word(self.place)} link set dev {_word(self.name)} {words}" + (
            " gso_max_segs 1" if self.single_packets else ""
        )


@dataclass(frozen=True, slots=True)
class DeleteLink:
    """A link goes, and with it its other end."""

    place: str
    name: str

    @property
    def text(self) -> str:
        return f"ip -n {_word(self.place)} link del dev {_word(self.name)}"


@dataclass(frozen=True, slots=True)
class Address:
    """``address`` with its prefix length on a link, without duplicate detection; ``peer`` for point to
    point. It goes after ``lifetime_s``, unless that is 0.
    """

    place: str
    link: str
    address: str
    peer: str = ""
    lifetime_s: int = 0

    @property
    def text(self) -> str:
        peer = f" peer {self.peer}" if self.peer else ""
        four = "" if peer or int(self.address.partition("/")[2]) > 30 else " brd +"
        extra = " nodad" if ":" in self.address else four
        extra += f" valid_lft {self.lifetime_s} preferred_lft {self.lifetime_s}" if self.lifetime_s else ""
        return f"ip -n {_word(self.place)} addr add {self.address}{peer}{extra} dev {_word(self.link)}"


@dataclass(frozen=True, slots=True)
class DeleteAddress:
    """One address goes from a link."""

    place: str
    link: str
    address: str

    @property
    def text(self) -> str:
        return f"ip -n {_word(self.place)} addr del {self.address} dev {_word(self.link)}"


@dataclass(frozen=True, slots=True)
class FlushAddresses:
    """Every address of a link goes but those of fe80::/10."""

    place: str
    link: str

    @property
    def text(self) -> str:
        four = f"ip -n {_word(self.place)} -4 addr flush dev {_word(self.link)}"
        return f"{four}; ip -n {_word(self.place)} -6 addr flush dev {_word(self.link)} scope global"


@dataclass(frozen=True, slots=True)
class AddRoute:
    """A route; the fields are those of ``plan.AddRoute``."""

    place: str
    destination: str
    link: str = ""
    via: str = ""
    metric: int = 0
    table: int = 254
    source: str = ""
    kind: str = "unicast"
    on_link: bool = False

    @property
    def text(self) -> str:
        family = "-6" if ":" in self.destination else "-4"
        words = [f"ip -n {_word(self.place)} {family} route replace {self.kind} {self.destination}"]
        words += [f"via {self.via}"] if self.via else []
        words += [f"dev {_word(self.link)}"] if self.link else []
        words += [f"metric {self.metric}"] if self.metric else []
        words += [f"table {self.table}"] if self.table != 254 else []
        words += [f"src {self.source}"] if self.source else []
        return " ".join(words + (["onlink"] if self.on_link else []))


@dataclass(frozen=True, slots=True)
class AddPolicyRule:
    """A routing rule; the fields are those of ``plan.RoutingRule``."""

    place: str
    priority: int
    table: int
    family: str = "ipv4"
    source: str = ""
    destination: str = ""
    mark: int = 0
    not_mark: int = 0
    suppress_prefix_length: int = -1

    @property
    def text(self) -> str:
        words = [f"ip -n {_word(self.place)} {'-6' if self.family == 'ipv6' else '-4'} rule add"]
        words += ["not"] if self.not_mark else []
        words += [f"from {self.source}"] if self.source else []
        words += [f"to {self.destination}"] if self.destination else []
        words += [f"fwmark {self.mark or self.not_mark}"] if self.mark or self.not_mark else []
        words.append(f"table {self.table}")
        words += (
            [f"suppress_prefixlength {self.suppress_prefix_length}"]
            if self.suppress_prefix_length >= 0
            else []
        )
        return " ".join([*words, f"priority {self.priority}"])


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel setting of the namespace, by its name as sysctl(8) writes it: a slash where an interface's name has a
    dot.

    ``optional``: a kernel without it is as good.
    """

    place: str
    key: str
    value: str
    optional: bool = False

    @property
    def path(self) -> str:
        """The setting's file below /proc/sys."""
        is_path = "." not in self.key.partition("/")[0]
        return self.key if is_path else self.key.translate(str.maketrans("./", "/."))

    @property
    def text(self) -> str:
        ignored = " 2>/dev/null || true" if self.optional else ""
        return (
            f"ip netns exec {_word(self.place)} sysctl -qw {shlex.quote(f'{self.key}={self.value}')}{ignored}"
        )


@dataclass(frozen=True, slots=True)
class Ruleset:
    """nft text, applied as one transaction. It replaces ``table`` (family and name)."""

    place: str
    table: str
    ruleset: str

    @property
    def text(self) -> str:
        return f"ip netns exec {_word(self.place)} nft -f - <<'END'\n{self.ruleset.rstrip()}\nEND"


@dataclass(frozen=True, slots=True)
class Burst:
    """Turn a rule on for ``on_s`` and off for ``off_s``, over and over: an nft set is filled and emptied."""

    place: str
    table: str
    set_name: str
    on_s: float
    off_s: float

    @property
    def text(self) -> str:
        return f"# {self.table} @{self.set_name}: full for {self.on_s} s, empty for {self.off_s} s, and so on"


Step: TypeAlias = (
    Namespace
    | Bridge
    | SetQuerier
    | Veth
    | Tunnel
    | TakeLink
    | Wire
    | ImpairWire
    | AttachPort
    | PortPolicy
    | SetLinkState
    | LinkOptions
    | DeleteLink
    | Address
    | DeleteAddress
    | FlushAddresses
    | AddRoute
    | AddPolicyRule
    | Sysctl
    | Ruleset
    | Burst
    | LeaseServer
    | LeaseClient
    | UpdateLease
    | AdvertisePrefixes
    | AnnounceAddress
    | CarryTrunk
    | Translate
)

_KINDS: Final[dict[str, type[Step]]] = {
    kind.__name__: kind
    for kind in (
        Namespace, Bridge, SetQuerier, Veth, Tunnel, TakeLink, Wire, ImpairWire, AttachPort, PortPolicy, SetLinkState,
        LinkOptions,
        DeleteLink, Address, DeleteAddress, FlushAddresses, AddRoute, AddPolicyRule, Sysctl, Ruleset, Burst,
        LeaseServer, LeaseClient, UpdateLease, AdvertisePrefixes, AnnounceAddress, CarryTrunk, Translate,
    )
}  # fmt: skip


def encode(step: Step) -> dict[str, Any]:
    """A step as a dictionary for JSON."""
    return {"step": type(step).__name__, **dataclasses.asdict(step)}


def decode(data: dict[str, Any]) -> Step:
    """A step from what ``encode`` made. Raises ``KeyError`` or ``TypeError`` on anything else."""
    fields = dict(data)
    kind = _KINDS[fields.pop("step")]
    if kind is ImpairWire:
        fields["impairments"] = tuple(fields["impairments"])
    return kind(**fields)


def script(steps: Iterable[Step], nodes: Iterable[str]) -> str:
    """The steps as a shell script, with a namespace for the fabric and each node. Run it where it harms
    nobody::

    unshare -Urnm sh -c 'mount -t tmpfs tmpfs /run && sh -e fabric.sh && exec bash'
    """
    head = ["# unshare -Urnm sh -c 'mount -t tmpfs tmpfs /run && sh -e fabric.sh && exec bash'"]
    head += ["PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin  # an ordinary user's leads to no network tools"]
    head += [f"ip netns add {place}\nip -n {place} link set lo up" for place in (FABRIC, *nodes)]
    return "\n".join([*head, *(step.text for step in steps)]) + "\n"
