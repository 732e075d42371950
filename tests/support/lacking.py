"""A system that lacks a part of the network, imitated in this process.

``ipv4`` and ``ipv6``: the kernel has no such sockets. ``sandboxed``: a sandbox refuses IPv6 sockets.
``multicast``: groups cannot be joined.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

FAMILIES = {
    "ipv4": (socket.AF_INET, errno.EAFNOSUPPORT),
    "ipv6": (socket.AF_INET6, errno.EAFNOSUPPORT),
    "sandboxed": (socket.AF_INET6, errno.EACCES),
}
GROUPS = {(socket.IPPROTO_IP, 35), (socket.IPPROTO_IPV6, 20)}
"""IP_ADD_MEMBERSHIP and IPV6_JOIN_GROUP, as Linux numbers them."""
_WITH_FILENO = 3  # type, protocol, and the number of a socket that was made before


def without(*parts: str) -> type[socket.socket]:
    """A class of sockets for a system that lacks these parts."""
    families = dict(FAMILIES[part] for part in parts if part in FAMILIES)

    class Lacking(socket.socket):
        def __init__(self, family: int = -1, *more: Any, **made: Any) -> None:
            refusal = families.get(socket.AF_INET if family == -1 else family)
            if refusal is not None and not made and len(more) < _WITH_FILENO:
                super().__init__(socket.AF_UNIX)
                self.close()
                raise OSError(refusal, os.strerror(refusal))
            super().__init__(family, *more, **made)

        def setsockopt(self, level: int, option: int, *value: Any) -> None:
            if "multicast" in parts and (level, option) in GROUPS:
                raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
            super().setsockopt(level, option, *value)

    return Lacking
