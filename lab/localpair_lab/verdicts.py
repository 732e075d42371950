"""What a firewall may do with a packet: each verdict once, with its nft words, what its sender learns, and its line in
docs/lab.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from localpair_lab.model.words.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class VerdictKind:
    """``nft``: what ends a rule, in turn. ``passes``: the packet goes on. ``is_answered``: its sender hears at once
    that it was refused. ``means``: the words of the docs.
    """

    nft: tuple[str, ...]
    means: str
    passes: bool = False
    is_answered: bool = False

    @property
    def policy(self) -> str:
        """The policy of a chain in which it is the default; what a policy cannot do, a last rule does."""
        return "accept" if self.passes else "drop"


def _reject(icmp: str, means: str) -> VerdictKind:
    return VerdictKind((f"reject with icmpx {icmp}",), means, is_answered=True)


VERDICTS: Final[Mapping[Verdict, VerdictKind]] = {
    "accept": VerdictKind(("accept",), "it passes", passes=True),
    "drop": VerdictKind(("drop",), "it is gone, and nobody is told"),
    "reject-reset": VerdictKind(
        # A reset can only answer TCP.
        ("meta l4proto tcp reject with tcp reset", "reject with icmpx port-unreachable"),
        "TCP is answered by a reset, the rest by port unreachable",
        is_answered=True,
    ),
    "reject-port": _reject("port-unreachable", "answered by ICMP port unreachable"),
    "reject-admin": _reject("admin-prohibited", "answered by ICMP administratively prohibited"),
    "reject-host": _reject("host-unreachable", "answered by ICMP host unreachable"),
    "reject-route": _reject("no-route", "answered by ICMP no route"),
}
