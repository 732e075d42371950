"""How a secret would look in a text that must not hold it."""

from __future__ import annotations

import base64


def forms(needle: bytes) -> list[str]:
    """The ways to write these bytes as text."""
    return [
        needle.hex(), needle.hex().upper(), base64.b64encode(needle).decode().rstrip("="),
        base64.b32encode(needle).decode().rstrip("="), repr(needle)[2:-1],
    ]  # fmt: skip
