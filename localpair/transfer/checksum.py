"""The checksum of what a file holds: SHA-256, as docs/payload.md has it. No other module says which one it is."""

from __future__ import annotations

import hashlib
from typing import Protocol


class Checksum(Protocol):
    """The checksum of the bytes so far. A large piece is taken in without holding up other threads."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in what comes next."""

    def digest(self) -> bytes:
        """Its value."""


def new_checksum() -> Checksum:
    """The checksum of no bytes yet."""
    return hashlib.sha256()


def checksum_of(data: bytes) -> bytes:
    """The value for a whole file."""
    checksum = new_checksum()
    checksum.update(data)
    return checksum.digest()
