"""Carries steps out, and keeps what has to run on: wires, tunnels, bursts."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localpair_lab.fabric import steps
from localpair_lab.fabric.carriers import CarryTrunk, Translate
from localpair_lab.fabric.server.advertising import Advertising
from localpair_lab.fabric.server.carrying import Carrying
from localpair_lab.fabric.server.leasing import Leasing
from localpair_lab.fabric.services import (
    AdvertisePrefixes,
    AnnounceAddress,
    LeaseClient,
    LeaseServer,
    UpdateLease,
)
from localpair_lab.fabric.system import addresses, channel, children, links, tools
from localpair_lab.fabric.traffic import impairment, rest, tunnel

if TYPE_CHECKING:
    from collections.abc import Callable

    from localpair_lab.fabric.system.places import Places

_NFT_TIMEOUT_S: Final = 20.0

# Each function takes the one kind of step that stands before it; the pairs say so better than types can.
_NETWORK_STEPS: Final[dict[type[steps.Step], Callable[[Places, Any], None]]] = {
    steps.Bridge: links.add_bridge,
    steps.SetQuerier: links.set_querier,
    steps.Veth: links.add_veth,
    steps.TakeLink: links.take_link,
    steps.AttachPort: links.attach,
    steps.PortPolicy: links.set_port_policy,
    steps.SetLinkState: links.set_link_state,
    steps.LinkOptions: links.set_link_options,
    steps.DeleteLink: links.delete_link,
    steps.Address: addresses.add_address,
    steps.DeleteAddress: addresses.delete_address,
    AnnounceAddress: addresses.announce_address,
    steps.FlushAddresses: addresses.flush_addresses,
    steps.AddRoute: addresses.add_route,
    steps.AddPolicyRule: addresses.add_rule,
}


def load_rules(places: Places, place: str, text: str) -> None:
    """Hand nft text to the kernel of a place. Raises ``OSError`` with nft's own words."""
    with places.inside(place):
        done = subprocess.run(
            [tools.find("nft") or "nft", "-f", "-"],
            input=text,
            capture_output=True,
            text=True,
            timeout=_NFT_TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        raise OSError(f"nft in {place}: {done.stderr.strip()}")


def set_kernel(places: Places, step: steps.Sysctl) -> None:
    """Write one setting of a network; all others are the machine's and nobody's here. Raises ``OSError``."""
    key = os.path.normpath(step.path)
    if not key.startswith("net/"):
        raise PermissionError(errno.EPERM, f"{step.key} is no setting of a network")
    path = Path("/proc/sys") / key
    with places.inside(step.place):
        try:
            path.write_text(step.value)
        except FileNotFoundError:
            if not step.optional:
                raise
        except OSError as error:
            what = f"{step.key}={step.value} in {step.place}: {error.strerror}"
            raise OSError(error.errno, what) from error


class Applier:
    """The steps' hands, for one fabric."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._wires: dict[str, tuple[int, socket.socket]] = {}
        self._impairments: dict[str, list[dict[str, Any]]] = {}
        self._tunnels: list[socket.socket] = []
        self._bursts: dict[tuple[str, str, str], _Burst] = {}
        self.leases = Leasing(places)
        self._advertising = Advertising(places)
        self._carrying = Carrying(places)

    def apply(self, step: steps.Step) -> None:
        """Carry out one step. Raises ``OSError`` as the kernel says."""
        if (work := _NETWORK_STEPS.get(type(step))) is not None:
            work(self._places, step)
            return
        match step:
            case steps.Namespace():
                self._places.create(step.place)
            case steps.Sysctl():
                set_kernel(self._places, step)
            case steps.Ruleset():
                self._forget_bursts(step.place, step.table)
                load_rules(self._places, step.place, step.ruleset)
            case steps.Burst():
                self._bursts[step.place, step.table, step.set_name] = _Burst(step, time.monotonic())
            case steps.Wire():
                self._start_wire(step)
            case steps.ImpairWire():
                self._impairments[step.port] = list(step.impairments)
                self._impair(step.port)
            case steps.Tunnel():
                self._start_tunnel(step)
            case LeaseServer() | LeaseClient() | UpdateLease():
                self.leases.apply(step)
            case CarryTrunk() | Translate():
                self._carrying.apply(step)
            case AdvertisePrefixes():
                self._advertising.apply(step)
            case _:
                raise OSError(f"no hand for {step}")

    def _start_wire(self, step: steps.Wire) -> None:
        if step.port in self._wires:
            pid, control = self._wires.pop(step.port)
            control.close()
            children.end(pid)
        with self._places.inside(step.place):
            outer, inner = impairment.open_port(step.outer), impairment.open_port(step.inner)
        ours, theirs = socket.socketpair()
        seed = f"{step.seed}/{step.port}"

        def work() -> None:
            ours.close()
            impairment.run(outer, inner, theirs, seed)

        pid = children.fork(work, what=f"wire of {step.port}")
        for one in (outer, inner, theirs):
            one.close()
        self._wires[step.port] = (pid, ours)
        self._impair(step.port)

    def _impair(self, port: str) -> None:
        """Tell the port's wire; one that comes later is told when it does."""
        if port in self._wires and port in self._impairments:
            channel.ask(self._wires[port][1], {"impairments": self._impairments[port]})

    def _start_tunnel(self, step: steps.Tunnel) -> None:
        with self._places.inside(step.place):
            near = tunnel.open_tunnel(step.name, step.index)
        with self._places.inside(step.peer_place):
            far = tunnel.open_tunnel(step.peer, step.peer_index)
        ours, theirs = socket.socketpair()

        def work() -> None:
            ours.close()
            tunnel.run(near, far, theirs)

        children.fork(work, what=f"tunnel of {step.place}/{step.name}")
        os.close(near)
        os.close(far)
        theirs.close()
        self._tunnels.append(ours)
        for place, name in ((step.place, step.name), (step.peer_place, step.peer)):
            links.set_mtu(self._places, place, name, step.mtu)

    def rest(self) -> bool:
        """Wait until nothing is on its way through programs; whether there are any. Raises ``TimeoutError``."""
        carriers = [
            *(control for _, control in self._wires.values()),
            *self._tunnels,
            *self._carrying.controls,
        ]
        rest.wait(carriers)
        return bool(carriers)

    def seconds_to_next(self) -> float | None:
        """How long until a timer wants to run; None without timers."""
        if not self._bursts:
            return None
        return max(0.0, min(burst.due for burst in self._bursts.values()) - time.monotonic())

    def run_timers(self, now: float) -> None:
        """Switch the bursts that are due."""
        for burst in self._bursts.values():
            if now >= burst.due:
                load_rules(self._places, burst.step.place, burst.switch())

    def _forget_bursts(self, place: str, table: str) -> None:
        for key in [key for key in self._bursts if key[:2] == (place, table)]:
            del self._bursts[key]


class _Burst:
    """A rule that is on and off in turn; it begins on."""

    def __init__(self, step: steps.Burst, now: float) -> None:
        self.step = step
        self.due = now
        self._on = False

    def switch(self) -> str:
        """The nft text that does what is due now; plans the next switch."""
        self._on = not self._on
        self.due += self.step.on_s if self._on else self.step.off_s
        verb = "add" if self._on else "delete"
        return f"{verb} element {self.step.table} {self.step.set_name} {{ ip, ip6, arp }}\n"
