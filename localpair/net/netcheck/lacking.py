"""What this system's network lacks altogether: that is no fault of a port, an address or an interface.

One version of IP is enough to pair. Where neither is to be had, nothing is lacking in this sense: that is a fault, and
each check tells what the system said.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from localpair.dataclass import dataclass
from localpair.net.netcheck.timed import attempt

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
# Of these there is too little at the moment; the family itself is there.
_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# A kernel without multicast does not know the option by which a group is joined.
_NO_MULTICAST: Final = frozenset({errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Lack:
    """A version of IP of which no socket can be made here: the kernel has none, or a sandbox withholds it."""

    version: int
    error: OSError

    def __str__(self) -> str:
        name = errno.errorcode.get(self.error.errno or 0, "")
        return f"this system has no IPv{self.version}" + (f" ({name})" if name else "")


def lacking_families() -> tuple[Lack, ...]:
    """The version of IP that is not to be had here while the other one is; empty where both are, or neither."""
    lacks = [Lack(version, error) for version in _FAMILIES if (error := _refusal(version)) is not None]
    return tuple(lacks) if len(lacks) < len(_FAMILIES) else ()


def lacking_versions() -> frozenset[int]:
    """The same as numbers: 4 or 6."""
    return frozenset(lack.version for lack in lacking_families())


def lacks_multicast(error: OSError | None) -> bool:
    """Whether the refusal of a group says that there is no multicast at all."""
    return error is not None and error.errno in _NO_MULTICAST


def _refusal(version: int) -> OSError | None:
    if version == 6 and not socket.has_ipv6:
        return OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    error = attempt(_make, _FAMILIES[version]).error
    return None if error is None or error.errno in _SHORT else error


def _make(family: socket.AddressFamily) -> None:
    socket.socket(family, socket.SOCK_DGRAM).close()
