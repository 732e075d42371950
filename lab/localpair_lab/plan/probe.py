"""A probe of the canary: one packet between two ports, and whether it has to arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet of the canary, and what the oracle says of it.

    Sent from ``source`` to ``address`` (``port``), it should arrive at ``target`` (both
    ``node/interface``), should not, or may (``expected`` None: not judged). ``id`` is unique and at most
    200 bytes.
    """

    id: str
    kind: Literal["multicast", "broadcast", "udp", "tcp"]
    source: str
    target: str
    address: str
    port: int
    expected: bool | None
