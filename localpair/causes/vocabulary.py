"""The closed vocabulary of causes and notes, and the verdict that is made of them.

A cause says why no pair came about; it never stands beside a pair. A note says what made a pair harder, or what was
seen besides. Where no fact tells two causes apart, a verdict names both and the step that would.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from localpair.dataclass import dataclass


class Cause(StrEnum):
    """Why no pair came about. The value is what JSON and the lab's scenarios name it by."""

    # This device's, or the other's, own network
    NO_USABLE_ADDRESS = "no-usable-address"  # a link is there, and no address on it
    INTERFACE_DOWN = "interface-down"  # the network card is switched off
    NO_CARRIER = "no-carrier"  # no cable, or no Wi-Fi
    PORT_IN_USE = "port-in-use"  # another program has the port
    OS_PERMISSION = "os-permission"  # the system lets this program use no network, not even towards itself
    EGRESS_FILTER = "egress-filter"  # a filter of the host refuses what it sends to the local network
    VPN_STEALS_PREFIX = "vpn-steals-prefix"  # the own subnet is routed elsewhere
    VPN_DEFAULT_ROUTE = "vpn-default-route"  # what is not on the own link goes into a tunnel
    REVERSE_PATH_FILTER = (
        "reverse-path-filter"  # the kernel drops what comes by another way than it would answer
    )
    BRIDGE_NETFILTER = "bridge-netfilter"  # bridged frames pass a packet filter that is meant for the host
    FIREWALL_INBOUND = "firewall-inbound"  # a device's own firewall keeps calls out

    # What lies between
    PEER_ABSENT = "peer-absent"  # nobody has the other device's address now
    WRONG_NETWORK = "wrong-network"  # its addresses are not of this network, and nothing leads there
    DIFFERENT_NETWORKS = "different-networks"  # the devices are on two networks that nothing connects
    SEPARATE_NETWORKS = (
        "separate-networks"  # a further router's network lies between, which knows no way back
    )
    ADDRESS_CONFLICT = "address-conflict"  # both have one network address, or one hardware address
    NO_COMMON_FAMILY = "no-common-family"  # one has IPv4 alone, the other IPv6 alone
    CLIENT_ISOLATION = "client-isolation"  # the network keeps its devices apart
    FILTER_IN_BETWEEN = "filter-in-between"  # something between two devices of one subnet drops packets
    ROUTER_BLOCKS = "router-blocks"  # the router between two networks passes nothing on
    NAT_ONE_WAY = "nat-one-way"  # a router translates addresses, and calls pass it in one direction alone
    PROXY_ARP = "proxy-arp"  # a router answers for the other device's hardware address
    ARP_ONE_WAY = "arp-one-way"  # one side gets no answer to its question for the hardware address
    MULTICAST_FILTERED = "multicast-filtered"  # no group or broadcast gets through, and no address is known
    MULTICAST_PRUNED = "multicast-pruned"  # groups got through at first, and then no more
    MTU_BLACK_HOLE = "mtu-black-hole"  # large packets vanish
    LOSSY_PATH = "lossy-path"  # too many packets are lost
    INTERCEPTED = "intercepted"  # something else answers in the other device's place

    # The offer, the pair, and the other device's word
    HOST_ENDED = "host-ended"  # the other device has ended its run
    STALE_OFFER = "stale-offer"  # the issuer shows another offer by now
    OFFER_USED = "offer-used"  # another device has taken it
    OFFER_EXPIRED = "offer-expired"  # it has outlived its time
    OFFER_MADE_FOR_ANOTHER = "offer-made-for-another"  # it names another device
    OWN_OFFER = "own-offer"  # this very device has made it
    SECRET_REJECTED = "secret-rejected"  # noqa: S105 - the name of a cause: the issuer does not know the secret
    WRONG_IDENTITY = "wrong-identity"  # another device than the one that is meant
    CLONED_IDENTITY = "cloned-identity"  # two devices have one key
    VERSION_MISMATCH = "version-mismatch"  # the two programs do not understand each other
    SAME_ROLE = "same-role"  # both show an offer, or both have read one
    FORGOTTEN_OR_REVOKED = "forgotten-or-revoked"  # the pair is over at the other device
    DECLINED = "declined"  # a person, or a rule, said no
    BUSY = "busy"  # it has a session with another device


class RunNote(StrEnum):
    """What made a pair harder, or what else was seen."""

    ONE_WAY_CALLS = "one-way-calls"  # only one of the two could open the connection
    EGRESS_REFUSED = "egress-refused"  # some of what was sent was refused by the host itself
    MULTICAST_SILENT = "multicast-silent"  # no group brought anything; addresses did
    LOSSY = "lossy"  # many beacons were lost
    TRANSLATED = "translated"  # a router has changed addresses on the way
    ROUTED_ELSEWHERE = "routed-elsewhere"  # the own subnet is routed elsewhere, and was gone around
    PROXIED = "proxied"  # a router answers for the other device's hardware address
    ANOTHER_KEY = "another-key"  # a localpair with another key answered at an offered address
    FOREIGN_VERSION = "foreign-version"  # a localpair of another version is near
    OLD_OFFER_SHOWN = "old-offer-shown"  # a device came with an offer that works no more
    PEER_ENDED = "peer-ended"  # the other device ended its run, when nothing had come of it
    CLOCKS_DIFFER = "clocks-differ"  # pairing depends on no clock; much else does
    MORE_MAY_LIE_BEHIND = "more-may-lie-behind"  # what is told first hides what comes after it


class Confidence(StrEnum):
    """How sure a conclusion is. ``CERTAIN``: nothing else known explains the evidence."""

    CERTAIN = "certain"
    LIKELY = "likely"


class Place(StrEnum):
    """Where a cause lies, seen from the device that shows the verdict."""

    HERE = "here"
    THERE = "there"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One conclusion. More than one of ``causes`` means that nothing known tells them apart, the likeliest first;
    ``step`` is what would. ``sentence`` and ``hint`` are for a person; ``evidence`` are sentences, too.
    """

    causes: tuple[Cause, ...]
    device: Place
    confidence: Confidence
    evidence: tuple[str, ...]
    sentence: str
    hint: str
    step: str = ""

    @property
    def cause(self) -> Cause:
        """The likeliest one."""
        return self.causes[0]


@dataclass(frozen=True, slots=True)
class Remark:
    """One note: where it lies, and a sentence."""

    note: RunNote
    device: Place
    sentence: str


@dataclass(frozen=True, slots=True)
class Untold:
    """Causes that could not be looked at, and the facts that were missing for it."""

    causes: tuple[Cause, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What the facts come to. ``explanations`` are empty where they do not tell, and beside a pair."""

    explanations: tuple[Explanation, ...] = ()
    notes: tuple[Remark, ...] = ()
    untold: tuple[Untold, ...] = field(default=(), compare=False)

    @property
    def causes(self) -> frozenset[Cause]:
        """Every cause that is named, also as one of several."""
        return frozenset(cause for one in self.explanations for cause in one.causes)
