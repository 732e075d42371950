"""Real point-to-point devices: two tun interfaces, one in each place, and the program that carries packets
across.

Source: the kernel's Documentation/networking/tuntap.rst.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
from pathlib import Path
from typing import Final

DEVICE: Final = Path("/dev/net/tun")
_TUNSETIFF: Final = 0x400454CA
_TUNSETIFINDEX: Final = 0x400454DA
_TUN_WITHOUT_HEADER: Final = 0x1001
_LARGEST_PACKET: Final = 1 << 16


def open_tunnel(name: str, index: int = 0) -> int:
    """Make a tun interface in the current namespace; it exists as long as the descriptor."""
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        if index:
            fcntl.ioctl(descriptor, _TUNSETIFINDEX, struct.pack("i", index))
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    except OSError:
        os.close(descriptor)
        raise
    os.set_blocking(descriptor, False)
    return descriptor


def run(left: int, right: int) -> None:
    """Carry packets both ways until one end is gone."""
    while True:
        ready, _, _ = select.select([left, right], [], [])
        for source in ready:
            _carry(source, right if source == left else left)


def _carry(source: int, target: int) -> None:
    try:
        packet = os.read(source, _LARGEST_PACKET)
    except BlockingIOError:
        return
    try:
        os.write(target, packet)
    except OSError:  # the far end is down: the packet is lost
        pass
