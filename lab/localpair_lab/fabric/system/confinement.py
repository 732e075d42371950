"""Programs give up what they do not need, for good: capabilities, system calls, files.

What a kernel does not offer is left out, as the others still hold.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import filters, namespaces, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OF_FABRIC: Final = (
    namespaces.NET_ADMIN,
    namespaces.NET_BIND_SERVICE,  # the canary, in networks that keep ports from ordinary programs
    namespaces.NET_RAW,
    namespaces.SYS_ADMIN,
)


def confine_fabric(writes_to: Iterable[str]) -> None:
    """The calling process becomes a fabric that stands in a container and has made its mounts and devices.

    It keeps the rights to make links, routes and rules, to listen on links, and to enter networks. It can neither mount
    anything nor make any namespace but networks, and writes to those folders and files only.
    """
    namespaces.keep_capabilities(_OF_FABRIC)
    try:
        sandbox.write_only_below([path for path in writes_to if os.path.exists(path)])  # noqa: PTH110 - text in and out
    except (
        OSError
    ):  # no Landlock: the root of a container is the container's own, and the kernel's files are read-only
        pass
    _refuse(filters.fabric_refusals())


def _refuse(refusals: Sequence[filters.Refusal]) -> None:
    if (program := filters.program(refusals, os.uname().machine)) is not None:
        sandbox.refuse(program)
