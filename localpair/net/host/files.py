"""Small files in which a system says something of itself."""

from __future__ import annotations

from pathlib import Path


def read_text(path: str | Path, limit: int = 65_536) -> str | None:
    """The beginning of a small file of the system; None where there is none, or none for us."""
    try:
        with Path(path).open("rb") as file:
            return file.read(limit).decode(errors="replace").strip()
    except (OSError, ValueError):
        return None
