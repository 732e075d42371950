"""The names that a machine's interfaces get, and the families they speak: rules for the checks and for the planner."""

from __future__ import annotations

from collections.abc import Mapping

from localpair_lab.model.machines import Machine, NetworkInterface
from localpair_lab.model.networks import Network


def interface_names(machine: Machine) -> list[str]:
    """The names in the order of writing: the written one, the bridge's own, else eth0, eth1, ... as they
    are free.
    """
    taken = {name for spec in machine.all_interfaces() if (name := spec.name or spec.bridge)}
    names: list[str] = []
    number = 0
    for spec in machine.all_interfaces():
        name = spec.name or spec.bridge
        while name is None:
            free = f"eth{number}"
            number += 1
            name = free if free not in taken else None
        names.append(name)
    return names


def speaks_ipv6(spec: NetworkInterface, network: Network) -> bool:
    """Whether the interface has IPv6 on its network: no later address of its own switches it on."""
    if spec.ipv6:
        return spec.ipv6 != "off"
    given = network.ipv6 == "link-local" or any(":" in text for text in (*network.ip, *spec.ip))
    return network.kind == "lan" and given


def interface_of_port(machines: Mapping[str, Machine], port: str) -> NetworkInterface | None:
    """The interface that ``device`` or ``device/interface`` means; None where there is none."""
    device, _, name = port.partition("/")
    found = named_interfaces(machines[device]) if device in machines else []
    return next((entry for called, entry in found if called == (name or found[0][0])), None)


def named_interfaces(machine: Machine) -> list[tuple[str, NetworkInterface]]:
    """Name and interface, in the order in which they are made."""
    named = list(zip(interface_names(machine), machine.all_interfaces(), strict=True))
    if not machine.order:
        return named
    by_name = dict(named)
    return [(name, by_name[name]) for name in machine.order if name in by_name]
