"""Reading the interfaces of this host: the best source the platform has, and the next one where it is refused.

Netlink on Linux, ``ifaddr`` and ``psutil`` elsewhere and where netlink is refused, the old Linux calls (``ioctl.py``)
where both are, and at last the routing table alone. ``read_interfaces`` never raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from localpair.net.host.interfaces import Interfaces, Neighbour, SkippedSource
from localpair.net.host.naming import describe


def read_interfaces() -> Interfaces:
    """All interfaces of this host (of this network namespace, on Linux). Never raises.

    What a source refused stands in ``skipped``; with every source refused, the result holds at most what the
    routing table gives away.
    """
    refused: list[SkippedSource] = []
    for name, reader in _readers():
        try:
            found = reader()
        except Exception as error:  # noqa: BLE001 - whatever a platform's library raises, the next source is asked
            refused.append(SkippedSource(name, describe(error)))
            continue
        if found.interfaces:
            return replace(found, skipped=(*refused, *found.skipped))
        refused.append(SkippedSource(name, "tells of no interface"))
    return Interfaces(skipped=tuple(refused), source="none")


def neighbours() -> tuple[Neighbour, ...]:
    """The hosts that answered on our links lately. Empty where the platform does not tell."""
    if sys.platform.startswith("linux"):
        from localpair.net.host.linux import netlink

        try:
            return netlink.read_neighbours()
        except OSError:
            pass
    return ()


def _readers() -> Sequence[tuple[str, Callable[[], Interfaces]]]:
    from localpair.net.host import portable

    readers: list[tuple[str, Callable[[], Interfaces]]] = [("portable", portable.read)]
    if sys.platform.startswith("linux"):
        from localpair.net.host.linux import ioctl, netlink

        readers = [("netlink", netlink.read), *readers, ("ioctl", ioctl.read)]
    return [*readers, ("routes", portable.read_routes)]
