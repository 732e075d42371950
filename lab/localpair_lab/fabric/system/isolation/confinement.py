"""Programs give up what they do not need, for good: capabilities, system calls, files.

What a kernel does not offer is left out, as the others still hold.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Final

from localpair_lab.fabric.system import namespaces, sandbox
from localpair_lab.fabric.system.isolation import filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from localpair_lab.fabric.system.isolation.account import Account

# A byte: no program of the machine's is started to look at the crash of a device's, core(5).
_NO_CORE: Final = 1
_PROCESSES: Final = 4096
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


def confine_device(account: Account) -> None:
    """The calling process becomes a device's program: that account's, without any right that not every user has, and
    without some that every user has. Raises ``OSError``.
    """
    _limit(resource.RLIMIT_CORE, _NO_CORE)
    _limit(resource.RLIMIT_NPROC, _PROCESSES)
    if account.is_mapped:  # a new user namespace brings all capabilities
        account.enter()
        namespaces.limit_capabilities(())
    else:
        namespaces.limit_capabilities(())
        account.enter()
    namespaces.keep_capabilities(())
    namespaces.show_to_own()
    _refuse(filters.device_refusals())


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (wanted, wanted))


def _refuse(refusals: Sequence[filters.RefusedCall]) -> None:
    if (program := filters.program(refusals, os.uname().machine)) is not None:
        sandbox.refuse(program)
