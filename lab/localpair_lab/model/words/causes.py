"""The names of localpair's causes and notes, as its docs/causes.md lists them."""

from __future__ import annotations

from typing import Literal, TypeAlias

CauseName: TypeAlias = Literal[
    "no-usable-address", "interface-down", "no-carrier", "port-in-use", "os-permission", "egress-filter",
    "vpn-steals-prefix", "vpn-default-route", "reverse-path-filter", "bridge-netfilter", "firewall-inbound",
    "peer-absent", "wrong-network", "different-networks", "separate-networks", "address-conflict", "no-common-family",
    "client-isolation", "filter-in-between", "router-blocks", "nat-one-way", "proxy-arp", "arp-one-way",
    "multicast-filtered", "multicast-pruned", "mtu-black-hole", "lossy-path", "intercepted", "host-ended",
    "stale-offer", "offer-used", "offer-expired", "offer-made-for-another", "own-offer", "secret-rejected",
    "wrong-identity", "cloned-identity", "version-mismatch", "same-role", "forgotten-or-revoked", "declined",
    "busy",
]  # fmt: skip
NoteName: TypeAlias = Literal[
    "one-way-calls", "egress-refused", "multicast-silent", "lossy", "translated", "routed-elsewhere", "proxied",
    "another-key", "foreign-version", "old-offer-shown", "peer-ended", "clocks-differ", "more-may-lie-behind",
]  # fmt: skip
AnyName: TypeAlias = Literal["any"]
