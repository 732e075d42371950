"""The commands that open localpair's ports, and nothing else, in the firewall that is really there.

They are made of constants and of this device's own facts. What another device says of itself chooses among them, and
never stands in one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from localpair.causes.facts import FirewallKind, HostSystem, Transport
from localpair.limits import DISCOVERY_PORT, LOWEST_DIALLED_PORT, PAIRING_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from localpair.causes.facts import RunFacts

# A firewall that a program manages is changed in that program, and not underneath it.
_PREFERRED: Final = (FirewallKind.UFW, FirewallKind.FIREWALLD, FirewallKind.NFTABLES, FirewallKind.IPTABLES)
_SHELL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def ports(facts: RunFacts | None) -> tuple[int, int]:
    """The first and the last port to open. A port that a person has chosen beyond the usual ones stands alone."""
    own = facts.tcp_port if facts is not None else 0
    usual = (DISCOVERY_PORT, PAIRING_PORTS[-1])
    return usual if own < LOWEST_DIALLED_PORT or usual[0] <= own <= usual[1] else (own, own)


def open_ports(facts: RunFacts, transports: Sequence[Transport]) -> str:
    """What to do on this device, with its own facts."""
    kind = firewall_of(facts)
    first, last = ports(facts)
    wanted = [one.value for one in transports]
    if kind is FirewallKind.UFW:
        return _run(*(f"sudo ufw allow {first}:{last}/{one}" for one in wanted))
    if kind is FirewallKind.FIREWALLD:
        return _run(
            "sudo firewall-cmd "
            + _zone(facts)
            + " ".join(f"--add-port={first}-{last}/{one}" for one in wanted)
        )
    if kind is FirewallKind.NFTABLES:
        rules = (
            f"sudo nft insert rule inet filter input {one} dport {first}-{last} accept" for one in wanted
        )
        return _run(*rules) + " (or put it where your own table has its input chain)"
    if kind is FirewallKind.IPTABLES:
        return _run(*(f"sudo iptables -I INPUT -p {one} --dport {first}:{last} -j ACCEPT" for one in wanted))
    if kind is FirewallKind.WINDOWS:
        rule = "netsh advfirewall firewall add rule name=localpair dir=in action=allow"
        commands = (f"{rule} protocol={one} localport={first}-{last}" for one in wanted)
        return "as administrator " + _run(*commands)
    if kind is FirewallKind.MACOS:
        return "allow incoming connections for this program in System Settings, Network, Firewall, Options"
    return f"allow {in_words(transports, facts)} in this device's firewall"


def in_words(transports: Iterable[Transport], facts: RunFacts | None = None) -> str:
    """The ports for a sentence, such as ``TCP and UDP ports 46820 to 46829``."""
    first, last = ports(facts)
    return f"{' and '.join(one.value.upper() for one in transports)} ports {first} to {last}"


def firewall_of(facts: RunFacts) -> FirewallKind | None:
    """The firewall to change: of several the one that manages the others."""
    if facts.platform is HostSystem.WINDOWS:
        return FirewallKind.WINDOWS
    if facts.platform is HostSystem.MACOS:
        return FirewallKind.MACOS
    return next((one for one in _PREFERRED if one in (facts.firewalls or ())), None)


def _is_shell_name(name: str) -> bool:
    """Whether a name may stand in a command as it is."""
    return bool(_SHELL_NAME.fullmatch(name)) and not name.startswith("-")


def _zone(facts: RunFacts) -> str:
    """The zone of the interface that leads to the network: the default one may be another."""
    leading = [one.name for one in facts.links or () if one.gateways and _is_shell_name(one.name)]
    return f"--zone=$(firewall-cmd --get-zone-of-interface={leading[0]}) " if leading else ""


def _run(*commands: str) -> str:
    return "run " + " and ".join(f"`{one}`" for one in commands)
