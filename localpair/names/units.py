"""Numbers with their units, as every sentence for a person writes them."""

from __future__ import annotations

from typing import Final

_SIZES: Final = ("bytes", "kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """A number of bytes, such as ``1.2 MB`` (powers of 1000, as disks are sold)."""
    value = float(count)
    for unit in _SIZES:
        if value < 999.95 or unit == _SIZES[-1]:
            break
        value /= 1000
    if unit == "bytes":
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{value:.1f} {unit}"
