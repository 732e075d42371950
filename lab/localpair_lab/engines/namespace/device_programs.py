"""Which programs of this machine a device in namespaces can start, and where it looks for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localpair_lab.engines.namespace import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSTEM: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


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
