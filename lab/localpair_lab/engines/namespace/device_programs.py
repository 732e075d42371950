"""Which programs of this machine a device in namespaces can start, and where it looks for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.engines.base import Missing
from localpair_lab.engines.capabilities import install
from localpair_lab.engines.namespace import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localpair_lab.plan.model import Plan

_SYSTEM: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def missing(plan: Plan, product: str) -> list[Missing]:
    """The programs that devices of the plan need and would not find."""
    needed = dict.fromkeys(need for node in plan.nodes for need in node.needed)
    where = path(product)
    return [
        Missing("programs", f"{need.program} is not on a device's path", install(need.package))
        for need in needed
        if shutil.which(need.program, path=where) is None
    ]


def path(product: str) -> str:
    """The PATH of a device: where localpair is installed, what the person adds, the system's own; nothing that only the
    caller's PATH names.
    """
    return os.pathsep.join(dict.fromkeys(_folders(product)))


def _folders(product: str) -> Iterator[str]:
    yield str(Path(product).parent)
    for folder in visible.added():
        yield from (part for part in (f"{folder}/bin", folder) if Path(part).is_dir())
    yield from _SYSTEM
