"""Where interfaces are named: ``bob`` and ``bob/eth0`` become ports of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localpair_lab.model.interface_names import named_interfaces
from localpair_lab.model.machines import Machine, NetworkInterface
from localpair_lab.model.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of a scenario with the network it is on (empty for a bridge), and the machines that are
    routers.
    """

    networks: dict[str, str]
    routers: frozenset[str]

    def one(self, written: str) -> str:
        """The port for ``device`` or ``device/interface``."""
        if "/" in written:
            return written
        return next(port for port in self.networks if port.startswith(f"{written}/"))

    def named(self, written: Iterable[str]) -> tuple[str, ...]:
        """The ports for several."""
        return tuple(self.one(port) for port in written)

    def is_client(self, port: str) -> bool:
        """Whether the port's owner is kept from other clients where the network isolates clients."""
        return port.partition("/")[0] not in self.routers


def network_reached(machine: Machine, interface: NetworkInterface) -> str:
    """The network that the interface is on in truth: on a trunk, the one that the switch has for its tag."""
    network = interface.network or ""
    trunk = machine.trunk
    return trunk.network_behind(network) if trunk is not None and network in trunk.carries else network


def all_ports(scenario: Scenario) -> Ports:
    """The ports of every machine in the scenario."""
    networks = {
        f"{owner}/{name}": network_reached(machine, interface)
        for owner, machine in scenario.machines().items()
        for name, interface in named_interfaces(machine)
    }
    return Ports(networks, frozenset(scenario.routers))
