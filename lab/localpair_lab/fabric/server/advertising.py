"""Starts the routers of a fabric that advertise prefixes, tells them what changes, and waits for the hosts."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import addresses, channel, children
from localpair_lab.fabric.traffic import advertising

if TYPE_CHECKING:
    import socket

    from localpair_lab.fabric.services import AdvertisePrefixes
    from localpair_lab.fabric.system.places import Places

_PATIENCE_S: Final = 10.0
_PAUSE_S: Final = 0.002


class Advertising:
    """The programs, by place and link."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._routers: dict[tuple[str, str], socket.socket] = {}

    def apply(self, step: AdvertisePrefixes) -> None:
        """AdvertisePrefixes, and wait until every host has the address that it makes of it. Raises ``OSError``."""
        if (step.place, step.link) in self._routers:
            control = self._routers[step.place, step.link]
            channel.ask(control, {"prefixes": step.prefixes, "deprecated": step.deprecated})
        else:
            self._start(step)
        deadline = time.monotonic() + _PATIENCE_S
        while missing := [host for host in step.hosts if not self._has(*host)]:
            if time.monotonic() > deadline:
                told = ", ".join(f"{place} has no {address}" for place, address in missing)
                raise TimeoutError(f"router advertisements did not come: {told}")
            time.sleep(_PAUSE_S)

    def _start(self, step: AdvertisePrefixes) -> None:
        router = self._opened(step)
        announced = advertising.Announced(step.mac, step.prefixes, step.deprecated)
        what = f"router advertisements of {step.place}"
        _, control = children.fork_with_control(
            lambda theirs: advertising.run(router, announced, theirs), what=what
        )
        self._routers[step.place, step.link] = control
        router.close()

    def _opened(self, step: AdvertisePrefixes) -> socket.socket:
        """The router's socket, once the kernel has made the link-local address that it speaks from."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._places.inside(step.place):
                    return advertising.open_router(step.link, step.source)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_S)

    def _has(self, place: str, address: str) -> bool:
        return address.partition("/")[0] in addresses.assigned(self._places, place)
