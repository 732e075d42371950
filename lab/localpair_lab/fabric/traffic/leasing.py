"""The programs of a DHCP server and a DHCP client, each on one link.

They use packet sockets, as real ones do: no firewall of their machine is in their way. A client's address is one
that the kernel knows to end with its lease.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.fabric import steps
from localpair_lab.fabric.system import addresses, channel, netlink
from localpair_lab.fabric.traffic import dhcp

if TYPE_CHECKING:
    from localpair_lab.fabric.system.places import Places

_IPV4: Final = 0x0800
_ALL_STATIONS: Final = b"\xff" * 6
_LARGEST_PACKET: Final = 1 << 16


def open_link(link: str) -> socket.socket:
    """A socket for the IPv4 packets of a link of the current namespace. Raises ``OSError``."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.htons(_IPV4))
    tap.bind((link, _IPV4))
    tap.setblocking(False)
    return tap


def open_port() -> socket.socket:
    """The client's port, so that its kernel refuses no answer. Nobody reads from it."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.bind(("", dhcp.CLIENT_PORT))
    return port


def serve(tap: socket.socket, link: str, table: dhcp.LeaseTable, control: socket.socket) -> None:
    """Answer clients until ``control`` closes; a message there changes what one of them gets."""
    while True:
        ready, _, _ = select.select([tap, control], [], [])
        if control in ready:
            try:
                message, _ = channel.receive(control)
            except channel.ChannelClosedError:
                return
            _change(table, message)
            channel.send(control, {"ok": True})
        if tap in ready:
            data, station = _receive(tap)
            asked = dhcp.parse(data, dhcp.SERVER_PORT)
            answer = table.answer(asked) if asked else None
            if answer is not None:
                to = answer.address if answer.kind != dhcp.NAK else "255.255.255.255"
                _send(tap, link, dhcp.packet(answer, table.address, to), station)


def _change(table: dhcp.LeaseTable, message: dict[str, Any]) -> None:
    mac = netlink.hardware(message["mac"])
    table.leases.pop(mac, None)
    if message["lease"]:
        table.leases[mac] = message["lease"]


class Client:
    """One client: its lease, and what the kernel of its place has of it."""

    def __init__(self, places: Places, step: dict[str, Any], tap: socket.socket) -> None:
        self._places, self._place, self._link, self._tap = places, step["place"], step["link"], tap
        self._holder = dhcp.LeaseHolder(netlink.hardware(step["mac"]))
        self._routes, self._otherwise = step["routes"], ""
        self._assigned = ""
        self._station = _ALL_STATIONS

    def run(self, control: socket.socket) -> None:
        """Hold the lease until ``control`` closes or the link is gone. A message there is answered with the address
        that the link has.
        """
        while True:
            self._say(self._holder.ask(time.monotonic()))
            self._assign()
            pause = max(0.0, self._holder.due - time.monotonic())
            ready, _, _ = select.select([self._tap, control], [], [], pause)
            if control in ready:
                try:
                    message, _ = channel.receive(control)
                except channel.ChannelClosedError:
                    return
                self._obey(message)
                channel.send(control, {"ok": True, "address": self._assigned})
            if self._tap in ready:
                self._hear()

    def _obey(self, message: dict[str, Any]) -> None:
        self._routes = message.get("routes", self._routes)
        self._otherwise = message.get("otherwise", self._otherwise)

    def _hear(self) -> None:
        data, station = _receive(self._tap)
        said = dhcp.parse(data, dhcp.CLIENT_PORT)
        if said is None:
            return
        before = self._holder.expires
        self._say(self._holder.hear(said, time.monotonic()))
        if said.kind == dhcp.ACK and self._holder.expires != before:
            self._station = station
            self._assign(renewed=True)

    def _say(self, message: dhcp.DhcpMessage | None) -> None:
        if message is None:
            return
        to = dhcp.destination(message, self._holder.server)
        station = self._station if to == self._holder.server else _ALL_STATIONS
        _send(self._tap, self._link, dhcp.packet(message, dhcp.source(message), to), station)

    def _assign(self, *, renewed: bool = False) -> None:
        """Bring the kernel's address in line with the lease."""
        wanted = self._holder.address or self._otherwise
        try:
            if wanted != self._assigned:
                self._remove()
            if wanted and (wanted != self._assigned or renewed):
                self._add(wanted)
        except OSError:  # the link has gone, or is down; the next lease comes to one that is there
            pass
        self._assigned = wanted

    def _remove(self) -> None:
        if self._assigned:
            addresses.delete_address(
                self._places, steps.DeleteAddress(self._place, self._link, self._assigned)
            )

    def _add(self, wanted: str) -> None:
        seconds = round(self._holder.seconds) if self._holder.address else 0
        step = steps.Address(self._place, self._link, wanted, lifetime_s=seconds)
        addresses.add_address(self._places, step)
        if wanted != self._assigned:
            for route in self._routes:
                addresses.add_route(self._places, steps.AddRoute(**route))


def _receive(tap: socket.socket) -> tuple[bytes, bytes]:
    """The next packet and the hardware address of its sender; an empty one where the link has just gone."""
    try:
        data, (*_, station) = tap.recvfrom(_LARGEST_PACKET)
    except OSError:
        return b"", b""
    return data, station


def _send(tap: socket.socket, link: str, data: bytes, station: bytes) -> None:
    try:
        tap.sendto(data, (link, _IPV4, 0, 0, station))
    except OSError:  # the cable is out, or the link has gone: nobody hears it
        pass
