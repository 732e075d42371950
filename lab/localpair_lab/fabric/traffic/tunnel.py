"""Real point-to-point devices: two tun interfaces, one in each place, and the program that carries packets
across.

Source: the kernel's Documentation/networking/tuntap.rst.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from pathlib import Path
from typing import Final

from localpair_lab.fabric.system import channel

DEVICE: Final = Path("/dev/net/tun")
_TUNSETIFF: Final = 0x400454CA
_TUNSETIFINDEX: Final = 0x400454DA
_TUN_WITHOUT_HEADER: Final = 0x1001
_LARGEST_PACKET: Final = 1 << 16
_WAITING: Final = 1 << 12  # more packets than wait on one side


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


def run(left: int, right: int, control: socket.socket) -> None:
    """Carry packets both ways until one end is gone, or ``control`` closes.

    A message on ``control`` is answered once what arrived before it is across, with the number ``carried`` in all.
    """
    ways, carried = {left: right, right: left}, 0
    while True:
        ready, _, _ = select.select([*ways, control.fileno()], [], [])
        for source, target in ways.items():
            if source in ready:
                carried += _carry(source, target)
        if control.fileno() in ready:
            try:
                channel.receive(control)
            except channel.ChannelClosedError:
                return
            for source, target in ways.items():
                carried += _carry_all(source, target)
            channel.send(control, {"ok": True, "carried": carried})


def _carry_all(source: int, target: int) -> int:
    """Carry what waits; how many packets that were."""
    carried = 0
    while carried < _WAITING and _carry(source, target):
        carried += 1
    return carried


def _carry(source: int, target: int) -> bool:
    """Carry one packet, where there is one."""
    try:
        packet = os.read(source, _LARGEST_PACKET)
    except BlockingIOError:
        return False
    try:
        os.write(target, packet)
    except OSError:  # the far end is down: the packet is lost
        pass
    return True
