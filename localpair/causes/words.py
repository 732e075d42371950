"""Causes in plain words: one sentence that is right, one hint that can help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from localpair.causes import commands
from localpair.causes.facts import RunRole
from localpair.causes.vocabulary import Cause, Explanation, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localpair.causes.facts import RunFacts
    from localpair.causes.rules.conclusions import Conclusion
    from localpair.causes.rules.view import View

# {who} is the device that the cause lies at, {peer} the other one of the two, {subject} what the rule names.
_PHRASES: Final[Mapping[Cause, str]] = {
    Cause.NO_USABLE_ADDRESS: "{who} has no usable network address{on_subject}",
    Cause.INTERFACE_DOWN: "{who}'s network is switched off{on_subject}",
    Cause.NO_CARRIER: "{who} has no cable or no Wi-Fi connection{on_subject}",
    Cause.PORT_IN_USE: "another program on {who} uses {subject}",
    Cause.OS_PERMISSION: "the system of {who} does not let this program use the network",
    Cause.EGRESS_FILTER: "{who} refuses to send to its own network: a VPN's kill switch or a local firewall",
    Cause.VPN_STEALS_PREFIX: "{who} sends what is for its own network elsewhere{on_subject}: a VPN or another network "
    "has taken the same addresses",
    Cause.VPN_DEFAULT_ROUTE: "{who} sends everything into a VPN{on_subject}",
    Cause.REVERSE_PATH_FILTER: "the kernel of {who} drops what comes by another way than it would answer "
    "(reverse path filter)",
    Cause.BRIDGE_NETFILTER: "a packet filter on a bridge of {who} drops what passes through",
    Cause.FIREWALL_INBOUND: "a firewall on {who} {keeps} {ports}",
    Cause.PEER_ABSENT: "the other device is off, asleep or not on this network",
    Cause.WRONG_NETWORK: "the two devices are not on the same network, and nothing leads across",
    Cause.DIFFERENT_NETWORKS: "the two devices are on two different networks",
    Cause.SEPARATE_NETWORKS: "a further router lies between the two devices, and does not know the way",
    Cause.ADDRESS_CONFLICT: "another device has the same network address, or the same hardware address{on_subject}",
    Cause.NO_COMMON_FAMILY: "one of the two devices has IPv4 only and the other one IPv6 only",
    Cause.CLIENT_ISOLATION: "this network does not let devices talk to each other (client isolation)",
    Cause.FILTER_IN_BETWEEN: "something between the two devices {keeps} {ports}: a switch, an access point or a router",
    Cause.ROUTER_BLOCKS: "the router between the two devices' networks passes nothing on",
    Cause.NAT_ONE_WAY: "a router translates addresses between the two devices and lets calls through one way only",
    Cause.PROXY_ARP: "the router answers in the other device's place and passes nothing on",
    Cause.ARP_ONE_WAY: "the network carries questions for hardware addresses one way only",
    Cause.MULTICAST_FILTERED: "the network carries no multicast or broadcast between the two devices",
    Cause.MULTICAST_PRUNED: "the network stopped carrying multicast between the two devices",
    Cause.MTU_BLACK_HOLE: "large packets vanish between the two devices",
    Cause.LOSSY_PATH: "too many packets are lost between the two devices",
    Cause.INTERCEPTED: "something else answers{at_subject} in the other device's place, such as a login "
    "page or a proxy",
    Cause.HOST_ENDED: "the other device {has_ended}",
    Cause.STALE_OFFER: "this offer is old",
    Cause.OFFER_USED: "the offer was used already",
    Cause.OFFER_EXPIRED: "the offer has expired",
    Cause.OFFER_MADE_FOR_ANOTHER: "the offer was made for another device",
    Cause.OWN_OFFER: "the offer was made by this very device",
    Cause.SECRET_REJECTED: "the other device does not know this offer",
    Cause.WRONG_IDENTITY: "another device answers{at_subject}: its key is not the one that is meant",
    Cause.CLONED_IDENTITY: "both devices have the same key: one of them is a copy of the other",
    Cause.VERSION_MISMATCH: "the two devices run versions of localpair that do not understand each other",
    Cause.SAME_ROLE: "both devices do the same: one has to show an offer and the other one to read it",
    Cause.FORGOTTEN_OR_REVOKED: "the other device has forgotten this one, or has revoked the pair",
    Cause.DECLINED: "{who} said no",
    Cause.BUSY: "the other device is busy with another one",
}
_SAME_NETWORK: Final = (
    "connect both devices to the same network: the same Wi-Fi name, no guest network, no mobile data"
)
_KEPT_APART: Final = (
    "use the main network, not a guest one, or a phone's hotspot, or a cable between the two devices"
)
_NEW_OFFER: Final = "read the offer that is shown there now"
_HOST_AGAIN: Final = "run `localpair host` there again, and read the offer that is shown then"
_LISTEN: Final = "run `localpair listen` there"
_HINTS: Final[Mapping[Cause, str]] = {
    Cause.NO_USABLE_ADDRESS: "connect {who} to a network that hands out addresses, or give it one",
    Cause.INTERFACE_DOWN: "switch the network of {who} on, such as its Wi-Fi",
    Cause.NO_CARRIER: "plug in the cable, or connect {who} to the Wi-Fi",
    Cause.PORT_IN_USE: "end that program, or choose another port with `--port`",
    Cause.OS_PERMISSION: "allow this program to use the local network, in the settings of {who}'s system",
    Cause.EGRESS_FILTER: "on {who}, allow the local network in the VPN's settings, or turn its kill switch off",
    Cause.VPN_STEALS_PREFIX: "on {who}, turn the VPN off, or exclude the local network from it",
    Cause.VPN_DEFAULT_ROUTE: "on {who}, turn the VPN off, or exclude the local network from it; and "
    + _SAME_NETWORK,
    Cause.REVERSE_PATH_FILTER: "on {who}, run `sudo sysctl -w net.ipv4.conf.all.rp_filter=2`, which makes it loose",
    Cause.BRIDGE_NETFILTER: "on {who}, run `sudo sysctl -w net.bridge.bridge-nf-call-iptables=0`, or allow {ports} in "
    "its FORWARD chain",
    Cause.PEER_ABSENT: "wake the other device, and see that it is on the same network and {takes_part}",
    Cause.WRONG_NETWORK: _SAME_NETWORK,
    Cause.DIFFERENT_NETWORKS: _SAME_NETWORK,
    Cause.SEPARATE_NETWORKS: "connect both devices to the same router, or a cable between the two",
    Cause.ADDRESS_CONFLICT: "give one of the two devices another address: have it ask the router for one, or in a "
    "copied virtual machine make a new hardware address",
    Cause.NO_COMMON_FAMILY: "switch on the version of IP that is off on one of them, or use another network",
    Cause.CLIENT_ISOLATION: _KEPT_APART,
    Cause.FILTER_IN_BETWEEN: "look for a firewall in the switch, access point or router, and allow {ports}; or "
    + _KEPT_APART,
    Cause.ROUTER_BLOCKS: _SAME_NETWORK + "; or allow {ports} between the two in the router",
    Cause.NAT_ONE_WAY: "host on the device that is on the outer network, or connect both to the same router",
    Cause.PROXY_ARP: _KEPT_APART,
    Cause.ARP_ONE_WAY: _KEPT_APART,
    Cause.MULTICAST_FILTERED: "host with `--offer-addresses all`, so that the offer says where that device is",
    Cause.MULTICAST_PRUNED: "host with `--offer-addresses all`, so that the offer says where that device is",
    Cause.MTU_BLACK_HOLE: "set the MTU of both devices to the smaller value of the two, such as 1280; a VPN between "
    "them needs less than 1500",
    Cause.LOSSY_PATH: "go nearer to the access point, or use a cable",
    Cause.INTERCEPTED: "sign in to this network with a browser, or use a hotspot or a cable between the two devices",
    Cause.HOST_ENDED: _HOST_AGAIN,
    Cause.STALE_OFFER: _NEW_OFFER,
    Cause.OFFER_USED: "if that was not you, cancel there: somebody else has read the offer; else "
    + _HOST_AGAIN,
    Cause.OFFER_EXPIRED: _NEW_OFFER,
    Cause.OFFER_MADE_FOR_ANOTHER: "choose this device on the host, or host again with `--flow pre`",
    Cause.OWN_OFFER: "read it with the other device; two runs on one computer need a LOCALPAIR_HOME each",
    Cause.SECRET_REJECTED: _NEW_OFFER,
    Cause.WRONG_IDENTITY: "read the offer that the device that you mean shows now",
    Cause.CLONED_IDENTITY: "on the device that is the copy, remove localpair's state folder",
    Cause.VERSION_MISMATCH: "install the same version of localpair on both",
    Cause.SAME_ROLE: "run `localpair host` on one of them and `localpair join` on the other",
    Cause.FORGOTTEN_OR_REVOKED: "pair the two devices again; `localpair devices` there shows what it knows",
    Cause.DECLINED: "try again, and say yes there",
    Cause.BUSY: "wait until it has finished",
}
_AGAIN: Final = "`localpair diagnose` on both devices shows what each of them sees"
# What tells apart the causes of a conclusion that names several; found by the first two.
_STEPS: Final[Mapping[tuple[Cause, Cause], str]] = {
    (Cause.PEER_ABSENT, Cause.CLIENT_ISOLATION): (
        "see whether the other device is awake, {takes_part} and has the same network's name; if so, this network "
        "keeps devices apart: use a hotspot or a cable"
    ),
    (Cause.PEER_ABSENT, Cause.FORGOTTEN_OR_REVOKED): (
        "see whether the other device {takes_part}, still knows this one (`localpair devices` there) and has the same "
        "network's name; if it does not know this one, pair again"
    ),
    (Cause.PEER_ABSENT, Cause.MULTICAST_FILTERED): (
        "see whether the other device is awake, shows its offer and has the same network's name; if so, host there "
        "again with `--offer-addresses all`, so that the offer says where it is"
    ),
    (Cause.MULTICAST_FILTERED, Cause.CLIENT_ISOLATION): (
        "host again with `--offer-addresses all`, so that the offer says where that device is; if that does not help, "
        "this network keeps devices apart: use a hotspot or a cable"
    ),
    (Cause.ADDRESS_CONFLICT, Cause.DIFFERENT_NETWORKS): (
        "compare the network's name on both devices; where it is the same, give one of them another address"
    ),
    (Cause.CLIENT_ISOLATION, Cause.DIFFERENT_NETWORKS): "compare the network's name on both devices",
    (Cause.DIFFERENT_NETWORKS, Cause.ROUTER_BLOCKS): "compare the network's name on both devices",
    (Cause.DIFFERENT_NETWORKS, Cause.NAT_ONE_WAY): (
        "connect both devices to the same network; where one of them is in a network or a container of its own behind "
        "the other's, give the answer code that the joining device shows to the host"
    ),
    (Cause.MTU_BLACK_HOLE, Cause.LOSSY_PATH): (
        "set the MTU of both devices to a smaller value, such as 1280, or less where a VPN lies between them; if that "
        "does not help, go nearer to the access point, or use a cable"
    ),
    (Cause.HOST_ENDED, Cause.FIREWALL_INBOUND): (
        "see whether the other device is still running `localpair listen`: if it is, its firewall refuses calls"
    ),
    (Cause.WRONG_IDENTITY, Cause.STALE_OFFER): "read the offer that the device that you mean shows now",
    (Cause.FORGOTTEN_OR_REVOKED, Cause.WRONG_IDENTITY): (
        "see whether the other device runs `localpair listen` and still knows this one (`localpair devices` there); if "
        "it does not, pair again; else its address has gone to another device"
    ),
    (Cause.HOST_ENDED, Cause.OFFER_USED): (
        "see whether the other device still shows an offer: if it does not, host again there; if it does, its firewall "
        "refuses calls"
    ),
    (Cause.FIREWALL_INBOUND, Cause.FILTER_IN_BETWEEN): (
        "allow {ports} in the firewall of both devices; if that does not help, the network itself filters: use a "
        "hotspot or a cable"
    ),
    (Cause.FIREWALL_INBOUND, Cause.ROUTER_BLOCKS): (
        "allow {ports} in the firewall of both devices; if that does not help, a router on the way keeps calls out: "
        "connect both devices to the same network"
    ),
    (Cause.FIREWALL_INBOUND, Cause.PEER_ABSENT): (
        "see whether the other device is awake and took part; if so, allow {ports} in the firewall of {who}"
    ),
    (Cause.WRONG_NETWORK, Cause.FIREWALL_INBOUND): (
        "compare the network's name on both devices; where it is the same, allow {ports} in the firewall of {who}"
    ),
}


def explain(conclusion: Conclusion, view: View) -> Explanation:
    """``conclusion`` for a person who sits at one of the two devices."""
    device = view.at(conclusion.device)
    phrases = [_phrase(cause, conclusion, view) for cause in conclusion.causes]
    one = len(phrases) == 1
    sentence = phrases[0] if one else f"either {', or '.join(phrases)}"
    hint = _hint(conclusion, view) if one else _step(conclusion, view)
    return Explanation(
        conclusion.causes, device, conclusion.confidence, conclusion.evidence, sentence, hint,
        "" if one else hint,
    )  # fmt: skip


def _phrase(cause: Cause, conclusion: Conclusion, view: View) -> str:
    subject = conclusion.subject
    return _PHRASES[cause].format(
        who=_who(view.at(conclusion.device)),
        subject=subject,
        on_subject=f" ({subject})" if subject else "",
        at_subject=f" at {subject}" if subject else "",
        keeps="refuses" if conclusion.rejects else "keeps out",
        ports=commands.in_words(conclusion.transports),
        has_ended="is not running `localpair listen`" if _seeks_a_pair(view) else "ended",
    )


def _hint(conclusion: Conclusion, view: View) -> str:
    cause, device = conclusion.causes[0], view.at(conclusion.device)
    facts = _reader(view)  # only the facts of the device that shows it ever stand in a command
    if cause is Cause.FIREWALL_INBOUND:
        if device is Place.HERE and facts is not None:
            return commands.open_ports(facts, conclusion.transports)
        ports = commands.in_words(conclusion.transports)
        return f"allow {ports} in the other device's firewall; its own screen names the command"
    if cause is Cause.HOST_ENDED and _seeks_a_pair(view):
        return _LISTEN
    return _filled(_HINTS[cause], conclusion, view)


def _step(conclusion: Conclusion, view: View) -> str:
    first, second, *_ = conclusion.causes
    return _filled(_STEPS.get((first, second), _AGAIN), conclusion, view)


def _filled(text: str, conclusion: Conclusion, view: View) -> str:
    return text.format(
        who=_who(view.at(conclusion.device)),
        ports=commands.in_words(conclusion.transports),
        takes_part="runs `localpair listen`" if _seeks_a_pair(view) else "shows its offer",
    )


def _reader(view: View) -> RunFacts | None:
    return view.there if view.mirrored else view.here


def _seeks_a_pair(view: View) -> bool:
    """Whether the device that shows the verdict is one of a pair, which meets again without an offer."""
    facts = _reader(view)
    return facts is not None and facts.role in (RunRole.SEND, RunRole.LISTEN)


def _who(device: Place) -> str:
    return "the other device" if device is Place.THERE else "this device"
