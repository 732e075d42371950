"""What only ``psutil`` tells about network cards: flags, speed and MAC address.

It asks this network namespace, while /sys shows the one that it was mounted in.
"""

from __future__ import annotations

from localpair.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Hardware:
    """One card. ``flags`` are the system's words, ``speed`` is in Mbit/s; None where it is not told."""

    flags: str
    speed: int | None
    mac: str | None


def read_hardware() -> dict[str, Hardware]:
    """All cards by name; empty where the platform refuses it. Never raises."""
    try:
        import psutil

        states, addresses = psutil.net_if_stats(), psutil.net_if_addrs()
    except Exception:  # noqa: BLE001 - a third party's reading of the platform; all of it is extra
        return {}
    found: dict[str, Hardware] = {}
    for name, state in states.items():
        macs = [one.address for one in addresses.get(name, ()) if one.family == psutil.AF_LINK]
        found[name] = Hardware(state.flags, state.speed or None, macs[0] if macs else None)
    return found
