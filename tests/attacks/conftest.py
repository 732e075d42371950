"""A folder to send from and one to receive in."""

from __future__ import annotations

from file_folders import source, target

__all__ = ["source", "target"]
