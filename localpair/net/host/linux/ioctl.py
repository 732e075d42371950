"""Linux's oldest way to ask: calls on a plain socket, and /proc/net, which shows the process's own namespace.

For sandboxes that refuse the routing socket, and with it everything built on ``getifaddrs``: systemd's
RestrictAddressFamilies, Flatpak, Android. IPv4 comes from netdevice(7), IPv6 from /proc/net/if_inet6.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from localpair.candidate import Interface, InterfaceAddress, InterfaceKind
from localpair.net.host.interfaces import Interfaces, SkippedSource
from localpair.net.host.naming import describe, in_order, kind_of_name
from localpair.net.host.portable import outbound_sources

_GET_LIST, _GET_FLAGS, _GET_MASK, _GET_MTU, _GET_INDEX = 0x8912, 0x8913, 0x891B, 0x8921, 0x8933
_NAME_BYTES: Final = 16
_ENTRY_BYTES: Final = _NAME_BYTES + (24 if struct.calcsize("P") == 8 else 16)  # struct ifreq
_ADDRESS: Final = struct.Struct("=HH4s8x")  # struct sockaddr_in
_LIST_ENTRIES: Final = 256
_UP, _LOOPBACK, _POINT_TO_POINT, _RUNNING, _MULTICAST = 0x1, 0x8, 0x10, 0x40, 0x1000
_TENTATIVE, _DEPRECATED, _TEMPORARY, _DAD_FAILED = 0x40, 0x20, 0x01, 0x08
_IPV6_TABLE: Final = Path("/proc/net/if_inet6")
_DEVICE_TABLE: Final = Path("/proc/net/dev")


def read() -> Interfaces:
    """All interfaces with an IPv4 address, and all others where /proc/net can be read. OSError where refused."""
    found: list[Interface] = []
    skipped: list[SkippedSource] = []
    addresses: defaultdict[str, list[InterfaceAddress]] = defaultdict(list)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for name, details in (*_ipv4_addresses(asked), *_ipv6_addresses(skipped)):
            addresses[name].append(details)
        for name in sorted({*addresses, *_device_names()}):
            try:
                found.append(_interface(asked, name, in_order(addresses[name])))
            except (OSError, ValueError, struct.error) as error:
                skipped.append(SkippedSource(name, describe(error)))
    return Interfaces(tuple(found), tuple(skipped), "ioctl")


def _interface(asked: socket.socket, name: str, addresses: tuple[InterfaceAddress, ...]) -> Interface:
    flags = _ask(asked, _GET_FLAGS, name, "=H")
    own = {one.address for one in addresses}
    return Interface(
        index=_ask(asked, _GET_INDEX, name, "=i"),
        name=name,
        kind=InterfaceKind.LOOPBACK if flags & _LOOPBACK else kind_of_name(name),
        up=bool(flags & _UP),
        carrier=bool(flags & _RUNNING),
        multicast=bool(flags & _MULTICAST),
        point_to_point=bool(flags & _POINT_TO_POINT),
        mtu=_ask(asked, _GET_MTU, name, "=i"),
        addresses=addresses,
        gateway=bool(own & outbound_sources()),
    )


def _ask(asked: socket.socket, question: int, name: str, layout: str) -> int:
    """One number about the interface ``name``."""
    answer = _ioctl(asked, question, _entry(name))
    (number,) = struct.unpack_from(layout, answer, _NAME_BYTES)
    return int(number)


def _ioctl(asked: socket.socket, question: int, entry: bytes) -> bytes:
    if sys.platform != "win32":
        import fcntl

        return fcntl.ioctl(asked, question, entry)
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _entry(name: str, value: bytes = b"") -> bytes:
    return name.encode()[: _NAME_BYTES - 1].ljust(_NAME_BYTES, b"\0") + value.ljust(
        _ENTRY_BYTES - _NAME_BYTES, b"\0"
    )


def _ipv4_addresses(asked: socket.socket) -> Iterator[tuple[str, InterfaceAddress]]:
    buffer = array.array("B", bytes(_LIST_ENTRIES * _ENTRY_BYTES))
    start, size = buffer.buffer_info()
    answer = _ioctl(asked, _GET_LIST, struct.pack("@iP", size, start))
    (used,) = struct.unpack_from("@i", answer)
    for offset in range(0, used, _ENTRY_BYTES):
        entry = buffer[offset : offset + _ENTRY_BYTES].tobytes()
        label = entry[:_NAME_BYTES].rstrip(b"\0").split(b"\0")[0].decode(errors="replace")
        _, _, packed = _ADDRESS.unpack_from(entry, _NAME_BYTES)
        mask = _ioctl(asked, _GET_MASK, entry)  # the entry names the label and the address it is about
        _, _, bits = _ADDRESS.unpack_from(mask, _NAME_BYTES)
        prefix = int.from_bytes(bits).bit_count()
        yield label.partition(":")[0], InterfaceAddress(IPv4Address(packed), prefix)


def _ipv6_addresses(skipped: list[SkippedSource]) -> Iterator[tuple[str, InterfaceAddress]]:
    try:
        lines = _IPV6_TABLE.read_text(errors="replace").splitlines()
    except OSError as error:
        skipped.append(SkippedSource(str(_IPV6_TABLE), describe(error)))
        return
    for line in lines:
        try:
            text, _, prefix, _, hexadecimal, name = line.split()
            flags = int(hexadecimal, 16)
            yield (
                name,
                InterfaceAddress(
                    address=IPv6Address(bytes.fromhex(text)),
                    prefix=int(prefix, 16),
                    tentative=bool(flags & (_TENTATIVE | _DAD_FAILED)),
                    deprecated=bool(flags & _DEPRECATED),
                    temporary=bool(flags & _TEMPORARY),
                ),
            )
        except ValueError as error:
            skipped.append(SkippedSource(str(_IPV6_TABLE), f"a line that cannot be read: {error}"))


def _device_names() -> frozenset[str]:
    """Every interface's name, also of those without an address; empty where /proc is hidden."""
    try:
        lines = _DEVICE_TABLE.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[0].strip() for line in lines[2:] if ":" in line)
