"""Two devices between which something is wrong, what their screens advise, and whether that brings them together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices import Device, Home, pair
from localpair.causes.judge import judge
from localpair.causes.records.codec import from_dict
from localpair.causes.vocabulary import Cause
from netns import Lan, Namespace, find_tool

HOST_S, JOIN_S = 7, 5
_COMMAND = re.compile(r"`sudo ([^`]+)`")


class Case:
    """A host and a joiner on one network. ``fails`` gives the advice; whoever has followed it calls ``pairs``."""

    def __init__(self, network: Lan, folder: Path) -> None:
        self.network = network
        self.host, self.joiner = network.hosts[:2]
        self.hosting = Home(self.host, folder / "host")
        self.joining = Home(self.joiner, folder / "join")
        self.ended: dict[str, Device] = {}  # what has failed last

    def fails(
        self,
        cause: Cause,
        on: str = "join",
        *,
        host_with: Sequence[str] = (),
        join_with: Sequence[str] = (),
        offer: str = "",
    ) -> str:
        """Play, and the hint that stands with ``cause`` on the screen of ``host`` or ``join``, or in the verdict on
        what ``both`` have seen. Fails where it is not named.
        """
        host = self.hosting.host("--timeout", str(HOST_S), *host_with)
        offer = offer or host.wait("offer")["offer"]
        join = self.joining.join(offer, "--timeout", str(JOIN_S), *join_with)
        codes = {"join": join.end(), "host": host.end()}
        assert 0 not in codes.values(), (join.output(), host.output())
        self.ended = {"host": host, "join": join}
        return advice(self.ended, cause, on)

    def pairs(self, host_with: Sequence[str] = ()) -> None:
        """They come together now."""
        ends = [one.end() for one in pair(self.hosting, self.joining, host_with=host_with)]
        assert ends == [0, 0]


def advice(ended: dict[str, Device], cause: Cause, on: str) -> str:
    """The hint beside ``cause``, from what the devices said at their ends; of two, that for the own device."""
    verdicts = {side: one.wait("verdict") for side, one in ended.items()}
    if on == "both":
        facts = [from_dict(verdicts[side]["facts"]) for side in ("join", "host")]
        found = [(list(map(str, one.causes)), one.hint) for one in judge(*facts).explanations]
    else:
        own_first = sorted(verdicts[on]["causes"], key=lambda one: one["device"] != "here")
        found = [(one["causes"], one["hint"]) for one in own_first]
    hints = [hint for causes, hint in found if str(cause) in causes]
    assert hints, (on, found, {side: told(verdict) for side, verdict in verdicts.items()})
    return hints[0]


def told(verdict: dict[str, Any]) -> list[list[str]]:
    """The causes of a verdict."""
    return [one["causes"] for one in verdict["causes"]]


def run_commands(namespace: Namespace, hint: str) -> None:
    """Carry out each command of ``hint``, to the letter but for ``sudo``. Fails where there is none."""
    commands = _COMMAND.findall(hint)
    assert commands, hint
    for command in commands:
        namespace.run(["sh", "-c", command])


def filtered(network: Lan, rules: str) -> None:
    """A filter on the switch, which sees all frames."""
    network.switch.nft(
        f"table bridge f {{\nchain c {{\ntype filter hook forward priority 0\n{rules}\n}}\n}}\n"
    )


def laid(network: Lan) -> None:
    """A cable between the two devices, with addresses."""
    one, other = network.hosts[:2]
    network.cable(one, "eth1", other, "eth1")
    one.ip("addr add 10.9.9.1/24 dev eth1")
    other.ip("addr add 10.9.9.2/24 dev eth1")


def flush(namespace: Namespace) -> None:
    """No packet filter any more."""
    namespace.run([find_tool("nft"), "flush", "ruleset"])


def with_nftables_service() -> list[str]:
    """Words before a command, which then finds the traces of a firewall that nftables.service loads."""
    unshare = shutil.which("unshare")
    assert unshare is not None
    make = (
        "mount -t tmpfs tmpfs /etc/systemd/system && mkdir /etc/systemd/system/multi-user.target.wants && "
        ': > /etc/systemd/system/multi-user.target.wants/nftables.service && exec "$@"'
    )
    return [unshare, "--mount", "sh", "-c", make, "sh"]
