"""Starts the DHCP servers and clients of a fabric, and tells them what changes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.fabric.services import LeaseClient, LeaseServer, UpdateLease
from localpair_lab.fabric.system import channel, children, netlink
from localpair_lab.fabric.system.places import Places
from localpair_lab.fabric.traffic import dhcp, leasing

if TYPE_CHECKING:
    import socket

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.002


class Leasing:
    """The programs, by the link of a server and the port of a client."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._servers: dict[tuple[str, str], socket.socket] = {}
        self._clients: dict[str, tuple[int, socket.socket]] = {}

    def apply(self, step: LeaseServer | LeaseClient | UpdateLease) -> None:
        """Carry out one step. Raises ``OSError``."""
        match step:
            case LeaseServer():
                self._start_server(step)
            case LeaseClient():
                self._start_client(step)
            case UpdateLease():
                self._change(step)

    def held(self) -> dict[str, str]:
        """The IPv4 address that each client has now, with its prefix length."""
        return {
            port: self._ask(control, {}).get("address", "") for port, (_, control) in self._clients.items()
        }

    def _start_server(self, step: LeaseServer) -> None:
        with self._places.inside(step.place):
            tap = leasing.open_link(step.link)
        leases = {netlink.hardware(mac): address for mac, address in step.leases}
        table = dhcp.LeaseTable(step.address, leases, step.seconds)
        work = lambda control: leasing.serve(tap, step.link, table, control)  # noqa: E731
        _, self._servers[step.place, step.link] = children.fork_with_control(
            work, what=f"DHCP server of {step.place}"
        )
        tap.close()

    def _start_client(self, step: LeaseClient) -> None:
        """Returns when the client has its address."""
        if step.port in self._clients:  # of the same interface before it was pulled
            pid, control = self._clients.pop(step.port)
            control.close()
            children.end(pid)
        with self._places.inside(step.place):
            tap, port = leasing.open_link(step.link), leasing.open_port()
        network = self._places.descriptor(step.place)
        told = {"place": step.place, "link": step.link, "mac": step.mac, "routes": step.routes}

        def work(control: socket.socket) -> None:
            own = Places()  # with a channel to the kernel that nobody else reads from
            own.adopt(step.place, os.dup(network))
            leasing.Client(own, told, tap).run(control)

        self._clients[step.port] = children.fork_with_control(work, what=f"DHCP client of {step.port}")
        tap.close()
        port.close()
        self._wait(step)

    def _wait(self, step: LeaseClient) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while (got := self._ask(self._clients[step.port][1], {}).get("address", "")) != step.address:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{step.port} has {got or 'no address'} from the DHCP server, not {step.address}"
                )
            time.sleep(_PAUSE_S)

    def _change(self, step: UpdateLease) -> None:
        self._ask(self._clients[step.port][1], {"routes": step.routes, "otherwise": step.otherwise})
        server = self._servers[step.server_place, step.server_link]
        self._ask(server, {"mac": step.mac, "lease": step.lease})

    @staticmethod
    def _ask(control: socket.socket, message: dict[str, Any]) -> dict[str, Any]:
        return channel.ask(control, message)[0]
