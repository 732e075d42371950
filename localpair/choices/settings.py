"""What a person or a program may choose, and what it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from localpair.dataclass import dataclass
from localpair.errors import UsageError
from localpair.events import NearbyPeer, Path, Peer
from localpair.limits import LABEL_BYTES, OFFER_LIFETIME_MAX_S, OFFER_LIFETIME_S
from localpair.names.labels import clean_label


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one run. Raises UsageError for one that makes no sense.

    ``flow``: ``pre`` (the offer first) or ``post`` (discovery first). ``offer_addresses``: ``all``, or ``none`` for
    an offer that leaves finding the address to discovery. ``name`` is what the peer is told once it has proven the
    secret (a general word such as "Linux device" where it is empty), and, with ``announce_name``, everybody in flow
    post. ``port`` 0 means the first free one of
    ``PAIRING_PORTS``. ``timeout`` in seconds bounds the search for the peer; None means 20 s for whoever joins and
    the offer's lifetime for whoever hosts. ``attended`` says that a person watches: once only an answer code can help,
    whoever joins without a ``timeout`` waits for as long as the offer may live. ``gives`` and ``takes`` say what this
    side wants to do with the session: who gives data is asked for approval. ``lifetime`` is that of an offer, in
    seconds.
    """

    flow: str = "pre"
    offer_addresses: str = "all"
    name: str = ""
    port: int = 0
    timeout: float | None = None
    gives: bool = False
    takes: bool = False
    announce_name: bool = False
    attended: bool = False
    lifetime: float = OFFER_LIFETIME_S

    def __post_init__(self) -> None:
        if self.flow not in ("pre", "post"):
            raise UsageError(f"there is no flow {self.flow!r}", hint="it is `pre` or `post`")
        if self.offer_addresses not in ("all", "none"):
            raise UsageError(
                f"offer_addresses cannot be {self.offer_addresses!r}", hint="it is `all` or `none`"
            )
        if self.port and not 1024 <= self.port <= 65_535:
            raise UsageError(f"port {self.port} cannot be used", hint="choose one from 1024 to 65535")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"a timeout of {self.timeout:g} s leaves no time", hint="give seconds, above 0")
        if not 1 <= self.lifetime <= OFFER_LIFETIME_MAX_S:
            raise UsageError(
                f"an offer cannot live for {self.lifetime:g} s; 1 to {OFFER_LIFETIME_MAX_S:g} are possible"
            )
        object.__setattr__(self, "name", clean_label(self.name, LABEL_BYTES))


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person has to know before agreeing. ``code`` stands on the other screen too, if it is the same pair.

    ``direction`` is seen from here: ``gives``, ``takes``, ``both`` or ``none``. ``peer_gives`` and ``peer_takes``: what
    the other side is there for.
    """

    peer: Peer
    code: str
    direction: str
    path: Path
    peer_gives: bool = True
    peer_takes: bool = True


Approver: TypeAlias = Callable[[ApprovalRequest], Awaitable[bool]]
"""Asks the person. False refuses; so does every exception."""


@dataclass(frozen=True, slots=True)
class ReceiveRequest:
    """What a person has to know before files are taken.

    ``files`` and ``bytes`` are None where the peer has not counted them yet. ``names`` are the first of what would be
    stored side by side, as it would be called here; ``more`` counts the rest.
    """

    peer: Peer
    files: int | None
    bytes: int | None
    names: tuple[str, ...]
    more: int


ReceiveApprover: TypeAlias = Callable[[ReceiveRequest], Awaitable[bool]]
"""Asks the person whether to take what a device wants to send. False declines; so does every exception."""

Chooser: TypeAlias = Callable[[Sequence[NearbyPeer]], Awaitable[NearbyPeer | None]]
"""Flow post, on the host: called with the devices heard so far, and cancelled and called again where others are near.
What is learnt meanwhile about the one that is chosen, such as another address, counts. None keeps looking."""


async def nobody(_: ApprovalRequest) -> bool:
    """The approver where there is no person: it refuses."""
    return False
