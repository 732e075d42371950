"""The words for what a firewall may do with a packet."""

from __future__ import annotations

from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal[
    "accept", "drop", "reject-reset", "reject-port", "reject-admin", "reject-host", "reject-route"
]
