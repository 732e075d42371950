"""The plan's rules as nft text. Pure.

One match can need several nft rules, since IPv4 and IPv6 have words of their own: ``expressions`` gives one
text for each. Every table is written so that loading it replaces the one before in a single transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from localpair_lab.verdicts import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from localpair_lab.plan.topology import (
        CaughtConnections,
        Chain,
        Match,
        Node,
        PortForward,
        SegmentRule,
        SourceNat,
    )

FILTER: Final = "inet lab"
NAT: Final = "inet lab_nat"
_HOOKS: Final = {"in": "input", "out": "output", "through": "forward"}
_ICMPV6: Final = 58  # by number: its name is known only where /etc/protocols is
_NEIGHBOUR: Final = "icmpv6 type { 133-137 }"
_NOT_NEIGHBOUR: Final = "icmpv6 type != { 133-137 }"
_LISTENER: Final = "icmpv6 type { 130-132, 143 }"
_NOT_DISCOVERY: Final = "icmpv6 type != { 130-137, 143 }"
_PARTS_PER_MILLION: Final = 1_000_000

_Where: TypeAlias = Literal["host", "segment"]


def expressions(match: Match, where: _Where) -> list[str]:
    """The nft expressions that together mean the match; an empty text means every packet."""
    if match.protocol == "arp":
        return ["ether type arp"] if where == "segment" else []
    families = [match.family] if match.family else ["ipv4", "ipv6"] if _is_family_bound(match) else [""]
    found = (_expression(match, family, where) for family in families)
    return [text for text in found if text is not None]


def _is_family_bound(match: Match) -> bool:
    by_protocol = match.protocol in {"icmp", "igmp", "mld", "nd"}
    return bool(by_protocol or match.cast or match.sources or match.destinations)


def _expression(match: Match, family: str, where: _Where) -> str | None:
    protocol = _protocol(match, family)
    source = _addresses(match.sources, family, "saddr")
    destination = _addresses(match.destinations, family, "daddr")
    if (
        protocol is None
        or source is None
        or destination is None
        or (match.cast == "broadcast" and family == "ipv6")
    ):
        return None
    parts = [
        _family(family, where),
        f'iifname "{match.interface_in}"' if match.interface_in else "",
        f'oifname "{match.interface_out}"' if match.interface_out else "",
        protocol,
        source,
        destination,
        _cast(match, family, where),
        _ports(match, "sport", match.source_ports),
        _ports(match, "dport", match.destination_ports),
        "tcp flags & (syn | ack) == syn" if match.syn else "",
        f"meta length > {match.larger_than}" if match.larger_than else "",
        _state(match),
    ]
    return " ".join(part for part in parts if part)


def _family(family: str, where: _Where) -> str:
    if not family:
        return ""
    if where == "segment":
        return "ether type ip" if family == "ipv4" else "ether type ip6"
    return f"meta nfproto {family}"


def _protocol(match: Match, family: str) -> str | None:
    """The part about the protocol; None where the family has no such thing."""
    four = {"icmp": "ip protocol icmp", "igmp": "ip protocol igmp", "nd": None, "mld": None}
    six = {
        "icmp": f"meta l4proto {_ICMPV6} {_NOT_NEIGHBOUR}",
        "igmp": None,
        "nd": _NEIGHBOUR,
        "mld": _LISTENER,
    }
    if match.protocol in {"", "tcp", "udp"}:
        return f"meta l4proto {match.protocol}" if match.protocol else ""
    return (four if family == "ipv4" else six)[match.protocol]


def _addresses(prefixes: Sequence[str], family: str, field: str) -> str | None:
    """The part about addresses; None where there are prefixes and none of them is of the family."""
    mine = [prefix for prefix in prefixes if (":" in prefix) == (family == "ipv6")]
    if prefixes and not mine:
        return None
    return f"{'ip6' if family == 'ipv6' else 'ip'} {field} {{ {', '.join(mine)} }}" if mine else ""


def _cast(match: Match, family: str, where: _Where) -> str:
    if not match.cast:
        return ""
    to_everybody = "ether daddr {} ff:ff:ff:ff:ff:ff" if where == "segment" else "fib daddr type {} broadcast"
    four = {
        "multicast": "ip daddr 224.0.0.0/4 ip protocol != igmp",
        "broadcast": to_everybody.format("==").replace("== ", ""),
        "unicast": f"ip daddr != 224.0.0.0/4 {to_everybody.format('!=')}",
    }
    if family == "ipv4":
        return four[match.cast]
    if match.cast == "unicast":
        return "ip6 daddr != ff00::/8"
    return "ip6 daddr ff00::/8" + ("" if match.protocol else " @@")  # replaced by two rules, see ``_split``


def _ports(match: Match, field: str, ranges: Sequence[tuple[int, int]]) -> str:
    if not ranges:
        return ""
    listed = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
    if match.protocol in {"tcp", "udp"}:
        return f"{match.protocol} {field} {{ {listed} }}"
    return f"meta l4proto {{ tcp, udp }} th {field} {{ {listed} }}"


def _state(match: Match) -> str:
    if not match.state:
        return ""
    return "ct state established,related" if match.state == "established" else f"ct state {match.state}"


def _split(expression: str) -> list[str]:
    """IPv6 multicast means neither neighbour discovery nor MLD, and ``icmpv6 type`` matches ICMPv6 only."""
    if "@@" not in expression:
        return [expression]
    others = expression.replace("@@", f"meta l4proto != {_ICMPV6}")
    return [others, expression.replace("@@", f"meta l4proto {_ICMPV6} {_NOT_DISCOVERY}")]


def _matching(match: Match, where: _Where) -> list[str]:
    return [text for expression in expressions(match, where) for text in _split(expression)]


def _comment(why: str) -> str:
    plain = "".join(letter for letter in why if letter.isprintable() and letter not in '"\\')[:100]
    return f' comment "{plain}"' if plain else ""


def _table(name: str, body: Iterable[str]) -> str:
    """Text that makes the table, whether or not there was one."""
    lines = "\n".join(f"  {line}" for line in body)
    return f"table {name}\ndelete table {name}\ntable {name} {{\n{lines}\n}}\n"


def firewall(chains: Sequence[Chain]) -> str:
    """A node's firewall as one table."""
    return _table(FILTER, [line for chain in chains for line in _chain(chain)])


def _chain(chain: Chain) -> list[str]:
    default = VERDICTS[chain.default]
    lines = [f"chain {_HOOKS[chain.hook]} {{"]
    lines.append(f"  type filter hook {_HOOKS[chain.hook]} priority filter; policy {default.policy};")
    for rule in chain.rules:
        for expression in _matching(rule.match, "host"):
            lines += [
                f"  {expression} {end}{_comment(rule.why)}".rstrip() for end in VERDICTS[rule.verdict].nft
            ]
    if default.is_answered:
        lines += [f"  {end}" for end in default.nft]
    return [*lines, "}"]


def translation(node: Node) -> str:
    """A router's address translation as one table."""
    lines = ["chain prerouting {", "  type nat hook prerouting priority dstnat;"]
    lines += [f"  {_forward(forward)}" for forward in node.port_forwards]
    lines += [f"  {_catch(caught)}" for caught in node.caught]
    lines += ["}", "chain postrouting {", "  type nat hook postrouting priority srcnat;"]
    lines += [f"  {line}" for nat in node.source_nat for line in _masquerade(nat)]
    return _table(NAT, [*lines, "}"])


def _forward(forward: PortForward) -> str:
    family, target = ("ip6", f"[{forward.address}]") if ":" in forward.address else ("ip", forward.address)
    nfproto = "ipv6" if family == "ip6" else "ipv4"
    head = f'meta nfproto {nfproto} iifname "{forward.interface_in}" {forward.protocol} dport {forward.port}'
    return f"{head} dnat {family} to {target}:{forward.to_port}"


def _catch(caught: CaughtConnections) -> str:
    spared = ", ".join(caught.spared)
    head = f'meta nfproto ipv4 iifname "{caught.interface_in}" ip daddr != {{ {spared} }} meta l4proto tcp'
    return f"{head} dnat ip to {caught.address}:{caught.port}"


def _masquerade(nat: SourceNat) -> list[str]:
    how = "masquerade fully-random" if nat.ports == "random" else "masquerade"
    found = []
    for family in ("ipv4", "ipv6"):
        sources = _addresses(nat.sources, family, "saddr")
        if sources is not None:
            head = f'oifname "{nat.interface_out}" meta nfproto {family}'
            found.append(" ".join(part for part in (head, sources, how) if part))
    return found


def segment(name: str, group: int, rules: Sequence[SegmentRule], port_link: Callable[[str], str]) -> str:
    """What a network does not carry, as the bridge table ``name``; ``port_link`` gives the link of a port.

    All networks share one packet filter, so each minds the frames of its own ports only: those of link ``group``.
    """
    sets = [
        f"set {burst_set(number)} {{ type ether_type; }}"
        for number, rule in enumerate(rules)
        if any(rule.only_s)
    ]
    lines = ["chain forward {", "  type filter hook forward priority filter; policy accept;"]
    lines.append(f'  iifgroup != {group} accept comment "another network"')
    for number, rule in enumerate(rules):
        lines += [f"  {line}" for line in _segment_rule(number, rule, port_link)]
    return _table(name, [*sets, *lines, "}"])


def burst_set(number: int) -> str:
    """The set that switches the rule of that number on and off."""
    return f"burst{number}"


def _segment_rule(number: int, rule: SegmentRule, port_link: Callable[[str], str]) -> list[str]:
    where = _links("iifname", rule.from_ports, port_link) + _links("oifname", rule.to_ports, port_link)
    when = f"meta protocol @{burst_set(number)} " if any(rule.only_s) else ""
    share = round(rule.loss_percent / 100 * _PARTS_PER_MILLION)
    dice = f"numgen random mod {_PARTS_PER_MILLION} < {share} " if share < _PARTS_PER_MILLION else ""
    return [
        f"{where}{expression + ' ' if expression else ''}{when}{dice}drop{_comment(rule.why)}"
        for expression in _matching(rule.match, "segment")
    ]


def _links(word: str, ports: Sequence[str], port_link: Callable[[str], str]) -> str:
    listed = ", ".join(f'"{port_link(port)}"' for port in ports)
    return f"{word} {{ {listed} }} " if listed else ""
